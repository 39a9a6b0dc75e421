/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What reconcile.c and repair.c share. Nobody else includes it.
 */
#ifndef PODLANE_RECONCILE_INTERNAL_H
#define PODLANE_RECONCILE_INTERNAL_H

#include <event2/event.h>

#include "reconcile/reconcile.h"

struct pl_reconcile {
	struct pl_datapath *dp;
	struct event *retry;
	struct pl_reconcile_watcher watcher;
	struct pl_fact_owner owners; /* head of the ring, in the order in which they came */
	unsigned int waited;	     /* seconds */
	bool unsettled; /* the last comparison of everything left something: it is made again */

	struct event *check; /* see repair.c */
	struct pl_fact_owner *next_check;
	bool any_suspect;
	char text[512]; /* see pl_reconcile_lacks() */
};

/* Notes how a try ended, for pl_reconcile_lacks(). True where that is news. */
bool pl_owner_note(struct pl_fact_owner *owner, int r, const struct pl_error *err);
void pl_repair_tick(evutil_socket_t fd, short what, void *arg);

#endif
