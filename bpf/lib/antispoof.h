/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Is the sender who it says? By MAC, by IP address, in ARP, in neighbour discovery; against the
 * host's own record of the endpoint and nothing that the pod ever said. The stack reads what is not
 * read here, so that what cannot be verified is dropped, not passed; PL_EP_TRUSTED switches all of
 * it off for an endpoint. The only place that drops a pod's packet.
 *
 *   pl_antispoof()            from-pod, every packet: the frame and its claims
 *   pl_check_source()         from-pod: the source address, where no flow has proved it
 *   pl_check_trusted_source() from-pod: the same of pods that may use any, where they open
 *   pl_may_mark()             from-netkit, before all else
 *   pl_check_uplink_source()  from-uplink, what no flow has proved
 */
#ifndef PODLANE_BPF_ANTISPOOF_H
#define PODLANE_BPF_ANTISPOOF_H

#include "lookup.h"
#include "packet.h"

enum {
	PL_FETCH = 256,		 /* bytes of a packet in pieces that are made readable */
	PL_VLAN_ID = 0x0fff,	 /* of a tag */
	PL_CHECKSUM_PARTIAL = 3, /* CHECKSUM_PARTIAL of the kernel: a device is to make it */
	PL_CHECKSUM_MADE = 1 << 20,
};

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

/*
 * A pod has one link-local address, that of its MAC (EUI-64), which is what the kernel gives it.
 * With any other it could fill the host's neighbour table, which makes an entry for whoever asks.
 */
PL_INLINE int pl_owns_link_local(const struct pl_packet *p, const void *addr)
{
	const __u16 *part = addr, *mac = (const __u16 *)p->src->pod_mac;
	__u32 differs = (part[0] ^ bpf_htons(0xfe80)) | part[1] | part[2] | part[3];

	if (p->src->flags & PL_EP_ALLOW_LINK_LOCAL)
		return pl_is_link_local6(addr);
	differs |= part[4] ^ mac[0] ^ bpf_htons(0x0200);
	differs |= part[5] ^ ((mac[1] & bpf_htons(0xff00)) | bpf_htons(0x00ff));
	differs |= part[6] ^ ((mac[1] & bpf_htons(0x00ff)) | bpf_htons(0xfe00));
	differs |= part[7] ^ mac[2];
	return !differs;
}

/* The sender is the pod, or, in a probe, not yet anybody. */
PL_INLINE int pl_check_arp(const struct pl_packet *p)
{
	struct pl_cursor c = {p->eth + 1, p->end};
	struct pl_arp *arp = pl_pull_arp(&c);

	if (!arp)
		return PL_DROP_MALFORMED;
	if (!pl_mac_of_pod(p, arp->sender_mac))
		return PL_DROP_SPOOFED_ARP;
	if (*(__be32 *)arp->sender_ip && !pl_owns4(p, arp->sender_ip))
		return PL_DROP_SPOOFED_ARP;
	return PL_PASS_ARP;
}

/* A tag with VID 0 is none to the kernel, which goes on with what is behind it: never allowed. */
PL_INLINE int pl_check_vlan(const struct pl_packet *p)
{
	struct pl_cursor c = {p->eth + 1, p->end};
	__be16 *tag;

	if (!(p->src->flags & PL_EP_ALLOW_VLAN))
		return PL_DROP_VLAN;
	if (p->skb->vlan_present)
		return p->skb->vlan_tci & PL_VLAN_ID ? PL_PASS_VLAN : PL_DROP_VLAN;
	tag = pl_pull(&c, sizeof(*tag));
	if (!tag)
		return PL_DROP_MALFORMED;
	return *tag & bpf_htons(PL_VLAN_ID) ? PL_PASS_VLAN : PL_DROP_VLAN;
}

/* Frames with a length in place of a type have one of these in the skb. */
PL_INLINE int pl_is_llc(const struct pl_packet *p)
{
	__u32 type = p->skb->protocol;

	return bpf_ntohs(p->eth->h_proto) < ETH_P_802_3_MIN &&
	       (type == bpf_htons(ETH_P_802_2) || type == bpf_htons(ETH_P_802_3));
}

