/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The link of one pod: made, checked and removed through netlink, on the host and inside the
 * pod's netns. Knows nothing of BPF or of other pods.
 */
#ifndef PODLANE_ENDPOINT_LINK_H
#define PODLANE_ENDPOINT_LINK_H

#include <jansson.h>
#include "common/record.h"
#include "netlink/netlink.h"

/* One route as it will be, or was, installed in the pod. */
struct pl_podlink_routes {
	struct pl_nl_route v[64]; /* oif not set */
	size_t n;
	bool implicit; /* default routes that no configuration named */
};

/*
 * Routes for the pod: @conf's, or default routes for the families that have an address. Pure.
 * -EINVAL names the bad entry.
 */
int pl_podlink_routes(const struct pl_record *rec, const json_t *conf,
		      struct pl_podlink_routes *ret, struct pl_error *err);
/*
 * The numbers of route @i of a configuration, whose destination and gateway @route has. 0; 1: every
 * pod has this route anyway; -EINVAL names what is wrong. Pure.
 */
int pl_podlink_read_route(const json_t *j, size_t i, struct pl_nl_route *route,
			  struct pl_error *err);
/* [{"dst", "gw"}, ...] for replies; caller owns. */
json_t *pl_podlink_routes_json(const struct pl_podlink_routes *routes);

/*
 * Makes the pair (the peer directly in @netns_fd), addresses, routes and neighbours on both sides,
 * and brings both ends up. Fills ifindex and pod_ifindex of @rec, and puts the MACs that netkit has
 * of its own in the place of those asked for; everything else of it is input. *ret_link tells the
 * host end as it is in the end. On failure nothing of it is left.
 */
int pl_podlink_create(struct pl_nl *host, int netns_fd, struct pl_record *rec,
		      const struct pl_podlink_routes *routes, struct pl_nl_link *ret_link,
		      struct pl_error *err);

/*
 * The host end was in another network namespace, and lost its settings by the way. Before it is up:
 * the kernel is not to give it an IPv6 address of its own. 0 or -errno.
 */
int pl_podlink_come_back(struct pl_nl *host, const struct pl_record *rec, struct pl_error *err);

/* Deletes the host end, and with it the pair. Already gone is success. */
int pl_podlink_delete(struct pl_nl *host, const struct pl_record *rec, struct pl_error *err);

/*
 * Compares both sides with the record. Every difference is appended to @differences as a
 * sentence. -errno only where the comparison itself was impossible.
 */
int pl_podlink_check(struct pl_nl *host, int netns_fd, const struct pl_record *rec,
		     const struct pl_podlink_routes *routes, json_t *differences,
		     struct pl_error *err);

#endif
