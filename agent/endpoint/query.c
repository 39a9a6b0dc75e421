/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The endpoint that a person means.
 */
#include "endpoint/internal.h"

bool pl_endpoints_any_in(const struct pl_endpoints *t, const struct pl_prefix *range)
{
	for (uint32_t id = 1; id < t->max; id++)
		for (size_t i = 0; t->v[id] && i < t->v[id]->rec.n_addrs; i++)
			if (pl_prefix_contains(range, &t->v[id]->rec.addrs[i].ip.ip))
				return true;
	return false;
}

int pl_endpoints_query(const struct pl_endpoints *t, const char *query, struct pl_endpoint **ret,
		       struct pl_error *err)
{
	for (int by_prefix = 0; by_prefix < 2; by_prefix++) {
		struct pl_endpoint *hit = NULL;

		for (uint32_t id = 1; id < t->max; id++) {
			struct pl_endpoint *pod = t->v[id];

			if (!pod || !(by_prefix ? pl_record_begins_with(&pod->rec, query)
						: pl_record_is_called(&pod->rec, query)))
				continue;
			if (hit)
				return pl_fail(
					err, -ENOTUNIQ,
					"\"%s\" names more than one endpoint: %s:%s and %s:%s; "
					"say which, as CONTAINER:IFNAME",
					query, hit->rec.container_id, hit->rec.ifname,
					pod->rec.container_id, pod->rec.ifname);
			hit = pod;
		}
		if (hit) {
			*ret = hit;
			return 0;
		}
	}
	return pl_fail(err, -ENOENT, "no endpoint is named \"%s\"; see: podlane endpoint list",
		       query);
}
