/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the two ways to attach share: links (attach.c) and clsact filters (clsact.c). Nobody else
 * includes it.
 */
#ifndef PODLANE_DATAPATH_ATTACH_H
#define PODLANE_DATAPATH_ATTACH_H

#include "datapath/internal.h"

enum { DP_NAME_SIZE = 64 };

#define DP_CLSACT_SUFFIX "-clsact"

/* attach.c */

struct dp_hook {
	const char *name;
	const char *prog_name;
	enum pl_prog_index prog;
	int attach_type;
	enum bpf_tc_attach_point point;
};
extern const struct dp_hook dp_hooks[PL_HOOK_COUNT];

void dp_marker_name(char buf[DP_NAME_SIZE], enum pl_hook hook, uint32_t ifindex);
/* Sets the sentence that names device, hook and reason; returns @code. */
int dp_fail_attach(struct pl_error *err, int code, enum pl_hook hook, uint32_t ifindex,
		   enum pl_attach_kind kind, const char *why);

/* clsact.c */

/* The program that stands at our priority and handle. -ENOENT: none, no qdisc, no device. */
int dp_filter_query(enum pl_hook hook, uint32_t ifindex, uint32_t *ret_prog_id);
/* Whether it is a program of the hook's name. */
bool dp_filter_is_ours(enum pl_hook hook, uint32_t ifindex);
int dp_filter_attach(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
		     struct pl_error *err);
/* The filter, where it is ours, and the note of it. */
int dp_filter_drop(const char *dir, enum pl_hook hook, uint32_t ifindex);
int dp_marker_drop(const char *dir, enum pl_hook hook, uint32_t ifindex);

#endif
