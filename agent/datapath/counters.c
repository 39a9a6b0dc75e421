/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counters, summed over CPUs without a halt: a sum may be a packet behind.
 */
#include "datapath/internal.h"

void dp_count_add(struct pl_count *sum, const struct pl_count *c)
{
	sum->packets += c->packets;
	sum->bytes += c->bytes;
}

/* One value for each CPU, at the kernel's stride. The caller frees. */
int dp_get_per_cpu(const struct pl_datapath *dp, enum pl_map_index map, const void *key,
		   size_t value_size, void **ret)
{
	pl_autofree void *values = calloc((size_t)dp->cpus, PL_ALIGN8(value_size));
	int r;

	if (!values)
		return -ENOMEM;
	r = dp_map_get(dp->maps[map], key, values);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(values);
	return 0;
}

int dp_zero_per_cpu(const struct pl_datapath *dp, enum pl_map_index map, const void *key,
		    size_t value_size)
{
	pl_autofree void *values = calloc((size_t)dp->cpus, PL_ALIGN8(value_size));

	return values ? dp_map_set(dp->maps[map], key, values) : -ENOMEM;
}

int pl_datapath_traffic(struct pl_datapath *dp, uint32_t endpoint, struct pl_traffic *ret)
{
	pl_autofree void *values = NULL;
	struct pl_traffic sum = {0};
	const struct pl_traffic *t;
	int r;

	r = dp_get_per_cpu(dp, MAP_pl_traffic, &endpoint, sizeof(*t), &values);
	if (r < 0)
		return r;
	t = values;
	for (int cpu = 0; cpu < dp->cpus; cpu++) {
		dp_count_add(&sum.forwarded[PL_OUT], &t[cpu].forwarded[PL_OUT]);
		dp_count_add(&sum.forwarded[PL_IN], &t[cpu].forwarded[PL_IN]);
		dp_count_add(&sum.native, &t[cpu].native);
	}
	*ret = sum;
	return 0;
}

struct reasons_each {
	int cpus;
	int (*fn)(const struct pl_reason_key *key, const struct pl_count *sum, void *arg);
	void *arg;
};

static int reason_one(const void *key, const void *value, void *arg)
{
	const struct reasons_each *e = arg;
	struct pl_reason_key k;
	struct pl_count sum = {0};

	memcpy(&k, key, sizeof(k));
	for (int cpu = 0; cpu < e->cpus; cpu++) {
		struct pl_count c;

		memcpy(&c, (const uint8_t *)value + (size_t)cpu * sizeof(c), sizeof(c));
		dp_count_add(&sum, &c);
	}
	return e->fn(&k, &sum, e->arg);
}

static int traffic_as_reasons(struct pl_datapath *dp, uint32_t endpoint,
			      const struct reasons_each *e)
{
	const struct pl_reason_key native = {endpoint, PL_FORWARD_NATIVE, PL_OUT};
	struct pl_traffic t;
	int r;

	r = pl_datapath_traffic(dp, endpoint, &t);
	for (uint16_t direction = PL_OUT; direction <= PL_IN && !r; direction++) {
		struct pl_reason_key key = {endpoint, PL_FORWARD_LOCAL, direction};

		if (t.forwarded[direction].packets)
			r = e->fn(&key, &t.forwarded[direction], e->arg);
	}
	if (!r && t.native.packets)
		r = e->fn(&native, &t.native, e->arg);
	return r;
}

int pl_datapath_reasons_each(struct pl_datapath *dp,
			     int (*fn)(const struct pl_reason_key *key, const struct pl_count *sum,
				       void *arg),
			     void *arg)
{
	struct reasons_each e = {dp->cpus, fn, arg};
	int r;

	r = traffic_as_reasons(dp, PL_NODE, &e);
	for (uint32_t id = 1; id < dp->max_entries[MAP_pl_endpoints] && !r; id++)
		if (dp->endpoints[id].ifindex)
			r = traffic_as_reasons(dp, id, &e);
	return r ?: dp_map_walk(dp->maps[MAP_pl_reasons], reason_one, &e);
}
