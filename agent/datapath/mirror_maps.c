/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps of mirror sessions: slots, their state and statistics, and the program slots.
 */
#include "datapath/internal.h"

/* A session that runs is switched off while its fields change, for they are not stored at once. */
int pl_datapath_mirror_set(struct pl_datapath *dp, unsigned int slot, const struct pl_mirror *m)
{
	const int fd = dp->maps[MAP_pl_mirrors];
	const uint32_t key = slot;
	struct pl_mirror now, off = *m;
	int r;

	r = dp_map_get(fd, &key, &now);
	if (r < 0)
		return r;
	if (now.flags & PL_MIRROR_ACTIVE) {
		now.flags &= ~(uint32_t)PL_MIRROR_ACTIVE;
		r = dp_map_set(fd, &key, &now);
	}
	off.flags &= ~(uint32_t)PL_MIRROR_ACTIVE;
	if (!r)
		r = dp_map_set(fd, &key, &off);
	if (!r && off.flags != m->flags)
		r = dp_map_set(fd, &key, m);
	return r;
}

int pl_datapath_mirror_get(struct pl_datapath *dp, unsigned int slot, struct pl_mirror *ret)
{
	const uint32_t key = slot;

	return dp_map_get(dp->maps[MAP_pl_mirrors], &key, ret);
}

int pl_datapath_mirror_reset(struct pl_datapath *dp, unsigned int slot)
{
	const struct pl_mirror_state none = {0};
	const uint32_t key = slot;
	int r;

	r = dp_map_set(dp->maps[MAP_pl_mirror_state], &key, &none);
	return r ?: dp_zero_per_cpu(dp, MAP_pl_mirror_stats, &key, sizeof(struct pl_mirror_stats));
}

int pl_datapath_mirror_stats(struct pl_datapath *dp, unsigned int slot, struct pl_mirror_stats *ret)
{
	pl_autofree void *values = NULL;
	struct pl_mirror_stats sum = {0};
	const struct pl_mirror_stats *s;
	const uint32_t key = slot;
	int r;

	r = dp_get_per_cpu(dp, MAP_pl_mirror_stats, &key, sizeof(*s), &values);
	if (r < 0)
		return r;
	s = values;
	for (int cpu = 0; cpu < dp->cpus; cpu++) {
#define PL_MIRROR_SUM(name, text) sum.name += s[cpu].name;
		PL_MIRROR_COUNTERS(PL_MIRROR_SUM)
#undef PL_MIRROR_SUM
		if (s[cpu].last_error)
			sum.last_error = s[cpu].last_error;
	}
	*ret = sum;
	return 0;
}

int pl_datapath_mirror_state(struct pl_datapath *dp, unsigned int slot, struct pl_mirror_state *ret)
{
	const uint32_t key = slot;

	return dp_map_get(dp->maps[MAP_pl_mirror_state], &key, ret);
}

int pl_datapath_program_set(struct pl_datapath *dp, enum pl_program_slot slot, int prog_fd)
{
	const uint32_t key = slot;

	if (prog_fd < 0)
		return dp_map_del(dp->maps[MAP_pl_programs], &key);
	return dp_map_set(dp->maps[MAP_pl_programs], &key, &prog_fd);
}

int pl_datapath_programs_fd(const struct pl_datapath *dp)
{
	return dp->maps[MAP_pl_programs];
}

uint32_t pl_datapath_program_id(struct pl_datapath *dp, enum pl_program_slot slot)
{
	const uint32_t key = slot;
	uint32_t id;

	return dp_map_get(dp->maps[MAP_pl_programs], &key, &id) ? 0 : id;
}

uint32_t pl_datapath_mirror_program(const struct pl_datapath *dp)
{
	return dp->prog_ids[PROG_pl_mirror];
}

int pl_datapath_mirror_restore(struct pl_datapath *dp)
{
	return pl_datapath_program_set(dp, PL_PROG_MIRROR, dp->progs[PROG_pl_mirror]);
}
