/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Is the sender who it says? By MAC, by IP address, in ARP, in neighbour discovery; against the
 * host's own record of the endpoint and nothing that the pod ever said. PL_EP_TRUSTED switches
 * it off for an endpoint. The only place that drops a pod's packet.
 */
#ifndef PODLANE_BPF_ANTISPOOF_H
#define PODLANE_BPF_ANTISPOOF_H

#include "packet.h"

/* Further addresses of the endpoint, beyond the first, are in the address maps only. */
PL_INLINE int pl_owns4(const struct pl_packet *p, const void *addr)
{
	struct pl_addr *found;

	if (likely(*(const __be32 *)addr == *(const __be32 *)p->src->ip4) && *(const __be32 *)addr)
		return 1;
	found = bpf_map_lookup_elem(&pl_addrs4, addr);
	return found && found->kind == PL_ADDR_POD && found->endpoint == p->src_id;
}

PL_INLINE int pl_owns6(const struct pl_packet *p, const void *addr)
{
	struct pl_addr *found;

	if (likely(pl_equal6(addr, p->src->ip6)) && !pl_is_unspecified6(addr))
		return 1;
	found = bpf_map_lookup_elem(&pl_addrs6, addr);
	return found && found->kind == PL_ADDR_POD && found->endpoint == p->src_id;
}

PL_INLINE int pl_mac_of_pod(const struct pl_packet *p, const void *mac)
{
	return pl_equal_mac(mac, p->src->pod_mac);
}

/* The sender is the pod, or, in a probe, not yet anybody. */
PL_INLINE int pl_check_arp(const struct pl_packet *p)
{
	struct pl_cursor c = {p->eth + 1, p->end};
	struct pl_arp *arp = pl_pull_arp(&c);

	if (!arp)
		return PL_PASS_MALFORMED;
	if (!pl_mac_of_pod(p, arp->sender_mac))
		return PL_DROP_SPOOFED_ARP;
	if (*(__be32 *)arp->sender_ip && !pl_owns4(p, arp->sender_ip))
		return PL_DROP_SPOOFED_ARP;
	return PL_PASS_ARP;
}

/*
 * A pod may advertise its own and its link-local addresses, solicit from them, and solicit from
 * nowhere for one of them (duplicate address detection). It is no router: an advertisement of one,
 * or a redirect, would turn the host's default route to the pod.
 */
PL_INLINE int pl_check_nd_claims(const struct pl_packet *p, const struct pl_nd *nd)
{
	const void *source = &p->ip6->saddr;
	int own_source = pl_is_link_local6(source) || pl_owns6(p, source);

	if (nd->strange || nd->type == PL_ND_ROUTER_ADVERT || nd->type == PL_ND_REDIRECT)
		return PL_DROP_SPOOFED_ND;
	if (nd->foreign)
		return PL_DROP_SPOOFED_ND;
	if (nd->type == PL_ND_ROUTER_SOLICIT)
		return own_source || pl_is_unspecified6(source) ? PL_PASS_ND : PL_DROP_SPOOFED_ND;
	if (nd->type == PL_ND_SOLICIT && own_source)
		return PL_PASS_ND;
	/* Left: advertisements, and solicitations from nowhere. */
	if (!own_source && (nd->type == PL_ND_ADVERT || !pl_is_unspecified6(source)))
		return PL_DROP_SPOOFED_ND;
	if (!nd->target)
		return PL_DROP_SPOOFED_ND;
	return pl_is_link_local6(nd->target) || pl_owns6(p, nd->target) ? PL_PASS_ND
									: PL_DROP_SPOOFED_ND;
}

/*
 * Neighbour discovery is believed with a hop limit of 255 alone, so that only such packets are
 * looked into. PL_CONTINUE: it is none. Else the packet pointers are void after the call, unless
 * the packet lay in one piece.
 */
