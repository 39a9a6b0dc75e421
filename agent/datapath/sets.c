// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Our set beside those of other ABI versions, from the start of an upgrade (or the way back) to
 * its end: their maps are taken over at the open, their devices are swapped by whoever compares
 * attachments, and what they leave is removed here.
 */
#include "common/log.h"
#include "datapath/internal.h"

void dp_sets_close(struct pl_datapath *dp)
{
	for (size_t i = 0; i < dp->n_others; i++)
		free(dp->others[i].dir);
	free(dp->others);
	dp->others = NULL;
	dp->n_others = 0;
}

static int add_set(struct pl_datapath *dp, const char *dir)
{
	pl_cleanup(dp_names_clear) struct dp_names links = {0};
	struct dp_set set = {0};
	int r;

	dp_tidy(dir);
	r = dp_list_links(dir, &links);
	if (r < 0)
		return r;
	if (!links.n) {
		dp_remove_set(dir);
		return 0;
	}
	if (!dp_set_version(dir, &set.abi))
		return -EINVAL;
	set.links = links.n;
	set.dir = strdup(dir);
	if (!set.dir)
		return -ENOMEM;
	dp->others[dp->n_others++] = set;
	return 0;
}

int dp_sets_open(struct pl_datapath *dp, struct pl_error *err)
{
	pl_cleanup(dp_names_clear) struct dp_names sets = {0};
	int r = dp_list_sets(dp->root, &sets);

	dp->others = r || !sets.n ? NULL : calloc(sets.n, sizeof(*dp->others));
	if (!r && sets.n && !dp->others)
		r = -ENOMEM;
	for (size_t i = 0; i < sets.n && !r; i++)
		if (strcmp(sets.names[i], dp->dir))
			r = add_set(dp, sets.names[i]);
	return r < 0 ? pl_fail(err, r, "list the sets in %s: %s", dp->root, strerror(-r)) : 0;
}

const char *dp_sets_donor(const struct pl_datapath *dp)
{
	const struct dp_set *best = NULL;

	for (size_t i = 0; i < dp->n_others; i++)
		if (!best || dp->others[i].links > best->links)
			best = &dp->others[i];
	return best ? best->dir : NULL;
}

static void copy_late(struct pl_datapath *dp)
{
	for (size_t i = 0; i < MAP_COUNT; i++) {
		int r = dp->late[i] < 0 ? 0 : dp_map_carry(dp->late[i], dp->maps[i], BPF_NOEXIST);

		if (r < 0)
			pl_warn("datapath entries made meanwhile are lost map=%zu reason=\"%s\"", i,
				strerror(-r));
		if (i == MAP_pl_endpoints && dp->late[i] >= 0)
			dp_endpoints_merge(dp, dp->late[i]);
		pl_closep(&dp->late[i]);
		dp->late[i] = -1;
	}
}

int pl_datapath_settle(struct pl_datapath *dp)
{
	int r, first = 0;

	for (size_t i = 0; i < dp->n_others; i++) {
		r = dp_drain_set(&dp->expedite, dp->others[i].dir);
		if (r < 0)
			return r;
	}
	copy_late(dp);
	r = dp_flows_recount(dp);
	if (r < 0)
		pl_warn("datapath flows not counted reason=\"%s\"", strerror(-r));
	for (size_t i = 0; i < dp->n_others; i++) {
		r = dp_remove_set(dp->others[i].dir);
		if (r < 0)
			pl_warn("datapath set not removed path=%s reason=\"%s\"", dp->others[i].dir,
				strerror(-r));
		else
			pl_info("datapath abi=%d took over from=%u", PL_ABI, dp->others[i].abi);
		first = first ?: r;
	}
	if (!first)
		dp_sets_close(dp);
	return first;
}
