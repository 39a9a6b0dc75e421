/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What each request of the control socket means: one handler an operation, one table that also
 * says which keys it knows. Handlers turn JSON into calls and calls into JSON, nothing else.
 */
#include <jansson.h>
#include <sys/utsname.h>

#include "common/log.h"
#include "common/proto.h"
#include "control/server.h"
#include "endpoint/endpoint.h"
#include "endpoint/remove.h"
#include "host/host.h"
#include "mirror/mirrors.h"
#include "reconcile/reconcile.h"

#define CHUNK 32 /* list entries a message */

struct call {
	struct pl_daemon *d;
	struct pl_client *client;
	const json_t *req;
	int netns_fd;
};

/* ---- reading requests ---- */

static int get_text(const json_t *req, const char *key, bool required, const char **ret,
		    struct pl_error *err)
{
	const json_t *v = json_object_get(req, key);

	if (!v || json_is_null(v)) {
		if (required)
			return pl_fail(err, -EINVAL, "the request lacks \"%s\"", key);
		*ret = "";
		return 0;
	}
	if (!json_is_string(v))
		return pl_fail(err, -EINVAL, "\"%s\": expected a string", key);
	*ret = json_string_value(v);
	return 0;
}

/* Those of a delegated IPAM plugin's answer, as its addresses are. */
static int take_routes(const json_t *req, struct pl_netconf *conf, struct pl_error *err)
{
	json_t *routes = json_object_get(req, "routes");

	if (!routes || json_is_null(routes))
		return 0;
	if (!json_is_array(routes))
		return pl_fail(err, -EINVAL, "\"routes\": expected an array");
	json_decref(conf->routes);
	conf->routes = json_incref(routes);
	return 0;
}

static int get_conf(struct pl_daemon *d, const json_t *req, struct pl_netconf *own,
		    const struct pl_netconf **ret, struct pl_error *err)
{
	const json_t *v = json_object_get(req, "network");
	pl_autojson json_t *whole = NULL;
	int r;

	if (!v || json_is_null(v)) {
		*ret = &d->settings.network;
		return 0;
	}
	/* Without a name it says how this endpoint differs from the daemon's own network. */
	if (json_is_object(v) && !json_object_get(v, "name")) {
		whole = pl_netconf_to_json(&d->settings.network);
		if (!whole || json_object_update(whole, (json_t *)v))
			return pl_fail(err, -ENOMEM, "network: out of memory");
	}
	r = pl_netconf_parse(whole ? whole : v, own, err);
	if (r == 0)
		r = pl_netconf_inherit_ranges(own, &d->settings.network, err);
	if (r == 0)
		r = take_routes(req, own, err);
	if (r < 0)
		return r;
	*ret = own;
	return 0;
}

static int get_ips(const json_t *req, struct pl_endpoint_request *pod, struct pl_error *err)
{
	const json_t *list = json_object_get(req, "ips"), *item;
	size_t i;

	if (list && !json_is_array(list))
		return pl_fail(err, -EINVAL, "\"ips\": expected an array of addresses");
	json_array_foreach (list, i, item) {
		const char *text = json_string_value(item);

		if (pod->n_ips == PL_ARRAY_SIZE(pod->ips))
			return pl_fail(err, -EINVAL, "\"ips\": more than %zu",
				       PL_ARRAY_SIZE(pod->ips));
		if (!text || pl_ip_parse(text, &pod->ips[pod->n_ips]))
			return pl_fail(err, -EINVAL, "\"ips\"[%zu]: \"%s\" is no address", i,
				       text ? text : "?");
		pod->n_ips++;
	}
	return 0;
}

static int get_addresses(const json_t *req, struct pl_record_addr *addrs, size_t max, size_t *ret_n,
			 struct pl_error *err)
{
	const json_t *list = json_object_get(req, "addresses"), *item;
	size_t i, n = 0;

