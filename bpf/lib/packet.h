/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one context that goes through every stage, and how it is filled: whose device, which
 * headers. Stages return a reason, or PL_CONTINUE where the next stage decides. The packet pointers
 * are good until a helper moves the packet's data; those that do are called last, or are followed
 * by pl_parse_headers() again.
 */
#ifndef PODLANE_BPF_PACKET_H
#define PODLANE_BPF_PACKET_H

#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "parse.h"

enum {
	PL_CONTINUE = -1,
	PL_FITS_ANYWHERE = 1280, /* L3 bytes: no IPv6 link, and hardly another, has less */
};

struct pl_packet {
	struct __sk_buff *skb;
	enum pl_hook hook;
	/* 4, 6; 0: neither. Of a size whose constants the verifier follows on the stack. */
	__u64 family;
	struct pl_endpoint_info *src; /* from-pod: the sender; else NULL */
	struct pl_endpoint_info
		*dst; /* the receiving pod of this node; NULL: none, or not yet known */
	__u32 src_id; /* PL_NODE where src is NULL */
	__u32 dst_id;
	struct pl_route *route; /* after pl_route(): the way out of the node */
	struct pl_flow *flow;	/* after pl_flow_lookup(): the entry of its connection, or NULL */
	__u32 side;		/* which end of the entry's key the sender is: 0, 1 */
	__u32 options;		/* IPv4 options or IPv6 hop-by-hop header */
	struct ethhdr *eth;
	struct iphdr *ip4;   /* family 4 */
	struct ipv6hdr *ip6; /* family 6 */
	void *end;
	struct pl_l4 l4; /* after pl_parse_l4(); all but .addrs are values that last */
};

/*
 * The receiver, whose presence the compiler must not deduce from the reason: verifiers of before
 * Linux 6.12 do not follow how it would.
 */
PL_INLINE struct pl_endpoint_info *pl_receiver_of(const struct pl_packet *p)
{
	struct pl_endpoint_info *dst = p->dst;

	barrier_var(dst);
	return dst;
}

PL_INLINE int pl_equal6(const void *a, const void *b)
{
	const __u32 *x = a, *y = b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]));
}

PL_INLINE void pl_copy6(void *to, const void *from)
{
	const __u32 *x = from;
	__u32 *y = to;

	y[0] = x[0];
	y[1] = x[1];
	y[2] = x[2];
	y[3] = x[3];
}

/* IPv4 as ::ffff:a.b.c.d */
PL_INLINE void pl_mapped4(__u8 to[16], __be32 addr)
{
	__u32 *word = (__u32 *)to;

	word[0] = 0;
	word[1] = 0;
	word[2] = bpf_htonl(0xffff);
	word[3] = addr;
}

PL_INLINE int pl_equal_mac(const void *a, const void *b)
{
	const __u16 *x = a, *y = b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]));
}