/* What pl_parse_headers() found no IP header in. */
PL_INLINE int pl_check_not_ip(const struct pl_packet *p, int headers, int headless)
{
	if (headers == PL_PASS_ARP)
		return pl_check_arp(p);
	if (headers == PL_PASS_VLAN)
		return pl_check_vlan(p);
	if (headers != PL_PASS_NOT_IP)
		return PL_DROP_MALFORMED;
	/* The kernel goes by the skb: a netkit's sender may put there what the frame does not say.
	 */
	if (!headless && p->eth->h_proto != (__be16)p->skb->protocol && !pl_is_llc(p))
		return PL_DROP_MISMATCH;
	return p->src->flags & PL_EP_ALLOW_NON_IP ? PL_PASS_NOT_IP : PL_DROP_NOT_IP;
}

/*
 * A pod may advertise its own addresses, solicit from them, and solicit from nowhere for one of
 * them (duplicate address detection). It is no router: an advertisement of one, or a redirect,
 * would turn the host's default route to the pod.
 */
PL_INLINE int pl_check_nd_claims(const struct pl_packet *p, const struct pl_nd *nd)
{
	const void *source = &p->ip6->saddr;
	int own_source = pl_owns_link_local(p, source) || pl_owns6(p, source);

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
	return pl_owns_link_local(p, nd->target) || pl_owns6(p, nd->target) ? PL_PASS_ND
									    : PL_DROP_SPOOFED_ND;
}

/* Bytes of the frame that lie in one piece. */
PL_INLINE __u32 pl_readable(const struct pl_packet *p)
{
	return (__u32)((char *)p->end - (char *)p->eth);
}

/* @c stands on an ICMPv6 header. PL_CONTINUE: it is no neighbour discovery. */
PL_INLINE int pl_check_nd(const struct pl_packet *p, struct pl_cursor *c, int trusted,
			  int fragmented)
{
	struct pl_nd nd;

	if (!pl_pull_nd(c, p->src->pod_mac, &nd))
		return nd.strange && !trusted ? PL_DROP_MALFORMED : PL_CONTINUE;
	if (trusted)
		return PL_PASS_ND;
	/* In pieces, or in fragments, which receivers ignore (RFC 6980): nobody sends it so. */
	if (fragmented || p->skb->len != pl_readable(p))
		return PL_DROP_SPOOFED_ND;
	return pl_check_nd_claims(p, &nd);
}

/*
 * What stands behind an IPv6 header, where that is more than a transport header: the chain of
 * extension headers must lead to one, and neighbour discovery must be true. That is believed with a
 * hop limit of 255 alone, so that no other is looked into. Where it is not PL_CONTINUE the packet
 * pointers may be void.
 */
PL_INLINE int pl_check_chain(struct pl_packet *p, int trusted)
{
	struct __sk_buff *skb = p->skb;
	enum pl_ip6_walk walk;
	struct pl_cursor c;
	__u8 next;

	if (skb->len > pl_readable(p)) {
		bpf_skb_pull_data(skb, skb->len < PL_FETCH ? skb->len : PL_FETCH);
		if (pl_parse_headers(p, pl_is_l3_device(p->src)) != PL_CONTINUE || p->family != 6)
			return trusted ? PL_PASS_MALFORMED : PL_DROP_MALFORMED;
	}
	c = (struct pl_cursor){p->ip6 + 1, p->end};
	next = p->ip6->nexthdr;
	walk = pl_pull_extensions(&c, &next);
	if (walk == PL_WALK_LATER_FRAGMENT)
		return PL_CONTINUE;
	/* A first fragment holds the whole chain (RFC 7112). */
	if (walk == PL_WALK_SHORT || walk == PL_WALK_LONG || pl_ip6_is_extension(next))
		return trusted ? PL_CONTINUE : PL_DROP_EXTENSIONS;
	if (next != PL_PROTO_ICMPV6 || p->ip6->hop_limit != PL_ND_HOP_LIMIT)
		return PL_CONTINUE;
	return pl_check_nd(p, &c, trusted, walk == PL_WALK_FIRST_FRAGMENT);
}

/* Set by the agent before the programs are loaded. */
const volatile struct pl_skb_layout pl_skb_layout;