PL_INLINE int pl_check_nd(struct pl_packet *p)
{
	enum { WANT = 256 };
	struct __sk_buff *skb = p->skb;
	enum pl_ip6_walk walk;
	struct pl_cursor c;
	struct pl_nd nd;
	__u8 next;

	if (skb->len > (__u32)((char *)p->end - (char *)p->eth)) {
		bpf_skb_pull_data(skb, skb->len < WANT ? skb->len : WANT);
		if (pl_parse_headers(p, 0) != PL_CONTINUE || p->family != 6)
			return PL_PASS_MALFORMED;
	}
	c = (struct pl_cursor){p->ip6 + 1, p->end};
	next = p->ip6->nexthdr;
	walk = pl_pull_extensions(&c, &next);
	/* Receivers ignore fragmented discovery (RFC 6980). */
	if (walk == PL_WALK_FIRST_FRAGMENT || walk == PL_WALK_LATER_FRAGMENT)
		return PL_CONTINUE;
	if (walk != PL_WALK_DONE)
		return PL_DROP_SPOOFED_ND;
	if (next != PL_PROTO_ICMPV6 || !pl_pull_nd(&c, p->src->pod_mac, &nd))
		return PL_CONTINUE;
	return p->src->flags & PL_EP_TRUSTED ? PL_PASS_ND : pl_check_nd_claims(p, &nd);
}

PL_INLINE int pl_check_source4(const struct pl_packet *p)
{
	if (likely(pl_owns4(p, &p->ip4->saddr)))
		return PL_CONTINUE;
	/* DHCP, and IGMP of a host that has no address yet: they go nowhere but to the host. */
	if (!p->ip4->saddr && pl_is_multicast4(p->ip4->daddr))
		return PL_CONTINUE;
	return PL_DROP_SPOOFED_IP;
}

PL_INLINE int pl_check_source6(const struct pl_packet *p)
{
	const void *source = &p->ip6->saddr, *destination = &p->ip6->daddr;

	if (likely(pl_owns6(p, source)))
		return PL_CONTINUE;
	/* Link-local never leaves the link, and has no owner to be robbed. */
	if (pl_is_link_local6(source) &&
	    (pl_is_link_local6(destination) || pl_is_multicast6(destination)))
		return PL_CONTINUE;
	/* Listener reports before duplicate address detection has ended. */
	if (pl_is_unspecified6(source) && pl_is_multicast6(destination))
		return PL_CONTINUE;
	return PL_DROP_SPOOFED_IP;
}

/* Does the address that an IP packet comes from belong to its sender? A flow may prove it, too. */
PL_INLINE int pl_check_source(const struct pl_packet *p)
{
	if (unlikely(p->src->flags & PL_EP_TRUSTED))
		return PL_CONTINUE;
	return p->family == 4 ? pl_check_source4(p) : pl_check_source6(p);
}

/*
 * The frame, and all that it claims but the address that an IP packet comes from. Needs eth.
 * @headers: what pl_parse_headers() said.
 */
PL_INLINE int pl_antispoof(struct pl_packet *p, int headers)
{
	int trusted = p->src->flags & PL_EP_TRUSTED;
	int headless = pl_is_l3_device(p->src);

	if (unlikely(!p->eth))
		return headers;
	if (unlikely(!trusted && !headless && !pl_mac_of_pod(p, p->eth->h_source)))
		return PL_DROP_SPOOFED_MAC;
	if (unlikely(headers != PL_CONTINUE))
		return headers == PL_PASS_ARP && !trusted ? pl_check_arp(p) : headers;
	if (p->family == 6 && unlikely(p->ip6->hop_limit == PL_ND_HOP_LIMIT) &&
	    (p->ip6->nexthdr == PL_PROTO_ICMPV6 || pl_ip6_is_extension(p->ip6->nexthdr))) {
		int nd = pl_check_nd(p);

		if (nd != PL_CONTINUE)
			return nd;
	}
	return PL_CONTINUE;
}

#endif
