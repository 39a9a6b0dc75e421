/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Wanted against dumped: no route of another protocol is ever looked at, made or deleted. An
 * endpoint's own route, and any that is more specific, comes before these.
 */
#include "host/range_routes.h"

#include "common/log.h"
#include "ipam/cover.h"

static const uint32_t lowest_priority = UINT32_MAX;

struct dump {
	struct pl_nl_route *v;
	size_t n, size;
};

static int dump_one(const struct pl_nl_route *route, void *arg)
{
	struct dump *all = arg;

	if (all->n == all->size) {
		size_t size = all->size ? all->size * 2 : 16;
		struct pl_nl_route *v = reallocarray(all->v, size, sizeof(*v));

		if (!v)
			return -ENOMEM;
		all->v = v;
		all->size = size;
	}
	all->v[all->n++] = *route;
	return 0;
}

static void dump_clear(struct dump *all)
{
	free(all->v);
}

void pl_range_routes_clear(struct pl_range_routes *routes)
{
	pl_prefixes_clear(&routes->want);
	*routes = (struct pl_range_routes){0};
}

static int want(struct pl_range_routes *routes, const struct pl_prefix *range)
{
	if (pl_prefixes_has(&routes->want, range))
		return 0;
	routes->dirty = true;
	return pl_prefixes_add(&routes->want, range);
}

int pl_range_routes_want(struct pl_range_routes *routes, const struct pl_netconf *conf)
{
	pl_cleanup(pl_prefixes_clear) struct pl_prefixes ranges = {0};
	int r = pl_ipam_cover(conf, &ranges);

	for (size_t i = 0; !r && i < ranges.n; i++)
		r = want(routes, &ranges.v[i]);
	return r;
}

/* As made here; @route is one of podlane's protocol. */
static bool is_range_route(const struct pl_nl_route *route)
{
	return route->type == RTN_UNREACHABLE && route->priority == lowest_priority;
}

int pl_range_routes_adopt(struct pl_range_routes *routes, struct pl_nl *nl,
			  bool (*is_used)(const struct pl_prefix *range, void *arg), void *arg)
{
	pl_cleanup(dump_clear) struct dump have = {0};
	int r = pl_nl_own_route_dump(nl, dump_one, &have);

	for (size_t i = 0; !r && i < have.n; i++)
		if (is_range_route(&have.v[i]) && is_used(&have.v[i].dst, arg))
			r = want(routes, &have.v[i].dst);
	routes->dirty = true;
	return r;
}

static int make(struct pl_nl *nl, const struct pl_prefix *range, struct pl_error *err)
{
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *batch = NULL;
	const struct pl_nl_route route = {
		.dst = *range,
		.type = RTN_UNREACHABLE,
		.protocol = PL_NL_PROTOCOL,
		.priority = lowest_priority,
	};
	int r = pl_nl_batch_new(nl, &batch);

	if (r < 0)
		return pl_fail(err, r, "routes of the ranges: out of memory");
	pl_nl_add_route(batch, &route);
	return pl_nl_batch_commit(batch, err);
}

static int delete (struct pl_nl *nl, const struct pl_nl_route *have, struct pl_error *err)
{
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *batch = NULL;
	const struct pl_nl_route route = {
		.dst = have->dst,
		.type = have->type,
		.scope = have->scope,
		.protocol = PL_NL_PROTOCOL,
		.priority = have->priority,
	};
	int r = pl_nl_batch_new(nl, &batch);

	if (r < 0)
		return pl_fail(err, r, "routes of the ranges: out of memory");
	pl_nl_del_route(batch, &route);
	pl_nl_allow_missing(batch);
	return pl_nl_batch_commit(batch, err);
}

static bool is_held(const struct dump *have, const struct pl_prefix *range)
{
	for (size_t i = 0; i < have->n; i++)
		if (is_range_route(&have->v[i]) && pl_prefix_same(&have->v[i].dst, range))
			return true;
	return false;
}

static bool is_wanted(const struct pl_prefixes *want, const struct pl_nl_route *route)
{
	return is_range_route(route) && pl_prefixes_has(want, &route->dst);
}

/* The first failure counts; the other differences are made up for all the same. */
static int keep_first(int first, int r, struct pl_error *err, const struct pl_error *why)
{
	if (first || r >= 0)
		return first;
	*err = *why;
	return r;
}

static int apply(struct pl_nl *nl, const struct pl_prefixes *want, struct pl_error *err)
{
	pl_cleanup(dump_clear) struct dump have = {0};
	int first = pl_nl_own_route_dump(nl, dump_one, &have);

	if (first < 0)
		return pl_fail(err, first, "dump podlane's routes: %s", strerror(-first));
	for (size_t i = 0; i < have.n; i++) {
		struct pl_error why = {0};

		if (!is_wanted(want, &have.v[i]))
			first = keep_first(first, delete (nl, &have.v[i], &why), err, &why);
	}
	for (size_t i = 0; i < want->n; i++) {
		struct pl_error why = {0};
		int r;

		if (is_held(&have, &want->v[i]))
			continue;
		r = make(nl, &want->v[i], &why);
		if (r == -EAFNOSUPPORT || r == -EOPNOTSUPP) /* a kernel without IPv6 */
			continue;
		first = keep_first(first, r, err, &why);
	}
	return first;
}

int pl_range_routes_sync(struct pl_range_routes *routes, struct pl_nl *nl)
{
	struct pl_error err = {0};
	int r;

	if (!routes->dirty)
		return 0;
	r = apply(nl, &routes->want, &err);
	routes->dirty = r < 0;
	if (r < 0 && strcmp(err.text, routes->why))
		pl_warn("routes of the ranges not as they should be; packets for pods that were "
			"deleted may loop error=\"%s\"",
			err.text);
	snprintf(routes->why, sizeof(routes->why), "%s", err.text);
	return r;
}

int pl_range_routes_remove(struct pl_error *err)
{
	pl_cleanup(pl_nl_closep) struct pl_nl *nl = NULL;
	const struct pl_prefixes nothing = {0};
	int r = pl_nl_open(-1, &nl, err);

	return r < 0 ? r : apply(nl, &nothing, err);
}
