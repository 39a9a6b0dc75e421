/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets as an attacker writes them, with any source: from a raw socket in the namespace of a
 * place, so they take the path that the packets of an ordinary program there take.
 */
#ifndef FLOW_RAW_H
#define FLOW_RAW_H

#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include "flow_actor.h"

struct forged {
	int family;
	int protocol; /* IPPROTO_TCP: a SYN; _UDP: a datagram of 8 bytes; _ICMP: an echo request */
	const char *source, *destination;
	uint16_t source_port, destination_port;
	uint16_t fragment; /* not 0: the first fragment with this identification */
	uint8_t tcp_flags; /* 0: SYN */
};

/* The addresses of a packet that differs from the last one by its ports alone are read once. */
struct raw {
	int fd;
	const char *source, *destination;
	struct sockaddr_storage from, to;
};

static inline void raw_open(struct raw *raw, int place, int family)
{
	int room = 1 << 20;

	memset(raw, 0, sizeof(*raw));
	raw->fd = socket_at(place, family == V4 ? AF_INET : AF_INET6, SOCK_RAW, IPPROTO_RAW);
	setsockopt(raw->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
}

static inline uint32_t sum_words(const void *data, size_t len, uint32_t sum)
{
	const uint8_t *p = data;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	return sum;
}

static inline uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static inline const void *ip_of(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET ? (const void *)&((const struct sockaddr_in *)a)->sin_addr
				       : (const void *)&((const struct sockaddr_in6 *)a)->sin6_addr;
}

static inline uint8_t protocol_of(const struct forged *f)
{
	return f->protocol == IPPROTO_ICMP && f->family == V6 ? IPPROTO_ICMPV6
							      : (uint8_t)f->protocol;
}

/* Behind the IP header: with a right checksum. The length. */
static inline size_t write_l4(uint8_t *at, const struct raw *raw, const struct forged *f)
{
	size_t ip_len = f->family == V4 ? 4 : 16;
	size_t len = f->protocol == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr) + 8;
	uint32_t sum = (uint32_t)protocol_of(f) + (uint32_t)len;
	struct tcphdr *tcp = (struct tcphdr *)at;
	struct udphdr *udp = (struct udphdr *)at;

	memset(at, 0, len);
	sum = sum_words(ip_of(&raw->from), ip_len, sum);
	sum = sum_words(ip_of(&raw->to), ip_len, sum);
	if (f->protocol == IPPROTO_TCP) {
		tcp->source = htons(f->source_port);
		tcp->dest = htons(f->destination_port);
		tcp->seq = htonl(f->source_port * 65537U + f->destination_port);
		tcp->doff = 5;
		tcp->window = htons(1024);
		at[13] = f->tcp_flags ? f->tcp_flags : TH_SYN;
		tcp->check = fold(sum_words(at, len, sum));
	} else if (f->protocol == IPPROTO_ICMP) {
		at[0] = f->family == V4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
		at[4] = (uint8_t)(f->source_port >> 8);
		at[5] = (uint8_t)f->source_port;
		if (f->family == V4) /* no pseudo header */
			sum = 0;
		sum = fold(sum_words(at, len, sum));
		memcpy(at + 2, &(uint16_t){(uint16_t)sum}, 2);
	} else {
		udp->source = htons(f->source_port);
		udp->dest = htons(f->destination_port);
		udp->len = htons((uint16_t)len);
		udp->check = fold(sum_words(at, len, sum));
	}
	return len;
}

static inline size_t write_ip4(uint8_t *at, const struct raw *raw, const struct forged *f,
			       size_t len)
{
	struct iphdr *ip = (struct iphdr *)at;

	*ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 64, .protocol = protocol_of(f)};
	ip->tot_len = htons((uint16_t)(sizeof(*ip) + len));
	if (f->fragment) {
		ip->id = htons(f->fragment);
		ip->frag_off = htons(IP_MF);
	}
	memcpy(&ip->saddr, ip_of(&raw->from), 4);
	memcpy(&ip->daddr, ip_of(&raw->to), 4);
	return sizeof(*ip) + len;
}

/* IPv6's fragment header stands before what @at has behind the IP header. */
static inline size_t write_ip6(uint8_t *at, const struct raw *raw, const struct forged *f,
			       size_t len)
{
	struct ip6_hdr *ip = (struct ip6_hdr *)at;
	struct ip6_frag *fragment = (struct ip6_frag *)(ip + 1);

	memset(ip, 0, sizeof(*ip));
	ip->ip6_vfc = 6 << 4;
	ip->ip6_nxt = protocol_of(f);
	ip->ip6_hlim = 64;
	if (f->fragment) {
		memmove(fragment + 1, fragment, len);
		*fragment = (struct ip6_frag){.ip6f_nxt = protocol_of(f),
					      .ip6f_offlg = IP6F_MORE_FRAG,
					      .ip6f_ident = htonl(f->fragment)};
		ip->ip6_nxt = IPPROTO_FRAGMENT;
		len += sizeof(*fragment);
	}
	ip->ip6_plen = htons((uint16_t)len);
	memcpy(&ip->ip6_src, ip_of(&raw->from), 16);
	memcpy(&ip->ip6_dst, ip_of(&raw->to), 16);
	return sizeof(*ip) + len;
}

static inline void raw_send(struct raw *raw, const struct forged *f)
{
	uint8_t packet[128] __attribute__((aligned(8)));
	size_t header = f->family == V4 ? sizeof(struct iphdr) : sizeof(struct ip6_hdr), len;

	if (raw->source != f->source || raw->destination != f->destination) {
		to_sockaddr(f->source, 0, &raw->from);
		to_sockaddr(f->destination, 0, &raw->to);
		raw->source = f->source;
		raw->destination = f->destination;
	}
	len = write_l4(packet + header, raw, f);
	len = f->family == V4 ? write_ip4(packet, raw, f, len) : write_ip6(packet, raw, f, len);
	/* A full queue refuses some: an attacker goes on. */
	while (sendto(raw->fd, packet, len, 0, (struct sockaddr *)&raw->to, size_of(&raw->to)) <
		       0 &&
	       errno == EAGAIN)
		;
}

#endif