/* Where protocols have their checksum, in bytes from their header; 0: nowhere. */
static const __u8 pl_checksum_places[256] = {
	[IPPROTO_TCP] = 16,
	[IPPROTO_UDP] = 6,
	[IPPROTO_UDPLITE] = 6,
	[PL_PROTO_SCTP] = 8,
};

/* The kernel's own packet behind @skb, at no cost: Linux 6.2 and later, with BTF. */
#ifdef PL_NO_KFUNCS /* for kernels without: see agent/datapath/skel.c */
static void *(*const bpf_cast_to_kern_ctx)(void *skb) = NULL;
#else
extern void *bpf_cast_to_kern_ctx(void *skb) __weak __ksym;
#endif

/* From the frame's start to where a device is to put a checksum, or PL_CHECKSUM_MADE. */
PL_INLINE int pl_checksum_place_in(const char *window)
{
	__u8 summed = *(const __u8 *)(window + pl_skb_layout.ip_summed);

	if ((summed >> pl_skb_layout.ip_summed_shift & 3) != PL_CHECKSUM_PARTIAL)
		return PL_CHECKSUM_MADE;
	return *(const __u16 *)(window + pl_skb_layout.csum_start) +
	       *(const __u16 *)(window + pl_skb_layout.csum_offset) -
	       *(const __u16 *)(window + pl_skb_layout.mac_header);
}

/* The same before Linux 6.2: by a copy, for whose stack the programs have no room. */
__attribute__((noinline)) int pl_checksum_place_copied(struct __sk_buff *skb)
{
	char copy[PL_SKB_WINDOW_MAX];

	if (!pl_skb_layout.window_bytes || pl_skb_layout.window_bytes > sizeof(copy) ||
	    bpf_probe_read_kernel(copy, pl_skb_layout.window_bytes,
				  (char *)skb + pl_skb_layout.window))
		return PL_CHECKSUM_MADE;
	return pl_checksum_place_in(copy);
}

PL_INLINE int pl_checksum_place(const struct pl_packet *p)
{
	if (!pl_skb_layout.window_bytes)
		return PL_CHECKSUM_MADE;
	if (!bpf_cast_to_kern_ctx)
		return pl_checksum_place_copied(p->skb);
	return pl_checksum_place_in((const char *)bpf_cast_to_kern_ctx(p->skb) +
				    pl_skb_layout.window);
}

/*
 * A sender with a raw socket may ask (PACKET_VNET_HDR) for a checksum that is made anywhere: where
 * it is made in software, at the uplink, it overwrites two bytes of what was checked here. It
 * belongs to the transport header, or, of a tunnel's packet, well behind it.
 */
PL_INLINE int pl_check_offload(const struct pl_packet *p, __u8 protocol, __u32 l4_offset,
			       int fragmented)
{
	int place = pl_checksum_place(p), own = pl_checksum_places[protocol];

	if (place == PL_CHECKSUM_MADE)
		return PL_CONTINUE;
	place -= l4_offset;
	if (likely(own && place == own && !fragmented))
		return PL_CONTINUE;
	/* What is inside of a tunnel. Its outer checksum, if it has one, has been made. */
	if (place >= 8 && !fragmented && protocol != IPPROTO_TCP && protocol != PL_PROTO_SCTP &&
	    protocol != PL_PROTO_ICMPV6)
		return PL_CONTINUE;
	return PL_DROP_CHECKSUM;
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
	/* Link-local never leaves the link. */
	if (pl_owns_link_local(p, source) &&
	    (pl_is_link_local6(destination) || pl_is_multicast6(destination)))
		return PL_CONTINUE;
	/* Listener reports before duplicate address detection has ended. */
	if (pl_is_unspecified6(source) && pl_is_multicast6(destination))
		return PL_CONTINUE;
	return PL_DROP_SPOOFED_IP;
}

/* From-netkit: marks that mean something to the host are for trusted pods, and ours for nobody. */
PL_INLINE int pl_may_mark(const struct __sk_buff *skb)
{
	__u32 ours = skb->mark & PL_MARK_MASK, id;
	struct pl_endpoint_info *ep = pl_endpoint_at(skb->ifindex, &id);

	return ep && ep->flags & PL_EP_TRUSTED && ours != PL_MARK_HANDLED &&
	       ours != PL_MARK_MIRROR && ours != PL_MARK_STAGED;
}

