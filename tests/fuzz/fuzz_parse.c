/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The BPF programs' parsing of headers, compiled for user space: on any bytes it must read nothing
 * outside of them, move no cursor past their end or where it fails, and hand out no pointer that
 * is not good for its whole header. The frame ends with its allocation, so that ASan sees a byte.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../bpf/lib/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(int holds)
{
	if (!holds)
		abort();
}

static void inside(const struct pl_cursor *frame, const void *at, size_t len)
{
	demand((const char *)at >= (const char *)frame->pos &&
	       (const char *)at + len <= (const char *)frame->end);
}

/* A header was taken, and the cursor stands behind it; or none, and it did not move. */
static void taken(const struct pl_cursor *before, const struct pl_cursor *after, const void *header,
		  size_t len)
{
	demand(after->end == before->end);
	if (!header) {
		demand(after->pos == before->pos);
		return;
	}
	demand(header == before->pos && after->pos == (const char *)header + len);
	inside(before, header, len);
}

static void check_l4(const struct pl_l4 *l4, size_t ip_header)
{
	demand(l4->kind <= PL_L4_UNREADABLE);
	if (l4->kind != PL_L4_UNREADABLE)
		demand(l4->headers >= ip_header);
	demand(!(l4->flags & ~(PL_L4_FIN | PL_L4_SYN | PL_L4_RST | PL_L4_ACK)));
	demand(l4->kind == PL_L4_PORTS || !l4->flags);
	if (l4->kind == PL_L4_ECHO_REQUEST)
		demand(!l4->destination);
	if (l4->kind == PL_L4_ECHO_REPLY)
		demand(!l4->source);
	if (l4->kind > PL_L4_ICMP_ERROR || l4->kind == PL_L4_OTHER)
		demand(!l4->source && !l4->destination);
}

static void check_nd(struct pl_cursor c, __u8 next)
{
	const __u8 mac[6] __attribute__((aligned(2))) = {2, 0, 0, 0, 0, 1};
	const struct pl_cursor packet = c;
	struct pl_nd nd;

	if (pl_pull_extensions(&c, &next) != PL_WALK_DONE || next != PL_PROTO_ICMPV6)
		return;
	inside(&packet, c.pos, 0);
	if (!pl_pull_nd(&c, mac, &nd))
		return;
	inside(&packet, c.pos, 0);
	demand(nd.type >= PL_ND_ROUTER_SOLICIT && nd.type <= PL_ND_REDIRECT);
	if (nd.target)
		inside(&packet, nd.target, 16);
	demand(nd.target || nd.strange || (nd.type != PL_ND_SOLICIT && nd.type != PL_ND_ADVERT));
}

static void check_frame(struct pl_cursor frame)
{
	struct pl_cursor c = frame, before;
	struct ethhdr *eth = pl_pull_eth(&c);
	struct ipv6hdr *ip6;
	struct iphdr *ip4;
	struct pl_l4 l4;

	taken(&frame, &c, eth, sizeof(*eth));
	if (!eth)
		return;
	before = c;
	taken(&before, &c, pl_pull_arp(&c), sizeof(struct pl_arp));
	c = before;
	ip4 = pl_pull_ip4(&c);
	taken(&before, &c, ip4, sizeof(*ip4));
	if (ip4) {
		pl_l4_of_ip4(ip4, frame.end, &l4);
		check_l4(&l4, sizeof(*ip4));
	}
	c = before;
	ip6 = pl_pull_ip6(&c);
	taken(&before, &c, ip6, sizeof(*ip6));
	if (ip6) {
		pl_l4_of_ip6(ip6, frame.end, &l4);
		check_l4(&l4, sizeof(*ip6));
		check_nd(c, ip6->nexthdr);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* As in an skb, the IP header is aligned, and not the Ethernet header. */
	enum { ALIGN = 2 };
	char *buffer = malloc(size + ALIGN);

	if (!buffer)
		return 0;
	memcpy(buffer + ALIGN, data, size);
	check_frame((struct pl_cursor){buffer + ALIGN, buffer + ALIGN + size});
	free(buffer);
	return 0;
}