	if (list && !json_is_array(list))
		return pl_fail(err, -EINVAL, "\"addresses\": expected an array");
	json_array_foreach (list, i, item) {
		const char *ip = json_string_value(json_object_get(item, "address"));
		const char *gw = json_string_value(json_object_get(item, "gateway"));

		if (n == max)
			return pl_fail(err, -EINVAL, "\"addresses\": more than %zu", max);
		addrs[n] = (struct pl_record_addr){0};
		if (!ip || pl_prefix_parse(ip, &addrs[n].ip))
			return pl_fail(err, -EINVAL, "\"addresses\"[%zu]: \"%s\" is no address", i,
				       ip ? ip : "?");
		if (gw && *gw && pl_ip_parse(gw, &addrs[n].gateway))
			return pl_fail(err, -EINVAL, "\"addresses\"[%zu].gateway: \"%s\"", i, gw);
		n++;
	}
	*ret_n = n;
	return 0;
}

static int get_mac(const json_t *req, struct pl_endpoint_request *pod, struct pl_error *err)
{
	const char *text;
	int r = get_text(req, "mac", false, &text, err);

	if (r < 0 || !*text)
		return r;
	if (pl_mac_parse(text, &pod->mac))
		return pl_fail(err, -EINVAL, "\"mac\": \"%s\" is no MAC address", text);
	pod->has_mac = true;
	return 0;
}

static int get_key(const json_t *req, const char **ret_id, const char **ret_ifname,
		   struct pl_error *err)
{
	int r = get_text(req, "containerId", true, ret_id, err);

	return r ? r : get_text(req, "ifname", true, ret_ifname, err);
}

/* ---- endpoints ---- */

static int fill_pod_request(struct call *c, struct pl_endpoint_request *pod, struct pl_error *err)
{
	const json_t *who = json_object_get(c->req, "pod");
	int r = get_key(c->req, &pod->container_id, &pod->ifname, err);

	if (!r)
		r = get_text(c->req, "netns", false, &pod->netns, err);
	if (!r)
		r = get_text(c->req, "hostIfname", false, &pod->host_ifname, err);
	if (!r)
		r = get_text(who, "name", false, &pod->pod_name, err);
	if (!r)
		r = get_text(who, "namespace", false, &pod->pod_namespace, err);
	if (!r)
		r = get_text(who, "uid", false, &pod->pod_uid, err);
	if (!r)
		r = get_ips(c->req, pod, err);
	if (!r)
		r = get_addresses(c->req, pod->addrs, PL_ARRAY_SIZE(pod->addrs), &pod->n_addrs,
				  err);
	if (!r)
		r = get_mac(c->req, pod, err);
	pod->netns_fd = c->netns_fd;
	return r;
}

static void on_unread_removed(void *arg, const struct pl_error *err)
{
	if (err)
		pl_error_log("endpoint that nobody was told of not undone error=\"%s\"", err->text);
}

/* By its time of creation, too: the name may be another endpoint's by now. */
static void undo_endpoint_add(struct pl_daemon *d, const json_t *endpoint)
{
	const char *id = json_string_value(json_object_get(endpoint, "containerId"));
	const char *ifname = json_string_value(json_object_get(endpoint, "ifname"));
	json_int_t created = json_integer_value(json_object_get(endpoint, "createdNs"));
	struct pl_endpoint *pod = id && ifname ? pl_endpoints_find(d, id, ifname) : NULL;

	if (!pod || pod->leaving || (json_int_t)pod->rec.created_ns != created)
		return;
	pl_info("endpoint undone: its client left without the answer container=%s ifname=%s", id,
		ifname);
	if (pl_leave(d, pod, on_unread_removed, NULL) < 0)
		pl_error_log("endpoint not undone container=%s: out of memory", id);
}

static int op_endpoint_add(struct call *c, struct pl_error *err)
{
	pl_cleanup(pl_netconf_clear) struct pl_netconf own = {0};
	struct pl_endpoint_request req = {0};
	struct pl_endpoint *pod;
	json_t *routes, *reply;
	int r = fill_pod_request(c, &req, err);

	if (!r)
		r = get_conf(c->d, c->req, &own, &req.conf, err);
	if (!r)
		r = pl_endpoints_add(c->d, &req, &pod, &routes, err);
	if (r < 0)
		return r;
	reply = json_pack("{s:b, s:o, s:o}", "ok", 1, "endpoint", pl_endpoint_json(c->d, pod),
			  "routes", routes);
	if (reply && req.conf->dns)
		json_object_set(reply, "dns", req.conf->dns);
	pl_client_undo_if_unread(c->client, undo_endpoint_add, pl_record_to_json(&pod->rec));
	pl_client_reply(c->client, reply);
	return 0;
}

