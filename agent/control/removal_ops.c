/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DEL and GC. The reply comes when the last link has gone; a GC of many endpoints begins some in
 * each turn of the loop.
 */
#include <event2/event.h>

#include "common/turn.h"
#include "control/ops.h"
#include "endpoint/remove.h"

enum { GC_BUDGET_NS = 4000000 }; /* of a turn */

/* ---- one reply to the removal of one or more endpoints ---- */

struct removal {
	struct pl_client *client;
	json_t *reply;	     /* NULL: the list of what was removed */
	json_t *removed;     /* NULL: the reply */
	size_t left;	     /* endpoints, and a GC that is still choosing */
	struct pl_error err; /* of the first that could not be removed */
};

static void removal_end(struct removal *all)
{
	if (all->err.code)
		pl_client_fail(all->client, &all->err);
	else if (all->removed)
		pl_reply_array(all->client, "removed", json_incref(all->removed));
	else
		pl_client_reply(all->client, json_incref(all->reply));
	json_decref(all->reply);
	json_decref(all->removed);
	free(all);
}

static void removal_less(struct removal *all)
{
	struct pl_client *client = all->client;

	if (--all->left)
		return;
	removal_end(all);
	pl_client_resume(client);
}

static void on_removed(void *arg, const struct pl_error *err)
{
	struct removal *all = arg;

	if (err && !all->err.code)
		all->err = *err;
	removal_less(all);
}

static void removal_add(const struct pl_parts *parts, struct removal *all, struct pl_endpoint *pod)
{
	int r = pl_endpoint_remove(parts->endpoints, pod, on_removed, all);

	if (!r)
		all->left++;
	else if (!all->err.code)
		pl_fail(&all->err, r, "remove %s:%s: out of memory", pod->rec.container_id,
			pod->rec.ifname);
}

int pl_op_endpoint_del(struct pl_call *c, struct pl_error *err)
{
	const char *id, *ifname, *network;
	struct removal *all;
	struct pl_endpoint *pod;
	int r = pl_request_key(c->req, &id, &ifname, err);

	if (!r)
		r = pl_request_text(c->req, "network", false, &network, err);
	if (r < 0)
		return r;
	pod = pl_endpoints_find(c->parts->endpoints, id, ifname);
	if (!pod) {
		r = pl_endpoints_delete_leftover(c->parts->endpoints, id, ifname, err);
		if (r < 0)
			return r;
	}
	if (!pod || (*network && strcmp(network, pod->rec.network))) {
		pl_client_reply(c->client, json_pack("{s:b, s:b}", "ok", 1, "existed", 0));
		return 0;
	}
	all = calloc(1, sizeof(*all));
	if (!all)
		return pl_fail(err, -ENOMEM, "remove %s:%s: out of memory", id, ifname);
	all->client = c->client;
	all->left = 1;
	all->reply = json_pack("{s:b, s:b, s:o}", "ok", 1, "existed", 1, "endpoint",
			       pl_endpoint_record_json(&pod->rec));
	pl_client_hold(c->client);
	removal_add(c->parts, all, pod);
	removal_less(all);
	return 0;
}

/* ---- GC ---- */

/* By its time of creation, too: the slot may be another endpoint's by the time it is looked at. */
struct stale {
	uint32_t id;
	uint64_t created_ns;
};

struct gc {
	const struct pl_parts *parts;
	struct removal *all;
	struct event *turn;
	struct gc *next, **prev;
	size_t n, at;
	struct stale v[];
};

/* Those that are under way: where the daemon ends meanwhile, their memory goes with the process. */
static struct gc *running;

static void gc_free(struct gc *gc)
{
	*gc->prev = gc->next;
	if (gc->next)
		gc->next->prev = gc->prev;
	if (gc->turn)
		event_free(gc->turn);
	free(gc);
}

static void gc_remove(struct gc *gc, const struct stale *stale)
{
	struct pl_endpoint *pod = gc->parts->endpoints->v[stale->id];

	if (!pod || pod->rec.created_ns != stale->created_ns)
		return;
	json_array_append_new(gc->all->removed,
			      json_pack("{s:s, s:s}", "containerId", pod->rec.container_id,
					"ifname", pod->rec.ifname));
	removal_add(gc->parts, gc->all, pod);
}

static void on_gc_turn(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval at_once = {0};
	struct gc *gc = arg;
	struct removal *all = gc->all;
	uint64_t end = pl_now_ns() + GC_BUDGET_NS;
	PL_TURN("endpoint.gc");

	while (gc->at < gc->n) {
		gc_remove(gc, &gc->v[gc->at++]);
		if (gc->at < gc->n && pl_now_ns() >= end) {
			event_add(gc->turn, &at_once);
			return;
		}
	}
	gc_free(gc);
	removal_less(all);
}

/* *ret tells by id which endpoints are in the list; the caller frees. */
static int mark_valid(const struct pl_endpoints *t, const json_t *valid, bool **ret)
{
	bool *marks = calloc(t->max, sizeof(*marks));
	const json_t *item;
	size_t i;

	if (!marks)
		return -ENOMEM;
	json_array_foreach (valid, i, item) {
		const char *id = json_string_value(json_object_get(item, "containerId"));
		const char *ifname = json_string_value(json_object_get(item, "ifname"));
		const struct pl_endpoint *pod =
			id && ifname ? pl_endpoints_find(t, id, ifname) : NULL;

		if (pod)
			marks[pod->id] = true;
	}
	*ret = marks;
	return 0;
}

static struct gc *gc_new(struct pl_call *c, const char *network, const bool *valid)
{
	const struct pl_endpoints *t = c->parts->endpoints;
	struct gc *gc = calloc(1, sizeof(*gc) + t->n * sizeof(*gc->v));

	if (!gc)
		return NULL;
	gc->next = running;
	gc->prev = &running;
	if (gc->next)
		gc->next->prev = &gc->next;
	running = gc;
	gc->parts = c->parts;
	gc->turn = evtimer_new(t->opts.base, on_gc_turn, gc);
	gc->all = calloc(1, sizeof(*gc->all));
	if (gc->all)
		*gc->all =
			(struct removal){.client = c->client, .removed = json_array(), .left = 1};
	if (!gc->turn || !gc->all || !gc->all->removed) {
		free(gc->all);
		gc_free(gc);
		return NULL;
	}
	for (uint32_t id = 1; id < t->max; id++)
		if (t->v[id] && !valid[id] && !strcmp(t->v[id]->rec.network, network))
			gc->v[gc->n++] = (struct stale){id, t->v[id]->rec.created_ns};
	return gc;
}

int pl_op_endpoint_gc(struct pl_call *c, struct pl_error *err)
{
	const json_t *valid = json_object_get(c->req, "valid");
	pl_autofree bool *marks = NULL;
	struct gc *gc = NULL;
	const char *network;
	int r = pl_request_text(c->req, "network", true, &network, err);

	if (!r && !json_is_array(valid))
		r = pl_fail(err, -EINVAL,
			    "\"valid\": expected an array; without it nothing is removed, so "
			    "that a missing list never deletes anything");
	if (r < 0)
		return r;
	if (!mark_valid(c->parts->endpoints, valid, &marks))
		gc = gc_new(c, network, marks);
	if (!gc)
		return pl_fail(err, -ENOMEM, "collect the endpoints to remove: out of memory");
	pl_client_hold(c->client);
	on_gc_turn(-1, 0, gc);
	return 0;
}
