/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Headers, read from (pos, end) and nothing else: no helper, no map, no skb, so that the same text
 * runs under the verifier and in user space under a fuzzer. A taker returns NULL, and moves
 * nothing, where the header is cut short or is not what it claims. Returned pointers are good for
 * the whole header, until any helper that may move the packet's data.
 */
#ifndef PODLANE_BPF_PARSE_H
#define PODLANE_BPF_PARSE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>

#include "verifier.h"

enum {
	PL_IP_MORE_FRAGMENTS = 0x2000,
	PL_IP_FRAGMENT_OFFSET = 0x1fff,
	PL_IP6_FRAGMENT_OFFSET = 0xfff8,
	PL_EXTENSIONS_MAX = 4, /* IPv6 extension headers that are walked */
	PL_ND_OPTIONS_MAX = 4, /* hosts send two at most */
	PL_ND_HOP_LIMIT = 255, /* with any other, receivers ignore neighbour discovery */
};

/* Of IANA's: UAPI headers name these only in files that need a whole libc, or not at all. */
enum {
	PL_PROTO_HOPOPTS = 0,
	PL_PROTO_IPV4 = 4,
	PL_PROTO_IPV6 = 41,
	PL_PROTO_ROUTING = 43,
	PL_PROTO_FRAGMENT = 44,
	PL_PROTO_GRE = 47,
	PL_PROTO_AH = 51,
	PL_PROTO_ICMPV6 = 58,
	PL_PROTO_DSTOPTS = 60,
	PL_PROTO_IPIP = 94,
	PL_PROTO_ETHERIP = 97,
	PL_PROTO_L2TP = 115,
	PL_PROTO_SCTP = 132,
	PL_PROTO_MOBILITY = 135,
	PL_PROTO_MPLS = 137,
	PL_PROTO_HIP = 139,
	PL_PROTO_SHIM6 = 140,
};

enum {
	PL_ARP_ETHERNET = 1,

	PL_ICMP4_ECHO_REPLY = 0,
	PL_ICMP4_UNREACHABLE = 3,
	PL_ICMP4_QUENCH = 4,
	PL_ICMP4_REDIRECT = 5,
	PL_ICMP4_ECHO_REQUEST = 8,
	PL_ICMP4_TIME_EXCEEDED = 11,
	PL_ICMP4_PARAMETER = 12,
	PL_ICMP6_INFORMATIONAL = 128, /* types below are errors */
	PL_ICMP6_ECHO_REQUEST = 128,
	PL_ICMP6_ECHO_REPLY = 129,
};

struct pl_cursor {
	void *pos;
	void *end;
};

PL_INLINE void *pl_pull(struct pl_cursor *c, __u32 len)
{
	char *at = c->pos;

	if (at + len > (char *)c->end)
		return NULL;
	c->pos = at + len;
	return at;
}

PL_INLINE struct ethhdr *pl_pull_eth(struct pl_cursor *c)
{
	return pl_pull(c, sizeof(struct ethhdr));
}

/* Its options are not taken. */
PL_INLINE struct iphdr *pl_pull_ip4(struct pl_cursor *c)
{
	struct pl_cursor at = *c;
	struct iphdr *ip = pl_pull(&at, sizeof(*ip));

	if (!ip || ip->version != 4 || ip->ihl < sizeof(*ip) / 4)
		return NULL;
	*c = at;
	return ip;
}

/* Its extension headers are not taken. */
PL_INLINE struct ipv6hdr *pl_pull_ip6(struct pl_cursor *c)
{
	struct pl_cursor at = *c;
	struct ipv6hdr *ip = pl_pull(&at, sizeof(*ip));

	if (!ip || ip->version != 6)
		return NULL;
	*c = at;
	return ip;
}

/* ARP for IPv4 over Ethernet. */
struct pl_arp {
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_size;
	__u8 protocol_size;
	__be16 operation;
	__u8 sender_mac[6];
	__u8 sender_ip[4];
	__u8 target_mac[6];
	__u8 target_ip[4];
} __attribute__((packed));

