/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counters of endpoints and of the node, by reason.
 */
#include "control/ops.h"
#include "endpoint/endpoint.h"

struct counting {
	json_t **rows; /* arrays by endpoint id */
	uint32_t n;
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

static int count_row(const struct pl_reason_key *key, const struct pl_count *sum, void *arg)
{
	struct counting *all = arg;

	if (key->endpoint >= all->n || !all->rows[key->endpoint])
		return 0;
	json_array_append_new(all->rows[key->endpoint],
			      json_pack("{s:s, s:s, s:I, s:I}", "reason", reason_name(key->reason),
					"direction", key->direction == PL_IN ? "in" : "out",
					"packets", (json_int_t)sum->packets, "bytes",
					(json_int_t)sum->bytes));
	return 0;
}

static json_t *stats_row(const struct pl_parts *parts, uint32_t id, json_t *reasons)
{
	const struct pl_endpoint *pod = id ? parts->endpoints->v[id] : NULL;
	const struct pl_record *r = pod ? &pod->rec : NULL;
	json_t *row = json_pack("{s:i, s:s, s:s, s:s}", "endpoint", (int)id, "containerId",
				r ? r->container_id : "", "ifname", r ? r->ifname : "",
				"hostIfname", r ? r->host_ifname : "");
	json_t *who = r ? pl_endpoint_pod_json(r) : NULL;

	if (who)
		json_object_set_new(row, "pod", who);
	json_object_set(row, "reasons", reasons);
	return row;
}

/* Rows of @only, or of the node and all pods where it is NULL. */
int pl_stats_collect(const struct pl_parts *parts, const struct pl_endpoint *only, json_t **ret,
		     struct pl_error *err)
{
	struct counting all = {calloc(parts->endpoints->max, sizeof(json_t *)),
			       parts->endpoints->max};
	json_t *list = json_array();
	int r;

	if (!all.rows || !list) {
		free(all.rows);
		json_decref(list);
		return pl_fail(err, -ENOMEM, "read the counters: out of memory");
	}
	for (uint32_t id = 0; id < parts->endpoints->max; id++)
		if (only ? id == only->id : id == PL_NODE || parts->endpoints->v[id])
			all.rows[id] = json_array();
	r = pl_datapath_reasons_each(parts->dp, count_row, &all);
	for (uint32_t id = 0; id < parts->endpoints->max; id++) {
		if (!all.rows[id])
			continue;
		json_array_append_new(list, stats_row(parts, id, all.rows[id]));
		json_decref(all.rows[id]);
	}
	free(all.rows);
	if (r < 0) {
		json_decref(list);
		return pl_fail(err, r, "read the counters: %s", strerror(-r));
	}
	*ret = list;
	return 0;
}

int pl_op_stats(struct pl_call *c, struct pl_error *err)
{
	struct pl_endpoint *only = NULL;
	const char *query;
	json_t *list;
	int r = pl_request_text(c->req, "query", false, &query, err);

	if (!r && *query)
		r = pl_endpoints_query(c->parts->endpoints, query, &only, err);
	if (!r)
		r = pl_stats_collect(c->parts, only, &list, err);
	if (r < 0)
		return r;
	pl_reply_list(c, "stats", list);
	return 0;
}
