/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Plans what must change, has it carried out, and notes for each owner what was reached.
 */
#include <event2/event.h>

#include "common/log.h"
#include "common/turn.h"
#include "reconcile/actual.h"
#include "reconcile/internal.h"
#include "reconcile/plan.h"
#include "reconcile/write.h"

enum { WHOLE_SECONDS = 10 };

/* ---- owners ---- */

static void link_owner(struct pl_reconcile *rec, struct pl_fact_owner *owner)
{
	if (owner->next)
		return;
	owner->next = &rec->owners;
	owner->prev = rec->owners.prev;
	owner->prev->next = owner;
	rec->owners.prev = owner;
}

static void unlink_owner(struct pl_reconcile *rec, struct pl_fact_owner *owner)
{
	if (!owner->next)
		return;
	if (rec->next_check == owner)
		rec->next_check = owner->next;
	owner->next->prev = owner->prev;
	owner->prev->next = owner->next;
	owner->next = owner->prev = NULL;
}

void pl_reconcile_drop(struct pl_reconcile *rec, struct pl_fact_owner *owner)
{
	unlink_owner(rec, owner);
	pl_facts_clear(&owner->applied);
	pl_facts_clear(&owner->desired);
	free(TAKE_PTR(owner->why));
	owner->dirty = false;
}

bool pl_owner_note(struct pl_fact_owner *owner, int r, const struct pl_error *err)
{
	char *why = r < 0 ? strdup(err->text) : NULL;
	bool same = why && owner->why ? !strcmp(why, owner->why) : why == owner->why;

	free(owner->why);
	owner->why = why;
	return !same;
}

/* ---- carrying out ---- */

static int compare_ops(const void *a, const void *b)
{
	const struct pl_op *x = a, *y = b;

	return x->del != y->del ? y->del - x->del : pl_fact_compare(&x->fact, &y->fact);
}

/* Leaves what failed in @plan, and only that, in the order of keys. 0 or the first error. */
static int carry_out(struct pl_reconcile *rec, struct pl_plan *plan, struct pl_error *err)
{
	size_t n_failed = 0;
	int first = 0;

	for (size_t i = 0; i < plan->n; i++) {
		const struct pl_op op = plan->v[i];
		struct pl_error why = {0};
		int r = op.del ? pl_write_del(rec->dp, &op.fact, &why)
			       : pl_write_set(rec->dp, &op.fact, &why);

		if (!r)
			continue;
		plan->v[n_failed++] = op;
		if (!first) {
			first = r;
			if (err)
				*err = why;
		} else {
			pl_warn("apply failed error=\"%s\"", why.text);
		}
	}
	plan->n = n_failed;
	if (n_failed)
		qsort(plan->v, n_failed, sizeof(*plan->v), compare_ops);
	return first;
}

