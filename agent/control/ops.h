/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The operations of the control socket, one a function. Each replies and returns 0, or returns
 * -errno with a sentence, which dispatch.c replies.
 */
#ifndef PODLANE_CONTROL_OPS_H
#define PODLANE_CONTROL_OPS_H

#include "control/request.h"

int pl_op_status(struct pl_call *c, struct pl_error *err);
int pl_op_endpoint_add(struct pl_call *c, struct pl_error *err);
int pl_op_endpoint_del(struct pl_call *c, struct pl_error *err);
int pl_op_endpoint_check(struct pl_call *c, struct pl_error *err);
int pl_op_endpoint_gc(struct pl_call *c, struct pl_error *err);
int pl_op_endpoint_list(struct pl_call *c, struct pl_error *err);
int pl_op_endpoint_names(struct pl_call *c, struct pl_error *err);
int pl_op_endpoint_show(struct pl_call *c, struct pl_error *err);
int pl_op_stats(struct pl_call *c, struct pl_error *err);
int pl_op_network_status(struct pl_call *c, struct pl_error *err);
int pl_op_mirror(struct pl_call *c, struct pl_error *err);
int pl_op_mirror_list(struct pl_call *c, struct pl_error *err);
int pl_op_log_level(struct pl_call *c, struct pl_error *err);

/* The counters of @pod, an array; caller owns. */
int pl_stats_reasons(const struct pl_parts *parts, const struct pl_endpoint *pod, json_t **ret,
		     struct pl_error *err);

#endif
