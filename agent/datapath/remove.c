// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Takes the datapath off the node: every set's attachments, then its pins. Nothing of a datapath
 * that runs is used, so that it works where none can be opened.
 */
#include <sys/stat.h>
#include "common/log.h"
#include "datapath/internal.h"

static int remove_set(struct dp_expedite *expedite, const char *dir, struct pl_error *err)
{
	int r;

	dp_tidy(dir);
	r = dp_detach_set(expedite, dir, err);
	if (r < 0)
		return r;
	r = dp_remove_set(dir);
	if (r < 0)
		return pl_fail(err, r, "remove the pins in %s: %s", dir, strerror(-r));
	return 0;
}

int pl_datapath_remove(const char *bpffs_dir, struct pl_error *err)
{
	pl_cleanup(dp_names_clear) struct dp_names sets = {0};
	pl_cleanup(dp_expedite_close) struct dp_expedite expedite = {.fd = -1};
	pl_autoclose int lock_fd = -1;
	struct stat st;
	int r;

	libbpf_set_print(dp_libbpf_print);
	if (stat(bpffs_dir, &st))
		return errno == ENOENT ? 0
				       : pl_fail(err, -errno, "look at bpffs folder %s: %s",
						 bpffs_dir, strerror(errno));
	r = pl_datapath_check_folder(bpffs_dir, err);
	if (r < 0)
		return r;
	lock_fd = dp_lock(bpffs_dir, err);
	if (lock_fd < 0)
		return lock_fd;
	dp_expedite_open(&expedite, bpffs_dir, DP_RCU_EXPEDITED);
	r = dp_list_sets(bpffs_dir, &sets);
	if (r < 0)
		return pl_fail(err, r, "list %s: %s", bpffs_dir, strerror(-r));
	for (size_t i = 0; i < sets.n; i++) {
		struct pl_error failed = {0};

		if (remove_set(&expedite, sets.names[i], &failed) && !r) {
			r = failed.code;
			if (err)
				*err = failed;
		}
	}
	if (!r && rmdir(bpffs_dir) && errno != ENOENT)
		return pl_fail(err, -errno, "remove folder %s: %s", bpffs_dir, strerror(errno));
	return r;
}