/* Does the address that an IP packet comes from belong to its sender? A flow may prove it, too. */
PL_INLINE int pl_check_source(const struct pl_packet *p)
{
	if (unlikely(p->src->flags & PL_EP_TRUSTED))
		return PL_CONTINUE;
	return p->family == 4 ? pl_check_source4(p) : pl_check_source6(p);
}

/*
 * The frame, and all that it claims but the address that an IP packet comes from.
 * @headers: what pl_parse_headers() said. Reads l4; where it is not PL_CONTINUE the packet pointers
 * may be void.
 */
PL_INLINE int pl_antispoof(struct pl_packet *p, int headers)
{
	int trusted = p->src->flags & PL_EP_TRUSTED;
	int headless = pl_is_l3_device(p->src);

	if (!p->eth)
		return trusted ? headers : PL_DROP_MALFORMED;
	if (!trusted && !headless && !pl_mac_of_pod(p, p->eth->h_source))
		return PL_DROP_SPOOFED_MAC;
	if (headers != PL_CONTINUE)
		return trusted ? headers : pl_check_not_ip(p, headers, headless);
	if (p->family == 6) {
		__u8 next = p->ip6->nexthdr;

		if (pl_ip6_is_extension(next) ||
		    (next == PL_PROTO_ICMPV6 && p->ip6->hop_limit == PL_ND_HOP_LIMIT)) {
			int chain = pl_check_chain(p, trusted);

			if (chain != PL_CONTINUE)
				return chain;
		}
	}
	pl_parse_l4(p);
	return trusted ? PL_CONTINUE
		       : pl_check_offload(p, p->l4.protocol, ETH_HLEN + p->l4.offset,
					  p->l4.fragment);
}

/* Nothing but the checksum's place is left to check, where the common case is all that it is. */
PL_INLINE int pl_is_common(const struct pl_packet *p)
{
	if (unlikely(p->skb->pkt_type != PACKET_HOST && !pl_is_l3_device(p->src)))
		return 0;
	if (unlikely(!pl_mac_of_pod(p, p->eth->h_source) && !pl_is_l3_device(p->src) &&
		     !(p->src->flags & PL_EP_TRUSTED)))
		return 0;
	return p->family == 4 || p->ip6->hop_limit != PL_ND_HOP_LIMIT ||
	       p->ip6->nexthdr != PL_PROTO_ICMPV6;
}

/*
 * A trusted pod may send with any address. With one that is another's of this node it takes the
 * stack, which answers by its routes: an entry would turn the other's answers to this pod.
 */
PL_INLINE int pl_check_trusted_source(const struct pl_packet *p)
{
	struct pl_addr *found;

	if (likely(!(p->src->flags & PL_EP_TRUSTED)))
		return PL_CONTINUE;
	found = p->family == 4 ? bpf_map_lookup_elem(&pl_addrs4, &p->ip4->saddr)
			       : bpf_map_lookup_elem(&pl_addrs6, &p->ip6->saddr);
	return !found || (found->kind == PL_ADDR_POD && found->endpoint == p->src_id)
		       ? PL_CONTINUE
		       : PL_PASS_MARTIAN;
}

PL_INLINE int pl_is_no_unicast4(__be32 addr)
{
	__u32 first = bpf_ntohl(addr) >> 24;

	return first == 0 || first == 127 || first >= 224;
}

/*
 * From an uplink, a source that is a pod's or the host's own, or that nobody can have: the stack
 * judges it, by its martian and reverse path checks.
 */
PL_INLINE int pl_check_uplink_source(const struct pl_packet *p)
{
	if (p->family == 4) {
		if (pl_is_no_unicast4(p->ip4->saddr))
			return PL_PASS_MARTIAN;
		return bpf_map_lookup_elem(&pl_addrs4, &p->ip4->saddr) ? PL_PASS_MARTIAN
								       : PL_CONTINUE;
	}
	if (pl_is_no_ip6(&p->ip6->saddr) || pl_is_link_local6(&p->ip6->saddr) ||
	    pl_is_multicast6(&p->ip6->saddr))
		return PL_PASS_MARTIAN;
	return bpf_map_lookup_elem(&pl_addrs6, &p->ip6->saddr) ? PL_PASS_MARTIAN : PL_CONTINUE;
}

#endif
