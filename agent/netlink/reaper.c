/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Several links are put into one group and the group is deleted.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "netlink/netlink.h"
#include "netlink/reaper.h"

struct pl_reaper {
	struct pl_nl *nl;
	struct pl_nl_batch *batch; /* room for all of it is made by the loop: no malloc in here */
	int done_fd;
	pthread_t thread;
	bool threaded; /* else the deletion was carried out at its start */
	struct pl_identity links[PL_REAPER_MAX];
	bool strangers[PL_REAPER_MAX];
	int codes[PL_REAPER_MAX];
	size_t n;
};

int pl_reaper_new(struct pl_reaper **ret, struct pl_error *err)
{
	pl_cleanup(pl_reaper_freep) struct pl_reaper *reaper = calloc(1, sizeof(*reaper));
	int r;

	if (!reaper)
		return pl_fail(err, -ENOMEM, "out of memory for the deletion of links");
	reaper->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (reaper->done_fd < 0)
		return pl_fail(err, -errno, "make an eventfd: %s", strerror(errno));
	r = pl_nl_open(-1, &reaper->nl, err);
	if (r < 0)
		return r;
	r = pl_nl_batch_new(reaper->nl, &reaper->batch);
	if (r < 0)
		return pl_fail(err, r, "out of memory for the deletion of links");
	*ret = TAKE_PTR(reaper);
	return 0;
}

static void tell_nobody(uint32_t ifindex, int code, void *arg)
{
}

void pl_reaper_freep(struct pl_reaper **ref)
{
	struct pl_reaper *reaper = TAKE_PTR(*ref);

	if (!reaper)
		return;
	pl_reaper_end(reaper, tell_nobody, NULL);
	pl_nl_batch_freep(&reaper->batch);
	pl_nl_close(reaper->nl);
	pl_closep(&reaper->done_fd);
	free(reaper);
}

static void queue_group(struct pl_reaper *reaper, uint32_t group)
{
	for (size_t i = 0; i < reaper->n; i++) {
		pl_nl_set_group(reaper->batch, reaper->links[i].ifindex, group);
		pl_nl_allow_missing(reaper->batch);
	}
	pl_nl_del_group(reaper->batch, group);
	pl_nl_allow_missing(reaper->batch);
}

static int delete_one(struct pl_reaper *reaper, uint32_t ifindex)
{
	pl_nl_del_link(reaper->batch, NULL, ifindex);
	pl_nl_allow_missing(reaper->batch);
	return pl_nl_batch_commit(reaper->batch, NULL);
}

/*
 * What was known when the deletion was asked for may be past: looked at here, where waiting for the
 * kernel holds up nobody. 0 where all are who they should be.
 */
static size_t find_strangers(struct pl_reaper *reaper)
{
	size_t n = 0;

	for (size_t i = 0; i < reaper->n; i++) {
		struct pl_nl_link link;
		int r = pl_nl_link_get(reaper->nl, NULL, reaper->links[i].ifindex, &link);

		reaper->strangers[i] =
			r == -ENODEV || (!r && !pl_identity_matches(&reaper->links[i], &link));
		n += reaper->strangers[i];
	}
	return n;
}

static void *reap(void *arg)
{
	struct pl_reaper *reaper = arg;
	bool together = !find_strangers(reaper) && reaper->n > 1 &&
			!pl_nl_batch_commit(reaper->batch, NULL);

	pl_nl_batch_clear(reaper->batch); /* a stranger is not to be put into the group */
	for (size_t i = 0; i < reaper->n; i++)
		reaper->codes[i] = together || reaper->strangers[i]
					   ? 0
					   : delete_one(reaper, reaper->links[i].ifindex);
	(void)eventfd_write(reaper->done_fd, 1);
	return NULL;
}

/* The loop's signals are not for this thread. */
static int start_thread(struct pl_reaper *reaper)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&reaper->thread, NULL, reap, reaper);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

void pl_reaper_start(struct pl_reaper *reaper, const struct pl_identity *links, size_t n,
		     uint32_t group)
{
	memcpy(reaper->links, links, n * sizeof(*links));
	reaper->n = n;
	if (n > 1)
		queue_group(reaper, group);
	reaper->threaded = !start_thread(reaper);
	if (!reaper->threaded)
		reap(reaper);
}

int pl_reaper_fd(const struct pl_reaper *reaper)
{
	return reaper->done_fd;
}

void pl_reaper_end(struct pl_reaper *reaper, void (*fn)(uint32_t ifindex, int code, void *arg),
		   void *arg)
{
	size_t n = reaper->n;
	eventfd_t one;

	if (!n)
		return;
	if (reaper->threaded)
		pthread_join(reaper->thread, NULL);
	(void)eventfd_read(reaper->done_fd, &one);
	reaper->n = 0;
	for (size_t i = 0; i < n; i++)
		fn(reaper->links[i].ifindex, reaper->codes[i], arg);
}