/* One reply to the removal of one or more endpoints, sent when the last of them has gone. */
struct removal {
	struct pl_client *client;
	json_t *reply;
	size_t left;
	struct pl_error err; /* of the first that could not be removed */
};

static void removal_end(struct removal *all)
{
	if (all->err.code) {
		json_decref(all->reply);
		pl_client_fail(all->client, &all->err);
	} else {
		pl_client_reply(all->client, all->reply);
	}
	free(all);
}

static void on_removed(void *arg, const struct pl_error *err)
{
	struct removal *all = arg;
	struct pl_client *client = all->client;

	if (err && !all->err.code)
		all->err = *err;
	if (--all->left)
		return;
	removal_end(all);
	pl_client_resume(client);
}

/* @reply is consumed. Goes on with removal_add() for each, then removal_begin(). */
static struct removal *removal_new(struct pl_client *client, json_t *reply)
{
	struct removal *all = calloc(1, sizeof(*all));

	if (!all || !reply) {
		json_decref(reply);
		free(all);
		return NULL;
	}
	all->client = client;
	all->reply = reply;
	return all;
}

static void removal_add(struct pl_daemon *d, struct removal *all, struct pl_endpoint *pod)
{
	int r = pl_leave(d, pod, on_removed, all);

	if (!r)
		all->left++;
	else if (!all->err.code)
		pl_fail(&all->err, r, "remove %s:%s: out of memory", pod->rec.container_id,
			pod->rec.ifname);
}

static void removal_begin(struct removal *all)
{
	if (all->left)
		pl_client_hold(all->client);
	else
		removal_end(all);
}