PL_INLINE int pl_is_link_local6(const void *addr)
{
	return (*(const __be32 *)addr & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

PL_INLINE int pl_is_multicast6(const void *addr)
{
	return *(const __u8 *)addr == 0xff;
}

PL_INLINE int pl_is_unspecified6(const void *addr)
{
	const __u32 *x = addr;

	return !(x[0] | x[1] | x[2] | x[3]);
}

/* ::, ::1, and IPv4 addresses in IPv6's clothes: the first 96 bits are zero, or mapped. */
PL_INLINE int pl_is_no_ip6(const void *addr)
{
	const __u32 *x = addr;

	return !(x[0] | x[1]) && (!x[2] || x[2] == bpf_htonl(0xffff));
}

PL_INLINE int pl_is_multicast4(__be32 addr)
{
	return (addr & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000) || addr == 0xffffffff;
}

PL_INLINE int pl_is_loopback4(__be32 addr)
{
	return (addr & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
}

PL_INLINE int pl_is_link_local4(__be32 addr)
{
	return (addr & bpf_htonl(0xffff0000)) == bpf_htonl(0xa9fe0000);
}

PL_INLINE void *pl_data(const struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;

	barrier_var(data);
	return data;
}

PL_INLINE void *pl_data_end(const struct __sk_buff *skb)
{
	void *end = (void *)(long)skb->data_end;

	barrier_var(end);
	return end;
}

/*
 * A driver may leave headers outside the linear area. What is fetched reaches the fields of TCP
 * that are read, and no further: TCP's own payload always lies outside, and to fetch a byte of it
 * makes the kernel copy the whole head, some 200 ns a packet.
 */
PL_INLINE void pl_linearize(struct __sk_buff *skb)
{
	enum { TCP = 20, WANT4 = ETH_HLEN + sizeof(struct iphdr) + TCP };
	enum { WANT6 = ETH_HLEN + sizeof(struct ipv6hdr) + TCP };
	const __u32 want = skb->protocol == bpf_htons(ETH_P_IPV6) ? WANT6 : WANT4;
	char *data = pl_data(skb), *end = pl_data_end(skb);

	if (unlikely(data + want > end) && skb->len > (__u32)(end - data))
		bpf_skb_pull_data(skb, skb->len < want ? skb->len : want);
}

/*
 * An L3 netkit's Ethernet header says nothing: it is zero, or (IPv6) holds a type alone, and what
 * the kernel goes by stands in the skb.
 */
PL_INLINE int pl_is_l3_device(const struct pl_endpoint_info *ep)
{
	return ep && ep->link_kind == PL_LINK_NETKIT_L3;
}

/*
 * Sets eth, ip4, ip6, family, options and end from the packet as it lies. Any reason: no IP header
 * that can be read; eth is NULL only where not even that is there.
 */
PL_INLINE int pl_read_headers(struct pl_packet *p, int headless)
{
	struct __sk_buff *skb = p->skb;
	struct pl_cursor c;
	__be16 type;

	c.pos = pl_data(skb);
	c.end = p->end = pl_data_end(skb);
	p->family = 0;
	p->eth = pl_pull_eth(&c);
	if (unlikely(!p->eth))
		return PL_PASS_MALFORMED;
	if (unlikely(skb->vlan_present))
		return PL_PASS_VLAN;
	/*
	 * The frame must be what the kernel read: where a device has no Ethernet header (a tunnel),
	 * IP bytes stand in its place.
	 */
	type = (__be16)skb->protocol;
	if (unlikely(!headless && p->eth->h_proto != type))
		return PL_PASS_NOT_IP;
	if (likely(type == bpf_htons(ETH_P_IP))) {
		p->ip4 = pl_pull_ip4(&c);
		if (unlikely(!p->ip4))
			return PL_PASS_MALFORMED;
		p->family = 4;
		p->options = p->ip4->ihl != sizeof(struct iphdr) / 4;
		return PL_CONTINUE;
	}
	if (likely(type == bpf_htons(ETH_P_IPV6))) {
		p->ip6 = pl_pull_ip6(&c);
		if (unlikely(!p->ip6))
			return PL_PASS_MALFORMED;
		p->family = 6;
		p->options = p->ip6->nexthdr == PL_PROTO_HOPOPTS;
		return PL_CONTINUE;
	}
	if (type == bpf_htons(ETH_P_ARP))
		return PL_PASS_ARP;
	if (type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD))
		return PL_PASS_VLAN;
	return PL_PASS_NOT_IP;
}

/* The same, once what is read lies in one piece. */
PL_INLINE int pl_parse_headers(struct pl_packet *p, int headless)
{
	pl_linearize(p->skb);
	return pl_read_headers(p, headless);
}

/* Frames that no fast path takes, whatever they hold. */
PL_INLINE int pl_check_pkt_type(struct pl_packet *p, int headless)
{
	__u32 pkt_type = p->skb->pkt_type;

	/* Also why bpf_redirect_peer needs no bpf_skb_change_type: what goes on is PACKET_HOST. */
	if (likely(headless || pkt_type == PACKET_HOST))
		return PL_CONTINUE;
	return pkt_type == PACKET_OTHERHOST ? PL_PASS_OTHER_HOST : PL_PASS_MULTICAST;
}

/* Is it GSO, and too large to fit any link as it is? Then its segments' size counts. */
PL_INLINE int pl_is_segmented(const struct pl_packet *p)
{
	return p->skb->len > ETH_HLEN + PL_FITS_ANYWHERE && p->skb->gso_size;
}

/* Reads l4 of whatever is there: large, and for the rare cases alone. */
PL_INLINE void pl_parse_l4(struct pl_packet *p)
{
	if (p->family == 4)
		pl_l4_of_ip4(p->ip4, p->end, &p->l4);
	else if (p->family == 6)
		pl_l4_of_ip6(p->ip6, p->end, &p->l4);
	p->l4.kind = pl_scalar_unknown(p->l4.kind, p->skb);
}

/* Reads l4 of the common packets. 0: it is none, and l4 is not to be used. */
PL_INLINE int pl_parse_common_l4(struct pl_packet *p)
{
	int common = 0;

	if (p->family == 4)
		common = !p->options && !pl_ip4_fragment(p->ip4) &&
			 pl_l4_common(p->ip4, sizeof(*p->ip4), &p->ip4->saddr, p->ip4->protocol,
				      p->end, &p->l4);
	else if (p->family == 6)
		common = pl_l4_common(p->ip6, sizeof(*p->ip6), &p->ip6->saddr, p->ip6->nexthdr,
				      p->end, &p->l4);
	p->l4.kind = pl_scalar_unknown(p->l4.kind, p->skb);
	return common;
}

#endif
