/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Operations on endpoints: JSON into calls, and calls into JSON.
 */
#include <fcntl.h>

#include "common/log.h"
#include "common/turn.h"
#include "control/ops.h"
#include "endpoint/remove.h"
#include "mirror/mirrors.h"

static int fill_pod_request(struct pl_call *c, struct pl_endpoint_request *pod,
			    struct pl_error *err)
{
	const json_t *who = json_object_get(c->req, "pod");
	int r = pl_request_key(c->req, &pod->container_id, &pod->ifname, err);

	if (!r)
		r = pl_request_text(c->req, "netns", false, &pod->netns, err);
	if (!r)
		r = pl_request_text(c->req, "hostIfname", false, &pod->host_ifname, err);
	if (!r)
		r = pl_request_text(who, "name", false, &pod->pod_name, err);
	if (!r)
		r = pl_request_text(who, "namespace", false, &pod->pod_namespace, err);
	if (!r)
		r = pl_request_text(who, "uid", false, &pod->pod_uid, err);
	if (!r)
		r = pl_request_ips(c->req, pod, err);
	if (!r)
		r = pl_request_addresses(c->req, pod->addrs, PL_ARRAY_SIZE(pod->addrs),
					 &pod->n_addrs, err);
	if (!r)
		r = pl_request_mac(c->req, pod, err);
	pod->netns_fd = c->netns_fd;
	return r;
}

/* The endpoint as replies give it, with the sessions that concern it; caller owns. */
static json_t *endpoint_json(const struct pl_parts *parts, const struct pl_endpoint *pod)
{
	json_t *j = pl_endpoint_json(parts->endpoints, pod);

	json_object_set_new(j, "mirrors", pl_mirrors_of_endpoint(parts->mirrors, pod));
	return j;
}

static void on_unread_removed(void *arg, const struct pl_error *err)
{
	if (err)
		pl_error_log(
			"endpoint of a reply that was not read could not be removed error=\"%s\"",
			err->text);
}

/* By its time of creation, too: the name may be another endpoint's by now. */
static void undo_endpoint_add(void *arg, const json_t *endpoint)
{
	const struct pl_parts *parts = arg;
	const char *id = json_string_value(json_object_get(endpoint, "containerId"));
	const char *ifname = json_string_value(json_object_get(endpoint, "ifname"));
	json_int_t created = json_integer_value(json_object_get(endpoint, "createdNs"));
	struct pl_endpoint *pod =
		id && ifname ? pl_endpoints_find(parts->endpoints, id, ifname) : NULL;

	if (!pod || pl_endpoint_is_leaving(pod) || (json_int_t)pod->rec.created_ns != created)
		return;
	pl_info("endpoint undone: its client left without the answer container=%s ifname=%s", id,
		ifname);
	if (pl_endpoint_remove(parts->endpoints, pod, on_unread_removed, NULL) < 0)
		pl_error_log("endpoint not undone container=%s error=\"out of memory\"", id);
}

static int add_now(struct pl_call *c, struct pl_error *err)
{
	pl_cleanup(pl_netconf_clear) struct pl_netconf own = {0};
	struct pl_endpoint_request req = {0};
	struct pl_endpoint *pod;
	json_t *routes, *reply;
	int r = fill_pod_request(c, &req, err);

	if (!r)
		r = pl_request_conf(c->parts, c->req, &own, &req.conf, err);
	if (!r)
		r = pl_endpoints_add(c->parts->endpoints, &req, &pod, &routes, err);
	if (r < 0)
		return r;
	reply = json_pack("{s:b, s:o, s:o}", "ok", 1, "endpoint", endpoint_json(c->parts, pod),
			  "routes", routes);
	if (reply && req.conf->dns)
		json_object_set(reply, "dns", req.conf->dns);
	pl_client_undo_if_unread(c->client, undo_endpoint_add, pl_record_to_json(&pod->rec));
	pl_client_reply(c->client, reply);
	return 0;
}

/* An ADD whose name an endpoint still has that is leaving. The loop goes on meanwhile. */
struct held_add {
	struct pl_call call; /* request and netns are its own */
	json_t *request;
};

static void held_add_free(struct held_add *held)
{
	json_decref(held->request);
	pl_closep(&held->call.netns_fd);
	free(held);
}

