/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where does it go: to a pod of this node that can take it, to a native network, or to the stack?
 * Only looks; nothing is changed here. Whatever a redirect would lose silently (a target that is
 * not ready), or the stack would answer with an ICMP error, is left to the stack.
 */
#ifndef PODLANE_BPF_DESTINATION_H
#define PODLANE_BPF_DESTINATION_H

#include "lookup.h"
#include "packet.h"

/* Why a destination that is in no map goes to the stack. */
PL_INLINE int pl_elsewhere(const struct pl_packet *p)
{
	if (p->family == 4) {
		if (unlikely(pl_is_multicast4(p->ip4->daddr)))
			return PL_PASS_MULTICAST;
		if (unlikely(pl_is_link_local4(p->ip4->daddr)))
			return PL_PASS_LINK_LOCAL;
		/* With route_localnet set, as kube-proxy does, the host receives it. */
		return unlikely(pl_is_loopback4(p->ip4->daddr)) ? PL_PASS_HOST : PL_PASS_NOT_POD;
	}
	if (unlikely(pl_is_multicast6(&p->ip6->daddr)))
		return PL_PASS_MULTICAST;
	if (unlikely(pl_is_link_local6(&p->ip6->daddr)))
		return PL_PASS_LINK_LOCAL;
	return PL_PASS_NOT_POD;
}

/* PL_CONTINUE: dst and dst_id are set. PL_PASS_NOT_POD: a unicast address that nobody here has. */
PL_INLINE int pl_destination(struct pl_packet *p)
{
	struct pl_addr *addr;
	__u32 id = PL_NODE;

	p->dst = pl_lookup_hint(p, &id);
	if (likely(p->dst)) {
		p->dst_id = id;
		return PL_CONTINUE;
	}
	addr = p->family == 4 ? bpf_map_lookup_elem(&pl_addrs4, &p->ip4->daddr)
			      : bpf_map_lookup_elem(&pl_addrs6, &p->ip6->daddr);
	if (!addr)
		return pl_elsewhere(p);
	if (addr->kind != PL_ADDR_POD)
		return PL_PASS_HOST;
	p->dst_id = addr->endpoint;
	p->dst = pl_endpoint_of(addr->endpoint);
	if (unlikely(!p->dst)) {
		p->dst_id = PL_NODE;
		return PL_PASS_NOT_READY;
	}
	return PL_CONTINUE;
}

/*
 * L3 bytes of the packet, or of each of its segments once it is cut into them. Needs l4 where
 * pl_is_segmented().
 */
PL_INLINE __u32 pl_l3_size(const struct pl_packet *p)
{
	if (unlikely(pl_is_segmented(p)))
		return p->l4.headers + p->skb->gso_size;
	return p->skb->len - ETH_HLEN;
}

/*
 * What holds for every packet that leaves the stack aside, to a pod or to the wire. l4.headers is 0
 * where options stand before the transport header that a router must look into.
 */
PL_INLINE int pl_forwardable(const struct pl_packet *p)
{
	__u8 ttl = p->family == 4 ? p->ip4->ttl : p->ip6->hop_limit;

	if (unlikely(p->src && p->src->flags & PL_EP_SHAPED))
		return PL_PASS_SHAPED;
	if (unlikely(!p->l4.headers))
		return PL_PASS_IP_OPTIONS;
	if (unlikely(ttl <= 1))
		return PL_PASS_TTL;
	return PL_CONTINUE;
}

/* Can the pod dst be handed this packet? */
PL_INLINE int pl_deliverable(const struct pl_packet *p)
{
	__u16 flags = p->dst->flags;
	__u32 mtu = p->dst->mtu;

	if (unlikely(p->dst == p->src))
		return PL_PASS_SELF;
	if (unlikely((flags & (PL_EP_READY | PL_EP_SHAPED)) != PL_EP_READY))
		return flags & PL_EP_READY ? PL_PASS_SHAPED : PL_PASS_NOT_READY;
	if (unlikely(pl_l3_size(p) > mtu))
		return PL_PASS_TOO_BIG;
	return PL_CONTINUE;
}

#endif