/* The sets that failed are in the order of their keys, behind the deletions. */
static bool has_failed(const struct pl_plan *failed, const struct pl_fact *f)
{
	size_t lo = 0, hi = failed->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = failed->v[mid].del ? -1 : pl_fact_compare(&failed->v[mid].fact, f);

		if (!c)
			return true;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

/*
 * What is applied, where not all of @owner's wishes were reached. Without memory nothing counts as
 * applied: it is all set again.
 */
static void note_reached(struct pl_fact_owner *owner, const struct pl_plan *failed, bool own)
{
	owner->dirty = false;
	pl_facts_clear(&owner->applied);
	for (size_t i = 0; i < owner->desired.n; i++) {
		const struct pl_fact *want = &owner->desired.v[i];
		struct pl_fact *f =
			has_failed(failed, want) ? NULL : pl_facts_add(&owner->applied, want->kind);

		if (f)
			*f = *want;
		else
			owner->dirty = true;
	}
	for (size_t i = 0; own && i < failed->n && failed->v[i].del; i++) {
		struct pl_fact *f = pl_facts_add(&owner->applied, failed->v[i].fact.kind);

		if (f)
			*f = failed->v[i].fact;
		owner->dirty = true;
	}
}

static void note_all_reached(struct pl_fact_owner *owner)
{
	pl_facts_clear(&owner->applied);
	owner->applied = owner->desired;
	owner->desired = (struct pl_facts){0};
	owner->dirty = false;
}

/* Owners say where a program is wanted; which one, and of which set, is the datapath's to know. */
static void fill_programs(struct pl_reconcile *rec, struct pl_facts *facts)
{
	for (size_t i = 0; i < facts->n; i++) {
		struct pl_fact *f = &facts->v[i];

		if (f->kind == PL_FACT_ATTACH)
			pl_datapath_wanted(rec->dp, f->hook, f->index, &f->attach);
		else if (f->kind == PL_FACT_PROGRAM && f->program.fd < 0)
			f->program.id = pl_datapath_mirror_program(rec->dp);
	}
}

void pl_reconcile_want(struct pl_reconcile *rec, struct pl_fact_owner *owner,
		       struct pl_facts *desired)
{
	link_owner(rec, owner);
	pl_facts_clear(&owner->desired);
	owner->desired = *desired;
	*desired = (struct pl_facts){0};
	fill_programs(rec, &owner->desired);
	owner->dirty = true;
}

/* Whether the outcome is news is what the timer asks: it does not say the same each second. */
static int reach(struct pl_reconcile *rec, struct pl_fact_owner *owner, bool *ret_news,
		 struct pl_error *err)
{
	struct pl_plan plan = {0};
	int r;

	*ret_news = false;
	if (!owner->dirty)
		return 0;
	r = pl_plan_make(&owner->desired, &owner->applied, &plan);
	if (r < 0) {
		pl_fail(err, r, "plan the datapath: %s", strerror(-r));
	} else {
		r = carry_out(rec, &plan, err);
		if (r < 0)
			note_reached(owner, &plan, true);
		else
			note_all_reached(owner);
		pl_plan_clear(&plan);
	}
	*ret_news = pl_owner_note(owner, r, err);
	if (r < 0)
		pl_reconcile_retry_later(rec);
	return r;
}

int pl_reconcile_reach(struct pl_reconcile *rec, struct pl_fact_owner *owner, struct pl_error *err)
{
	struct pl_error own = {0};
	bool news;

	return reach(rec, owner, &news, err ?: &own);
}

static int append_facts(struct pl_facts *all, const struct pl_facts *some)
{
	for (size_t i = 0; i < some->n; i++) {
		struct pl_fact *f = pl_facts_add(all, some->v[i].kind);

		if (!f)
			return -ENOMEM;
		*f = some->v[i];
	}
	return 0;
}

static struct pl_fact *find_fact(const struct pl_facts *facts, const struct pl_fact *like)
{
	for (size_t i = 0; i < facts->n; i++)
		if (!pl_fact_compare(&facts->v[i], like))
			return &facts->v[i];
	return NULL;
}

int pl_reconcile_amend(struct pl_reconcile *rec, struct pl_fact_owner *owner,
		       const struct pl_fact *fact, struct pl_error *err)
{
	struct pl_fact *there = find_fact(owner->dirty ? &owner->desired : &owner->applied, fact);

	if (!there || pl_fact_same(there, fact))
		return 0;
	if (!owner->dirty) {
		struct pl_facts desired = {0};

		if (append_facts(&desired, &owner->applied) < 0) {
			pl_facts_clear(&desired);
			return pl_fail(err, -ENOMEM, "update the datapath: out of memory");
		}
		pl_reconcile_want(rec, owner, &desired);
		there = find_fact(&owner->desired, fact);
	}
	*there = *fact;
	return pl_reconcile_reach(rec, owner, err);
}

int pl_reconcile_withdraw(struct pl_reconcile *rec, struct pl_fact_owner *owner,
			  struct pl_error *err)
{
	struct pl_facts nothing = {0};
	int r;

	pl_reconcile_want(rec, owner, &nothing);
	r = pl_reconcile_reach(rec, owner, err);
	pl_reconcile_drop(rec, owner);
	return r;
}

static void forget_attachments(struct pl_reconcile *rec, struct pl_facts *facts, bool write)
{
	size_t n = 0;

	for (size_t i = 0; i < facts->n; i++) {
		if (facts->v[i].kind != PL_FACT_ATTACH)
			facts->v[n++] = facts->v[i];
		else if (write)
			pl_write_forget(rec->dp, facts->v[i].hook, facts->v[i].index);
	}
	facts->n = n;
}

void pl_reconcile_device_gone(struct pl_reconcile *rec, struct pl_fact_owner *owner)
{
	forget_attachments(rec, &owner->applied, true);
	forget_attachments(rec, &owner->desired, false);
}

/* ---- all of it ---- */

static const struct pl_facts *wanted(const struct pl_fact_owner *owner)
{
	return owner->dirty ? &owner->desired : &owner->applied;
}

/* The end of an upgrade: no program of a former set runs any more. */
static int settle(struct pl_reconcile *rec, struct pl_error *err)
{
	int r = pl_write_settle(rec->dp);

	return r < 0 ? pl_fail(err, r, "remove what another version left: %s", strerror(-r)) : 0;
}

int pl_reconcile_all(struct pl_reconcile *rec, struct pl_error *err)
{
	struct pl_facts all = {0}, actual = {0};
	struct pl_plan plan = {0};
	struct pl_fact_owner *o;
	int r = 0;

	for (o = rec->owners.next; !r && o != &rec->owners; o = o->next)
		r = append_facts(&all, wanted(o));
	if (!r)
		r = pl_actual_collect(rec->dp, &actual, &all);
	fill_programs(rec, &all);
	if (!r)
		r = pl_plan_make(&all, &actual, &plan);
	if (r < 0) {
		pl_fail(err, r, "compare the datapath with the records: %s", strerror(-r));
	} else {
		if (plan.n)
			pl_info("reconciled changes=%zu objects=%zu", plan.n, all.n);
		r = carry_out(rec, &plan, err);
		for (o = rec->owners.next; o != &rec->owners; o = o->next) {
			if (!o->dirty) {
				o->desired = o->applied;
				o->applied = (struct pl_facts){0};
			}
			fill_programs(rec, &o->desired);
			if (r < 0) {
				note_reached(o, &plan, false);
			} else {
				note_all_reached(o);
				(void)pl_owner_note(o, 0, NULL);
			}
		}
	}
	pl_plan_clear(&plan);
	pl_facts_clear(&all);
	pl_facts_clear(&actual);
	if (!r)
		r = settle(rec, err);
	rec->unsettled = r < 0;
	if (r < 0)
		pl_reconcile_retry_later(rec);
	return r;
}

/* ---- trying again ---- */

void pl_reconcile_retry_later(struct pl_reconcile *rec)
{
	const struct timeval second = {.tv_sec = 1};

	if (!event_pending(rec->retry, EV_TIMEOUT, NULL))
		event_add(rec->retry, &second);
}

/* Comparing everything costs more the more there is: not each second for what one owner lacks. */
static bool is_whole_due(struct pl_reconcile *rec, bool any_dirty)
{
	if (!rec->unsettled)
		return false;
	rec->waited = any_dirty ? rec->waited + 1 : 0;
	return rec->waited % WHOLE_SECONDS == 0;
}

static void try_again(struct pl_reconcile *rec, struct pl_fact_owner *owner)
{
	bool failed_before = owner->why, news;
	struct pl_error err = {0};
	int r = reach(rec, owner, &news, &err);

	if (r < 0 && news)
		pl_warn("datapath update failed, trying again error=\"%s\"", err.text);
	else if (r < 0)
		pl_debug("datapath update failed again error=\"%s\"", err.text);
	else if (failed_before)
		pl_info("datapath is as it should be again");
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct pl_reconcile *rec = arg;
	bool any_dirty = false;
	struct pl_error err = {0};
	PL_TURN("retries");

	rec->watcher.retry(rec->watcher.arg);
	for (struct pl_fact_owner *o = rec->owners.next; o != &rec->owners; o = o->next) {
		if (o->dirty)
			try_again(rec, o);
		any_dirty |= o->dirty;
	}
	if (is_whole_due(rec, any_dirty) && pl_reconcile_all(rec, &err) < 0)
		pl_warn("datapath update failed, trying again error=\"%s\"", err.text);
	if (rec->unsettled)
		pl_reconcile_retry_later(rec);
}

int pl_reconcile_new(struct event_base *base, struct pl_datapath *dp,
		     const struct pl_reconcile_watcher *watcher, struct pl_reconcile **ret,
		     struct pl_error *err)
{
	pl_cleanup(pl_reconcile_freep) struct pl_reconcile *rec = calloc(1, sizeof(*rec));

	if (rec) {
		rec->owners.next = rec->owners.prev = &rec->owners;
		rec->next_check = &rec->owners;
		rec->retry = evtimer_new(base, on_timer, rec);
		rec->check = event_new(base, -1, EV_PERSIST, pl_repair_tick, rec);
	}
	if (!rec || !rec->retry || !rec->check)
		return pl_fail(err, -ENOMEM, "reconcile: out of memory");
	rec->dp = dp;
	rec->watcher = *watcher;
	*ret = TAKE_PTR(rec);
	return 0;
}

void pl_reconcile_freep(struct pl_reconcile **ref)
{
	struct pl_reconcile *rec = TAKE_PTR(*ref);

	if (!rec)
		return;
	if (rec->retry)
		event_free(rec->retry);
	if (rec->check)
		event_free(rec->check);
	free(rec);
}
