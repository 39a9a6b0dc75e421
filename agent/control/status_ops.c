/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the daemon says of itself, and its log level.
 */
#include <sys/utsname.h>

#include "common/log.h"
#include "control/ops.h"
#include "host/host.h"
#include "mirror/mirrors.h"

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

	for (size_t i = 0; i < d->settings.n_native; i++) {
		const struct pl_network_rule *rule = &d->settings.native[i];

		json_array_append_new(list, json_sprintf("%s%s", rule->except ? "!" : "",
							 pl_prefix_format(&rule->net, text)));
	}
	return list;
}

static json_t *forwarding_json(void)
{
	int v4 = pl_node_forwarding(AF_INET), v6 = pl_node_forwarding(AF_INET6);
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

int pl_op_status(struct pl_call *c, struct pl_error *err)
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
	json_object_set_new(j, "forwarding", forwarding_json());
	json_object_set_new(j, "warnings", pl_node_forwarding_warnings());
	json_object_set_new(j, "maxEndpoints", json_integer(d->max_pods - 1));
	json_object_set_new(j, "resyncs", json_integer((json_int_t)d->resyncs));
	json_object_set_new(j, "rssBytes", json_integer(rss_bytes()));
	pl_client_reply(c->client, j);
	return 0;
}

int pl_op_network_status(struct pl_call *c, struct pl_error *err)
{
	pl_cleanup(pl_netconf_clear) struct pl_netconf own = {0};
	const struct pl_netconf *conf = NULL;
	json_int_t available = -1;
	int r = pl_request_conf(c->d, c->req, &own, &conf, err);

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
				       "\"%s\" is no log level: error, warn, info, debug", name);
		pl_log_set_level(level);
		pl_info("log level set level=%s", name);
	}
	pl_client_reply(c->client, json_pack("{s:b, s:s}", "ok", 1, "level",
					     pl_log_level_name(pl_log_get_level())));
	return 0;
}
