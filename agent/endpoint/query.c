/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The endpoint that a person means.
 */
#include "endpoint/internal.h"

static bool pod_has_addr(const struct pl_endpoint *pod, const struct pl_ip *ip)
{
	for (size_t i = 0; i < pod->rec.n_addrs; i++)
		if (!pl_ip_cmp(&pod->rec.addrs[i].ip.ip, ip))
			return true;
	return false;
}

bool pl_endpoints_any_in(const struct pl_endpoints *t, const struct pl_prefix *range)
{
	for (uint32_t id = 1; id < t->max; id++)
		for (size_t i = 0; t->v[id] && i < t->v[id]->rec.n_addrs; i++)
			if (pl_prefix_contains(range, &t->v[id]->rec.addrs[i].ip.ip))
				return true;
	return false;
}

static bool query_exact(const struct pl_endpoint *pod, const char *query, const struct pl_ip *ip)
{
	const struct pl_record *r = &pod->rec;
	size_t n = strlen(r->container_id);
	size_t ns = strlen(r->pod_namespace);

	if (!strcmp(r->container_id, query) || !strcmp(r->host_ifname, query))
		return true;
	if (!strncmp(r->container_id, query, n) && query[n] == ':' &&
	    !strcmp(query + n + 1, r->ifname))
		return true;
	if (r->pod_name[0] && !strcmp(r->pod_name, query))
		return true;
	if (ns && !strncmp(r->pod_namespace, query, ns) && query[ns] == '/' &&
	    !strcmp(query + ns + 1, r->pod_name))
		return true;
	return ip && pod_has_addr(pod, ip);
}

static bool query_prefix(const struct pl_endpoint *pod, const char *query)
{
	size_t n = strlen(query);

	return n >= 4 && !strncmp(pod->rec.container_id, query, n);
}

int pl_endpoints_query(const struct pl_endpoints *t, const char *query, struct pl_endpoint **ret,
		       struct pl_error *err)
{
	struct pl_ip ip, *want_ip = pl_ip_parse(query, &ip) ? NULL : &ip;

	for (int by_prefix = 0; by_prefix < 2; by_prefix++) {
		struct pl_endpoint *hit = NULL;

		for (uint32_t id = 1; id < t->max; id++) {
			struct pl_endpoint *pod = t->v[id];

			if (!pod || !(by_prefix ? query_prefix(pod, query)
						: query_exact(pod, query, want_ip)))
				continue;
			if (hit)
				return pl_fail(
					err, -ENOTUNIQ,
					"\"%s\" names more than one endpoint: %s:%s and %s:%s; "
					"use CONTAINER:IFNAME",
					query, hit->rec.container_id, hit->rec.ifname,
					pod->rec.container_id, pod->rec.ifname);
			hit = pod;
		}
		if (hit) {
			*ret = hit;
			return 0;
		}
	}
	return pl_fail(err, -ENOENT, "no endpoint is named \"%s\"; see: podlane endpoint list",
		       query);
}
