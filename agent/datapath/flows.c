// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The flow table as the daemon sees it: it takes away what has ended, a slice at a time, and counts
 * at the start who pays for what. Entries are made by the programs alone (bpf/lib/flows.h), and
 * nothing here is needed for packets to flow.
 */
#include <stdlib.h>
#include <time.h>
#include "datapath/internal.h"

enum {
	SLICE = 512,	     /* entries a batch */
	SLICES_PER_TURN = 16 /* of each table: some 2 ms */
};

struct table {
	enum pl_map_index map;
	size_t key_size;
	size_t kind_at; /* offset of .kind in the key; .protocol stands before it */
};

static const struct table tables[DP_FLOW_TABLES] = {
	{MAP_pl_flows4, sizeof(struct pl_flow4_key), offsetof(struct pl_flow4_key, kind)},
	{MAP_pl_flows6, sizeof(struct pl_flow6_key), offsetof(struct pl_flow6_key, kind)},
};

void dp_config_budgets_set(struct pl_datapath *dp)
{
	dp->config->flow_budget = dp->opts.flow_budget;
	dp->config->flow_rate = dp->opts.flow_rate;
}

void pl_datapath_budgets_set(struct pl_datapath *dp, uint32_t budget, uint32_t rate)
{
	dp->opts.flow_budget = budget;
	dp->opts.flow_rate = rate;
	dp_config_budgets_set(dp);
}

bool dp_config_budgets_hold(const struct pl_datapath *dp)
{
	return dp->config->flow_budget == dp->opts.flow_budget &&
	       dp->config->flow_rate == dp->opts.flow_rate;
}

struct slice {
	uint8_t keys[SLICE * sizeof(struct pl_flow6_key)];
	struct pl_flow flows[SLICE];
};

/* The kernel's jiffies, lower half, as the programs read them. */
static int jiffies_now(const struct pl_datapath *dp, uint32_t *ret)
{
	uint8_t frame[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame));
	int r = bpf_prog_test_run_opts(dp->progs[PROG_pl_clock], &opts);

	if (r < 0)
		return r;
	*ret = opts.retval;
	return 0;
}

/* The kernel's tick is the resolution of its coarse clock. */
uint32_t dp_hz(void)
{
	struct timespec tick;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) || tick.tv_sec || tick.tv_nsec < 100000)
		return 250;
	return (uint32_t)((1000000000 + tick.tv_nsec / 2) / tick.tv_nsec);
}

static bool end_is_stale(const struct pl_datapath *dp, const struct pl_flow_end *end)
{
	const struct pl_endpoint_info *ep;

	if (end->endpoint == PL_NODE)
		return false;
	if (end->endpoint >= dp->max_entries[MAP_pl_endpoints])
		return true;
	ep = &dp->endpoints[end->endpoint];
	return !ep->ifindex || ep->generation != end->generation;
}

static bool has_ended(const struct pl_datapath *dp, const struct table *t, const uint8_t *key,
		      const struct pl_flow *flow, uint32_t now)
{
	uint32_t age = now - flow->seen;
	uint64_t life = (uint64_t)pl_flow_life(key[t->kind_at - 1], key[t->kind_at], flow) * dp->hz;

	if (end_is_stale(dp, &flow->end[0]) || end_is_stale(dp, &flow->end[1]))
		return true;
	return age <= INT32_MAX && age > life; /* else it was seen since the clock was read */
}

/* The budget that pays for the entry; NULL: nobody does. */
static struct pl_budget *payer(const struct pl_datapath *dp, const struct pl_flow *flow)
{
	const struct pl_flow_end *end = &flow->end[flow->flags & PL_FLOW_PAYER1 ? 1 : 0];

	if (flow->state == PL_FLOW_CLOSED || end->endpoint == PL_NODE || end_is_stale(dp, end))
		return NULL;
	return &dp->budgets[end->endpoint].budget[flow->flags & PL_FLOW_INBOUND ? 1 : 0];
}

