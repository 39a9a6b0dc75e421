/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the ranges, not the subnets: the rest of a subnet may be other nodes'.
 */
#include "ipam/cover.h"

static bool is_next(const struct pl_ip *a, const struct pl_ip *b)
{
	uint64_t distance;

	return !pl_ip_distance(a, b, &distance) && distance <= 1;
}

int pl_ipam_cover(const struct pl_netconf *conf, struct pl_prefixes *ret)
{
	if (conf->mode != PL_MODE_POD || strcmp(conf->ipam_type, "podlane"))
		return 0;
	for (size_t i = 0; i < conf->n_ranges; i++) {
		const struct pl_range *range = &conf->ranges[i];
		struct pl_ip first, last;
		int r;

		pl_prefix_range(&range->subnet, &first, &last);
		if (!is_next(&first, &range->start))
			first = range->start;
		/* The last address of an IPv6 subnet is like any other. */
		if (range->end.family != AF_INET || !is_next(&range->end, &last))
			last = range->end;
		r = pl_prefixes_add_range_without(ret, &first, &last, conf->exclude,
						  conf->n_exclude);
		if (r < 0)
			return r;
	}
	return 0;
}