PL_INLINE struct pl_arp *pl_pull_arp(struct pl_cursor *c)
{
	struct pl_cursor at = *c;
	struct pl_arp *arp = pl_pull(&at, sizeof(*arp));

	if (!arp || arp->hardware != bpf_htons(PL_ARP_ETHERNET) ||
	    arp->protocol != bpf_htons(ETH_P_IP) || arp->hardware_size != 6 ||
	    arp->protocol_size != 4)
		return NULL;
	*c = at;
	return arp;
}

/* Not 0: it is one. A value rather than a truth, which the verifier would follow both ways. */
PL_INLINE __u16 pl_ip4_fragment(const struct iphdr *ip)
{
	return ip->frag_off & bpf_htons(PL_IP_MORE_FRAGMENTS | PL_IP_FRAGMENT_OFFSET);
}

/* IPv6 extension headers that may stand before a transport header; value: unit of their length. */
enum pl_extension {
	PL_EXT_NONE = 0,     /* no extension header */
	PL_EXT_FRAGMENT = 1, /* fixed size */
	PL_EXT_BY_4 = 2,     /* log2: 4 bytes beyond the first 8 */
	PL_EXT_BY_8 = 3,
};

/*
 * Does the hop-by-hop header hold a jumbo payload's length and nothing else? Linux puts it into TCP
 * segments above 64 KiB that it has yet to cut (BIG TCP), for itself alone.
 */
PL_INLINE int pl_is_jumbo(struct ipv6hdr *ip, void *end)
{
	enum { LENGTH = 1, TYPE = 2, SIZE = 3, JUMBO = 0xc2, JUMBO_SIZE = 4 };
	struct pl_cursor c = {ip + 1, end};
	const __u8 *head = pl_pull(&c, 8);

	return head && !head[LENGTH] && head[TYPE] == JUMBO && head[SIZE] == JUMBO_SIZE;
}

/* A table, for each comparison in a loop doubles what the verifier has to follow. */
static const __u8 pl_extensions[256] = {
	[PL_PROTO_HOPOPTS] = PL_EXT_BY_8,      [PL_PROTO_ROUTING] = PL_EXT_BY_8,
	[PL_PROTO_FRAGMENT] = PL_EXT_FRAGMENT, [PL_PROTO_AH] = PL_EXT_BY_4,
	[PL_PROTO_DSTOPTS] = PL_EXT_BY_8,      [PL_PROTO_MOBILITY] = PL_EXT_BY_8,
	[PL_PROTO_HIP] = PL_EXT_BY_8,	       [PL_PROTO_SHIM6] = PL_EXT_BY_8,
};

PL_INLINE int pl_ip6_is_extension(__u8 next)
{
	return pl_extensions[next] != PL_EXT_NONE;
}

/* Protocols whose payload a tunnel takes for a packet, or a frame, of its peer's. */
static const __u8 pl_tunnel_protocols[256] = {
	[PL_PROTO_IPV4] = 1, [PL_PROTO_IPV6] = 1,    [PL_PROTO_GRE] = 1,  [PL_PROTO_IPIP] = 1,
	[PL_PROTO_L2TP] = 1, [PL_PROTO_ETHERIP] = 1, [PL_PROTO_MPLS] = 1,
};

enum pl_ip6_walk {
	PL_WALK_DONE, /* *next is no extension header; the cursor stands on what follows */
	PL_WALK_FIRST_FRAGMENT, /* the cursor stands behind the fragment header */
	PL_WALK_LATER_FRAGMENT, /* the same, and no transport header follows */
	PL_WALK_SHORT,		/* cut short */
	PL_WALK_LONG,		/* more headers than are walked */
};

