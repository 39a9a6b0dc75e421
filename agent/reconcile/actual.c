/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the maps and hooks really hold, as facts.
 */
#include "reconcile/actual.h"

static int collect_link(uint32_t ifindex, const struct pl_device *v, void *arg)
{
	struct pl_fact *f = pl_facts_add(arg, PL_FACT_LINK);

	if (!f)
		return -ENOMEM;
	f->index = ifindex;
	f->link = *v;
	return 0;
}

static int collect_tunnel(uint16_t port, const struct pl_tunnel *v, void *arg)
{
	struct pl_fact *f = pl_facts_add(arg, PL_FACT_TUNNEL);

	if (!f)
		return -ENOMEM;
	f->index = port;
	f->tunnel = *v;
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

struct attachments {
	struct pl_facts *actual, *desired;
};

static int add_attachment(struct pl_facts *facts, const struct pl_attachment *a)
{
	struct pl_fact *f = pl_facts_add(facts, PL_FACT_ATTACH);

	if (!f)
		return -ENOMEM;
	f->index = a->ifindex;
	f->hook = a->hook;
	f->attach = *a;
	return 0;
}

static int collect_attachment(const struct pl_attachment *a, void *arg)
{
	const struct attachments *to = arg;
	int r = 0;

	if (a->hook == PL_HOOK_STAGE || a->hook == PL_HOOK_SINK)
		r = add_attachment(to->desired, a);
	return r ?: add_attachment(to->actual, a);
}

static int compare_facts(const void *a, const void *b)
{
	return pl_fact_compare(a, b);
}

/* Attached twice, as a start that was cut short leaves it, is not as it should be. */
static void fold_twins(struct pl_facts *facts, size_t first)
{
	size_t n = first;

	if (facts->n == first)
		return;
	qsort(facts->v + first, facts->n - first, sizeof(*facts->v), compare_facts);
	for (size_t i = first; i < facts->n; i++) {
		if (n > first && !pl_fact_compare(&facts->v[i], &facts->v[n - 1]))
			facts->v[n - 1].attach.kind = PL_ATTACHED_NONE;
		else
			facts->v[n++] = facts->v[i];
	}
	facts->n = n;
}

int pl_actual_collect(struct pl_datapath *dp, struct pl_facts *ret, struct pl_facts *desired)
{
	const struct pl_endpoint_info *slots = pl_datapath_slots(dp);
	struct attachments to = {ret, desired};
	size_t first;
	int r;

	for (uint32_t id = 1; id < pl_datapath_max_endpoints(dp); id++) {
		struct pl_fact *f;

		if (!slots[id].ifindex)
			continue;
		f = pl_facts_add(ret, PL_FACT_ENDPOINT);
		if (!f)
			return -ENOMEM;
		f->index = id;
		f->endpoint = slots[id];
	}
	r = pl_datapath_link_each(dp, collect_link, ret);
	if (!r)
		r = pl_datapath_tunnel_each(dp, collect_tunnel, ret);
	if (!r)
		r = pl_datapath_addr_each(dp, collect_addr, ret);
	first = ret->n;
	if (!r)
		r = pl_datapath_each_attachment(dp, collect_attachment, &to);
	fold_twins(ret, first);
	return r;
}

bool pl_actual_holds(struct pl_datapath *dp, const struct pl_fact *f)
{
	struct pl_fact there = {.kind = f->kind};

	switch (f->kind) {
	case PL_FACT_ENDPOINT:
		there.endpoint = pl_datapath_slots(dp)[f->index];
		break;
	case PL_FACT_LINK:
		if (pl_datapath_link_get(dp, f->index, &there.link))
			return false;
		break;
	case PL_FACT_TUNNEL:
		if (pl_datapath_tunnel_get(dp, (uint16_t)f->index, &there.tunnel))
			return false;
		break;
	case PL_FACT_ATTACH:
		return pl_datapath_attached_as(dp, f->hook, f->index, f->attach.kind);
	case PL_FACT_ADDR:
		if (pl_datapath_addr_get(dp, &f->ip, &there.addr))
			return false;
		break;
	}
	return pl_fact_same(f, &there);
}
