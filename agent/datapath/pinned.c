// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The pins of our set as a whole: made at the open, looked at, and made again where somebody
 * removed them or took the bpffs away. The lock's fd keeps a bpffs that was unmounted, and so the
 * attachments in it, until they are pinned in the next one.
 */
#include <net/if.h>

#include "common/log.h"
#include "datapath/internal.h"

const char *const dp_map_names[MAP_COUNT] = {
#define PL_MAP_NAME(name) [MAP_##name] = #name,
	PL_MAPS(PL_MAP_NAME)
#undef PL_MAP_NAME
};

const char *const dp_prog_names[PROG_COUNT] = {
#define PL_PROG_NAME(name) [PROG_##name] = #name,
	PL_PROGS(PL_PROG_NAME)
#undef PL_PROG_NAME
};

int dp_make_folders(const struct pl_datapath *dp, struct pl_error *err)
{
	static const char *const subs[] = {"maps", "progs", "links"};
	char path[PATH_MAX];
	int r;

	for (size_t i = 0; i < PL_ARRAY_SIZE(subs); i++) {
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", dp->dir, subs[i]) >= sizeof(path))
			return pl_fail(err, -ENAMETOOLONG, "bpffs folder %s: path too long",
				       dp->root);
		r = dp_bpffs_mkdir(path, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int dp_pin_all(const struct pl_datapath *dp, const bool *replaced, struct pl_error *err)
{
	for (size_t i = 0; i < MAP_COUNT; i++) {
		pl_autoclose int pinned = dp_pin_get(dp->dir, "maps", dp_map_names[i]);
		int r = pinned >= 0 && !replaced[i]
				? 0
				: dp_pin(dp->maps[i], dp->dir, "maps", dp_map_names[i]);

		if (r < 0)
			return pl_fail(err, r, "pin map %s in %s: %s", dp_map_names[i], dp->dir,
				       strerror(-r));
	}
	for (size_t i = 0; i < PROG_COUNT; i++) {
		int r = dp->progs[i] < 0 ? 0
					 : dp_pin(dp->progs[i], dp->dir, "progs", dp_prog_names[i]);

		if (r < 0)
			return pl_fail(err, r, "pin program %s in %s: %s", dp_prog_names[i],
				       dp->dir, strerror(-r));
	}
	return 0;
}

static int pin_intact(const struct pl_datapath *dp, const char *sub, const char *name,
		      struct pl_error *err)
{
	pl_autoclose int fd = dp_pin_get(dp->dir, sub, name);

	if (fd >= 0)
		return 0;
	return pl_fail(err, -ENETDOWN,
		       "%s/%s/%s was deleted (%s): mount the bpf file system again, and podlaned "
		       "pins it again; no new pod is attached until then",
		       dp->dir, sub, name, strerror(-fd));
}

int pl_datapath_intact(struct pl_datapath *dp, struct pl_error *err)
{
	int r = 0;

	for (size_t i = 0; !r && i < MAP_COUNT; i++)
		r = pin_intact(dp, "maps", dp_map_names[i], err);
	for (size_t i = 0; !r && i < PROG_COUNT; i++)
		if (dp->progs[i] >= 0) /* not loaded: this kernel has no such hook */
			r = pin_intact(dp, "progs", dp_prog_names[i], err);
	return r;
}

static bool all_there(const struct pl_datapath *dp)
{
	bool there = true;

	for (size_t i = 0; there && i < MAP_COUNT; i++)
		there = dp_pin_exists(dp->dir, "maps", dp_map_names[i]);
	for (size_t i = 0; there && i < PROG_COUNT; i++)
		there = dp->progs[i] < 0 || dp_pin_exists(dp->dir, "progs", dp_prog_names[i]);
	return there;
}

/* By the number behind the hook's name. Nobody took the pin away while there was no folder. */
static bool device_has_gone(const char *name)
{
	const char *dash = strchr(name, '-');
	char ifname[IF_NAMESIZE];

	return dash && !if_indextoname((unsigned int)strtoul(dash + 1, NULL, 10), ifname);
}

/* A pinned link, or the note of a filter. */
static void copy_link(const char *from, const char *to, const char *name)
{
	pl_autoclose int fd = dp_pin_get(from, "links", name);
	int r = fd < 0 ? dp_note_copy(from, to, name) : dp_pin(fd, to, "links", name);

	if (r < 0)
		pl_warn("attachment not pinned again name=%s reason=\"%s\"", name, strerror(-r));
}

/* From the folder that we have locked, which may be nowhere any more, into the one of that name. */
static int move_links(struct pl_datapath *dp, struct pl_error *err)
{
	pl_cleanup(dp_names_clear) struct dp_names names = {0};
	pl_autoclose int lock = dp_lock(dp->root, err);
	char from[64];

	if (lock == -EEXIST) /* by ourselves: it is the same folder */
		return 0;
	if (lock < 0)
		return lock;
	snprintf(from, sizeof(from), "/proc/self/fd/%d/%s", dp->lock_fd, strrchr(dp->dir, '/') + 1);
	if (!dp_list_links(from, &names))
		for (size_t i = 0; i < names.n; i++)
			if (!device_has_gone(names.names[i]))
				copy_link(from, dp->dir, names.names[i]);
	pl_closep(&dp->lock_fd);
	dp->lock_fd = TAKE_FD(lock);
	return 0;
}

int pl_datapath_pins_restore(struct pl_datapath *dp, struct pl_error *err)
{
	static const bool replaced[MAP_COUNT];
	int r;

	if (all_there(dp))
		return 0;
	r = dp_make_folders(dp, err);
	r = r ?: move_links(dp, err);
	r = r ?: dp_pin_all(dp, replaced, err);
	return r < 0 ? r : 1;
}
