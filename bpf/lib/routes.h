/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Out of the node without the stack: is the network native, and which way does the FIB name? What
 * was found is remembered in pl_route_cache for the next packets of the kind (podlane/abi.h says
 * for how long). A full map, or one that is not there, costs time alone: the question is asked
 * again.
 */
#ifndef PODLANE_BPF_ROUTES_H
#define PODLANE_BPF_ROUTES_H

#include "packet.h"

/* Does the address lie in a network that is reached by FIB and without NAT? */
PL_INLINE int pl_is_native4(__be32 addr)
{
	struct pl_net4 key = {.prefixlen = 32};
	struct pl_network *net;

	*(__be32 *)key.addr = addr;
	net = bpf_map_lookup_elem(&pl_networks4, &key);
	return net && net->native;
}

PL_INLINE int pl_is_native6(const void *addr)
{
	struct pl_net6 key = {.prefixlen = 128};
	struct pl_network *net;

	pl_copy6(key.addr, addr);
	net = bpf_map_lookup_elem(&pl_networks6, &key);
	return net && net->native;
}

PL_INLINE struct pl_config *pl_config_of_node(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&pl_config, &zero);
}

PL_INLINE int pl_is_native(const struct pl_packet *p, int source)
{
	struct pl_config *config = pl_config_of_node();

	if (!config)
		return 0;
	if (p->family == 4)
		return config->native4 && pl_is_native4(source ? p->ip4->saddr : p->ip4->daddr);
	return config->native6 && pl_is_native6(source ? &p->ip6->saddr : &p->ip6->daddr);
}

/* ---- what was asked before ---- */

/* All that pl_fib_ask() asks. */
PL_INLINE void pl_route_key(const struct pl_packet *p, struct pl_route_key *q)
{
	*q = (struct pl_route_key){.ifindex = p->skb->ifindex};
	if (p->family == 4) {
		pl_mapped4(q->to, p->ip4->daddr);
		pl_mapped4(q->from, p->ip4->saddr);
		q->tos = p->ip4->tos & 0x1c; /* IPTOS_RT_MASK */
		q->protocol = p->ip4->protocol;
	} else if (p->family == 6) {
		pl_copy6(q->to, &p->ip6->daddr);
		pl_copy6(q->from, &p->ip6->saddr);
		q->flowinfo = *(__be32 *)p->ip6 & bpf_htonl(0x0fffffff);
		q->protocol = p->ip6->nexthdr;
	}
}

PL_INLINE int pl_route_key_equal(const struct pl_route *route, const struct pl_route_key *q)
{
	const __u32 *a = (const __u32 *)&route->key, *b = (const __u32 *)q;
	__u32 differ = 0;

	for (__u32 i = 0; i < sizeof(*q) / sizeof(*a); i++)
		differ |= a[i] ^ b[i];
	return !differ;
}

/* Where the answer to the question stands, if it is known. */
PL_INLINE struct pl_route *pl_route_cache_slot(const struct pl_route_key *q)
{
	const __u32 *to = (const __u32 *)q->to, *from = (const __u32 *)q->from;
	__u32 h = (to[3] ^ to[2] ^ q->flowinfo) * 0x9e3779b1 + from[3];
	__u32 key = h * 0x85ebca6b >> 22;

	_Static_assert(PL_ROUTE_CACHE_SLOTS == 1 << (32 - 22), "the hash's upper bits are the key");
	return bpf_map_lookup_elem(&pl_route_cache, &key);
}

/* from-pod: 1, and p->route is set, where the packet is known to leave by an uplink. */
PL_INLINE int pl_route_cache_get(struct pl_packet *p)
{
	struct pl_config *config = pl_config_of_node();
	struct pl_route_key question;
	struct pl_route *route;

	if (!config || !(config->native4 | config->native6 | p->src->wire_flows))
		return 0;
	p->epoch = config->epoch;
	pl_route_key(p, &question);
	route = pl_route_cache_slot(&question);
	if (!route || route->epoch != p->epoch || !route->ifindex ||
	    (__u32)bpf_jiffies64() - route->jiffies >= PL_ROUTE_JIFFIES ||
	    !pl_route_key_equal(route, &question))
		return 0;
	p->route = route;
	return 1;
}

