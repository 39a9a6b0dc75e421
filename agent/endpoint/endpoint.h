/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The endpoints of this node: made, removed, checked, found. Each is a record on disk first, then
 * a link, then facts in the datapath; removal goes the other way round.
 */
#ifndef PODLANE_ENDPOINT_H
#define PODLANE_ENDPOINT_H

#include "common/netconf.h"
#include "endpoint/table.h"
#include "netlink/netlink.h"

struct pl_endpoint_request {
	const char *container_id;
	const char *ifname;
	const char *netns; /* path, "" where unknown */
	int netns_fd;
	const struct pl_netconf *conf;
	struct pl_ip ips[PL_RECORD_ADDRS_MAX]; /* asked of the built-in IPAM */
	size_t n_ips;
	struct pl_record_addr addrs[PL_RECORD_ADDRS_MAX]; /* given by a delegated IPAM */
	size_t n_addrs;
	struct pl_mac mac;
	bool has_mac;
	const char *pod_name, *pod_namespace, *pod_uid; /* "" where unknown */
	const char *host_ifname;			/* accelerate: the host end that is there */
};

/*
 * Whether a start can take over all endpoints that records name: call it before anything is
 * changed. -EPROTONOSUPPORT: some are of another version of podlane; -EUSERS: more of them live
 * than there is @room for. Broken files are set aside.
 */
int pl_endpoints_survey(const char *run_dir, struct pl_nl *nl, uint32_t room, struct pl_error *err);
/*
 * Reads the records of earlier runs. Records of an ADD that never ended are undone; broken files
 * are set aside. Call before the first resync. 0 or -errno.
 */
int pl_endpoints_load(struct pl_endpoints *t, struct pl_error *err);

/*
 * All or nothing. *ret lives until it is removed. @ret_routes: [{"dst","gw"}], caller owns.
 * -EEXIST: the container has this interface already; -EBUSY: an endpoint of that name is leaving
 * (pl_endpoint_wait() tells when it has gone); -ENOSPC: range or table full; -ENOENT: the
 * netns is gone; -ENOTSUP: the kernel has no such link kind.
 */
int pl_endpoints_add(struct pl_endpoints *t, const struct pl_endpoint_request *req,
		     struct pl_endpoint **ret, json_t **ret_routes, struct pl_error *err);
/*
 * Deletes the link that ADD made for this container if no endpoint has it: the record was lost. By
 * the name that is derived from both, never by a likeness of it. 0 or -errno.
 */
int pl_endpoints_delete_leftover(struct pl_endpoints *t, const char *container_id,
				 const char *ifname, struct pl_error *err);
/*
 * Compares record, links, maps and attachments; differences as sentences in @differences.
 * @conf may be NULL (routes are then not compared).
 */
int pl_endpoints_check(struct pl_endpoints *t, struct pl_endpoint *pod, int netns_fd,
		       const struct pl_netconf *conf, json_t *differences, struct pl_error *err);

/* Desired facts of one pod as the links are now; sets ready, shaped, why. 0 or -ENOMEM. */
int pl_endpoint_facts(struct pl_endpoints *t, struct pl_endpoint *pod, struct pl_facts *ret);
/* Brings one pod's facts to the datapath; failures are retried by the timer. */
int pl_endpoint_update(struct pl_endpoints *t, struct pl_endpoint *pod, struct pl_error *err);

/* The sessions that an endpoint's packets are copied for: in the datapath at once. */
void pl_endpoint_set_masks(struct pl_endpoints *t, uint32_t id, uint64_t out, uint64_t in);
/*
 * NULL, or what the datapath lacks of a ready endpoint, for people: an attachment that cannot be
 * made, say. No state, but a difference of reconcile.
 */
const char *pl_endpoint_degraded(const struct pl_endpoints *t, const struct pl_endpoint *pod);

/* Says the facts of all endpoints anew, before a resync; nothing is done yet. 0 or -ENOMEM. */
int pl_endpoints_want(struct pl_endpoints *t, struct pl_error *err);

/* Events. */
void pl_endpoints_link_changed(struct pl_endpoints *t, const struct pl_nl_link *link);
void pl_endpoints_link_gone(struct pl_endpoints *t, const struct pl_nl_link *link);
/* What of the host's stack leads to a pod may be missing: it is looked at, and made again. */
void pl_endpoints_stack_changed(struct pl_endpoints *t, const struct pl_nl_event *event);
/* After a dump: records whose link is gone go too; that all is there for the others is doubted. */
void pl_endpoints_sweep(struct pl_endpoints *t);

/*
 * Writes the records that are not there any more, from the endpoint @next on until CLOCK_MONOTONIC
 * is @end_ns. How many; @next is 0 when all have been looked at.
 */
size_t pl_endpoints_keep_records(struct pl_endpoints *t, uint32_t *next, uint64_t end_ns);

/* For replies, caller owns: the pod's names, NULL where none is known; the record; all of it. */
json_t *pl_endpoint_pod_json(const struct pl_record *r);
json_t *pl_endpoint_record_json(const struct pl_record *r);
json_t *pl_endpoint_json(struct pl_endpoints *t, const struct pl_endpoint *pod);

#endif
