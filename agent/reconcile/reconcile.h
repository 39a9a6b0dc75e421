/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The thin layer that carries plans out on the datapath, and the resync that starts from what the
 * kernel really holds.
 */
#ifndef PODLANE_RECONCILE_H
#define PODLANE_RECONCILE_H

#include "daemon/daemon.h"

/*
 * Brings the datapath from *applied to @desired (consumed) and stores what was reached in
 * *applied: a fact whose operation failed is left as it was, so that the next call tries again.
 * Returns 0 or the first error; the other operations are carried out all the same.
 */
int pl_apply(struct pl_daemon *d, struct pl_facts *desired, struct pl_facts *applied,
	     struct pl_error *err);

/*
 * Dumps links, addresses and routes, compares all that should be with all that is in the maps and
 * at the hooks, and makes it so: at start and whenever events were lost.
 */
int pl_resync(struct pl_daemon *d, const char *why, struct pl_error *err);

/* Arms the timer that tries failed operations again. */
void pl_retry_later(struct pl_daemon *d);

#endif
