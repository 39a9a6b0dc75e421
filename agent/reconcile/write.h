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
/* The device is gone, and what was attached with it: removes what is noted, asks nothing. */
void pl_write_forget(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex);

/* See pl_datapath_pins_restore(). */
int pl_write_pins(struct pl_datapath *dp, struct pl_error *err);
/* Ends an upgrade, where one is under way: see pl_datapath_settle(). */
int pl_write_settle(struct pl_datapath *dp);

/* Of flows, for each endpoint. */
void pl_write_budgets(struct pl_datapath *dp, uint32_t budget, uint32_t rate);
/* Routes may have changed: programs look them up anew. */
void pl_write_routes_forget(struct pl_datapath *dp);

#endif
