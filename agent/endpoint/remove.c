/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One queue, first come first gone. At the end of a turn of the loop a reaper gets the links of all
 * that wait. The kernel tells that they have left (RTM_DELLINK) long before it answers: then their
 * callers hear of it, and the next reaper may begin. Never asks the kernel about a link that is
 * being deleted: the answer would wait for its end.
 */
#include <event2/event.h>
#include <sys/random.h>

#include "common/log.h"
#include "common/turn.h"
#include "endpoint/internal.h"
#include "endpoint/remove.h"
#include "host/host.h"
#include "host/masq.h"
#include "netlink/reaper.h"
#include "reconcile/reconcile.h"

struct pl_waiter {
	struct pl_waiter *next;
	void (*done)(void *arg, const struct pl_error *err);
	void *arg;
};

enum { REAPERS = 8 }; /* more than leave one after the other while the first waits */

struct batch {
	struct pl_endpoints *t;
	struct pl_reaper *reaper;
	struct event *reaped; /* the reaper has ended */
	bool busy;
};

struct pl_removals {
	struct batch batches[REAPERS];
	struct event *turn; /* made active by hand: runs behind what this turn still has to do */
	struct pl_endpoint *first, **last;
	size_t going; /* links of the latest batch that are there yet */
};

/* ---- one endpoint ---- */

static void dequeue(struct pl_removals *l, struct pl_endpoint *pod)
{
	struct pl_endpoint **at = &l->first;

	while (*at && *at != pod)
		at = &(*at)->next_leaving;
	if (!*at)
		return;
	*at = pod->next_leaving;
	if (l->last == &pod->next_leaving)
		l->last = at;
	pod->next_leaving = NULL;
}

static void notify_waiters(struct pl_waiter *waiters, const struct pl_error *err)
{
	while (waiters) {
		pl_autofree struct pl_waiter *w = waiters;

		waiters = w->next;
		w->done(w->arg, err);
	}
}

/* One endpoint of the latest batch is done with. */
static void batch_done(struct pl_endpoints *t)
{
	if (--t->removals->going)
		return;
	pl_datapath_expedite_end(t->opts.dp);
	event_active(t->removals->turn, EV_TIMEOUT, 0); /* the next batch */
}

/* Record, addresses and place, when the datapath holds nothing of it. */
static void forget(struct pl_endpoints *t, struct pl_endpoint *pod)
{
	const struct pl_record *rec = &pod->rec;
	int r = pl_record_remove(t->opts.run_dir, rec->container_id, rec->ifname);

	if (r < 0)
		pl_error_log("record not removed container=%s ifname=%s error=\"%s\"",
			     rec->container_id, rec->ifname, strerror(-r));
	pl_lease_release(t, rec);
	/* Its index may be another device's since: that one stays known. */
	if (rec->mode == PL_MODE_POD && pl_endpoint_link_of(t, rec))
		pl_host_forget_link(t->opts.host, rec->ifindex);
	pl_info("endpoint removed container=%s ifname=%s network=%s id=%u", rec->container_id,
		rec->ifname, rec->network, pod->id);
	pl_endpoints_drop(t, pod);
}

static void take_down(struct pl_endpoints *t, struct pl_endpoint *pod)
{
	struct pl_waiter *waiters = TAKE_PTR(pod->waiters);
	struct pl_error err = {0};

	t->opts.watcher.going(pod, t->opts.watcher.arg);
	if (pl_reconcile_withdraw(t->opts.reconcile, &pod->facts, &err) < 0)
		pl_warn("endpoint not wholly detached container=%s error=\"%s\"",
			pod->rec.container_id, err.text);
	forget(t, pod);
	notify_waiters(waiters, NULL);
}

/* Ends the stay of @pod, unless that has been done. */
static void leave_queue(struct pl_endpoints *t, struct pl_endpoint *pod)
{
	const struct pl_record *rec = &pod->rec;
	bool deleting = pod->state == PL_STATE_DELETING;

	if (pl_endpoint_is_leaving(pod))
		dequeue(t->removals, pod);
	if (deleting)
		batch_done(t);
	pl_endpoint_event(pod, PL_EVENT_GONE);
	if (!deleting) /* else that was done with the batch */
		pl_masq_del(t->opts.masq, &rec, 1);
}

