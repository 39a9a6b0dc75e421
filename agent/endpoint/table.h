/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The endpoints of this node, and how they are found.
 */
#ifndef PODLANE_ENDPOINT_TABLE_H
#define PODLANE_ENDPOINT_TABLE_H

#include "common/record.h"
#include "reconcile/facts.h"

struct pl_daemon;
struct pl_waiter;

/* A record with its place in the datapath. */
struct pl_endpoint {
	struct pl_record rec;
	uint32_t id;		 /* slot in pl_endpoints */
	uint64_t key_hash;	 /* of container id and ifname: cheap first comparison */
	struct pl_facts applied; /* what the datapath holds for it */
	bool ready;
	bool shaped;
	char why[160];		   /* not ready: the reason, for people */
	bool dirty;		   /* an attach failed: tried again by the timer */
	bool leaving;		   /* it is being removed: endpoint/remove.h */
	bool going;		   /* its link is being deleted just now */
	struct pl_waiter *waiters; /* to be told when it has gone */
	struct pl_endpoint *next_leaving;
	struct pl_endpoint *next_by_key, *next_by_link; /* of the same bucket */
};

/* Room for @max endpoints, slot 0 included. 0 or -ENOMEM. */
int pl_endpoints_init(struct pl_daemon *d, uint32_t max);

void pl_endpoints_clear(struct pl_daemon *d);

struct pl_endpoint *pl_endpoints_find(const struct pl_daemon *d, const char *container_id,
				      const char *ifname);
struct pl_endpoint *pl_endpoints_by_ifindex(const struct pl_daemon *d, uint32_t ifindex);
/*
 * For people: container id or a unique prefix of it (4 letters at least), CONTAINER:IFNAME, pod
 * name, NAMESPACE/NAME, address, host interface. -ENOENT, or -ENOTUNIQ naming the matches.
 */
int pl_endpoints_query(const struct pl_daemon *d, const char *query, struct pl_endpoint **ret,
		       struct pl_error *err);

#endif