PL_INLINE enum pl_ip6_walk pl_walk_extensions(struct pl_cursor *c, __u8 *next)
{
	for (int i = 0; i < PL_EXTENSIONS_MAX; i++) {
		__u8 unit = pl_extensions[*next];
		__u8 *head;

		if (unit == PL_EXT_NONE)
			return PL_WALK_DONE;
		head = pl_pull(c, 8);
		if (!head)
			return PL_WALK_SHORT;
		*next = head[0];
		if (unit == PL_EXT_FRAGMENT)
			return *(__be16 *)(head + 2) & bpf_htons(PL_IP6_FRAGMENT_OFFSET)
				       ? PL_WALK_LATER_FRAGMENT
				       : PL_WALK_FIRST_FRAGMENT;
		if (!pl_pull(c, ((__u32)head[1] << unit) & 0x7ff))
			return PL_WALK_SHORT;
	}
	return pl_ip6_is_extension(*next) ? PL_WALK_LONG : PL_WALK_DONE;
}

/*
 * Takes extension headers; *next: IPv6 next header before, what stopped the walk after. The many
 * ways out of it are one to the verifier.
 */
PL_INLINE enum pl_ip6_walk pl_pull_extensions(struct pl_cursor *c, __u8 *next)
{
	enum { LONGEST = PL_EXTENSIONS_MAX * (8 + 0x7ff) };
	char *start = c->pos;
	enum pl_ip6_walk walk = pl_walk_extensions(c, next);
	__u32 taken = (__u32)((char *)c->pos - start);

	_Static_assert(LONGEST < 0x3fff, "the mask takes nothing away");
	barrier_var(taken);
	c->pos = start + (taken & 0x3fff);
	return pl_scalar_unknown(walk, start);
}

/* What flows, segment sizes and samples need of the transport header. */
enum pl_l4_kind {
	PL_L4_OTHER, /* no ports */
	PL_L4_PORTS, /* TCP, UDP, SCTP ... */
	PL_L4_ECHO_REQUEST,
	PL_L4_ECHO_REPLY,
	PL_L4_ICMP_ERROR,
	PL_L4_LATER_FRAGMENT, /* has no transport header */
	PL_L4_UNREADABLE,     /* cut short, or behind more than is walked */
};

struct pl_l4 {
	enum pl_l4_kind kind;
	__u32 offset;  /* bytes from the IP header to the transport header */
	__u32 headers; /* bytes from the IP header to the payload; transport options included */
	__be16 source; /* ICMP echo: the identifier, as the port of who asks; the other one is 0 */
	__be16 destination;
	__u16 fragment;	     /* not 0: part of a fragmented packet, be it the first */
	__u16 last_fragment; /* where .fragment is set: 1: none comes behind it */
	__be32 fragment_id;  /* tells its fragments from those of others; in IPv4 two bytes */
	__u8 protocol;	     /* IPPROTO_*; of an ICMP error: that of the packet it quotes */
	__u8 flags;	     /* enum pl_l4_flag */
	/*
	 * Source and destination address, one behind the other, of the connection: those of the
	 * packet, or of the packet that an ICMP error quotes, whose ports the error then has, too.
	 */
	const void *addrs;
};

/* TCP's own bits; SCTP's chunks that mean the same. */
enum pl_l4_flag {
	PL_L4_FIN = 0x01,
	PL_L4_SYN = 0x02, /* alone: opens; with ACK: answers that */
	PL_L4_RST = 0x04,
	PL_L4_ACK = 0x10,
};

PL_INLINE enum pl_l4_kind pl_icmp4_kind(__u8 type)
{
	switch (type) {
	case PL_ICMP4_ECHO_REQUEST:
		return PL_L4_ECHO_REQUEST;
	case PL_ICMP4_ECHO_REPLY:
		return PL_L4_ECHO_REPLY;
	case PL_ICMP4_UNREACHABLE:
	case PL_ICMP4_QUENCH:
	case PL_ICMP4_REDIRECT:
	case PL_ICMP4_TIME_EXCEEDED:
	case PL_ICMP4_PARAMETER:
		return PL_L4_ICMP_ERROR;
	default:
		return PL_L4_OTHER;
	}
}

PL_INLINE enum pl_l4_kind pl_icmp6_kind(__u8 type)
{
	if (type < PL_ICMP6_INFORMATIONAL)
		return PL_L4_ICMP_ERROR;
	if (type == PL_ICMP6_ECHO_REQUEST)
		return PL_L4_ECHO_REQUEST;
	return type == PL_ICMP6_ECHO_REPLY ? PL_L4_ECHO_REPLY : PL_L4_OTHER;
}