static void refund(struct pl_budget *budget)
{
	if (budget && __atomic_load_n(&budget->used, __ATOMIC_RELAXED))
		__atomic_sub_fetch(&budget->used, 1, __ATOMIC_RELAXED);
}

/* The entries after the cursor; *n 0: there are none. -ENOENT: these are the last. */
static int next_slice(const struct pl_datapath *dp, const struct table *t, struct dp_sweep *sweep,
		      struct slice *s, uint32_t *n)
{
	bool first = !sweep->started;
	uint32_t next = sweep->cursor;
	int r;

	*n = SLICE;
	r = bpf_map_lookup_batch(dp->maps[t->map], first ? NULL : &sweep->cursor, &next, s->keys,
				 s->flows, n, NULL);
	if (r < 0 && errno != ENOENT) {
		*n = 0;
		return -errno;
	}
	sweep->cursor = next;
	sweep->started = r == 0;
	return r < 0 ? -ENOENT : 0;
}

static void sweep_slice(struct pl_datapath *dp, const struct table *t, struct slice *s, uint32_t n,
			uint32_t now)
{
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *key = s->keys + i * t->key_size;
		struct pl_budget *budget = payer(dp, &s->flows[i]);

		if (has_ended(dp, t, key, &s->flows[i], now) &&
		    !bpf_map_delete_elem(dp->maps[t->map], key))
			refund(budget);
		else
			dp->sweep.counted++;
	}
}

/* A whole round is over: what a note that found no room had barred is free again. */
static void round_ends(struct pl_datapath *dp)
{
	dp->flow_entries = dp->sweep.counted;
	dp->sweep = (struct dp_sweep){0};
	for (uint32_t id = 1; id < dp->max_entries[MAP_pl_endpoints]; id++) {
		const struct pl_budget *b = dp->budgets[id].budget;

		if (dp->endpoints[id].stack_only && b[0].used < dp->config->flow_budget / 2 &&
		    b[1].used < dp->config->flow_budget / 2)
			__atomic_store_n(&dp->endpoints[id].stack_only, 0, __ATOMIC_RELAXED);
	}
}

int pl_datapath_flows_sweep(struct pl_datapath *dp)
{
	pl_autofree struct slice *s = malloc(sizeof(*s));
	uint32_t now, n;
	int r;

	if (!s)
		return -ENOMEM;
	r = jiffies_now(dp, &now);
	for (int i = 0; !r && i < SLICES_PER_TURN; i++) {
		const struct table *t = &tables[dp->sweep.table];

		r = next_slice(dp, t, &dp->sweep, s, &n);
		sweep_slice(dp, t, s, n, now);
		if (r != -ENOENT)
			continue;
		r = 0;
		if (++dp->sweep.table == DP_FLOW_TABLES) {
			round_ends(dp);
			break;
		}
	}
	return r;
}

struct pl_flow_use pl_datapath_flow_use(const struct pl_datapath *dp)
{
	return (struct pl_flow_use){
		.entries = dp->flow_entries,
		.budget = dp->config->flow_budget,
		.rate = dp->config->flow_rate,
	};
}

static int count_one(const void *key, const void *value, void *arg)
{
	struct pl_datapath *dp = arg;
	struct pl_flow flow;
	struct pl_budget *budget;

	memcpy(&flow, value, sizeof(flow));
	budget = payer(dp, &flow);
	if (budget)
		__atomic_add_fetch(&budget->used, 1, __ATOMIC_RELAXED);
	return 0;
}

int dp_flows_recount(struct pl_datapath *dp)
{
	int r = 0;

	for (uint32_t id = 0; id < dp->max_entries[MAP_pl_endpoints]; id++)
		for (int i = 0; i < 2; i++)
			__atomic_store_n(&dp->budgets[id].budget[i].used, 0, __ATOMIC_RELAXED);
	for (int i = 0; !r && i < DP_FLOW_TABLES; i++)
		r = dp_map_walk(dp->maps[tables[i].map], count_one, dp);
	return r;
}
