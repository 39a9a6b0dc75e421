/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Brings the datapath to what should be: plans, has them carried out, and keeps what was reached.
 */
#include <event2/event.h>

#include "common/log.h"
#include "endpoint/endpoint.h"
#include "host/host.h"
#include "mirror/mirrors.h"
#include "reconcile/actual.h"
#include "reconcile/reconcile.h"
#include "reconcile/write.h"

/* What failed must differ from the desired set at the next comparison. */
static void forget(struct pl_facts *reached, const struct pl_op *op)
{
	for (size_t i = 0; i < reached->n; i++) {
		const struct pl_fact *f = &reached->v[i];

		if (f->kind == op->fact.kind && f->index == op->fact.index &&
		    f->hook == op->fact.hook && !pl_ip_cmp(&f->ip, &op->fact.ip)) {
			reached->v[i] = reached->v[--reached->n];
			return;
		}
	}
}

static int carry_out(struct pl_daemon *d, const struct pl_plan *plan, struct pl_facts *reached,
		     struct pl_error *err)
{
	int first = 0;

	for (size_t i = 0; i < plan->n; i++) {
		const struct pl_op *op = &plan->v[i];
		struct pl_error why = {0};
		int r = op->del ? pl_write_del(d->dp, &op->fact, &why)
				: pl_write_set(d->dp, &op->fact, &why);

		if (!r)
			continue;
		if (op->del) {
			struct pl_fact *still = pl_facts_add(reached, op->fact.kind);

			if (still)
				*still = op->fact;
		} else {
			forget(reached, op);
		}
		if (!first) {
			first = r;
			if (err)
				*err = why;
		} else {
			pl_warn("apply failed error=\"%s\"", why.text);
		}
	}
	return first;
}

int pl_apply(struct pl_daemon *d, struct pl_facts *desired, struct pl_facts *applied,
	     struct pl_error *err)
{
	struct pl_plan plan = {0};
	int r = pl_plan_make(desired, applied, &plan);

	if (r < 0) {
		pl_facts_clear(desired);
		return pl_fail(err, r, "plan the datapath: %s", strerror(-r));
	}
	r = carry_out(d, &plan, desired, err);
	pl_plan_clear(&plan);
	pl_facts_clear(applied);
	*applied = *desired;
	*desired = (struct pl_facts){0};
	return r;
}

/* ---- resync: actual comes from the kernel ---- */

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

/* An owner's applied set after the whole was applied: its desired facts that were reached. */
static bool reached_fact(const struct pl_facts *reached, const struct pl_fact *want)
{
	for (size_t i = 0; i < reached->n; i++) {
		const struct pl_fact *f = &reached->v[i];

		if (f->kind == want->kind && f->index == want->index && f->hook == want->hook &&
		    !pl_ip_cmp(&f->ip, &want->ip))
			return true;
	}
	return false;
}

static void keep_reached(struct pl_facts *own, const struct pl_facts *failed_if_missing, bool all)
{
	size_t n = 0;

	if (all)
		return;
	for (size_t i = 0; i < own->n; i++)
		if (reached_fact(failed_if_missing, &own->v[i]))
			own->v[n++] = own->v[i];
	own->n = n;
}

static int apply_whole(struct pl_daemon *d, struct pl_error *err)
{
	struct pl_facts all = {0}, actual = {0}, node = {0};
	struct pl_plan plan = {0};
	int r = pl_node_facts(d, &node);

	if (!r)
		r = append_facts(&all, &node);
	for (uint32_t id = 1; !r && id < d->max_pods; id++) {
		struct pl_endpoint *pod = d->pods[id];

		if (!pod)
			continue;
		pl_facts_clear(&pod->applied);
		r = pl_endpoint_facts(d, pod, &pod->applied);
		if (!r)
			r = append_facts(&all, &pod->applied);
	}
	if (!r)
		r = pl_actual_collect(d->dp, &actual);
	if (!r)
		r = pl_plan_make(&all, &actual, &plan);
	if (r < 0) {
		pl_fail(err, r, "compare the datapath with the records: %s", strerror(-r));
		goto out;
	}
	if (plan.n)
		pl_info("resync operations=%zu facts=%zu", plan.n, all.n);
	r = carry_out(d, &plan, &all, err);
	keep_reached(&node, &all, r == 0);
	pl_facts_clear(&d->node);
	d->node = node;
	node = (struct pl_facts){0};
	for (uint32_t id = 1; id < d->max_pods; id++) {
		if (!d->pods[id])
			continue;
		keep_reached(&d->pods[id]->applied, &all, r == 0);
		d->pods[id]->dirty = r != 0;
	}
	d->node_dirty = r != 0;
out:
	pl_plan_clear(&plan);
	pl_facts_clear(&all);
	pl_facts_clear(&actual);
	pl_facts_clear(&node);
	return r;
}

int pl_resync(struct pl_daemon *d, const char *why, struct pl_error *err)
{
	int r;

	d->resyncs++;
	pl_debug("resync why=\"%s\"", why);
	r = pl_node_dump(d, err);
	if (r < 0)
		return r;
	pl_endpoints_sweep(d);
	r = apply_whole(d, err);
	if (r < 0)
		pl_retry_later(d);
	pl_mirrors_resync(d->mirrors);
	return r;
}

void pl_retry_later(struct pl_daemon *d)
{
	const struct timeval second = {.tv_sec = 1};

	if (d->retry && !event_pending(d->retry, EV_TIMEOUT, NULL))
		event_add(d->retry, &second);
}
