/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What changes maps and attachments. reconcile/write.c alone includes it, besides the files of
 * this folder and tests: whoever wants something of the datapath says so as a fact.
 */
#ifndef PODLANE_DATAPATH_WRITE_H
#define PODLANE_DATAPATH_WRITE_H

#include "common/prefixes.h"
#include "datapath/datapath.h"

/*
 * Idempotent. 0, -ENODEV (device gone), -errno with a sentence that names device, hook and way
 * out. A clsact qdisc is made where missing, and never removed. What there is of ours, of another
 * version or made by the other choice, is brought to our program in place (bpf_link_update, a
 * filter replaced), or taken away when the new attachment is made.
 */
int pl_datapath_attach(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
		       struct pl_error *err);
/* Not attached and device gone are success. */
int pl_datapath_detach(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
		       struct pl_error *err);
/*
 * Pins again what somebody unpinned. 0: nothing was missing, 1: it is there again. -ENOTSUP: there
 * is no bpffs to pin to; what is attached goes on.
 */
int pl_datapath_pins_restore(struct pl_datapath *dp, struct pl_error *err);
/* The device is gone, and what was attached with it: removes what is noted, asks nothing. */
void pl_datapath_forget(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex);
/*
 * Ends an upgrade when nothing runs a former program any more: brings over the map entries that
 * those made meanwhile, and removes the sets of other versions. Nothing to do is success;
 * -EBUSY: one of them has an attachment yet.
 */
int pl_datapath_settle(struct pl_datapath *dp);

/*
 * The endpoint array, mapped: pl_datapath_max_endpoints() entries, shared with the programs.
 * Store single fields; READY last, with release (__atomic).
 */
struct pl_endpoint_info *pl_datapath_endpoints(struct pl_datapath *dp);
struct pl_config *pl_datapath_config(struct pl_datapath *dp);

/* What the programs remember in pl_route_cache is void: call it after a change that they cannot
 * see. */
void pl_datapath_routes_forget(struct pl_datapath *dp);

int pl_datapath_addr_set(struct pl_datapath *dp, const struct pl_ip *ip, const struct pl_addr *v);
int pl_datapath_addr_del(struct pl_datapath *dp, const struct pl_ip *ip); /* gone: success */

int pl_datapath_link_set(struct pl_datapath *dp, uint32_t ifindex, const struct pl_device *v);
int pl_datapath_link_del(struct pl_datapath *dp, uint32_t ifindex);
int pl_datapath_tunnel_set(struct pl_datapath *dp, uint16_t port, const struct pl_tunnel *v);
int pl_datapath_tunnel_del(struct pl_datapath *dp, uint16_t port); /* gone: success */

/* Replaces the native networks and their exceptions; keeps pl_config true. */
int pl_datapath_networks_set(struct pl_datapath *dp, const struct pl_network_rule *rules, size_t n,
			     struct pl_error *err);

/* Other budgets of flows than those at open: see pl_datapath_opts. */
void pl_datapath_budgets_set(struct pl_datapath *dp, uint32_t budget, uint32_t rate);

/* Forgets counters and stack flows of an endpoint whose slot is being freed. */
int pl_datapath_endpoint_reset(struct pl_datapath *dp, uint32_t endpoint);

/* Mirror sessions. */
int pl_datapath_mirror_set(struct pl_datapath *dp, unsigned int slot, const struct pl_mirror *m);
int pl_datapath_mirror_reset(struct pl_datapath *dp, unsigned int slot); /* stats and state */

/* pl_mirror in its slot, which it lost to somebody else. */
int pl_datapath_mirror_restore(struct pl_datapath *dp);
/* @prog_fd -1 empties the slot. The prog array is pinned, so the program outlives us. */
int pl_datapath_program_set(struct pl_datapath *dp, enum pl_program_slot slot, int prog_fd);

#endif
