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

static int collect_attachment(const struct pl_attachment *a, void *arg)
{
	struct pl_fact *f = pl_facts_add(arg, PL_FACT_ATTACH);

	if (!f)
		return -ENOMEM;
	f->index = a->ifindex;
	f->hook = a->hook;
	f->attach = *a;
	return 0;
}

static int collect_endpoints(struct pl_datapath *dp, struct pl_facts *ret)
{
	const struct pl_endpoint_info *slots = pl_datapath_slots(dp);

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
	return 0;
}

static int collect_programs(struct pl_datapath *dp, struct pl_facts *ret)
{
	for (uint32_t slot = 0; slot < PL_PROG_SLOTS; slot++) {
		uint32_t id = pl_datapath_program_id(dp, slot);
		struct pl_fact *f = id ? pl_facts_add(ret, PL_FACT_PROGRAM) : NULL;

		if (id && !f)
			return -ENOMEM;
		if (!f)
			continue;
		f->index = slot;
		f->program.id = id;
	}
	return 0;
}

static int collect_mirrors(struct pl_datapath *dp, struct pl_facts *ret)
{
	static const struct pl_mirror none;

	for (uint32_t slot = 0; slot < PL_MIRRORS_MAX; slot++) {
		struct pl_mirror there;
		struct pl_fact *f;
		int r = pl_datapath_mirror_get(dp, slot, &there);

		if (r < 0)
			return r;
		if (!memcmp(&there, &none, sizeof(there)))
			continue;
		f = pl_facts_add(ret, PL_FACT_MIRROR);
		if (!f)
			return -ENOMEM;
		f->index = slot;
		f->mirror = there;
	}
	return 0;
}

static int collect_networks(struct pl_datapath *dp, const struct pl_facts *desired,
			    struct pl_facts *ret)
{
	for (size_t i = 0; i < desired->n; i++) {
		const struct pl_fact *want = &desired->v[i];
		struct pl_fact *f;

		if (want->kind != PL_FACT_NETWORKS || !pl_actual_holds(dp, want))
			continue;
		f = pl_facts_add(ret, PL_FACT_NETWORKS);
		if (!f)
			return -ENOMEM;
		*f = *want;
		return 0;
	}
	return 0;
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

int pl_actual_collect(struct pl_datapath *dp, struct pl_facts *ret, const struct pl_facts *desired)
{
	size_t first;
	int r;

	r = collect_networks(dp, desired, ret);
	if (!r)
		r = collect_endpoints(dp, ret);
	if (!r)
		r = collect_programs(dp, ret);
	if (!r)
		r = collect_mirrors(dp, ret);
	if (!r)
		r = pl_datapath_link_each(dp, collect_link, ret);
	if (!r)
		r = pl_datapath_tunnel_each(dp, collect_tunnel, ret);
	if (!r)
		r = pl_datapath_addr_each(dp, collect_addr, ret);
	first = ret->n;
	if (!r)
		r = pl_datapath_each_attachment(dp, collect_attachment, ret);
	fold_twins(ret, first);
	return r;
}

bool pl_actual_holds(struct pl_datapath *dp, const struct pl_fact *f)
{
	struct pl_fact there = {.kind = f->kind};

	switch (f->kind) {
	case PL_FACT_NETWORKS:
		return pl_datapath_networks_hold(dp, f->networks.rules, f->networks.n);
	case PL_FACT_PROGRAM:
		there.program.id = pl_datapath_program_id(dp, f->index);
		break;
	case PL_FACT_MIRROR:
		if (pl_datapath_mirror_get(dp, f->index, &there.mirror))
			return false;
		break;
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
