/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Opens and closes the endpoints: their table, what removes them, and what watches their pod ends.
 */
#include <event2/event.h>

#include "endpoint/internal.h"
#include "endpoint/remove.h"

int pl_endpoints_new(const struct pl_endpoints_opts *opts, struct pl_endpoints **ret,
		     struct pl_error *err)
{
	pl_cleanup(pl_endpoints_freep) struct pl_endpoints *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return pl_fail(err, -ENOMEM, "endpoints: out of memory");
	t->opts = *opts;
	t->max = pl_datapath_max_endpoints(opts->dp);
	t->n_buckets = 1;
	while (t->n_buckets < t->max)
		t->n_buckets *= 2;
	t->v = calloc(t->max, sizeof(struct pl_endpoint *));
	t->by_key = calloc(t->n_buckets, sizeof(struct pl_endpoint *));
	t->by_link = calloc(t->n_buckets, sizeof(struct pl_endpoint *));
	if (!t->v || !t->by_key || !t->by_link)
		return pl_fail(err, -ENOMEM, "out of memory for %u endpoints", t->max);
	r = pl_removals_new(t, &t->removals, err);
	if (!r)
		r = pl_heal_new(t, err);
	if (!r)
		r = pl_pod_ends_new(t, &t->pod_ends, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(t);
	return 0;
}

void pl_endpoints_freep(struct pl_endpoints **ref)
{
	struct pl_endpoints *t = TAKE_PTR(*ref);

	if (!t)
		return;
	pl_pod_ends_freep(&t->pod_ends);
	pl_removals_freep(&t->removals);
	for (uint32_t id = 1; t->v && id < t->max; id++)
		if (t->v[id])
			pl_endpoints_drop(t, t->v[id]);
	if (t->heal)
		event_free(t->heal);
	free(t->v);
	free(t->by_key);
	free(t->by_link);
	free(t);
}
