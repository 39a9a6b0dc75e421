/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Out of the node without the stack: the next hop that the FIB names. What was found is kept in
 * pl_route_cache for the next packets of the kind (podlane/abi.h says for how long).
 */
#ifndef PODLANE_BPF_FIB_H
#define PODLANE_BPF_FIB_H

#include "lookup.h"
#include "packet.h"

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

/* The slot that may hold the answer. */
PL_INLINE struct pl_route *pl_route_cache_slot(const struct pl_route_key *q)
{
	const __u32 *to = (const __u32 *)q->to, *from = (const __u32 *)q->from;
	__u32 h = (to[3] ^ to[2] ^ q->flowinfo) * 0x9e3779b1 + from[3];
	__u32 key = h * 0x85ebca6b >> 22;

	_Static_assert(PL_ROUTE_CACHE_SLOTS == 1 << (32 - 22), "the hash's upper bits are the key");
	return bpf_map_lookup_elem(&pl_route_cache, &key);
}

PL_INLINE int pl_is_uplink(__u32 ifindex)
{
	struct pl_device *link = bpf_map_lookup_elem(&pl_devices, &ifindex);

	return link && link->role == PL_ROLE_UPLINK;
}

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
	return bpf_fib_lookup(p->skb, fib, sizeof(*fib), 0);
}

/*
 * Does the packet go on with what its sender opened before, as the stack would, too, that never saw
 * the beginning?
 */
PL_INLINE __u32 pl_opens_again(const struct pl_packet *p)
{
	const struct pl_flow *flow = p->flow;

	_Static_assert(PL_FLOW_OPENER1 == 1, "the number of the end that opened it is bit 0");
	if (p->l4.flags & PL_L4_ACK || !flow)
		return 0;
	return ~(flow->flags ^ p->side) & 1;
}

/* Asks the FIB and keeps what it says in the key's slot. @again: pl_opens_again(). */
PL_INLINE int pl_fib_route(const struct pl_packet *p, __u32 size, __u32 again)
{
	struct pl_config *config = pl_config_of_node();
	struct bpf_fib_lookup fib = {};
	struct pl_route_key key;
	struct pl_route *route;
	long found;

	pl_route_key(p, &key);
	route = pl_route_cache_slot(&key);
	if (!route || !config)
		return PL_PASS_NO_ROUTE;
	route->ifindex = 0;
	found = pl_fib_ask(p, &key, size, &fib);
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
	/*
	 * bpf_redirect_neigh asks for a neighbour that is not known, and drops in silence what it
	 * has for one that does not answer. It gets what opens a connection; what follows finds the
	 * neighbour, or the stack, which tells the pod that the host is unreachable.
	 */
	if (found == BPF_FIB_LKUP_RET_NO_NEIGH && again)
		return PL_PASS_NO_NEIGHBOUR;
	route->key = key;
	route->size = size;
	route->epoch = config->epoch;
	route->jiffies = (__u32)bpf_jiffies64() -
			 (found == BPF_FIB_LKUP_RET_NO_NEIGH ? PL_ROUTE_JIFFIES : 0);
	route->next.nh_family = fib.family;
	pl_copy6(route->next.ipv6_nh, fib.ipv6_dst);
	route->ifindex = fib.ifindex;
	return PL_CONTINUE;
}

/*
 * A function of its own: it is rare, and takes stack that the programs want. @question:
 * pl_l3_size(), and pl_opens_again() in the highest bit. PL_CONTINUE, or the reason why the stack
 * must have the packet.
 */
__attribute__((noinline)) int pl_fib_store(struct __sk_buff *skb, __u32 question)
{
	struct pl_packet p = {.skb = skb};

	if (pl_read_headers(&p, 1) != PL_CONTINUE)
		return PL_PASS_MALFORMED;
	return pl_fib_route(&p, question << 1 >> 1, question >> 31);
}

/*
 * The next hop of a packet of @size (pl_l3_size()). PL_CONTINUE: p->route has it. p->flow is set,
 * or NULL.
 */
PL_INLINE int pl_route(struct pl_packet *p, __u32 size)
{
	struct pl_config *config = pl_config_of_node();
	struct pl_route_key key;
	struct pl_route *route;
	int reason;

	pl_route_key(p, &key);
	route = p->route = pl_route_cache_slot(&key);
	if (unlikely(!route || !config))
		return PL_PASS_NO_ROUTE;
	if (likely(route->epoch == config->epoch && route->ifindex && size <= route->size &&
		   (__u32)bpf_jiffies64() - route->jiffies < PL_ROUTE_JIFFIES &&
		   pl_route_key_equal(route, &key)))
		return PL_CONTINUE;
	reason = pl_fib_store(p->skb, size | pl_opens_again(p) << 31);
	return reason == PL_CONTINUE || reason > PL_FORWARD_NATIVE ? reason : PL_PASS_NO_ROUTE;
}

#endif
