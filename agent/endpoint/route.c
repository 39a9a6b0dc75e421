/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a configured route says beside destination and gateway. It may come from a delegated IPAM
 * plugin, so nothing of it is taken unread. Pure.
 */
#include <linux/rtnetlink.h>

#include "common/json_read.h"
#include "endpoint/link.h"

static int read_number(const json_t *route, const char *path, const char *key, uint32_t *ret,
		       struct pl_error *err)
{
	const json_t *value = json_object_get(route, key);
	char where[PL_JSON_PATH_MAX];

	if (!value || json_is_null(value))
		return 0;
	return pl_json_read_u32(value, pl_json_join(where, path, key), 0, UINT32_MAX, ret, err);
}

/* Every route goes by the gateway, so its scope is global. Only the gateway itself is on the link.
 */
static int check_scope(const struct pl_nl_route *route, bool has_gw, uint32_t scope,
		       const char *path, struct pl_error *err)
{
	if (scope == RT_SCOPE_UNIVERSE)
		return 0;
	if (scope == RT_SCOPE_LINK && !has_gw &&
	    route->dst.len == pl_ip_bits(route->dst.ip.family) &&
	    !pl_ip_cmp(&route->dst.ip, &route->gateway))
		return 1;
	return pl_fail(err, -EINVAL,
		       "%s.scope: %u: a pod reaches everything by its gateway, so its routes have "
		       "scope 0 (global); leave \"scope\" out",
		       path, scope);
}

int pl_podlink_read_route(const json_t *j, size_t i, struct pl_nl_route *route,
			  struct pl_error *err)
{
	uint32_t scope = RT_SCOPE_UNIVERSE;
	const struct {
		const char *key;
		uint32_t *to;
	} numbers[] = {
		{"mtu", &route->mtu},
		{"advmss", &route->advmss},
		{"priority", &route->priority},
		{"table", &route->table},
		{"scope", &scope},
	};
	char path[PL_JSON_PATH_MAX];
	int r = 0;

	pl_json_join_index(path, "ipam.routes", i);
	for (size_t k = 0; !r && k < PL_ARRAY_SIZE(numbers); k++)
		r = read_number(j, path, numbers[k].key, numbers[k].to, err);
	return r ? r : check_scope(route, json_object_get(j, "gw"), scope, path, err);
}
