/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One unreachable route for each range of addresses that this node gives out. It has the lowest
 * priority, so that it is found only for an address that no endpoint has: a packet for a pod that
 * was deleted ends here with an ICMP error. It would otherwise follow the default route to a router
 * that sends it back here, until its TTL is used up.
 *
 * The kernel's routes are the memory: what was made for a network of a container runtime is kept
 * over a restart of the daemon for as long as an endpoint lies in it.
 */
#ifndef PODLANE_HOST_RANGE_ROUTES_H
#define PODLANE_HOST_RANGE_ROUTES_H

#include "common/netconf.h"
#include "common/prefixes.h"
#include "netlink/netlink.h"

/* All zero is a good start. */
struct pl_range_routes {
	struct pl_prefixes want;
	bool dirty;    /* the kernel may hold others */
	char why[512]; /* the failure that was logged last, "" after a success */
};

void pl_range_routes_clear(struct pl_range_routes *routes);

/* The ranges of @conf are wanted from now on. 0 or -ENOMEM. */
int pl_range_routes_want(struct pl_range_routes *routes, const struct pl_netconf *conf);
/* So are those that the kernel holds and @is_used() says yes to. 0 or -errno. */
int pl_range_routes_adopt(struct pl_range_routes *routes, struct pl_nl *nl,
			  bool (*is_used)(const struct pl_prefix *range, void *arg), void *arg);

/*
 * Where the kernel may hold others: reads podlane's routes, makes and deletes what differs. Logs a
 * failure, though not the same twice. 0, or the first failure's -errno: then @dirty stays.
 */
int pl_range_routes_sync(struct pl_range_routes *routes, struct pl_nl *nl);
/* Deletes all of them. */
int pl_range_routes_remove(struct pl_error *err);

#endif