void pl_endpoint_link_gone(struct pl_endpoints *t, struct pl_endpoint *pod)
{
	leave_queue(t, pod);
	pl_reconcile_device_gone(t->opts.reconcile, &pod->facts);
	take_down(t, pod);
}

void pl_endpoint_release(struct pl_endpoints *t, struct pl_endpoint *pod)
{
	leave_queue(t, pod);
	take_down(t, pod);
}

/* The link could not be deleted: the caller may try again, and what leads to it is put back. */
static void restore(struct pl_endpoints *t, struct pl_endpoint *pod, int code)
{
	struct pl_waiter *waiters = TAKE_PTR(pod->waiters);
	struct pl_error err = {0}, why = {0};

	pl_fail(&err, code, "delete the link %s of %s:%s: %s", pod->rec.host_ifname,
		pod->rec.container_id, pod->rec.ifname, strerror(-code));
	pl_error_log("endpoint not removed error=\"%s\"", err.text);
	dequeue(t->removals, pod);
	batch_done(t);
	pl_endpoint_event(pod, PL_EVENT_REFUSED);
	if (pl_masq_add(t->opts.masq, &pod->rec, &why) < 0)
		pl_warn("masquerade rules not put back error=\"%s\"", why.text);
	(void)pl_host_refresh_link(t->opts.host, pod->rec.ifindex);
	notify_waiters(waiters, &err);
}

/* ---- batches ---- */

static struct batch *idle_batch(struct pl_removals *l)
{
	for (size_t i = 0; i < REAPERS; i++)
		if (!l->batches[i].busy)
			return &l->batches[i];
	return NULL;
}

/*
 * The number of a group that only the links to be deleted will be in. Drawn, for another may be
 * put into a group whose event is still to be read; and not that of any known link, such as an
 * endpoint's that a crash has left in one.
 */
static uint32_t draw_group(const struct pl_endpoints *t)
{
	uint32_t group = 0;

	(void)!getrandom(&group, sizeof(group), 0);
	return pl_links_free_group(pl_host_links(t->opts.host), (group | 1u << 30) & INT32_MAX);
}

static void start(struct pl_endpoints *t)
{
	struct pl_removals *l = t->removals;
	struct batch *batch = idle_batch(l);
	const struct pl_record *going[PL_REAPER_MAX];
	struct pl_endpoint *next;
	struct pl_identity links[PL_REAPER_MAX];
	size_t n = 0;

	if (!batch || l->going)
		return;
	for (struct pl_endpoint *pod = l->first; pod && n < PL_REAPER_MAX; pod = next) {
		next = pod->next_leaving;
		/* An index whose link is elsewhere may be another link's. */
		if (pod->rec.mode == PL_MODE_ACCELERATE || !pl_endpoint_link_of(t, &pod->rec)) {
			pl_endpoint_release(t, pod);
			continue;
		}
		pl_endpoint_event(pod, PL_EVENT_DELETE);
		links[n] = pl_identity_of_host_end(&pod->rec);
		going[n++] = &pod->rec;
	}
	if (!n)
		return;
	pl_debug("links are being deleted n=%zu", n);
	batch->busy = true;
	l->going = n;
	pl_datapath_expedite_begin(t->opts.dp);
	pl_reaper_start(batch->reaper, links, n, draw_group(t));
	pl_masq_del(t->opts.masq, going, n);
}

static void reaped_one(uint32_t ifindex, int code, void *arg)
{
	struct pl_endpoints *t = arg;
	struct pl_endpoint *pod = pl_endpoints_by_ifindex(t, ifindex);

	if (!pod || pod->state != PL_STATE_DELETING) /* its event came first */
		return;
	if (code < 0)
		restore(t, pod, code);
	else
		pl_endpoint_link_gone(t, pod);
}