static int op_endpoint_del(struct call *c, struct pl_error *err)
{
	const char *id, *ifname, *network;
	struct removal *all;
	struct pl_endpoint *pod;
	int r = get_key(c->req, &id, &ifname, err);

	if (!r)
		r = get_text(c->req, "network", false, &network, err);
	if (r < 0)
		return r;
	pod = pl_endpoints_find(c->d, id, ifname);
	if (!pod) {
		r = pl_endpoints_delete_leftover(c->d, id, ifname, err);
		if (r < 0)
			return r;
	}
	if (!pod || (*network && strcmp(network, pod->rec.network))) {
		pl_client_reply(c->client, json_pack("{s:b, s:b}", "ok", 1, "existed", 0));
		return 0;
	}
	all = removal_new(c->client, json_pack("{s:b, s:b, s:o}", "ok", 1, "existed", 1, "endpoint",
					       pl_record_to_json(&pod->rec)));
	if (!all)
		return pl_fail(err, -ENOMEM, "remove %s:%s: out of memory", id, ifname);
	removal_add(c->d, all, pod);
	removal_begin(all);
	return 0;
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

static int op_endpoint_check(struct call *c, struct pl_error *err)
{
	pl_cleanup(pl_netconf_clear) struct pl_netconf own = {0};
	pl_autojson json_t *differences = json_array();
	struct pl_record_addr addrs[PL_RECORD_ADDRS_MAX];
	const struct pl_netconf *conf = NULL;
	const char *id, *ifname;
	struct pl_endpoint *pod;
	size_t n_addrs;
	int r = get_key(c->req, &id, &ifname, err);

	if (!r)
		r = get_conf(c->d, c->req, &own, &conf, err);
	if (!r)
		r = get_addresses(c->req, addrs, PL_ARRAY_SIZE(addrs), &n_addrs, err);
	if (r < 0)
		return r;
	pod = pl_endpoints_find(c->d, id, ifname);
	if (!pod || pod->leaving)
		return pl_fail(err, -ENOENT, "podlane has no endpoint %s:%s%s", id, ifname,
			       pod ? " any more: it is being removed" : "");
	if (c->netns_fd < 0)
		return pl_fail(err, -EBADF, "the request came without a network namespace");
	compare_addresses(pod, addrs, n_addrs, differences);
	r = pl_endpoints_check(c->d, pod, c->netns_fd, conf, differences, err);
	if (r < 0)
		return r;
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

static bool is_listed(const json_t *valid, const struct pl_record *rec)
{
	const json_t *item;
	size_t i;

	json_array_foreach (valid, i, item) {
		const char *id = json_string_value(json_object_get(item, "containerId"));
		const char *ifname = json_string_value(json_object_get(item, "ifname"));

		if (id && ifname && !strcmp(id, rec->container_id) && !strcmp(ifname, rec->ifname))
			return true;
	}
	return false;
}

static int op_endpoint_gc(struct call *c, struct pl_error *err)
{
	const json_t *valid = json_object_get(c->req, "valid");
	json_t *removed = json_array();
	struct removal *all;
	const char *network;
	int r = get_text(c->req, "network", true, &network, err);

	if (!r && !json_is_array(valid))
		r = pl_fail(err, -EINVAL,
			    "\"valid\": expected an array; an endpoint that is not in it is "
			    "removed, so its absence is no empty list");
	if (r < 0) {
		json_decref(removed);
		return r;
	}
	all = removal_new(c->client, json_pack("{s:b, s:o}", "ok", 1, "removed", removed));
	if (!all)
		return pl_fail(err, -ENOMEM, "collect the endpoints to remove: out of memory");
	for (uint32_t id = 1; id < c->d->max_pods; id++) {
		struct pl_endpoint *pod = c->d->pods[id];

		if (!pod || strcmp(pod->rec.network, network) || is_listed(valid, &pod->rec))
			continue;
		json_array_append_new(removed,
				      json_pack("{s:s, s:s}", "containerId", pod->rec.container_id,
						"ifname", pod->rec.ifname));
		removal_add(c->d, all, pod);
	}
	removal_begin(all);
	return 0;
}

/* Sends @list under @key, CHUNK entries a message; consumes it. */
static void reply_list(struct call *c, const char *key, json_t *list)
{
	size_t n = json_array_size(list), at = 0;

	do {
		json_t *chunk = json_array(), *msg;

		for (size_t i = 0; i < CHUNK && at < n; i++)
			json_array_append(chunk, json_array_get(list, at++));
		msg = json_pack("{s:b, s:o}", "ok", 1, key, chunk);
		if (msg && at < n)
			json_object_set_new(msg, "more", json_true());
		pl_client_reply(c->client, msg);
	} while (at < n);
	json_decref(list);
}

static int op_endpoint_list(struct call *c, struct pl_error *err)
{
	json_t *list = json_array();

	for (uint32_t id = 1; id < c->d->max_pods; id++)
		if (c->d->pods[id])
			json_array_append_new(list, pl_endpoint_json(c->d, c->d->pods[id]));
	reply_list(c, "endpoints", list);
	return 0;
}

/* ---- counters ---- */

struct counting {
	json_t **rows; /* arrays by endpoint id */
	uint32_t n;
};

static const char *reason_name(unsigned int reason)
{
	static const char *const names[] = {
#define REASON_NAME(name, text) #name,
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

static json_t *stats_row(const struct pl_daemon *d, uint32_t id, json_t *reasons)
{
	const struct pl_endpoint *pod = id ? d->pods[id] : NULL;
	const struct pl_record *r = pod ? &pod->rec : NULL;

	return json_pack("{s:i, s:s, s:s, s:{s:s, s:s, s:s}, s:s, s:O}", "endpoint", (int)id,
			 "containerId", r ? r->container_id : "", "ifname", r ? r->ifname : "",
			 "pod", "name", r ? r->pod_name : "", "namespace",
			 r ? r->pod_namespace : "", "uid", r ? r->pod_uid : "", "hostIfname",
			 r ? r->host_ifname : "", "reasons", reasons);
}

/* Rows of @only, or of the node and all pods where it is NULL. */
static int collect_stats(struct pl_daemon *d, const struct pl_endpoint *only, json_t **ret,
			 struct pl_error *err)
{
	struct counting all = {calloc(d->max_pods, sizeof(json_t *)), d->max_pods};
	json_t *list = json_array();
	int r;

	if (!all.rows || !list) {
		free(all.rows);
		json_decref(list);
		return pl_fail(err, -ENOMEM, "read the counters: out of memory");
	}
	for (uint32_t id = 0; id < d->max_pods; id++)
		if (only ? id == only->id : id == PL_NODE || d->pods[id])
			all.rows[id] = json_array();
	r = pl_datapath_reasons_each(d->dp, count_row, &all);
	for (uint32_t id = 0; id < d->max_pods; id++) {
		if (!all.rows[id])
			continue;
		json_array_append_new(list, stats_row(d, id, all.rows[id]));
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

static int op_stats(struct call *c, struct pl_error *err)
{
	struct pl_endpoint *only = NULL;
	const char *query;
	json_t *list;
	int r = get_text(c->req, "query", false, &query, err);

	if (!r && *query)
		r = pl_endpoints_query(c->d, query, &only, err);
	if (!r)
		r = collect_stats(c->d, only, &list, err);
	if (r < 0)
		return r;
	reply_list(c, "stats", list);
	return 0;
}

static int op_endpoint_show(struct call *c, struct pl_error *err)
{
	struct pl_endpoint *pod;
	const char *query;
	json_t *list;
	int r = get_text(c->req, "query", true, &query, err);

	if (!r)
		r = pl_endpoints_query(c->d, query, &pod, err);
	if (!r)
		r = collect_stats(c->d, pod, &list, err);
	if (r < 0)
		return r;
	pl_client_reply(c->client, json_pack("{s:b, s:o, s:O}", "ok", 1, "endpoint",
					     pl_endpoint_json(c->d, pod), "reasons",
					     json_object_get(json_array_get(list, 0), "reasons")));
	json_decref(list);
	return 0;
}

/* ---- the daemon itself ---- */

struct tally {
	json_int_t by_kind[4];
};

static int tally_one(enum pl_hook hook, uint32_t ifindex, enum pl_attach_kind kind, void *arg)
{
	((struct tally *)arg)->by_kind[kind]++;
	return 0;
}

static json_t *uplinks_json(struct pl_daemon *d)
{
	static const char *const kinds[] = {
		[PL_ATTACHED_NONE] = "none",
		[PL_ATTACHED_TCX] = "tcx",
		[PL_ATTACHED_CLSACT] = "clsact",
		[PL_ATTACHED_NETKIT] = "netkit",
	};
	json_t *list = json_array();

	for (size_t i = 0; i < d->links.n; i++) {
		const struct pl_nl_link *link = &d->links.v[i];

		if (pl_node_is_uplink(d, link))
			json_array_append_new(
				list,
				json_pack("{s:s, s:i, s:s}", "name", link->name, "ifindex",
					  (int)link->ifindex, "attached",
					  kinds[pl_datapath_attached(d->dp, PL_HOOK_FROM_UPLINK,
								     link->ifindex)]));
	}
	return list;
}

static json_t *networks_json(const struct pl_daemon *d)
{
	json_t *seen = json_object(), *list = json_array(), *v;
	const char *name;

	for (uint32_t id = 1; id < d->max_pods; id++)
		if (d->pods[id])
			json_object_set_new(seen, d->pods[id]->rec.network, json_true());
	json_object_foreach (seen, name, v)
		json_array_append_new(list, json_string(name));
	json_decref(seen);
	return list;
}

static json_t *native_json(const struct pl_daemon *d)
{
	json_t *list = json_array();
	char text[PL_PREFIX_STRLEN];

	for (size_t i = 0; i < d->settings.n_native; i++)
		json_array_append_new(list,
				      json_string(pl_prefix_format(&d->settings.native[i], text)));
	return list;
}

static json_int_t rss_bytes(void)
{
	pl_autofclose FILE *f = fopen("/proc/self/statm", "re");
	long long total, resident;

	if (!f || fscanf(f, "%lld %lld", &total, &resident) != 2)
		return 0;
	return resident * sysconf(_SC_PAGESIZE);
}

static int op_status(struct call *c, struct pl_error *err)
{
	struct pl_daemon *d = c->d;
	const struct pl_features *f = pl_datapath_features(d->dp);
	struct tally tally = {0};
	struct utsname uts;
	int ready = 0;
	json_t *j;

	uname(&uts);
	(void)pl_datapath_each_attachment(d->dp, tally_one, &tally);
	for (uint32_t id = 1; id < d->max_pods; id++)
		ready += d->pods[id] && d->pods[id]->ready;
	j = json_pack("{s:b, s:s, s:i, s:i, s:I, s:s, s:s, s:s, s:s, s:b}", "ok", 1, "version",
		      PL_VERSION, "abi", PL_ABI, "pid", (int)getpid(), "uptimeSeconds",
		      (json_int_t)((pl_now_ns() - d->started_ns) / 1000000000u), "kernel",
		      uts.release, "logLevel", pl_log_level_name(pl_log_get_level()), "runDir",
		      d->settings.run_dir, "bpffs", d->settings.bpffs, "adopted",
		      (int)pl_datapath_adopted(d->dp));
	if (!j)
		return pl_fail(err, -ENOMEM, "status: out of memory");
	json_object_set_new(j, "features",
			    json_pack("{s:b, s:b, s:b, s:b, s:b}", "tcx", (int)f->tcx, "netkit",
				      (int)(f->netkit && d->netkit_links), "redirectNeigh",
				      (int)f->redirect_neigh, "fibSkipNeigh",
				      (int)f->fib_skip_neigh, "btf", (int)f->btf));
	json_object_set_new(j, "attachments",
			    json_pack("{s:I, s:I, s:I}", "tcx", tally.by_kind[PL_ATTACHED_TCX],
				      "clsact", tally.by_kind[PL_ATTACHED_CLSACT], "netkit",
				      tally.by_kind[PL_ATTACHED_NETKIT]));
	json_object_set_new(j, "uplinks", uplinks_json(d));
	json_object_set_new(j, "endpoints", json_integer(d->n_pods));
	json_object_set_new(j, "ready", json_integer(ready));
	json_object_set_new(j, "mirrors", json_integer((json_int_t)pl_mirrors_count(d->mirrors)));
	json_object_set_new(j, "networks", networks_json(d));
	json_object_set_new(j, "native", native_json(d));
	json_object_set_new(j, "maxEndpoints", json_integer(d->max_pods - 1));
	json_object_set_new(j, "resyncs", json_integer((json_int_t)d->resyncs));
	json_object_set_new(j, "rssBytes", json_integer(rss_bytes()));
	pl_client_reply(c->client, j);
	return 0;
}

static int op_network_status(struct call *c, struct pl_error *err)
{
	pl_cleanup(pl_netconf_clear) struct pl_netconf own = {0};
	const struct pl_netconf *conf = NULL;
	json_int_t available = -1;
	int r = get_conf(c->d, c->req, &own, &conf, err);

	if (r < 0)
		return r;
	r = pl_datapath_intact(c->d->dp, err);
	if (r < 0)
		return r;
	if (c->d->n_pods + 1 >= c->d->max_pods)
		return pl_fail(err, -ENOSPC,
			       "all %u endpoints of this node are in use: raise maxEndpoints",
			       c->d->max_pods - 1);
	if (conf->link == PL_CHOOSE_NETKIT && !c->d->netkit_links)
		return pl_fail(err, -ENOTSUP, "this kernel has no netkit devices");
	if (!strcmp(conf->ipam_type, "podlane") && conf->mode == PL_MODE_POD) {
		uint64_t n = pl_ipam_available(c->d->ipam, conf);

		if (!n)
			return pl_fail(err, -ENOSPC, "network \"%s\" has no address left",
				       conf->name);
		available = n > INT32_MAX ? INT32_MAX : (json_int_t)n;
	}
	pl_client_reply(c->client, json_pack("{s:b, s:I}", "ok", 1, "available", available));
	return 0;
}

static int op_log_level(struct call *c, struct pl_error *err)
{
	enum pl_log_level level;
	const char *name;
	int r = get_text(c->req, "level", false, &name, err);

	if (r < 0)
		return r;
	if (*name) {
		if (pl_log_level_parse(name, &level))
			return pl_fail(err, -EINVAL,
				       "\"%s\" is no log level: error, warn, info, debug", name);
		pl_log_set_level(level);
		pl_info("log level set level=%s", name);
	}
	pl_client_reply(c->client, json_pack("{s:b, s:s}", "ok", 1, "level",
					     pl_log_level_name(pl_log_get_level())));
	return 0;
}

/* ---- mirrors ---- */

static int op_mirror(struct call *c, struct pl_error *err)
{
	json_t *reply = NULL;
	int r = pl_mirrors_request(c->d->mirrors, json_string_value(json_object_get(c->req, "op")),
				   c->req, &reply, err);

	if (r < 0)
		return r;
	pl_client_reply(c->client, reply);
	return 0;
}

static int op_mirror_list(struct call *c, struct pl_error *err)
{
	reply_list(c, "mirrors", pl_mirrors_list(c->d->mirrors));
	return 0;
}

/* ---- dispatch ---- */

#define KEYS(...)                                                                                  \
	(const char *const[])                                                                      \
	{                                                                                          \
		"op", "v", __VA_ARGS__ __VA_OPT__(, ) NULL                                         \
	}

static const struct {
	const char *op;
	int (*handle)(struct call *c, struct pl_error *err);
	const char *const *keys; /* NULL: the handler checks them */
} operations[] = {
	{"status", op_status, KEYS()},
	{"endpoint.add", op_endpoint_add,
	 KEYS("containerId", "ifname", "netns", "network", "ips", "mac", "pod", "addresses",
	      "routes", "hostIfname")},
	{"endpoint.del", op_endpoint_del, KEYS("containerId", "ifname", "network")},
	{"endpoint.check", op_endpoint_check,
	 KEYS("containerId", "ifname", "netns", "network", "addresses", "routes")},
	{"endpoint.gc", op_endpoint_gc, KEYS("network", "valid")},
	{"endpoint.list", op_endpoint_list, KEYS()},
	{"endpoint.show", op_endpoint_show, KEYS("query")},
	{"stats", op_stats, KEYS("query")},
	{"network.status", op_network_status, KEYS("network")},
	{"mirror.add", op_mirror, NULL},
	{"mirror.del", op_mirror, NULL},
	{"mirror.show", op_mirror, NULL},
	{"mirror.list", op_mirror_list, KEYS()},
	{"log.level", op_log_level, KEYS("level")},
};

static int check_keys(const json_t *req, const char *const *keys, struct pl_error *err)
{
	const char *key;
	json_t *v;

	if (!keys)
		return 0;
	json_object_foreach ((json_t *)req, key, v) {
		const char *near;
		size_t i = 0;

		while (keys[i] && strcmp(key, keys[i]))
			i++;
		if (keys[i])
			continue;
		near = pl_nearest(key, keys);
		return pl_fail(err, -EINVAL, "unknown key \"%s\"%s%s%s", key,
			       near ? "; did you mean \"" : "", near ? near : "",
			       near ? "\"?" : "");
	}
	return 0;
}

static int dispatch(struct call *c, struct pl_error *err)
{
	const char *op = json_string_value(json_object_get(c->req, "op"));
	const json_t *v = json_object_get(c->req, "v");

	if (!op)
		return pl_fail(err, -EINVAL, "the request lacks \"op\"");
	if (v && json_integer_value(v) != PL_PROTO_VERSION)
		return pl_fail(
			err, -EPROTO,
			"this podlaned speaks version %d of the protocol: use the plugin and "
			"the command line of the same release (%s)",
			PL_PROTO_VERSION, PL_VERSION);
	for (size_t i = 0; i < PL_ARRAY_SIZE(operations); i++) {
		int r;

		if (strcmp(op, operations[i].op))
			continue;
		r = check_keys(c->req, operations[i].keys, err);
		return r < 0 ? r : operations[i].handle(c, err);
	}
	return pl_fail(err, -ENOTSUP, "unknown operation \"%s\"", op);
}

bool pl_request_is_removal(const json_t *request)
{
	const char *op = json_string_value(json_object_get(request, "op"));

	return op && !strcmp(op, "endpoint.del");
}

void pl_request_handle(struct pl_daemon *d, struct pl_client *client, const json_t *request,
		       int netns_fd)
{
	struct call call = {d, client, request, netns_fd};
	struct pl_error err = {0};

	if (dispatch(&call, &err) < 0) {
		const char *op = json_string_value(json_object_get(request, "op"));

		pl_info("request failed op=%s code=%s error=\"%s\"", op ? op : "",
			pl_errno_name(err.code), err.text);
		pl_client_fail(client, &err);
	}
	pl_node_update(d);
}
