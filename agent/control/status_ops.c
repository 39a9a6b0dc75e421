/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the daemon says of itself, and its log level.
 */
#include <sys/utsname.h>

#include "common/log.h"
#include "common/turn.h"
#include "control/ops.h"
#include "endpoint/endpoint.h"
#include "host/host.h"
#include "mirror/mirrors.h"

enum { UPLINKS_MAX = 64 };

/* What is attached: how many of each kind, and where at uplinks. */
struct tally {
	json_int_t by_kind[PL_ATTACH_KINDS];
	struct pl_fact uplinks[UPLINKS_MAX];
	size_t n_uplinks;
};

static void tally_one(const struct pl_fact *f, void *arg)
{
	struct tally *tally = arg;

	tally->by_kind[f->attach.kind]++;
	if (f->hook == PL_HOOK_FROM_UPLINK && tally->n_uplinks < UPLINKS_MAX)
		tally->uplinks[tally->n_uplinks++] = *f;
}

static enum pl_attach_kind uplink_attached(const struct tally *tally, uint32_t ifindex)
{
	for (size_t i = 0; i < tally->n_uplinks; i++)
		if (tally->uplinks[i].index == ifindex)
			return tally->uplinks[i].attach.kind;
	return PL_ATTACHED_NONE;
}

static json_t *attachments_json(const struct tally *tally)
{
	json_t *j = json_object();

	for (enum pl_attach_kind kind = PL_ATTACHED_NONE + 1; kind < PL_ATTACH_KINDS; kind++)
		json_object_set_new(j, pl_datapath_kind_name(kind),
				    json_integer(tally->by_kind[kind]));
	return j;
}

static json_t *uplinks_json(const struct pl_parts *parts, const struct tally *tally)
{
	const struct pl_devices *links = pl_host_links(parts->host);
	json_t *list = json_array();

	for (size_t i = 0; i < links->n; i++) {
		const struct pl_nl_link *link = &links->v[i];

		if (pl_host_is_uplink(parts->host, link))
			json_array_append_new(
				list, json_pack("{s:s, s:i, s:s}", "name", link->name, "ifindex",
						(int)link->ifindex, "attached",
						pl_datapath_kind_name(
							uplink_attached(tally, link->ifindex))));
	}
	return list;
}

static json_t *networks_json(const struct pl_parts *parts)
{
	json_t *seen = json_object(), *list = json_array(), *v;
	const char *name;

	for (uint32_t id = 1; id < parts->endpoints->max; id++)
		if (parts->endpoints->v[id])
			json_object_set_new(seen, parts->endpoints->v[id]->rec.network,
					    json_true());
	json_object_foreach (seen, name, v)
		json_array_append_new(list, json_string(name));
	json_decref(seen);
	return list;
}

static json_t *native_json(const struct pl_parts *parts)
{
	json_t *list = json_array();
	char text[PL_PREFIX_STRLEN];

	for (size_t i = 0; i < parts->n_native; i++) {
		const struct pl_network_rule *rule = &parts->native[i];

		json_array_append_new(list, json_sprintf("%s%s", rule->except ? "!" : "",
							 pl_prefix_format(&rule->net, text)));
	}
	return list;
}

static json_t *forwarding_json(void)
{
	int v4 = pl_host_forwarding(AF_INET), v6 = pl_host_forwarding(AF_INET6);
	json_t *j = json_object();

	if (v4 >= 0)
		json_object_set_new(j, "ipv4", json_boolean(v4));
	if (v6 >= 0)
		json_object_set_new(j, "ipv6", json_boolean(v6));
	return j;
}

static json_int_t rss_bytes(void)
{
	pl_autofclose FILE *f = fopen("/proc/self/statm", "re");
	long long total, resident;

	if (!f || fscanf(f, "%lld %lld", &total, &resident) != 2)
		return 0;
	return resident * sysconf(_SC_PAGESIZE);
}

static json_t *warnings_json(const struct pl_parts *parts)
{
	struct pl_masq *masq = parts->endpoints->opts.masq;
	json_t *list = pl_host_forwarding_warnings();
	struct pl_error err = {0};

	if (pl_masq_count(masq) && pl_masq_check(masq, &err) < 0)
		json_array_append_new(list, json_string(err.text));
	return list;
}

static json_t *flows_json(const struct pl_parts *parts)
{
	static const char *const modes[] = {
		[PL_CT_NONE] = "absent",
		[PL_CT_ASK] = "asked",
		[PL_CT_REMEMBER] = "remembered",
	};
	struct pl_flow_use use = pl_datapath_flow_use(parts->dp);

	return json_pack("{s:s, s:I, s:I, s:I}", "conntrack",
			 modes[pl_datapath_features(parts->dp)->conntrack], "entries",
			 (json_int_t)use.entries, "budget", (json_int_t)use.budget, "rate",
			 (json_int_t)use.rate);
}

/* In microseconds. */
static json_t *loop_json(void)
{
	struct pl_turns turns;

	pl_turns_get(&turns);
	return json_pack("{s:I, s:s, s:I, s:s, s:I}", "longestUs",
			 (json_int_t)(turns.longest.ns / 1000), "longestIn", turns.longest.most,
			 "recentUs", (json_int_t)(turns.recent.ns / 1000), "recentIn",
			 turns.recent.most, "over20Ms", (json_int_t)turns.slow);
}