/* Who answers has asked nothing: its own requests with the same identifier are others. */
PL_INLINE void pl_l4_echo(struct pl_l4 *l4, enum pl_l4_kind kind, __be16 identifier)
{
	l4->source = kind == PL_L4_ECHO_REQUEST ? identifier : 0;
	l4->destination = kind == PL_L4_ECHO_REPLY ? identifier : 0;
}

/* The connection that an ICMP error speaks of: the cursor stands on the packet that it quotes. */
PL_INLINE void pl_l4_quoted(struct pl_cursor *c, struct pl_l4 *l4, int v6)
{
	__u32 later;
	__be16 *ports;

	if (v6) {
		struct ipv6hdr *ip = pl_pull_ip6(c);

		if (!ip)
			return;
		l4->protocol = ip->nexthdr;
		l4->addrs = &ip->saddr;
		later = 0;
	} else {
		struct iphdr *ip = pl_pull_ip4(c);

		if (!ip || ip->ihl != sizeof(*ip) / 4)
			return;
		l4->protocol = ip->protocol;
		l4->addrs = &ip->saddr;
		later = ip->frag_off & bpf_htons(PL_IP_FRAGMENT_OFFSET);
	}
	ports = pl_pull(c, 8);
	if (!ports || later)
		return;
	if (l4->protocol == IPPROTO_ICMP || l4->protocol == PL_PROTO_ICMPV6) {
		__u8 type = *(__u8 *)ports;

		pl_l4_echo(l4, v6 ? pl_icmp6_kind(type) : pl_icmp4_kind(type), ports[2]);
	} else {
		l4->source = ports[0];
		l4->destination = ports[1];
	}
	l4->kind = PL_L4_ICMP_ERROR;
}

/* An error that quotes what cannot be read is PL_L4_UNREADABLE. */
PL_INLINE void pl_l4_icmp(struct pl_cursor *c, struct pl_l4 *l4, int v6)
{
	__u8 *icmp = pl_pull(c, 8);

	l4->kind = PL_L4_UNREADABLE;
	if (!icmp)
		return;
	l4->kind = v6 ? pl_icmp6_kind(icmp[0]) : pl_icmp4_kind(icmp[0]);
	if (l4->kind == PL_L4_ECHO_REQUEST || l4->kind == PL_L4_ECHO_REPLY)
		pl_l4_echo(l4, l4->kind, *(__be16 *)(icmp + 4));
	if (l4->kind == PL_L4_ICMP_ERROR) {
		l4->kind = PL_L4_UNREADABLE;
		pl_l4_quoted(c, l4, v6);
	}
}

PL_INLINE void pl_l4_tcp(struct pl_cursor *c, struct pl_l4 *l4)
{
	__u8 *tcp = pl_pull(c, 20);

	if (!tcp) {
		l4->kind = PL_L4_UNREADABLE;
		return;
	}
	l4->kind = PL_L4_PORTS;
	l4->source = *(__be16 *)tcp;
	l4->destination = *(__be16 *)(tcp + 2);
	l4->flags = tcp[13] & (PL_L4_FIN | PL_L4_SYN | PL_L4_RST | PL_L4_ACK);
	l4->headers += (tcp[12] >> 4) * 4;
}

PL_INLINE void pl_l4_udp(struct pl_cursor *c, struct pl_l4 *l4)
{
	__be16 *udp = pl_pull(c, 8);

	if (!udp) {
		l4->kind = PL_L4_UNREADABLE;
		return;
	}
	l4->kind = PL_L4_PORTS;
	l4->source = udp[0];
	l4->destination = udp[1];
	l4->headers += 8;
}

/*
 * What SCTP's first chunk means, in TCP's words: INIT, INIT ACK, ABORT, SHUTDOWN COMPLETE. Numbers
 * in two words rather than a table, for a table of 16 bytes lies where libbpf 1.1 does not find it.
 */
