/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the two ways to attach share: links.c (tcx and netkit links, which are pinned) and
 * clsact.c (clsact filters, of which a symbolic link among the pins keeps note). attach.c
 * chooses between them; nobody else includes this.
 */
#ifndef PODLANE_DATAPATH_ATTACH_H
#define PODLANE_DATAPATH_ATTACH_H

#include "datapath/internal.h"

enum { DP_NAME_SIZE = 64 };

#define DP_CLSACT_SUFFIX "-clsact"

/* hooks.c */

struct dp_hook {
	const char *name;
	const char *prog_name;
	enum pl_prog_index prog;
	int attach_type;
	enum bpf_tc_attach_point point;
};

extern const struct dp_hook dp_hooks[PL_HOOK_COUNT];

/* Sets the sentence that names device, hook and reason; returns @code. */
int dp_fail_attach(struct pl_error *err, int code, enum pl_hook hook, uint32_t ifindex,
		   enum pl_attach_kind kind, const char *why);

/* links.c */

void dp_link_name(char buf[DP_NAME_SIZE], enum pl_hook hook, uint32_t ifindex);
/* Makes the pinned link, or brings it to our program. */
int dp_link_attach(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
		   enum pl_attach_kind kind, struct pl_error *err);
/* Detaches what the set @dir has pinned under @name. Not there is success. */
int dp_link_drop(struct dp_expedite *expedite, const char *dir, const char *name);
/* What the pinned link of the set does now; one that serves its device no longer is unpinned. */
enum pl_attach_kind dp_link_kind(struct dp_expedite *expedite, const char *dir, enum pl_hook hook,
				 uint32_t ifindex, uint32_t *ret_prog_id);
/* Whether device @ifindex of this netns runs the program at the hook: the kernel's word. */
bool dp_hook_runs(enum pl_hook hook, uint32_t ifindex, uint32_t prog_id);

/* clsact.c */

void dp_marker_name(char buf[DP_NAME_SIZE], enum pl_hook hook, uint32_t ifindex);
/* Adds the filter, or replaces one of ours in its place: *ret_replaced. */
int dp_filter_attach(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
		     bool *ret_replaced, struct pl_error *err);
/*
 * Removes the filters that the set @dir has noted for this hook, but for one that runs program
 * @keep (0: none), and the note. No note is success.
 */
int dp_filter_drop(const char *dir, enum pl_hook hook, uint32_t ifindex, uint32_t keep);
/* The same for a note of a hook that we do not know. */
int dp_filter_drop_unknown(const char *dir, const char *marker);
/* Whether the noted filter is there; a note without one is removed. */
bool dp_filter_there(const char *dir, enum pl_hook hook, uint32_t ifindex, uint32_t *ret_prog_id);
/* The program at the place of our filter. -ENOENT: none, no qdisc, no device. */
int dp_filter_query(enum pl_hook hook, uint32_t ifindex, uint32_t *ret_prog_id);

#endif
