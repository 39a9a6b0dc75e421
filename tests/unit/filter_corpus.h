/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Expressions and packets that filters are compared over: every kind of primitive, and frames with
 * and without VLAN tags, of both families, with options, extension headers and fragments, whole
 * and cut short at every header's edge.
 */
#ifndef PODLANE_TESTS_FILTER_CORPUS_H
#define PODLANE_TESTS_FILTER_CORPUS_H

#include <arpa/inet.h>
#include <string.h>

#include "common/util.h"

static const char *const corpus_expressions[] = {
	"ip",
	"ip6",
	"arp",
	"rarp",
	"tcp",
	"udp",
	"icmp",
	"icmp6",
	"sctp",
	"igmp",
	"not ip",
	"not (tcp or udp)",
	"ip or ip6 and not udp",
	"host 10.0.0.1",
	"src host 10.0.0.1",
	"dst host 10.0.0.2 or src host 10.9.9.9",
	"host 2001:db8::1",
	"src 2001:db8::1 and dst 2001:db8::2",
	"net 10.0.0.0/8",
	"src net 10.0.0.0/30",
	"dst net 192.168.0.0 mask 255.255.0.0",
	"net 2001:db8::/32",
	"dst net 2001:db8:1::/48",
	"port 80",
	"src port 80",
	"dst port 443",
	"tcp port 443 and host 10.0.0.2",
	"tcp dst port 443",
	"udp port 53",
	"udp src port 53 or icmp",
	"port http or https",
	"port (http or 53)",
	"portrange 50-100",
	"tcp dst portrange 400-500",
	"not port 22",
	"tcp[tcpflags] & tcp-syn != 0",
	"tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn",
	"tcp[tcpflags] = tcp-rst",
	"tcp[13] & 7 != 0",
	"tcp[12] >> 4 > 5",
	"tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420",
	"udp[4:2] > 20",
	"icmp[icmptype] == icmp-echo",
	"icmp[icmptype] != icmp-echoreply and icmp",
	"icmp6[icmp6type] == icmp6-echo",
	"icmp6 and ip6[40] == 135",
	"ip proto 47",
	"ip proto \\udp",
	"ip6 proto 58",
	"proto \\tcp",
	"proto 132",
	"ip6 protochain 6",
	"ip protochain 17",
	"protochain 58",
	"ip[6:2] & 0x1fff = 0",
	"ip[6:2] & 0x1fff != 0",
	"ip[0] & 0xf > 5",
	"ip[8] < 64",
	"ip6[7] = 64",
	"ip[2:2] > 60",
	"ip6[4:2] - 8 > 12",
	"ether proto 0x88cc",
	"ether proto \\arp",
	"ether host 02:00:00:00:00:01",
	"ether src 02:00:00:00:00:01",
	"ether dst 02:00:00:00:00:02",
	"ether broadcast",
	"ether multicast",
	"ip multicast",
	"ip6 multicast",
	"broadcast",
	"ether[0] & 1 = 1",
	"ether[11:4] = 0x01810000",
	"ether[12:2] = 0x8100",
	"ether[13] = 0",
	"ether[14:4] != 0",
	"ether[ether[14] & 15:4] != 0x01020304",
	"ether[(ether[14] & 7) + 8:4] & 0xffff0000 = 0x81000000",
	"ether[(ether[14] & 7) + 8:2] = 0x8100",
	"ether[(ether[15] & 7) + 8:4] & 0xffffff00 = 0x00000500",
	"ether[(ether[15] & 3) + 9:4] = 0x00018100",
	"ether[(ether[15] & 5) + 10:2] & 0xff00 = 0x0500",
	"ether[13] = 0 and ether[14] = 0",
	"ether[len - 1] = 0x5a",
	"ether[len - 5:4] = 0x5a5a5a5a",
	"ether[200:4] = 0x5a5a5a5a",
	"ether[254:4] = 0x5a5a5a5a",
	"ether[300] = 0x5a",
	"ether[300:2] / 3 > 7",
	"ether[0x7ffffffe:4] = 0",
	"greater 100",
	"less 60",
	"len > 70 and len < 90",
	"len % 2 = 1",
	"len / (ip[8] - 64) > 1",
	"len % (ip6[7] - 64) = 0",
	"1 << (ip[8] - 30) = 4",
	"0x80000000 >> (ip[8] & 63) = 0",
	"ip[12:4] & 0xff000000 = 0x0a000000",
	"ip[12:4] > 0x80000000",
	"ip[12:4] * 3 = ip[16:4] * 3",
	"ip[12:4] | ip[16:4] = 0x0a000003",
	"ip[12:4] ^ ip[16:4] = 3",
	"-ip[8] > 4294967200",
	"vlan",
	"vlan 5",
	"vlan 5 and tcp",
	"vlan and vlan 7",
	"vlan and ip6 and udp port 53",
	"not vlan",
	"(vlan 5 and port 80) or tcp",
	"mpls",
	"mpls 5 and ip",
	"pppoes",
	"stp",
	"llc",
	"arp[6:2] = 1",
	"arp host 10.0.0.1",
	"ip host 10.0.0.1 and not broadcast and (tcp port 80 or udp port 53 or icmp[0] = 8)",
	"geneve",
	"icmp6[0] = 135",
	"icmp6[icmp6type] = icmp6-neighborsolicit or icmp6[0] = 128",
	"ip[-2:2] = 0x0800",
	"ip[ip[0] - 71:2] = 0x0800",
	"less 0",
	"len >= 100",
	"net 10",
	"net 10.0.0",
	"src and dst port 53",
	"src or dst net 10.0.0.0/30",
	"ip6 protochain 17 and not ip6 proto 17",
	"ip6 proto 44 or ip6 proto 51",
	"ether host 0200.0000.0001",
	"ether src 2:0:0:0:0:1",
	"pppoes 1 and ip",
	"vlan 5 and ip6 protochain 6",
	"portrange 1-65535",
	"not (src portrange 0-1023 or dst portrange 0-1023)",
	"tcp[13] & 0x12 != 0 and (ip[2:2] - ((ip[0] & 0xf) << 2)) - ((tcp[12] & 0xf0) >> 2) != 0",
	"host 10.0.0.1 or host 10.0.0.2 or host 10.0.0.3 or host 2001:db8::2 or net 172.16.0.0/12",
};

