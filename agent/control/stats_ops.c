/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counters of endpoints and of the node, by reason.
 */
#include "control/ops.h"
#include "endpoint/endpoint.h"

/* A counter that is not zero. */
struct count {
	struct pl_reason_key key;
	struct pl_count sum;
};

struct counts {
	struct count *v;
	size_t n, size;
};

static const char *reason_name(unsigned int reason)
{
	static const char *const names[] = {
#define REASON_NAME(effect, name, text) #effect "_" #name,
		PL_REASONS(REASON_NAME)
#undef REASON_NAME
	};

	return reason < PL_ARRAY_SIZE(names) ? names[reason] : "UNKNOWN";
}

static int note_count(const struct pl_reason_key *key, const struct pl_count *sum, void *arg)
{
	struct counts *all = arg;

	if (all->n == all->size) {
		size_t size = all->size ? all->size * 2 : 64;
		struct count *v = reallocarray(all->v, size, sizeof(*v));

		if (!v)
			return -ENOMEM;
		all->v = v;
		all->size = size;
	}
	all->v[all->n++] = (struct count){*key, *sum};
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const struct pl_reason_key *x = &((const struct count *)a)->key;
	const struct pl_reason_key *y = &((const struct count *)b)->key;

	if (x->endpoint != y->endpoint)
		return x->endpoint < y->endpoint ? -1 : 1;
	return x->reason != y->reason ? x->reason - y->reason : x->direction - y->direction;
}

static int collect(const struct pl_parts *parts, struct counts *ret, struct pl_error *err)
{
	int r = pl_datapath_reasons_each(parts->dp, note_count, ret);

	if (r < 0)
		return pl_fail(err, r, "read the counters: %s", strerror(-r));
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_key);
	return 0;
}

static json_t *count_json(const struct count *c)
{
	return json_pack("{s:s, s:s, s:I, s:I}", "reason", reason_name(c->key.reason), "direction",
			 c->key.direction == PL_IN ? "in" : "out", "packets",
			 (json_int_t)c->sum.packets, "bytes", (json_int_t)c->sum.bytes);
}

/* @at is brought behind the counters of @id. */
static json_t *reasons_json(const struct counts *all, size_t *at, uint32_t id)
{
	json_t *list = json_array();

	while (*at < all->n && all->v[*at].key.endpoint < id)
		++*at;
	while (*at < all->n && all->v[*at].key.endpoint == id)
		json_array_append_new(list, count_json(&all->v[(*at)++]));
	return list;
}

static json_t *row_json(const struct pl_parts *parts, uint32_t id, json_t *reasons)
{
	const struct pl_endpoint *pod = id ? parts->endpoints->v[id] : NULL;
	const struct pl_record *r = pod ? &pod->rec : NULL;
	json_t *row = json_pack("{s:i, s:s, s:s, s:s}", "endpoint", (int)id, "containerId",
				r ? r->container_id : "", "ifname", r ? r->ifname : "",
				"hostIfname", r ? r->host_ifname : "");
	json_t *who = r ? pl_endpoint_pod_json(r) : NULL;

	if (who)
		json_object_set_new(row, "pod", who);
	json_object_set_new(row, "reasons", reasons);
	return row;
}

int pl_stats_reasons(const struct pl_parts *parts, const struct pl_endpoint *pod, json_t **ret,
		     struct pl_error *err)
{
	struct counts all = {0};
	size_t at = 0;
	int r = collect(parts, &all, err);

	if (!r)
		*ret = reasons_json(&all, &at, pod->id);
	free(all.v);
	return r;
}

/* The counters are read at once, the rows made as they are taken. */
struct stats {
	const struct pl_parts *parts;
	struct counts all;
	size_t at;
	uint32_t id, end; /* of rows that are still to come */
};

static json_t *next_row(void *arg)
{
	struct stats *s = arg;
	uint32_t id = s->id;

	while (id != PL_NODE && id < s->end && !s->parts->endpoints->v[id])
		id++;
	if (id >= s->end)
		return NULL;
	s->id = id + 1;
	return row_json(s->parts, id, reasons_json(&s->all, &s->at, id)) ?: json_null();
}

static void stats_free(void *arg)
{
	struct stats *s = arg;

	free(s->all.v);
	free(s);
}

int pl_op_stats(struct pl_call *c, struct pl_error *err)
{
	struct stats *s = calloc(1, sizeof(*s));
	const struct pl_list list = {"stats", next_row, stats_free, s};
	struct pl_endpoint *only = NULL;
	const char *query;
	int r = pl_request_text(c->req, "query", false, &query, err);

	if (!s)
		return pl_fail(err, -ENOMEM, "read the counters: out of memory");
	if (!r && *query)
		r = pl_endpoints_query(c->parts->endpoints, query, &only, err);
	if (!r)
		r = collect(c->parts, &s->all, err);
	if (r < 0) {
		stats_free(s);
		return r;
	}
	s->parts = c->parts;
	s->id = only ? only->id : PL_NODE;
	s->end = only ? only->id + 1 : c->parts->endpoints->max;
	pl_client_reply_list(c->client, &list);
	return 0;
}
