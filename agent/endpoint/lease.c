/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The addresses of an endpoint: taken, checked, released.
 */
#include "endpoint/internal.h"
#include "host/host.h"

int pl_lease_take(struct pl_endpoints *t, const struct pl_record *rec, struct pl_error *err)
{
	for (size_t i = 0; i < rec->n_addrs; i++) {
		char text[PL_IP_STRLEN];
		int r = pl_ipam_take(t->opts.ipam, &rec->addrs[i].ip.ip);

		if (!r)
			continue;
		for (size_t taken = 0; taken < i; taken++)
			pl_ipam_release(t->opts.ipam, &rec->addrs[taken].ip.ip);
		return pl_fail(err, r == -EEXIST ? -EADDRINUSE : r, "address %s: %s",
			       pl_ip_format(&rec->addrs[i].ip.ip, text),
			       r == -EEXIST ? "another endpoint of this node has it"
					    : strerror(-r));
	}
	return 0;
}

void pl_lease_release(struct pl_endpoints *t, const struct pl_record *rec)
{
	for (size_t i = 0; i < rec->n_addrs; i++)
		pl_ipam_release(t->opts.ipam, &rec->addrs[i].ip.ip);
}

int pl_lease(struct pl_endpoints *t, const struct pl_endpoint_request *req, struct pl_record *rec,
	     struct pl_error *err)
{
	const struct pl_netconf *conf = req->conf;

	if (req->n_addrs || strcmp(conf->ipam_type, "podlane")) {
		if (!req->n_addrs)
			return pl_fail(err, -EINVAL,
				       "ipam type \"%s\" is delegated, but the request brought no "
				       "addresses",
				       conf->ipam_type);
		memcpy(rec->addrs, req->addrs, req->n_addrs * sizeof(*rec->addrs));
		rec->n_addrs = req->n_addrs;
		for (size_t i = 0; rec->mode == PL_MODE_POD && i < rec->n_addrs; i++)
			rec->addrs[i].ip.len = pl_ip_bits(rec->addrs[i].ip.ip.family);
		return pl_lease_take(t, rec, err);
	}
	if (pl_host_want_routes(t->opts.host, conf) < 0)
		return pl_fail(err, -ENOMEM, "routes of the ranges: out of memory");
	return pl_ipam_allocate(t->opts.ipam, conf, req->ips, req->n_ips, rec->addrs,
				PL_ARRAY_SIZE(rec->addrs), &rec->n_addrs, err);
}

int pl_lease_check(struct pl_endpoints *t, const struct pl_record *rec, struct pl_error *err)
{
	for (size_t i = 0; i < rec->n_addrs; i++) {
		const struct pl_ip *ip = &rec->addrs[i].ip.ip;
		char text[PL_IP_STRLEN];

		if (!pl_ip_is_pod_usable(ip))
			return pl_fail(err, -EINVAL, "%s is not a valid address for a pod",
				       pl_ip_format(ip, text));
		if (pl_host_has_addr(t->opts.host, ip))
			return pl_fail(err, -EADDRINUSE, "%s is an address of the host",
				       pl_ip_format(ip, text));
	}
	return 0;
}
