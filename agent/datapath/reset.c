/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A slot that is being freed leaves no trace: its flows, counters and traffic are forgotten.
 */
#include "datapath/internal.h"

struct flows_of {
	int fd;
	uint32_t endpoint;
};

static int flow_drop(const void *key, const void *value, void *arg)
{
	const struct flows_of *f = arg;
	struct pl_flow_value v;

	memcpy(&v, value, sizeof(v));
	return v.endpoint == f->endpoint ? dp_map_del(f->fd, key) : 0;
}

/* An endpoint without such flows pays no walk. */
static int forget_flows_in(int fd, uint32_t endpoint)
{
	struct flows_of f = {fd, endpoint};

	return dp_map_walk(fd, flow_drop, &f);
}

static int forget_flows(struct pl_datapath *dp, uint32_t endpoint)
{
	struct pl_endpoint_info *ep = &dp->endpoints[endpoint];
	int r = 0;

	if (__atomic_load_n(&ep->stack_flows, __ATOMIC_RELAXED) ||
	    __atomic_load_n(&ep->opened_flows, __ATOMIC_RELAXED))
		r = forget_flows_in(dp->maps[MAP_pl_flows], endpoint);
	if (!r && __atomic_load_n(&ep->wire_flows, __ATOMIC_RELAXED))
		r = forget_flows_in(dp->maps[MAP_pl_wire_flows], endpoint);
	if (r)
		return r;
	__atomic_store_n(&ep->stack_flows, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&ep->opened_flows, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&ep->wire_flows, 0, __ATOMIC_RELAXED);
	return 0;
}

/* Every key that it can have, which is quicker than a walk over those of all endpoints. */
static int forget_reasons(struct pl_datapath *dp, uint32_t endpoint)
{
	int r = 0;

	for (uint16_t reason = 0; reason < PL_REASON_COUNT && !r; reason++)
		for (uint16_t direction = PL_OUT; direction <= PL_IN && !r; direction++) {
			struct pl_reason_key key = {endpoint, reason, direction};

			r = dp_map_del(dp->maps[MAP_pl_reasons], &key);
		}
	return r;
}

int pl_datapath_endpoint_reset(struct pl_datapath *dp, uint32_t endpoint)
{
	int r, r2, r3;

	if (endpoint >= dp->max_entries[MAP_pl_endpoints])
		return -ERANGE;
	r = forget_flows(dp, endpoint);
	r2 = forget_reasons(dp, endpoint);
	r3 = dp_zero_per_cpu(dp, MAP_pl_traffic, &endpoint, sizeof(struct pl_traffic));
	return r ?: r2 ?: r3;
}
