/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Compares what is at the paths with what is open. The daemon's tables are complete without the
 * files, so addresses in use stay taken; the files are there for the next start, for a DEL without
 * a daemon, and for people.
 */
#include <event2/event.h>
#include <fcntl.h>
#include <sys/file.h>

#include "common/log.h"
#include "common/turn.h"
#include "control/server.h"
#include "daemon/run_dir.h"
#include "endpoint/endpoint.h"
#include "mirror/mirrors.h"

enum {
	CHECK_US = 250000,
	BUDGET_NS = 4000000,	 /* of a turn */
	RECORDS_NS = 1000000000, /* between two looks at each record, while their folder changes */
};

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static int make_folders(struct pl_run_dir *dir, struct pl_error *err)
{
	char path[300];
	int r;

	snprintf(path, sizeof(path), "%s/endpoints", dir->path);
	r = pl_mkdir_p(path, 0755);
	if (!r && stat(path, &dir->records))
		r = -errno;
	return r < 0 ? pl_fail(err, r, "make %s: %s%s", path, strerror(-r),
			       r == -EACCES || r == -EPERM || r == -EROFS
				       ? "; podlaned must run as root, with a writable runDir"
				       : "")
		     : 0;
}

static int take_lock(struct pl_run_dir *dir, struct pl_error *err)
{
	char path[300];
	pl_autoclose int fd = -1;
	char who[32] = "";
	ssize_t n;

	snprintf(path, sizeof(path), "%s/podlaned.lock", dir->path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0644);
	if (fd < 0)
		return pl_fail(err, -errno, "lock %s: %s", path,
			       errno == ELOOP ? "it is a symbolic link, which is not followed; "
						"remove it"
					      : strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		n = read(fd, who, sizeof(who) - 1);
		who[n > 0 ? strcspn(who, "\n") : 0] = 0;
		return pl_fail(
			err, -EBUSY,
			"another podlaned (pid %s) has %s: stop it, or give this one its own "
			"--run-dir and --bpffs",
			who[0] ? who : "?", path);
	}
	n = snprintf(who, sizeof(who), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) || pwrite(fd, who, (size_t)n, 0) != n)
		pl_warn("pid not written path=%s", path);
	pl_closep(&dir->lock_fd);
	dir->lock_fd = TAKE_FD(fd);
	return 0;
}

int pl_run_dir_open(struct pl_run_dir *dir, const char *path, struct pl_error *err)
{
	struct stat st;
	int r;

	dir->path = path;
	r = make_folders(dir, err);
	if (r < 0)
		return r;
	dir->mode = stat(path, &st) ? 0755 : st.st_mode & 07777;
	return take_lock(dir, err);
}

void pl_run_dir_unwatch(struct pl_run_dir *dir)
{
	if (dir->check)
		event_free(dir->check);
	dir->check = NULL;
}

void pl_run_dir_close(struct pl_run_dir *dir)
{
	pl_closep(&dir->lock_fd);
	dir->lock_fd = -1;
}

static bool has_lock(const struct pl_run_dir *dir)
{
	struct stat at_path, ours;
	char path[300];

	snprintf(path, sizeof(path), "%s/podlaned.lock", dir->path);
	return !lstat(path, &at_path) && !fstat(dir->lock_fd, &ours) && is_same(&at_path, &ours);
}

/* Whether the folder is the one that it was; notes when its contents changed. */
static bool has_folder(struct pl_run_dir *dir, uint64_t now)
{
	struct stat st;
	char path[300];

	snprintf(path, sizeof(path), "%s/endpoints", dir->path);
	if (stat(path, &st) || !is_same(&st, &dir->records))
		return false;
	if (!dir->next && now - dir->looked_ns > RECORDS_NS &&
	    (st.st_mtim.tv_sec != dir->records.st_mtim.tv_sec ||
	     st.st_mtim.tv_nsec != dir->records.st_mtim.tv_nsec)) {
		dir->looked_ns = now;
		dir->next = 1;
		dir->records = st;
	}
	return true;
}

static int put_back(struct pl_run_dir *dir, struct pl_error *err)
{
	int r = make_folders(dir, err);

	if (!r && chmod(dir->path, dir->mode))
		pl_warn("mode of the run directory not put back path=%s error=\"%s\"", dir->path,
			strerror(errno));
	if (!r && !has_lock(dir))
		r = take_lock(dir, err);
	if (!r && !pl_control_in_place(dir->control))
		r = pl_control_listen_again(dir->control, err);
	if (r < 0)
		return r;
	dir->next = 1;
	pl_warn("run directory was removed, and made again path=%s endpoints=%u", dir->path,
		dir->endpoints->n);
	return 0;
}

static void next_check(struct pl_run_dir *dir, long us)
{
	const struct timeval later = {.tv_usec = us};

	event_add(dir->check, &later);
}

/* Some in each turn. */
static void keep_records(struct pl_run_dir *dir)
{
	dir->saved +=
		pl_endpoints_keep_records(dir->endpoints, &dir->next, pl_now_ns() + BUDGET_NS);
	if (dir->next)
		return;
	dir->saved += pl_mirrors_keep_records(dir->mirrors);
	if (dir->saved)
		pl_warn("records were gone, and written again records=%zu", dir->saved);
	dir->saved = 0;
}

static void on_check(evutil_socket_t fd, short what, void *arg)
{
	struct pl_run_dir *dir = arg;
	struct pl_error err = {0};
	int r = 0;
	PL_TURN("run directory");

	if (!has_folder(dir, pl_now_ns()) || !has_lock(dir) || !pl_control_in_place(dir->control))
		r = put_back(dir, &err);
	if (r == -EBUSY) {
		dir->lost = err;
		event_base_loopbreak(dir->base);
		return;
	}
	if (r < 0 && !dir->failed)
		pl_error_log("run directory is gone, trying again error=\"%s\"", err.text);
	dir->failed = r < 0;
	if (!r && dir->next)
		keep_records(dir);
	next_check(dir, dir->next ? 0 : CHECK_US);
}

int pl_run_dir_watch(struct pl_run_dir *dir, struct event_base *base, struct pl_control *control,
		     struct pl_endpoints *endpoints, struct pl_mirrors *mirrors,
		     struct pl_error *err)
{
	dir->base = base;
	dir->control = control;
	dir->endpoints = endpoints;
	dir->mirrors = mirrors;
	dir->check = evtimer_new(base, on_check, dir);
	if (!dir->check)
		return pl_fail(err, -ENOMEM, "event loop: out of memory");
	next_check(dir, CHECK_US);
	return 0;
}
