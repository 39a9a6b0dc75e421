/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The end of an endpoint: no packet is led to it any more, then its link goes, then what is noted
 * of it, then whoever asked is told. The links of all that leave at the same time go together.
 * Until a link has gone, its endpoint keeps record, addresses and place.
 */
#ifndef PODLANE_ENDPOINT_REMOVE_H
#define PODLANE_ENDPOINT_REMOVE_H

#include "endpoint/table.h"

int pl_removals_new(struct pl_endpoints *t, struct pl_removals **ret, struct pl_error *err);
void pl_removals_freep(struct pl_removals **removals);

/*
 * Removes everything of @pod, and frees it. @done is told later, never from inside: without an
 * error when nothing is left; with one where the link could not be deleted, and then the endpoint
 * stays as it was. More than one may ask. 0 or -ENOMEM.
 */
int pl_endpoint_remove(struct pl_endpoints *t, struct pl_endpoint *pod,
		       void (*done)(void *arg, const struct pl_error *err), void *arg);
/* @done is told when @pod, which leaves, has gone, or stays after all. 0 or -ENOMEM. */
int pl_endpoint_wait(struct pl_endpoint *pod, void (*done)(void *arg, const struct pl_error *err),
		     void *arg);
/* Waits for all that leave: at the daemon's end, since the loop stands still. */
void pl_removals_wait(struct pl_endpoints *t);

/* The link has gone by itself or by us: the rest of @pod goes at once. */
void pl_endpoint_link_gone(struct pl_endpoints *t, struct pl_endpoint *pod);
/* The link stays, or is in another netns: programs are taken off it, and the rest of @pod goes. */
void pl_endpoint_release(struct pl_endpoints *t, struct pl_endpoint *pod);

#endif
