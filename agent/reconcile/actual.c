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

int pl_actual_collect(struct pl_datapath *dp, struct pl_facts *ret)
{
	const struct pl_endpoint_info *slots = pl_datapath_slots(dp);
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
		r = pl_datapath_addr_each(dp, collect_addr, ret);
	if (!r)
		r = pl_datapath_each_attachment(dp, collect_attachment, ret);
	return r;
}
