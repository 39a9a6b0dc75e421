/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packet filters in tcpdump's language: compiled by libpcap to classic BPF, kept as that, and
 * turned into eBPF where a tc program needs them (match.h). A filter knows nothing of mirror
 * sessions. The command compiles, the daemon is sent programs and checks them: what calls libpcap
 * is linked into the command alone.
 */
#ifndef PODLANE_FILTER_H
#define PODLANE_FILTER_H

#include "common/util.h"

struct sock_filter; /* <linux/filter.h>; clashes with <pcap.h> */

enum {
	PL_FILTER_EXPR_MAX = 16384, /* bytes of an expression */
	PL_FILTER_INSNS_MAX = 4096, /* classic instructions, the kernel's own limit */
	PL_FILTER_LOOPS = 16, /* times that the kernel runs a loop (protochain), then no match */
};

/* Immutable once made. */
struct pl_filter {
	char *expr;		   /* as it was written, for people */
	struct sock_filter *insns; /* checked: jumps in range, ends with RET */
	size_t n;
};

/*
 * @expr in the language of pcap-filter(7), for Ethernet frames. -EINVAL: @err shows the expression
 * with a caret under the word that is wrong; host names are refused that way, service and protocol
 * names are not. -E2BIG: too long. -ENOMEM.
 */
int pl_filter_compile(const char *expr, struct pl_filter **ret, struct pl_error *err);
/* From classic instructions: -EINVAL where they are not a valid program. They are copied. */
int pl_filter_from_insns(const char *expr, const struct sock_filter *insns, size_t n,
			 struct pl_filter **ret);
/*
 * From the text "N,CODE JT JF K,CODE JT JF K...", the output of `tcpdump -ddd` with commas in place
 * of its newlines, or with these. Nothing about it is believed. -EINVAL, -ENOMEM.
 */
int pl_filter_parse(const char *expr, const char *program, struct pl_filter **ret,
		    struct pl_error *err);
/* That text; the caller frees it. NULL without memory. */
char *pl_filter_format(const struct pl_filter *filter);
void pl_filter_freep(struct pl_filter **filter);
/* The same program, whatever the words. NULL equals NULL. */
bool pl_filter_equal(const struct pl_filter *a, const struct pl_filter *b);

/*
 * The verdict on one Ethernet frame of which @len bytes are at @data and @wire_len were on the
 * wire: 0 rejects. Out-of-bounds reads reject, as in the kernel. Meant for what pl_filter_compile()
 * made: other programs may loop without end, or read scratch cells that they did not write.
 */
uint32_t pl_filter_run(const struct pl_filter *filter, const void *data, uint32_t len,
		       uint32_t wire_len);

#endif