int pl_op_status(struct pl_call *c, struct pl_error *err)
{
	const struct pl_parts *parts = c->parts;
	const struct pl_features *f = pl_datapath_features(parts->dp);
	struct tally tally = {0};
	struct utsname uts;
	int ready = 0, degraded = 0;
	json_t *j;

	uname(&uts);
	pl_reconcile_each_attachment(parts->endpoints->opts.reconcile, tally_one, &tally);
	for (uint32_t id = 1; id < parts->endpoints->max; id++) {
		const struct pl_endpoint *ep = parts->endpoints->v[id];

		if (!ep || !pl_endpoint_is_ready(ep))
			continue;
		if (pl_endpoint_degraded(parts->endpoints, ep))
			degraded++;
		else
			ready++;
	}
	j = json_pack("{s:b, s:s, s:i, s:i, s:I, s:s, s:s, s:s, s:s, s:b}", "ok", 1, "version",
		      PL_VERSION, "abi", PL_ABI, "pid", (int)getpid(), "uptimeSeconds",
		      (json_int_t)((pl_now_ns() - parts->started_ns) / 1000000000u), "kernel",
		      uts.release, "logLevel", pl_log_level_name(pl_log_get_level()), "runDir",
		      parts->run_dir, "bpffs", parts->bpffs, "adopted",
		      (int)pl_datapath_adopted(parts->dp));
	if (!j)
		return pl_fail(err, -ENOMEM, "status: out of memory");
	json_object_set_new(j, "features",
			    json_pack("{s:b, s:b, s:b, s:b, s:b}", "tcx", (int)f->tcx, "netkit",
				      (int)(f->netkit && parts->netkit_links), "redirectNeigh",
				      (int)f->redirect_neigh, "checksumCheck",
				      (int)f->checksum_check, "btf", (int)f->btf));
	json_object_set_new(j, "flows", flows_json(parts));
	json_object_set_new(j, "attachments", attachments_json(&tally));
	json_object_set_new(j, "uplinks", uplinks_json(parts, &tally));
	json_object_set_new(j, "endpoints", json_integer(parts->endpoints->n));
	json_object_set_new(j, "ready", json_integer(ready));
	json_object_set_new(j, "degraded", json_integer(degraded));
	json_object_set_new(j, "mirrors",
			    json_integer((json_int_t)pl_mirrors_count(parts->mirrors)));
	json_object_set_new(j, "networks", networks_json(parts));
	json_object_set_new(j, "native", native_json(parts));
	json_object_set_new(j, "forwarding", forwarding_json());
	json_object_set_new(j, "warnings", warnings_json(parts));
	json_object_set_new(j, "maxEndpoints", json_integer(parts->endpoints->max - 1));
	json_object_set_new(j, "loop", loop_json());
	json_object_set_new(j, "resyncs", json_integer((json_int_t)parts->resyncs));
	json_object_set_new(j, "rssBytes", json_integer(rss_bytes()));
	pl_client_reply(c->client, j);
	return 0;
}

int pl_op_network_status(struct pl_call *c, struct pl_error *err)
{
	pl_cleanup(pl_netconf_clear) struct pl_netconf own = {0};
	const struct pl_netconf *conf = NULL;
	json_int_t available = -1;
	int r = pl_request_conf(c->parts, c->req, &own, &conf, err);

	if (r < 0)
		return r;
	r = pl_datapath_intact(c->parts->dp, err);
	if (r < 0)
		return r;
	if (c->parts->endpoints->n + 1 >= c->parts->endpoints->max)
		return pl_fail(err, -ENOSPC,
			       "all %u endpoints of this node are in use: raise maxEndpoints",
			       c->parts->endpoints->max - 1);
	if (conf->link == PL_CHOOSE_NETKIT && !c->parts->netkit_links)
		return pl_fail(err, -ENOTSUP, "this kernel has no netkit devices");
	if (conf->ip_masq) {
		r = pl_masq_check(c->parts->endpoints->opts.masq, err);
		if (r < 0)
			return r;
	}
	if (!strcmp(conf->ipam_type, "podlane") && conf->mode == PL_MODE_POD) {
		uint64_t n = pl_ipam_available(c->parts->ipam, conf);

		if (!n)
			return pl_fail(err, -ENOSPC, "network \"%s\" has no address left",
				       conf->name);
		available = n > INT32_MAX ? INT32_MAX : (json_int_t)n;
	}
	pl_client_reply(c->client, json_pack("{s:b, s:I}", "ok", 1, "available", available));
	return 0;
}

int pl_op_log_level(struct pl_call *c, struct pl_error *err)
{
	enum pl_log_level level;
	const char *name;
	int r = pl_request_text(c->req, "level", false, &name, err);

	if (r < 0)
		return r;
	if (*name) {
		if (pl_log_level_parse(name, &level))
			return pl_fail(err, -EINVAL,
				       "\"%s\" is not a valid log level: error, warn, info, debug",
				       name);
		pl_log_set_level(level);
		pl_info("log level set level=%s", name);
	}
	pl_client_reply(c->client, json_pack("{s:b, s:s}", "ok", 1, "level",
					     pl_log_level_name(pl_log_get_level())));
	return 0;
}
