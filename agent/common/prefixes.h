/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sets of addresses, written as prefixes: what covers a range exactly, and what networks with
 * exceptions come down to. Pure: no system call, no clock, no global.
 */
#ifndef PODLANE_PREFIXES_H
#define PODLANE_PREFIXES_H

#include <stddef.h>
#include "common/addr.h"

struct pl_prefixes {
	struct pl_prefix *v; /* without host bits */
	size_t n;
	size_t size;
};

/* One entry of a list in which the longest prefix that holds an address decides about it. */
struct pl_network_rule {
	struct pl_prefix net;
	bool except;
};

void pl_prefixes_clear(struct pl_prefixes *set);
/* The same network: family, length and network bits. */
bool pl_prefix_same(const struct pl_prefix *a, const struct pl_prefix *b);
bool pl_prefixes_has(const struct pl_prefixes *set, const struct pl_prefix *p);

/* Each of these appends. 0, or -ENOMEM with some of it appended. */

/* Host bits are cleared. */
int pl_prefixes_add(struct pl_prefixes *set, const struct pl_prefix *p);
/* The fewest prefixes that hold the addresses from @first to @last, both included, and no other. */
int pl_prefixes_add_range(struct pl_prefixes *set, const struct pl_ip *first,
			  const struct pl_ip *last);
/* The same without the addresses in @except. */
int pl_prefixes_add_range_without(struct pl_prefixes *set, const struct pl_ip *first,
				  const struct pl_ip *last, const struct pl_prefix *except,
				  size_t n);
/* The addresses of @family that are in by @rules, which may overlap; the prefixes do not. */
int pl_prefixes_add_rules(struct pl_prefixes *set, uint8_t family,
			  const struct pl_network_rule *rules, size_t n);

#endif