PL_INLINE int pl_is_known_native(const struct pl_packet *p)
{
	return p->route && p->route->native;
}

/* ---- asking ---- */

/* The way that the FIB names. */
struct pl_nexthop {
	__u32 ifindex;
	struct bpf_redir_neigh next;
};

PL_INLINE int pl_is_uplink(__u32 ifindex)
{
	struct pl_device *link = bpf_map_lookup_elem(&pl_devices, &ifindex);

	return link && link->role == PL_ROLE_UPLINK;
}

/*
 * BPF_FIB_LOOKUP_SKIP_NEIGH where the kernel has it (Linux 6.1 with stable fixes, 6.5): the
 * neighbour is bpf_redirect_neigh's affair, and to look for it twice costs as much as the route.
 */
const volatile __u32 pl_fib_flags;

PL_INLINE long pl_fib_ask(const struct pl_packet *p, const struct pl_route_key *q, __u32 size,
			  struct bpf_fib_lookup *fib)
{
	fib->ifindex = q->ifindex;
	fib->l4_protocol = q->protocol;
	if (p->family == 4) {
		fib->family = 2; /* AF_INET */
		fib->tos = q->tos;
		fib->ipv4_src = p->ip4->saddr;
		fib->ipv4_dst = p->ip4->daddr;
	} else if (p->family == 6) {
		fib->family = 10; /* AF_INET6 */
		fib->flowinfo = q->flowinfo;
		pl_copy6(fib->ipv6_src, q->from);
		pl_copy6(fib->ipv6_dst, q->to);
	}
	fib->tot_len = size;
	return bpf_fib_lookup(p->skb, fib, sizeof(*fib), pl_fib_flags);
}

/* @size: pl_l3_size(). PL_CONTINUE: @way is set; its device is an uplink. */
PL_INLINE int pl_fib_route(const struct pl_packet *p, const struct pl_route_key *q, __u32 size,
			   struct pl_nexthop *way)
{
	struct bpf_fib_lookup fib = {};
	long found = pl_fib_ask(p, q, size, &fib);

	if (found == BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return PL_PASS_TOO_BIG;
	if (unlikely(found < 0))
		return PL_PASS_UNSUPPORTED;
	/*
	 * Without a neighbour yet, old kernels leave the ingress device in place: the stack takes
	 * this packet, and resolves the neighbour for the next.
	 */
	if ((found != BPF_FIB_LKUP_RET_SUCCESS && found != BPF_FIB_LKUP_RET_NO_NEIGH) ||
	    !pl_is_uplink(fib.ifindex))
		return PL_PASS_NO_ROUTE;
	way->ifindex = fib.ifindex;
	way->next.nh_family = fib.family;
	pl_copy6(way->next.ipv6_nh, fib.ipv6_dst);
	return PL_CONTINUE;
}

PL_INLINE void pl_route_cache_put(const struct pl_packet *p, const struct pl_route_key *q,
				  __u32 size, __u32 native, const struct pl_nexthop *way)
{
	struct pl_route *route = pl_route_cache_slot(q);

	if (!route)
		return;
	route->key = *q;
	route->ifindex = way->ifindex;
	route->size = size;
	route->native = native;
	route->epoch = p->epoch;
	route->jiffies = (__u32)bpf_jiffies64();
	route->nh_family = way->next.nh_family;
	pl_copy6(route->next, way->next.ipv6_nh);
}

/* from-pod, after pl_route_cache_get(): the same, from memory where that has it. */
PL_INLINE int pl_route(const struct pl_packet *p, __u32 size, __u32 native, struct pl_nexthop *way)
{
	struct pl_route_key question;
	int reason;

	if (p->route && size <= p->route->size) {
		way->ifindex = p->route->ifindex;
		way->next.nh_family = p->route->nh_family;
		pl_copy6(way->next.ipv6_nh, p->route->next);
		return PL_CONTINUE;
	}
	pl_route_key(p, &question);
	reason = pl_fib_route(p, &question, size, way);
	if (reason == PL_CONTINUE)
		pl_route_cache_put(p, &question, size, native, way);
	return reason;
}

#endif
