/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One operation of a plan = one call of the datapath. Nothing here decides what should be.
 */
#include <event2/event.h>

#include "common/log.h"
#include "endpoint/endpoint.h"
#include "host/host.h"
#include "mirror/mirrors.h"
#include "reconcile/reconcile.h"

/*
 * READY goes off before the fields change and on after them, so that no program redirects by a
 * half-written slot.
 */
static void set_endpoint(struct pl_daemon *d, uint32_t id, const struct pl_endpoint_info *want)
{
	struct pl_endpoint_info *slot = &pl_datapath_endpoints(d->dp)[id];
	bool same = slot->ifindex == want->ifindex && slot->link_kind == want->link_kind &&
		    slot->mtu == want->mtu && !memcmp(slot->pod_mac, want->pod_mac, 6) &&
		    !memcmp(slot->host_mac, want->host_mac, 6) &&
		    !memcmp(slot->ip4, want->ip4, 4) && !memcmp(slot->ip6, want->ip6, 16);

	if (!same) {
		uint16_t off = slot->flags & (uint16_t)~PL_EP_READY;

		__atomic_store_n(&slot->flags, off, __ATOMIC_SEQ_CST);
		if (!slot->ifindex)
			slot->generation++;
		slot->link_kind = want->link_kind;
		slot->mtu = want->mtu;
		memcpy(slot->pod_mac, want->pod_mac, 6);
		memcpy(slot->host_mac, want->host_mac, 6);
		memcpy(slot->ip4, want->ip4, 4);
		memcpy(slot->ip6, want->ip6, 16);
		__atomic_store_n(&slot->ifindex, want->ifindex, __ATOMIC_SEQ_CST);
	}
	__atomic_store_n(&slot->flags, want->flags, __ATOMIC_RELEASE);
}

static int clear_endpoint(struct pl_daemon *d, uint32_t id)
{
	struct pl_endpoint_info *slot = &pl_datapath_endpoints(d->dp)[id];

	__atomic_store_n(&slot->flags, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&slot->ifindex, 0, __ATOMIC_SEQ_CST);
	slot->mirror_in = 0;
	slot->mirror_out = 0;
	return pl_datapath_endpoint_reset(d->dp, id);
}

static int set_fact(struct pl_daemon *d, const struct pl_fact *f, struct pl_error *err)
{
	char ip[PL_IP_STRLEN];
	int r;

	switch (f->kind) {
	case PL_FACT_ENDPOINT:
		set_endpoint(d, f->index, &f->endpoint);
		return 0;
	case PL_FACT_LINK:
		r = pl_datapath_link_set(d->dp, f->index, &f->link);
		return r ? pl_fail(err, r, "store link %u in pl_devices: %s", f->index,
				   strerror(-r))
			 : 0;
	case PL_FACT_ATTACH:
		return pl_datapath_attach(d->dp, f->hook, f->index, err);
	case PL_FACT_ADDR:
		r = pl_datapath_addr_set(d->dp, &f->ip, &f->addr);
		return r ? pl_fail(err, r, "store address %s in pl_addrs: %s",
				   pl_ip_format(&f->ip, ip), strerror(-r))
			 : 0;
	}
	return -EINVAL;
}

static int del_fact(struct pl_daemon *d, const struct pl_fact *f, struct pl_error *err)
{
	char ip[PL_IP_STRLEN];
	int r;

	switch (f->kind) {
	case PL_FACT_ENDPOINT:
		r = clear_endpoint(d, f->index);
		return r ? pl_fail(err, r, "clear endpoint %u: %s", f->index, strerror(-r)) : 0;
	case PL_FACT_LINK:
		r = pl_datapath_link_del(d->dp, f->index);
		return r ? pl_fail(err, r, "remove link %u from pl_devices: %s", f->index,
				   strerror(-r))
			 : 0;
	case PL_FACT_ATTACH:
		return pl_datapath_detach(d->dp, f->hook, f->index, err);
	case PL_FACT_ADDR:
		r = pl_datapath_addr_del(d->dp, &f->ip);
		return r ? pl_fail(err, r, "remove address %s from pl_addrs: %s",
				   pl_ip_format(&f->ip, ip), strerror(-r))
			 : 0;
	}
	return -EINVAL;
}

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
		int r = op->del ? del_fact(d, &op->fact, &why) : set_fact(d, &op->fact, &why);

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

static int collect_link(uint32_t ifindex, const struct pl_device *v, void *arg)
{
	struct pl_fact *f = pl_facts_add(arg, PL_FACT_LINK);

	if (!f)
		return -ENOMEM;
	f->index = ifindex;
	f->link = *v;
	return 0;
}

static int collect_addr(const struct pl_ip *ip, const struct pl_addr *v, void *arg)
{
	struct pl_fact *f = pl_facts_add(arg, PL_FACT_ADDR);

	if (!f)
		return -ENOMEM;
	f->ip = *ip;
	f->addr = *v;
	return 0;
}

static int collect_attachment(enum pl_hook hook, uint32_t ifindex, enum pl_attach_kind kind,
			      void *arg)
{
	struct pl_fact *f;

	if (hook == PL_HOOK_STAGE || hook == PL_HOOK_SINK) /* the mirrors' own */
		return 0;
	f = pl_facts_add(arg, PL_FACT_ATTACH);
	if (!f)
		return -ENOMEM;
	f->index = ifindex;
	f->hook = hook;
	return 0;
}

static int collect_actual(struct pl_daemon *d, struct pl_facts *ret)
{
	const struct pl_endpoint_info *slots = pl_datapath_endpoints(d->dp);
	int r;

	for (uint32_t id = 1; id < pl_datapath_max_endpoints(d->dp); id++) {
		struct pl_fact *f;

		if (!slots[id].ifindex)
			continue;
		f = pl_facts_add(ret, PL_FACT_ENDPOINT);
		if (!f)
			return -ENOMEM;
		f->index = id;
		f->endpoint = slots[id];
	}
	r = pl_datapath_link_each(d->dp, collect_link, ret);
	if (!r)
		r = pl_datapath_addr_each(d->dp, collect_addr, ret);
	if (!r)
		r = pl_datapath_each_attachment(d->dp, collect_attachment, ret);
	return r;
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
		r = collect_actual(d, &actual);
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
