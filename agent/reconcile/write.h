/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Carries single facts out on the datapath. No other file changes maps or attachments.
 */
#ifndef PODLANE_RECONCILE_WRITE_H
#define PODLANE_RECONCILE_WRITE_H

#include "reconcile/facts.h"

/* 0, or -errno with a sentence. */
int pl_write_set(struct pl_datapath *dp, const struct pl_fact *f, struct pl_error *err);
int pl_write_del(struct pl_datapath *dp, const struct pl_fact *f, struct pl_error *err);

#endif