/* Whether it has gone or could not be removed: the ADD says which. */
static void on_name_free(void *arg, const struct pl_error *why)
{
	struct held_add *held = arg;
	struct pl_client *client = held->call.client;
	struct pl_error err = {0};
	PL_TURN("endpoint.add");

	if (pl_client_has_gone(client)) {
		pl_info("request not begun: its client has gone op=endpoint.add");
	} else if (add_now(&held->call, &err) < 0) {
		pl_info("request failed op=endpoint.add code=%s error=\"%s\"",
			pl_errno_name(err.code), err.text);
		pl_client_fail(client, &err);
	}
	held_add_free(held);
	pl_client_resume(client);
}

static int hold_add(struct pl_call *c, struct pl_endpoint *leaving, struct pl_error *err)
{
	struct held_add *held = malloc(sizeof(*held));

	if (held) {
		held->request = json_deep_copy(c->req);
		held->call = *c;
		held->call.req = held->request;
		held->call.netns_fd = c->netns_fd < 0 ? -1 : fcntl(c->netns_fd, F_DUPFD_CLOEXEC, 0);
	}
	if (!held || !held->request || pl_endpoint_wait(leaving, on_name_free, held) < 0) {
		if (held)
			held_add_free(held);
		return pl_fail(err, -ENOMEM, "wait for the removal of the endpoint: out of memory");
	}
	pl_client_hold(c->client);
	return 0;
}

int pl_op_endpoint_add(struct pl_call *c, struct pl_error *err)
{
	const char *id, *ifname;
	struct pl_endpoint *pod;
	int r = pl_request_key(c->req, &id, &ifname, err);

	if (r < 0)
		return r;
	pod = pl_endpoints_find(c->parts->endpoints, id, ifname);
	return pod && pl_endpoint_is_leaving(pod) ? hold_add(c, pod, err) : add_now(c, err);
}

static void compare_addresses(const struct pl_endpoint *pod, const struct pl_record_addr *want,
			      size_t n, json_t *differences)
{
	for (size_t i = 0; i < n; i++) {
		char sentence[128], ip[PL_IP_STRLEN];
		bool hit = false;

		for (size_t k = 0; k < pod->rec.n_addrs; k++)
			hit |= !pl_ip_cmp(&pod->rec.addrs[k].ip.ip, &want[i].ip.ip);
		if (hit)
			continue;
		snprintf(sentence, sizeof(sentence),
			 "address %s of the result is not the endpoint's",
			 pl_ip_format(&want[i].ip.ip, ip));
		json_array_append_new(differences, json_string(sentence));
	}
}

/* The runtime's word on it: a later plugin of its list may have changed what ADD made. */
static void compare_mac(const struct pl_endpoint *pod, const struct pl_endpoint_request *want,
			json_t *differences)
{
	char sentence[160], have_text[PL_MAC_STRLEN], want_text[PL_MAC_STRLEN];

	if (!want->has_mac || !memcmp(&want->mac, &pod->rec.pod_mac, sizeof(want->mac)))
		return;
	snprintf(sentence, sizeof(sentence), "pod end %s has MAC %s, but %s in the result",
		 pod->rec.ifname, pl_mac_format(&pod->rec.pod_mac, have_text),
		 pl_mac_format(&want->mac, want_text));
	json_array_append_new(differences, json_string(sentence));
}

int pl_op_endpoint_check(struct pl_call *c, struct pl_error *err)
{
	pl_cleanup(pl_netconf_clear) struct pl_netconf own = {0};
	pl_autojson json_t *differences = json_array();
	struct pl_record_addr addrs[PL_RECORD_ADDRS_MAX];
	struct pl_endpoint_request want = {0};
	const struct pl_netconf *conf = NULL;
	const char *id, *ifname;
	struct pl_endpoint *pod;
	size_t n_addrs;
	int r = pl_request_key(c->req, &id, &ifname, err);

	if (!r)
		r = pl_request_conf(c->parts, c->req, &own, &conf, err);
	if (!r)
		r = pl_request_addresses(c->req, addrs, PL_ARRAY_SIZE(addrs), &n_addrs, err);
	if (!r)
		r = pl_request_mac(c->req, &want, err);
	if (r < 0)
		return r;
	pod = pl_endpoints_find(c->parts->endpoints, id, ifname);
	if (!pod || pl_endpoint_is_leaving(pod))
		return pl_fail(err, -ENOENT, "podlane has no endpoint %s:%s%s", id, ifname,
			       pod ? " any more: it is being removed" : "");
	if (c->netns_fd < 0)
		return pl_fail(err, -EBADF, "the request came without a network namespace");
	compare_addresses(pod, addrs, n_addrs, differences);
	r = pl_endpoints_check(c->parts->endpoints, pod, c->netns_fd, conf, differences, err);
	if (r < 0)
		return r;
	compare_mac(pod, &want, differences);
	if (!json_array_size(differences)) {
		pl_client_reply(c->client, json_pack("{s:b}", "ok", 1));
		return 0;
	}
	pl_client_reply(c->client,
			json_pack("{s:b, s:{s:s, s:s, s:O}}", "ok", 0, "error", "code", "ESTALE",
				  "message", json_string_value(json_array_get(differences, 0)),
				  "differences", differences));
	return 0;
}