/* clang-format off: one string in pieces */
/* Refused, with the word that the caret must stand under; NULL: behind the end. */
static const struct {
	const char *expr, *word, *says;
} corpus_wrong[] = {
	{"tcp foo bar", "foo", "foo"},
	{"tcp and port htpp", "htpp", "unknown port"},
	{"tpc port 80", "tpc", "mean 'tcp'"},
	{"host example.com", "example.com", "DNS"},
	{"tcp and src example.com", "example.com", "DNS"},
	{"port http or src somewhere", "somewhere", "DNS"},
	{"net localnet", "localnet", "DNS"},
	{"host \\name", "\\name", "DNS"},
	{"tcp and", NULL, "ends too early"},
	{"tcp and (udp or", NULL, "ends too early"},
	{"(tcp", NULL, "ends too early"},
	{"tcp)", ")", "syntax error"},
	{"tcp port 80 443", "443", "syntax error"},
	{"tcp[13", NULL, "ends too early"},
	{"tcp[13] &&& udp", "&", "syntax error"},
	{"port 99999", "99999", "illegal port"},
	{"host 10.0.0.1 and ip6 host 10.0.0.1", "10.0.0.1", "ip6"},
	{"tcp and udp", "udp", "no packet can match"},
	{"inbound", "inbound", "endpoints and direction"},
	{"tcp and outbound", "outbound", "endpoints and direction"},
	{"ip broadcast", "broadcast", "netmask not known"},
	{"net 10.0.0.1/8", NULL, "non-network bits"},
	{"tcp @ udp", "@", "syntax error"},
	{"", NULL, "empty"},
	{"   ", NULL, "empty"},
};
/* clang-format on */

enum {
	CORPUS_PACKETS_MAX = 4096,
	CORPUS_PACKET_MAX = 512,
};

struct corpus_packet {
	uint8_t data[CORPUS_PACKET_MAX];
	uint32_t len;
};

struct corpus {
	struct corpus_packet *packets;
	size_t n;
};

static inline void corpus_put(struct corpus_packet *p, const void *data, size_t len)
{
	memcpy(p->data + p->len, data, len);
	p->len += (uint32_t)len;
}

static inline void corpus_put16(struct corpus_packet *p, uint16_t v)
{
	uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	corpus_put(p, b, 2);
}

static inline void corpus_fill(struct corpus_packet *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p->data[p->len++] = 0x5a;
}

