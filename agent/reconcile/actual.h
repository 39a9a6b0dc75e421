/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads back what the datapath holds, for a resync.
 */
#ifndef PODLANE_RECONCILE_ACTUAL_H
#define PODLANE_RECONCILE_ACTUAL_H

#include "reconcile/facts.h"

/*
 * Appends every fact that is in the maps or at a hook to @ret. The native networks are asked for as
 * a whole: whether they are what @desired says.
 */
int pl_actual_collect(struct pl_datapath *dp, struct pl_facts *ret, const struct pl_facts *desired);

/* Whether the fact is in the maps, or at the hook, as it says. */
bool pl_actual_holds(struct pl_datapath *dp, const struct pl_fact *f);

#endif
