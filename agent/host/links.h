/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The host's links as netlink last told of them: a cache by ifindex, filled by dump and events.
 */
#ifndef PODLANE_HOST_LINKS_H
#define PODLANE_HOST_LINKS_H

#include "netlink/types.h"

struct pl_devices {
	struct pl_nl_link *v; /* sorted by ifindex */
	size_t n;
	size_t size;
};

/* 0 or -ENOMEM. */
int pl_links_set(struct pl_devices *links, const struct pl_nl_link *link);
/* For a dump, which may come in any order: behind the others, and sorted at its end. */
int pl_links_append(struct pl_devices *links, const struct pl_nl_link *link);
void pl_links_sort(struct pl_devices *links);
void pl_links_del(struct pl_devices *links, uint32_t ifindex);
/* NULL: no such link. The pointer lives until the next set or del. */
const struct pl_nl_link *pl_links_get(const struct pl_devices *links, uint32_t ifindex);
const struct pl_nl_link *pl_links_by_name(const struct pl_devices *links, const char *name);
/* @wish, or the next number that is no link's group. Never 0. */
uint32_t pl_links_free_group(const struct pl_devices *links, uint32_t wish);
void pl_links_clear(struct pl_devices *links);

#endif
