/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Read one by one: a dump of the main table or of all neighbours would take as long as the host has
 * of them. A route to a pod's address that is somebody else's is replaced; what an "ip rule" sends
 * to another table is left alone.
 */
#include "endpoint/reach.h"

enum { IPV6_PRIORITY = 1024 }; /* the kernel's own, where none is asked for */

/* Where no range names a gateway: link-local, never routed, the same for every pod. */
static const struct pl_ip fallback_gateway4 = {AF_INET, {169, 254, 1, 1}};
static const struct pl_ip fallback_gateway6 = {AF_INET6, {0xfe, 0x80, [15] = 1}};

const char *pl_reach_name(enum pl_reach_kind kind)
{
	static const char *const names[] = {
		[PL_REACH_ADDRESS] = "address",
		[PL_REACH_ROUTE] = "route",
		[PL_REACH_NEIGHBOUR] = "neighbour",
	};

	return names[kind];
}

const struct pl_ip *pl_reach_gateway(const struct pl_record_addr *addr)
{
	if (addr->gateway.family)
		return &addr->gateway;
	return addr->ip.ip.family == AF_INET ? &fallback_gateway4 : &fallback_gateway6;
}

bool pl_reach_gateway_seen(const struct pl_record *rec, size_t i)
{
	const struct pl_ip *gw = pl_reach_gateway(&rec->addrs[i]);

	for (size_t k = 0; k < i; k++)
		if (!pl_ip_cmp(pl_reach_gateway(&rec->addrs[k]), gw))
			return true;
	return false;
}

static void want(struct pl_reach *reach, enum pl_reach_kind kind, const struct pl_ip *ip,
		 const struct pl_mac *mac)
{
	struct pl_reach_fact *f = &reach->v[reach->n++];

	*f = (struct pl_reach_fact){.kind = kind, .ip = *ip};
	if (mac)
		f->mac = *mac;
}

void pl_reach_want(const struct pl_record *rec, struct pl_reach *ret)
{
	ret->n = 0;
	for (size_t i = 0; rec->mode == PL_MODE_POD && i < rec->n_addrs; i++) {
		const struct pl_ip *ip = &rec->addrs[i].ip.ip;

		if (!pl_reach_gateway_seen(rec, i))
			want(ret, PL_REACH_ADDRESS, pl_reach_gateway(&rec->addrs[i]), NULL);
		want(ret, PL_REACH_ROUTE, ip, NULL);
		if (rec->link_kind != PL_LINK_NETKIT_L3)
			want(ret, PL_REACH_NEIGHBOUR, ip, &rec->pod_mac);
	}
}

void pl_reach_want_in_pod(const struct pl_record *rec, struct pl_reach *ret)
{
	ret->n = 0;
	if (rec->mode != PL_MODE_POD || rec->link_kind == PL_LINK_NETKIT_L3)
		return;
	for (size_t i = 0; i < rec->n_addrs; i++)
		if (!pl_reach_gateway_seen(rec, i))
			want(ret, PL_REACH_NEIGHBOUR, pl_reach_gateway(&rec->addrs[i]),
			     &rec->host_mac);
}

static struct pl_prefix prefix_of(const struct pl_ip *ip)
{
	return (struct pl_prefix){*ip, pl_ip_bits(ip->family)};
}

static struct pl_nl_route route_of(uint32_t ifindex, const struct pl_ip *ip)
{
	return (struct pl_nl_route){.dst = prefix_of(ip), .oif = ifindex, .scope = RT_SCOPE_LINK};
}

void pl_reach_make(struct pl_nl_batch *b, uint32_t ifindex, const struct pl_reach_fact *fact)
{
	const struct pl_prefix prefix = prefix_of(&fact->ip);
	const struct pl_nl_route route = route_of(ifindex, &fact->ip);

	switch (fact->kind) {
	case PL_REACH_ADDRESS:
		pl_nl_add_addr(b, ifindex, &prefix,
			       fact->ip.family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
			       IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
		break;
	case PL_REACH_ROUTE:
		pl_nl_add_route(b, &route);
		break;
	case PL_REACH_NEIGHBOUR:
		pl_nl_add_neigh(b, ifindex, &fact->ip, &fact->mac);
		break;
	}
}

static int make_now(struct pl_nl *nl, uint32_t ifindex, const struct pl_reach_fact *fact,
		    struct pl_error *err)
{
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *b = NULL;
	int r = pl_nl_batch_new(nl, &b);

	if (r < 0)
		return pl_fail(err, r, "%s: out of memory", pl_reach_name(fact->kind));
	pl_reach_make(b, ifindex, fact);
	r = pl_nl_batch_commit(b, err);
	return r < 0 ? r : 1;
}

static int replace_route(struct pl_nl *nl, uint32_t ifindex, const struct pl_ip *ip,
			 struct pl_error *err)
{
	const struct pl_nl_route route = route_of(ifindex, ip);
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *b = NULL;
	int r = pl_nl_batch_new(nl, &b);

	if (r < 0)
		return pl_fail(err, r, "route: out of memory");
	pl_nl_replace_route(b, &route);
	r = pl_nl_batch_commit(b, err);
	return r < 0 ? r : 1;
}

/* Nothing was read: as against what a lookup finds for an address that no route leads to. */
static bool is_failure(int code)
{
	return code == -ENOMEM || code == -ENOBUFS || code == -EIO || code == -EAGAIN;
}

static int ensure_route(struct pl_nl *nl, uint32_t ifindex, const struct pl_reach_fact *fact,
			struct pl_error *err)
{
	const uint32_t priority = fact->ip.family == AF_INET6 ? IPV6_PRIORITY : 0;
	struct pl_nl_route have = {0};
	bool full;
	int r = pl_nl_route_get(nl, &fact->ip, &have);

	if (is_failure(r))
		return pl_fail(err, r, "read a route: %s", strerror(-r));
	full = !r && have.table == RT_TABLE_MAIN && have.dst.len == pl_ip_bits(fact->ip.family);
	if (full && have.oif == ifindex)
		return 0;
	r = make_now(nl, ifindex, fact, err);
	if (r != -EEXIST)
		return r;
	/* One is there that leads elsewhere, or it is hidden by an "ip rule" or a better route. */
	return full && have.priority == priority ? replace_route(nl, ifindex, &fact->ip, err) : 0;
}

static int ensure_neighbour(struct pl_nl *nl, uint32_t ifindex, const struct pl_reach_fact *fact,
			    struct pl_error *err)
{
	struct pl_nl_neigh have;
	int r = pl_nl_neigh_get(nl, ifindex, &fact->ip, &have);

	if (r < 0 && r != -ENOENT)
		return pl_fail(err, r, "read a neighbour: %s", strerror(-r));
	if (!r && (have.state & NUD_PERMANENT) && !memcmp(&have.mac, &fact->mac, sizeof(have.mac)))
		return 0;
	return make_now(nl, ifindex, fact, err);
}

int pl_reach_ensure(struct pl_nl *nl, const struct pl_host *host, uint32_t ifindex,
		    const struct pl_reach_fact *fact, struct pl_error *err)
{
	switch (fact->kind) {
	case PL_REACH_ADDRESS:
		return pl_host_link_has_addr(host, ifindex, &fact->ip)
			       ? 0
			       : make_now(nl, ifindex, fact, err);
	case PL_REACH_ROUTE:
		return ensure_route(nl, ifindex, fact, err);
	case PL_REACH_NEIGHBOUR:
		return ensure_neighbour(nl, ifindex, fact, err);
	}
	return 0;
}
