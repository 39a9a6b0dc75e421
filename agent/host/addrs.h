/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The addresses of the host, sorted.
 */
#ifndef PODLANE_HOST_ADDRS_H
#define PODLANE_HOST_ADDRS_H

#include "netlink/types.h"

struct pl_host_addr {
	struct pl_ip ip;
	uint32_t ifindex;
};

struct pl_host_addrs {
	struct pl_host_addr *v; /* by ip, ifindex */
	size_t n, size;
};

/* Both return whether anything changed; adding may also fail with -ENOMEM. */
int pl_host_addrs_add(struct pl_host_addrs *addrs, const struct pl_nl_addr *addr);
bool pl_host_addrs_del(struct pl_host_addrs *addrs, const struct pl_nl_addr *addr);
/* On @ifindex, or, where that is 0, on any link. */
bool pl_host_addrs_has(const struct pl_host_addrs *addrs, uint32_t ifindex, const struct pl_ip *ip);
void pl_host_addrs_clear(struct pl_host_addrs *addrs);

#endif
