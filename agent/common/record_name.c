// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What an endpoint is called: one answer for every command, operation and mirror session.
 */
#include "common/record.h"

enum { HASH_MIN = 32, SHORT_MIN = 4 };

static bool same(const char *name, const char *query, size_t len)
{
	return len && strlen(name) == len && !strncmp(name, query, len);
}

static bool is_pod(const struct pl_record *r, const char *query, size_t len)
{
	size_t n = strlen(r->pod_namespace);

	if (same(r->pod_name, query, len))
		return true;
	return n && len > n + 1 && query[n] == '/' && !strncmp(query, r->pod_namespace, n) &&
	       same(r->pod_name, query + n + 1, len - n - 1);
}

static bool is_name(const struct pl_record *r, const char *query, size_t len)
{
	return same(r->container_id, query, len) || is_pod(r, query, len);
}

/* Without ":IFNAME", where @query ends in that of this record; else the whole length. */
static size_t length_of_name(const struct pl_record *r, const char *query)
{
	size_t len = strlen(query), tail = strlen(r->ifname);

	if (len > tail + 1 && query[len - tail - 1] == ':' &&
	    !strcmp(query + len - tail, r->ifname))
		return len - tail - 1;
	return len;
}

static bool has_address(const struct pl_record *r, const char *query)
{
	struct pl_ip ip;

	if (pl_ip_parse(query, &ip))
		return false;
	for (size_t i = 0; i < r->n_addrs; i++)
		if (!pl_ip_cmp(&r->addrs[i].ip.ip, &ip))
			return true;
	return false;
}

bool pl_record_is_called(const struct pl_record *r, const char *query)
{
	size_t len = strlen(query), name = length_of_name(r, query);

	return is_name(r, query, len) || (name < len && is_name(r, query, name)) ||
	       same(r->host_ifname, query, len) || has_address(r, query);
}

bool pl_container_is_hash(const char *container_id)
{
	size_t len = strlen(container_id);

	return len >= HASH_MIN && strspn(container_id, "0123456789abcdef") == len;
}

bool pl_record_begins_with(const struct pl_record *r, const char *query)
{
	size_t len = length_of_name(r, query);

	return len >= SHORT_MIN && pl_container_is_hash(r->container_id) &&
	       !strncmp(r->container_id, query, len);
}