/* The whole packet, and cut where a header ends or a little before and after. */
static inline void corpus_add(struct corpus *c, const struct corpus_packet *p)
{
	static const uint32_t cuts[] = {1, 13, 14, 15, 18, 22, 33, 34, 37, 41, 54, 58, 61};

	c->packets[c->n++] = *p;
	for (size_t i = 0; i < PL_ARRAY_SIZE(cuts); i++) {
		/* Every cut of every packet would be many and say little more. */
		if (cuts[i] >= p->len || (c->n + i) % 3)
			continue;
		c->packets[c->n] = *p;
		c->packets[c->n++].len = cuts[i];
	}
}

static inline void corpus_ether(struct corpus_packet *p, unsigned int tags, unsigned int kind,
				uint16_t type)
{
	static const uint8_t macs[][12] = {
		{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1},
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1},
		{0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 3},
	};

	p->len = 0;
	corpus_put(p, macs[kind % 3], 12);
	if (tags > 1) {
		corpus_put16(p, 0x88a8);
		corpus_put16(p, 0x2005);
	}
	if (tags > 0) {
		corpus_put16(p, 0x8100);
		corpus_put16(p, tags > 1 ? 7 : 5);
	}
	corpus_put16(p, type);
}

static inline void corpus_l4(struct corpus_packet *p, uint8_t protocol, unsigned int kind)
{
	static const uint16_t ports[][2] = {{40000, 80}, {443, 50000}, {53, 53}, {22, 443}};
	static const uint8_t flags[] = {0x02, 0x12, 0x10, 0x04, 0x18};
	size_t payload = 4 + kind % 5 * 7;

	switch (protocol) {
	case 6:
		corpus_put16(p, ports[kind % 4][0]);
		corpus_put16(p, ports[kind % 4][1]);
		corpus_put(p, "\1\2\3\4\5\6\7\10", 8);
		corpus_put(p, kind % 2 ? "\x80" : "\x50", 1);
		corpus_put(p, &flags[kind % 5], 1);
		corpus_fill(p, 6 + (kind % 2 ? 12 : 0));
		corpus_put(p, "GET ", 4);
		break;
	case 17:
		corpus_put16(p, ports[kind % 4][0]);
		corpus_put16(p, ports[kind % 4][1]);
		corpus_put16(p, (uint16_t)(8 + payload));
		corpus_put16(p, 0);
		break;
	case 1:
		corpus_put(p, kind % 2 ? "\0\0" : "\10\0", 2);
		corpus_put(p, "\0\0\0\1\0\1", 6);
		break;
	case 58:
		corpus_put(p, kind % 2 ? "\x87\0" : "\x80\0", 2);
		corpus_put(p, "\0\0\0\1\0\1", 6);
		break;
	default:
		corpus_fill(p, 12);
	}
	corpus_fill(p, kind % 7 == 6 ? 280 : payload);
}

static inline void corpus_ip4(struct corpus_packet *p, uint8_t protocol, unsigned int kind)
{
	static const char *const addrs[][2] = {{"10.0.0.1", "10.0.0.2"},
					       {"10.0.0.2", "192.168.1.9"},
					       {"10.0.0.3", "224.0.0.5"},
					       {"203.0.113.7", "10.0.0.1"}};
	static const uint16_t frags[] = {0, 0x4000, 0, 0x2000, 0x00b9};
	static const uint8_t ttl[] = {64, 32, 0, 255};
	unsigned int options = kind % 3 == 2 ? 8 : 0;
	struct in_addr ip;

	corpus_put(p, options ? "\x47\0" : "\x45\0", 2);
	corpus_put16(p, (uint16_t)(60 + kind));
	corpus_put16(p, 1);
	corpus_put16(p, frags[kind % 5]);
	corpus_put(p, &ttl[kind % 4], 1);
	corpus_put(p, &protocol, 1);
	corpus_put16(p, 0);
	for (int i = 0; i < 2; i++) {
		inet_pton(AF_INET, addrs[kind % 4][i], &ip);
		corpus_put(p, &ip, 4);
	}
	corpus_put(p, "\x44\x08\5\0\0\0\0\0", options);
	corpus_l4(p, protocol, kind);
}

