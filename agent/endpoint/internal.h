/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of the endpoints share. Nobody else includes it.
 */
#ifndef PODLANE_ENDPOINT_INTERNAL_H
#define PODLANE_ENDPOINT_INTERNAL_H

#include "endpoint/endpoint.h"
#include "netlink/identity.h"

/* ---- table.c ---- */

/* A slot for @rec: the one that the datapath holds for its link, or a free one. -ENOSPC. */
int pl_endpoints_insert(struct pl_endpoints *t, const struct pl_record *rec,
			struct pl_endpoint **ret, struct pl_error *err);
/* Out of the table, and freed. */
void pl_endpoints_drop(struct pl_endpoints *t, struct pl_endpoint *pod);
/* The host end has another index from now on; 0: it is in another network namespace. */
void pl_endpoints_set_index(struct pl_endpoints *t, struct pl_endpoint *pod, uint32_t ifindex);
int pl_endpoint_save(struct pl_endpoints *t, const struct pl_record *rec, struct pl_error *err);
/* Cuts what is too long; NULL is "". */
void pl_endpoint_copy_text(char *to, size_t size, const char *from);

/* ---- facts.c ---- */

/*
 * A root qdisc other than noqueue shapes what the pod gets; an "ingress" qdisc is how policing what
 * it sends is done. Redirected packets would pass by both.
 */
bool pl_endpoint_is_shaped(struct pl_endpoints *t, const struct pl_nl_link *link);

/* ---- events.c ---- */

/* The host end that the record names, as it was seen last: by its index, */
const struct pl_nl_link *pl_endpoint_link_of(const struct pl_endpoints *t,
					     const struct pl_record *rec);
/* or by its name as well, for it may have a new index. NULL: it is not in the host's netns. */
const struct pl_nl_link *pl_endpoint_find_link(const struct pl_endpoints *t,
					       const struct pl_record *rec);

/* The host end has another index than was known, by a move and a return. */
void pl_endpoint_take_back(struct pl_endpoints *t, struct pl_endpoint *pod,
			   const struct pl_nl_link *link);

/* ---- heal.c ---- */

int pl_heal_new(struct pl_endpoints *t, struct pl_error *err);
/* @what: of enum pl_suspicion. */
void pl_endpoint_suspect(struct pl_endpoints *t, struct pl_endpoint *pod, unsigned int what);

/* ---- state.c ---- */

/* Changes the state as the table says. What the table does not know is logged, once. */
void pl_endpoint_event(struct pl_endpoint *ep, enum pl_endpoint_event event);

/* ---- sync.c ---- */

/* As pl_endpoint_update(), where an event and no request is the cause: logs, and tries again. */
void pl_endpoint_sync(struct pl_endpoints *t, struct pl_endpoint *pod);

/* ---- lease.c ---- */

/* All addresses of the request into @rec, or none. */
int pl_lease(struct pl_endpoints *t, const struct pl_endpoint_request *req, struct pl_record *rec,
	     struct pl_error *err);
int pl_lease_take(struct pl_endpoints *t, const struct pl_record *rec, struct pl_error *err);
void pl_lease_release(struct pl_endpoints *t, const struct pl_record *rec);
/* -EINVAL, -EADDRINUSE: not an address for a pod. */
int pl_lease_check(struct pl_endpoints *t, const struct pl_record *rec, struct pl_error *err);

/* ---- podend.c ---- */

/* Watches the pod ends of all endpoints, from then until it is freed. 0 or -ENOMEM. */
int pl_pod_ends_new(struct pl_endpoints *t, struct pl_pod_ends **ret, struct pl_error *err);
void pl_pod_ends_freep(struct pl_pod_ends **ref);
/*
 * Reads the pod end, and takes over the MAC and the MTU that it has by now, unless the MAC is
 * another's on this node.
 */
void pl_endpoint_follow_pod_end(struct pl_endpoints *t, struct pl_endpoint *pod);

/* ---- adopt.c ---- */

/* Finds the link of an accelerated endpoint and completes @rec. */
int pl_endpoint_adopt_link(struct pl_endpoints *t, const struct pl_endpoint_request *req,
			   struct pl_record *rec, struct pl_nl_link *ret_link,
			   struct pl_error *err);

#endif
