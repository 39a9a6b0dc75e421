/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The run directory: its lock, which one daemon has, and the folder of the records. Somebody may
 * take them away from under the daemon; then they are made again of what it knows.
 */
#ifndef PODLANE_DAEMON_RUN_DIR_H
#define PODLANE_DAEMON_RUN_DIR_H

#include <sys/stat.h>
#include "common/util.h"

struct event_base;
struct event;
struct pl_control;
struct pl_endpoints;
struct pl_mirrors;

struct pl_run_dir {
	const char *path;
	int lock_fd;	      /* -1: not open */
	mode_t mode;	      /* of the run directory */
	struct stat records;  /* of their folder, when it was last looked at */
	bool failed;	      /* it could not be made again, and that was said */
	struct pl_error lost; /* why the loop ended: another daemon has it now */
	struct event_base *base;
	struct event *check;
	/* What is put back. */
	struct pl_control *control;
	struct pl_endpoints *endpoints;
	struct pl_mirrors *mirrors;
	uint32_t next; /* endpoint whose record is looked at next; 0: none is due */
	size_t saved;  /* records written since */
	uint64_t looked_ns;
};

/* Makes the folders and takes the lock. -EBUSY: another daemon has it. */
int pl_run_dir_open(struct pl_run_dir *dir, const char *path, struct pl_error *err);
/*
 * Four times a second from now on. Where another daemon has begun in the folder meanwhile, the loop
 * ends, and dir->lost says so: there must not be two on one datapath.
 */
int pl_run_dir_watch(struct pl_run_dir *dir, struct event_base *base, struct pl_control *control,
		     struct pl_endpoints *endpoints, struct pl_mirrors *mirrors,
		     struct pl_error *err);
void pl_run_dir_unwatch(struct pl_run_dir *dir);
/* Lets the lock go. */
void pl_run_dir_close(struct pl_run_dir *dir);

#endif