static inline void corpus_ip6(struct corpus_packet *p, uint8_t protocol, unsigned int kind)
{
	static const char *const addrs[][2] = {{"2001:db8::1", "2001:db8::2"},
					       {"2001:db8:1::1", "fe80::1"},
					       {"fe80::2", "ff02::1"}};
	struct in6_addr ip;
	uint8_t b[8] = {protocol};

	corpus_put(p, "\x60\0\0\0", 4);
	corpus_put16(p, (uint16_t)(16 + kind));
	b[0] = kind % 4 == 1 ? 0 : kind % 4 == 2 ? 44 : kind % 4 == 3 ? 51 : protocol;
	corpus_put(p, b, 1);
	corpus_put(p, kind % 2 ? "\x40" : "\xff", 1);
	for (int i = 0; i < 2; i++) {
		inet_pton(AF_INET6, addrs[kind % 3][i], &ip);
		corpus_put(p, &ip, 16);
	}
	if (kind % 4 == 1) {
		corpus_put(p, "\x3c\0\1\4\0\0\0\0", 8); /* hop by hop, then destination options */
		b[0] = protocol;
		corpus_put(p, b, 8);
	} else if (kind % 4 == 2) {
		b[0] = protocol;
		b[2] = kind % 8 == 6 ? 0x10 : 0; /* fragment: offset */
		corpus_put(p, b, 8);
	} else if (kind % 4 == 3) {
		b[0] = protocol;
		b[1] = 4; /* authentication header: 24 bytes */
		corpus_put(p, b, 8);
		corpus_fill(p, 16);
	}
	corpus_l4(p, protocol, kind);
}

static inline void corpus_others(struct corpus *c, unsigned int tags)
{
	struct corpus_packet p;

	corpus_ether(&p, tags, 1, 0x0806);
	corpus_put(&p, "\0\1\x08\0\6\4\0\1\2\0\0\0\0\1\x0a\0\0\1\0\0\0\0\0\0\x0a\0\0\2", 28);
	corpus_add(c, &p);
	corpus_ether(&p, tags, 0, 0x88cc);
	corpus_fill(&p, 40);
	corpus_add(c, &p);
	corpus_ether(&p, tags, 0, 0x8847);
	corpus_put(&p, "\0\0\x51\x40", 4);
	corpus_ip4(&p, 17, 1);
	corpus_add(c, &p);
	corpus_ether(&p, tags, 0, 0x8864);
	corpus_put(&p, "\x11\0\0\1\0\x20\0\x21", 8);
	corpus_ip4(&p, 6, 0);
	corpus_add(c, &p);
	corpus_ether(&p, tags, 2, 38); /* 802.3 length: LLC */
	corpus_put(&p, "\x42\x42\x03\0\0\0\0\0", 8);
	corpus_fill(&p, 30);
	corpus_add(c, &p);
	corpus_ether(&p, tags, 0, 0x0800); /* UDP 6081: Geneve */
	corpus_put(&p, "\x45\0\0\x40\0\0\0\0\x40\x11\0\0\x0a\0\0\1\x0a\0\0\2", 20);
	corpus_put(&p, "\x80\0\x17\xc1\0\x20\0\0\0\0\x65\x58\0\0\1\0", 16);
	corpus_fill(&p, 30);
	corpus_add(c, &p);
}

/* The caller frees c->packets. 0 or -ENOMEM. */
static inline int corpus_make(struct corpus *c)
{
	static const uint8_t protocols4[] = {6, 17, 1, 132, 47, 2, 51};
	static const uint8_t protocols6[] = {6, 17, 58, 132, 59};
	struct corpus_packet p;

	*c = (struct corpus){.packets = calloc(CORPUS_PACKETS_MAX, sizeof(*c->packets))};
	if (!c->packets)
		return -ENOMEM;
	for (unsigned int tags = 0; tags < 3; tags++) {
		for (unsigned int kind = 0; kind < 10; kind++) {
			for (size_t i = 0; i < PL_ARRAY_SIZE(protocols4); i++) {
				corpus_ether(&p, tags, kind, 0x0800);
				corpus_ip4(&p, protocols4[i], kind + (unsigned int)i * 2);
				corpus_add(c, &p);
			}
			for (size_t i = 0; i < PL_ARRAY_SIZE(protocols6); i++) {
				corpus_ether(&p, tags, kind, 0x86dd);
				corpus_ip6(&p, protocols6[i], kind + (unsigned int)i * 2);
				corpus_add(c, &p);
			}
		}
		corpus_others(c, tags);
	}
	return 0;
}

#endif
