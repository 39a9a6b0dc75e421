/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Desired minus actual. What the datapath must hold is a set of facts; plan compares two sets and
 * says what to set and what to delete, in an order in which no packet meets a half of it. Pure:
 * no system call, no clock, no global.
 */
#ifndef PODLANE_RECONCILE_PLAN_H
#define PODLANE_RECONCILE_PLAN_H

#include "reconcile/facts.h"

struct pl_op {
	bool del;	     /* else set */
	bool pauses;	     /* a mirror session that is to change is switched off first */
	bool swaps;	     /* a program that takes the place of another */
	struct pl_fact fact; /* del: the actual one, set: the desired one */
};

struct pl_plan {
	struct pl_op *v;
	size_t n;
};

void pl_plan_clear(struct pl_plan *p);
/*
 * Both sets are sorted in place. Deletions come first, then mirror sessions that change are
 * switched off, sets come after them, programs that take the place of others last. Of desired facts
 * with the same key the first added counts. 0 or -ENOMEM, *ret untouched then.
 */
int pl_plan_make(struct pl_facts *desired, struct pl_facts *actual, struct pl_plan *ret);

#endif