PL_INLINE __u8 pl_sctp_flags(__u8 chunk)
{
	enum { INIT = 1, INIT_ACK = 2, ABORT = 6, SHUTDOWN_COMPLETE = 14 };
	const __u32 meaning =
		1u << INIT * 2 | 2u << INIT_ACK * 2 | 3u << ABORT * 2 | 3u << SHUTDOWN_COMPLETE * 2;
	const __u32 flags = PL_L4_SYN << 8 | (PL_L4_SYN | PL_L4_ACK) << 16 | PL_L4_RST << 24;

	return chunk > 15 ? 0 : (__u8)(flags >> ((meaning >> chunk * 2) & 3) * 8);
}

PL_INLINE void pl_l4_sctp(struct pl_cursor *c, struct pl_l4 *l4)
{
	__be16 *sctp = pl_pull(c, 16);

	if (!sctp) {
		l4->kind = PL_L4_UNREADABLE;
		return;
	}
	l4->kind = PL_L4_PORTS;
	l4->source = sctp[0];
	l4->destination = sctp[1];
	l4->headers += 12;
	l4->flags = pl_sctp_flags(((__u8 *)sctp)[12]);
}

/* @c stands on the transport header; @l4 is zero but for .headers. */
PL_INLINE void pl_l4_read(struct pl_cursor *c, __u8 protocol, struct pl_l4 *l4, int v6)
{
	l4->protocol = protocol;
	l4->kind = PL_L4_OTHER;
	if (protocol == IPPROTO_TCP)
		pl_l4_tcp(c, l4);
	else if (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE || protocol == IPPROTO_DCCP)
		pl_l4_udp(c, l4);
	else if (protocol == PL_PROTO_SCTP)
		pl_l4_sctp(c, l4);
	else if (protocol == (v6 ? PL_PROTO_ICMPV6 : IPPROTO_ICMP))
		pl_l4_icmp(c, l4, v6);
}

/*
 * The same for what the programs themselves handle: TCP, UDP and echo, straight behind an IP header
 * of @headers bytes without options, extensions or fragments. 0: it is something else.
 */
PL_INLINE int pl_l4_common(const void *ip, __u32 headers, const void *addrs, __u8 protocol,
			   void *end, struct pl_l4 *l4)
{
	struct pl_cursor c = {(char *)ip + headers, end};

	*l4 = (struct pl_l4){
		.offset = headers, .headers = headers, .protocol = protocol, .addrs = addrs};
	if (protocol == IPPROTO_TCP) {
		pl_l4_tcp(&c, l4);
	} else if (protocol == IPPROTO_UDP) {
		pl_l4_udp(&c, l4);
	} else if (protocol == IPPROTO_ICMP || protocol == PL_PROTO_ICMPV6) {
		__u8 *icmp = pl_pull(&c, 8);

		if (!icmp)
			return 0;
		l4->kind =
			protocol == IPPROTO_ICMP ? pl_icmp4_kind(icmp[0]) : pl_icmp6_kind(icmp[0]);
		if (l4->kind != PL_L4_ECHO_REQUEST && l4->kind != PL_L4_ECHO_REPLY)
			return 0;
		pl_l4_echo(l4, l4->kind, *(__be16 *)(icmp + 4));
	}
	return l4->kind != PL_L4_OTHER && l4->kind != PL_L4_UNREADABLE;
}

PL_INLINE void pl_l4_of_ip4(struct iphdr *ip, void *end, struct pl_l4 *l4)
{
	struct pl_cursor c = {ip, end};
	__u32 headers = ip->ihl * 4;

	*l4 = (struct pl_l4){.offset = headers,
			     .headers = headers,
			     .protocol = ip->protocol,
			     .addrs = &ip->saddr};
	l4->fragment = pl_ip4_fragment(ip);
	l4->last_fragment = !(ip->frag_off & bpf_htons(PL_IP_MORE_FRAGMENTS));
	l4->fragment_id = ip->id;
	if (ip->frag_off & bpf_htons(PL_IP_FRAGMENT_OFFSET))
		l4->kind = PL_L4_LATER_FRAGMENT;
	else if (!pl_pull(&c, headers))
		l4->kind = PL_L4_UNREADABLE;
	else
		pl_l4_read(&c, ip->protocol, l4, 0);
}

