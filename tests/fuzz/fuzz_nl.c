/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Netlink decoders on any bytes at all: each takes the input as one message.
 */
#include "netlink/netlink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pl_nl_event event;
	struct pl_nl_route route;
	struct pl_nl_neigh neigh;
	struct pl_nl_link link;
	struct pl_nl_addr addr;
	char text[64];
	int code;

	pl_nl_decode_link(data, size, &link);
	pl_nl_decode_addr(data, size, &addr);
	pl_nl_decode_neigh(data, size, &neigh);
	pl_nl_decode_event(data, size, &event);
	pl_nl_decode_ack(data, size, &code, text, sizeof(text));
	/* As a dump does: it must come to an end. */
	for (unsigned int hop = 0; pl_nl_decode_route_hop(data, size, hop, &route) == 0; hop++) {
		if (hop > size)
			__builtin_trap();
	}
	pl_nl_describe(data, size, text, sizeof(text));
	return 0;
}