static void end_batch(struct batch *batch)
{
	pl_reaper_end(batch->reaper, reaped_one, batch->t);
	batch->busy = false;
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct pl_endpoints *t = arg;
	PL_TURN("removals");

	start(t);
	pl_host_update(t->opts.host);
}

static void on_reaped(evutil_socket_t fd, short what, void *arg)
{
	struct batch *batch = arg;
	struct pl_endpoints *t = batch->t;
	PL_TURN("removals");

	end_batch(batch);
	start(t);
	pl_host_update(t->opts.host);
}

int pl_endpoint_wait(struct pl_endpoint *pod, void (*done)(void *arg, const struct pl_error *err),
		     void *arg)
{
	struct pl_waiter **last = &pod->waiters, *w = malloc(sizeof(*w));

	if (!w)
		return -ENOMEM;
	*w = (struct pl_waiter){NULL, done, arg};
	while (*last) /* told in the order in which they asked */
		last = &(*last)->next;
	*last = w;
	return 0;
}

int pl_endpoint_remove(struct pl_endpoints *t, struct pl_endpoint *pod,
		       void (*done)(void *arg, const struct pl_error *err), void *arg)
{
	struct pl_removals *l = t->removals;
	struct pl_error err = {0};
	int r = pl_endpoint_wait(pod, done, arg);

	if (r < 0 || pl_endpoint_is_leaving(pod))
		return r;
	pl_endpoint_event(pod, PL_EVENT_REMOVE);
	pod->next_leaving = NULL;
	*l->last = pod;
	l->last = &pod->next_leaving;
	if (pl_endpoint_update(t, pod, &err) < 0)
		pl_warn("endpoint still gets traffic until its link is deleted container=%s error=\"%s\"",
			pod->rec.container_id, err.text);
	event_active(l->turn, EV_TIMEOUT, 0);
	return 0;
}

void pl_removals_wait(struct pl_endpoints *t)
{
	struct pl_removals *l = t->removals;

	while (l && l->first) {
		start(t);
		for (size_t i = 0; i < REAPERS; i++)
			if (l->batches[i].busy)
				end_batch(&l->batches[i]);
	}
}

/* ---- start and end ---- */

static int make_batch(struct pl_endpoints *t, struct batch *ret, struct pl_error *err)
{
	int r = pl_reaper_new(&ret->reaper, err);

	if (r < 0)
		return r;
	ret->t = t;
	ret->reaped = event_new(t->opts.base, pl_reaper_fd(ret->reaper), EV_READ | EV_PERSIST,
				on_reaped, ret);
	if (!ret->reaped || event_add(ret->reaped, NULL))
		return pl_fail(err, -ENOMEM, "removal of endpoints: out of memory");
	return 0;
}

int pl_removals_new(struct pl_endpoints *t, struct pl_removals **ret, struct pl_error *err)
{
	pl_cleanup(pl_removals_freep) struct pl_removals *l = calloc(1, sizeof(*l));

	if (!l)
		return pl_fail(err, -ENOMEM, "removal of endpoints: out of memory");
	l->last = &l->first;
	for (size_t i = 0; i < REAPERS; i++) {
		int r = make_batch(t, &l->batches[i], err);

		if (r < 0)
			return r;
	}
	l->turn = evtimer_new(t->opts.base, on_turn, t);
	if (!l->turn)
		return pl_fail(err, -ENOMEM, "removal of endpoints: out of memory");
	*ret = TAKE_PTR(l);
	return 0;
}

void pl_removals_freep(struct pl_removals **ref)
{
	struct pl_removals *l = TAKE_PTR(*ref);

	if (!l)
		return;
	for (size_t i = 0; i < REAPERS; i++) {
		if (l->batches[i].reaped)
			event_free(l->batches[i].reaped);
		pl_reaper_freep(&l->batches[i].reaper);
	}
	if (l->turn)
		event_free(l->turn);
	free(l);
}