PL_INLINE void pl_l4_of_ip6(struct ipv6hdr *ip, void *end, struct pl_l4 *l4)
{
	struct pl_cursor c = {ip + 1, end};
	__u8 next = ip->nexthdr;
	enum pl_ip6_walk walk = pl_pull_extensions(&c, &next);

	*l4 = (struct pl_l4){.offset = (__u32)((char *)c.pos - (char *)ip),
			     .headers = (__u32)((char *)c.pos - (char *)ip),
			     .protocol = next,
			     .addrs = &ip->saddr};
	l4->fragment = walk == PL_WALK_FIRST_FRAGMENT || walk == PL_WALK_LATER_FRAGMENT;
	if (l4->fragment) {
		struct pl_cursor header = {(char *)c.pos - 8, end};
		__u8 *head = pl_pull(&header, 8);

		l4->fragment_id = head ? *(__be32 *)(head + 4) : 0;
		l4->last_fragment = head ? !(head[3] & 1) : 0;
	}
	if (walk == PL_WALK_DONE || walk == PL_WALK_FIRST_FRAGMENT)
		pl_l4_read(&c, next, l4, 1);
	else
		l4->kind = l4->fragment ? PL_L4_LATER_FRAGMENT : PL_L4_UNREADABLE;
}

/* A neighbour discovery message of those that a host may be fooled with. */
struct pl_nd {
	__u8 type;     /* ICMPv6 type, 133 to 137 */
	__u8 *target;  /* 16 bytes; NULL: the type has none */
	__u32 foreign; /* not 0: a link-layer address that is not the expected one */
	int strange;   /* cut short, or options without end */
};

enum pl_nd_type {
	PL_ND_ROUTER_SOLICIT = 133,
	PL_ND_ROUTER_ADVERT = 134,
	PL_ND_SOLICIT = 135,
	PL_ND_ADVERT = 136,
	PL_ND_REDIRECT = 137,
};

/* What differs from @mac in a link-layer address option; computed rather than branched upon. */
PL_INLINE __u32 pl_nd_foreign(const __u8 *option, const __u8 *mac)
{
	__u32 is_lladdr = (((option[0] - 1u) & 0xff) - 2u) >> 31; /* types 1 and 2 */
	const __u16 *a = (const __u16 *)(option + 2), *b = (const __u16 *)mac;
	__u32 differs = (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (option[1] ^ 1);

	return differs & (0 - is_lladdr);
}

PL_INLINE void pl_nd_options(struct pl_cursor *c, const __u8 *mac, struct pl_nd *nd)
{
	for (int i = 0; i < PL_ND_OPTIONS_MAX; i++) {
		struct pl_cursor at = *c;
		__u8 *option = pl_pull(&at, 8);

		if (!option)
			break;
		nd->foreign |= pl_nd_foreign(option, mac);
		if (!option[1] || !pl_pull(c, option[1] * 8u)) {
			nd->strange = 1;
			return;
		}
	}
	nd->strange = c->pos != c->end;
}

/*
 * @c stands on an ICMPv6 header and ends with the packet; @mac: the sender's, at an even address.
 * Returns 0 where it is no such message; strange is set where that cannot be read.
 */
PL_INLINE int pl_pull_nd(struct pl_cursor *c, const __u8 *mac, struct pl_nd *nd)
{
	__u8 *icmp = pl_pull(c, 8);

	*nd = (struct pl_nd){.strange = !icmp};
	if (!icmp || icmp[0] < PL_ND_ROUTER_SOLICIT || icmp[0] > PL_ND_REDIRECT)
		return 0;
	nd->type = icmp[0];
	if (nd->type == PL_ND_SOLICIT || nd->type == PL_ND_ADVERT) {
		nd->target = pl_pull(c, 16);
		if (!nd->target) {
			nd->strange = 1;
			return 1;
		}
	}
	if (nd->type != PL_ND_ROUTER_ADVERT && nd->type != PL_ND_REDIRECT)
		pl_nd_options(c, mac, nd);
	return 1;
}

#endif
