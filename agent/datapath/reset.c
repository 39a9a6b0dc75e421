/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A slot that is being freed leaves no trace: its counters, traffic and budgets are forgotten. Its
 * flows are void by the slot's generation, and the sweep takes them away.
 */
#include "datapath/internal.h"

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
	int r, r2;

	if (endpoint >= dp->max_entries[MAP_pl_endpoints])
		return -ERANGE;
	memset(&dp->budgets[endpoint], 0, sizeof(dp->budgets[endpoint]));
	__atomic_store_n(&dp->endpoints[endpoint].stack_only, 0, __ATOMIC_RELAXED);
	r = forget_reasons(dp, endpoint);
	r2 = dp_zero_per_cpu(dp, MAP_pl_traffic, &endpoint, sizeof(struct pl_traffic));
	return r ?: r2;
}