struct listing {
	const struct pl_parts *parts;
	uint32_t id; /* of the next endpoint, or behind the last */
};

static json_t *next_endpoint(void *arg)
{
	struct listing *l = arg;
	const struct pl_endpoints *t = l->parts->endpoints;

	while (l->id < t->max && !t->v[l->id])
		l->id++;
	if (l->id >= t->max)
		return NULL;
	return endpoint_json(l->parts, t->v[l->id++]) ?: json_null();
}

int pl_op_endpoint_list(struct pl_call *c, struct pl_error *err)
{
	struct listing *l = malloc(sizeof(*l));
	const struct pl_list list = {"endpoints", next_endpoint, free, l};

	if (!l)
		return pl_fail(err, -ENOMEM, "list the endpoints: out of memory");
	*l = (struct listing){c->parts, 1};
	pl_client_reply_list(c->client, &list);
	return 0;
}

/* The first way to type this endpoint's name that begins with @prefix, as lists show it first. */
static json_t *name_json(const struct pl_record *r, const char *prefix)
{
	const char *slash = r->pod_namespace[0] ? "/" : "";
	int shown = pl_container_is_hash(r->container_id) ? PL_HASH_SHOWN : PL_NAME_MAX;
	json_t *ways[] = {
		r->pod_name[0] ? json_sprintf("%s%s%s", r->pod_namespace, slash, r->pod_name)
			       : NULL,
		json_sprintf("%.*s", shown, r->container_id),
		r->pod_name[0] ? json_string(r->pod_name) : NULL,
		json_string(r->container_id),
	};
	json_t *ret = NULL;

	for (size_t i = 0; i < PL_ARRAY_SIZE(ways); i++) {
		json_t *way = ways[i];

		if (way && strchr(prefix, ':')) {
			way = json_sprintf("%s:%s", json_string_value(way), r->ifname);
			json_decref(ways[i]);
		}
		if (way && !ret && !strncmp(json_string_value(way), prefix, strlen(prefix)))
			ret = json_incref(way);
		json_decref(way);
	}
	return ret;
}

int pl_op_endpoint_names(struct pl_call *c, struct pl_error *err)
{
	const char *prefix;
	json_t *list;
	int r = pl_request_text(c->req, "prefix", false, &prefix, err);

	if (r < 0)
		return r;
	list = json_array();
	for (uint32_t id = 1; id < c->parts->endpoints->max; id++) {
		const struct pl_endpoint *pod = c->parts->endpoints->v[id];
		json_t *name = pod ? name_json(&pod->rec, prefix) : NULL;

		if (name)
			json_array_append_new(list, name);
	}
	pl_reply_array(c->client, "names", list);
	return 0;
}

int pl_op_endpoint_show(struct pl_call *c, struct pl_error *err)
{
	struct pl_endpoint *pod;
	json_t *reasons;
	const char *query;
	int r = pl_request_text(c->req, "query", true, &query, err);

	if (!r)
		r = pl_endpoints_query(c->parts->endpoints, query, &pod, err);
	if (!r)
		r = pl_stats_reasons(c->parts, pod, &reasons, err);
	if (r < 0)
		return r;
	pl_client_reply(c->client, json_pack("{s:b, s:o, s:o}", "ok", 1, "endpoint",
					     endpoint_json(c->parts, pod), "reasons", reasons));
	return 0;
}
