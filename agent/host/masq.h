/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Masquerading of pods whose network asks for it ("ipMasq"): a table of our own in nftables, sets
 * of pod addresses, removed with the last user. No rule of anybody else is read or touched.
 */
#ifndef PODLANE_HOST_MASQ_H
#define PODLANE_HOST_MASQ_H

#include "daemon/daemon.h"

/* Nothing to do for a pod without ip_masq. 0, or -errno with what nftables said. */
int pl_masq_add(struct pl_daemon *d, struct pl_endpoint *pod, struct pl_error *err);
/*
 * Of @pods, which leave, in one transaction: each waits for a grace period. Failure is logged: the
 * pods go all the same, and the next resync settles the rest.
 */
void pl_masq_del(struct pl_daemon *d, struct pl_endpoint *const *pods, size_t n);
/* Makes the table what the pods need, whatever it was: at start and after a resync. */
void pl_masq_resync(struct pl_daemon *d);

#endif
