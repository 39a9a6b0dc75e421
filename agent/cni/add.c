/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ADD. Everything is checked before anything is made; the daemon is connected to before a delegated
 * IPAM plugin runs. What was begun and cannot be finished is undone: the lease, and what a daemon
 * that did not answer may have made. An endpoint that was there before is never touched, nor is its
 * lease: an IPAM plugin knows it by the same name.
 */
#include <net/if.h>

#include "cni/cni.h"
#include "common/record.h"

enum {
	ADD_MS = 10000,
	ASK_MS = 1000,
	LOCK_MS = 10000,
	UNDO_MS = 1000, /* after an ADD that was not answered */
};

struct add {
	const struct cni_request *r;
	struct pl_netconf conf;
	struct cni_pod_args pod_args;
	char host_ifname[IF_NAMESIZE]; /* mode accelerate */
	json_t *addresses; /* of a delegated IPAM, or of prevResult; NULL: the daemon chooses */
	json_t *routes;	   /* of a delegated IPAM; NULL: none */
	int netns;
	int sock;
	int lock;     /* while a delegated IPAM is concerned */
	bool leased;  /* the delegated IPAM's ADD succeeded */
	bool existed; /* a record of this very endpoint was there before */
};

static void add_clear(struct add *a)
{
	pl_netconf_clear(&a->conf);
	cni_pod_args_clear(&a->pod_args);
	json_decref(a->addresses);
	json_decref(a->routes);
	pl_closep(&a->netns);
	pl_closep(&a->sock);
	pl_closep(&a->lock);
}

static int add_take_prev(struct add *a, struct cni_error *err)
{
	const struct cni_request *r = a->r;
	int code;

	if (!r->prev_result)
		return cni_fail(err, CNI_BAD_CONFIG,
				"Mode \"accelerate\" works on the link of an earlier plugin of the "
				"chain, but there is no prevResult: put podlane after that plugin");
	a->addresses = cni_prev_addresses(r->prev_result, r->env.ifname);
	if (!a->addresses)
		return cni_no_memory(err);
	code = cni_find_host_end(r->prev_result, r->env.ifname, a->netns, a->host_ifname,
				 sizeof(a->host_ifname), err);
	if (!code && !json_array_size(a->addresses))
		code = cni_fail(err, CNI_BAD_CONFIG,
				"Mode \"accelerate\": prevResult names no address of %s",
				r->env.ifname);
	return code;
}

/* What the IPAM plugin says beside addresses. */
static void add_merge_ipam(struct add *a, const json_t *result)
{
	json_t *routes = json_object_get(result, "routes");
	json_t *dns = json_object_get(result, "dns");

	if (json_array_size(routes))
		a->routes = json_incref(routes);
	if (json_object_size(dns) && !json_object_size(a->conf.dns)) {
		json_decref(a->conf.dns);
		a->conf.dns = json_incref(dns);
	}
}

/* Whether the daemon has this endpoint. Where it does not say, the record that was there counts. */
static bool add_lives(const struct add *a)
{
	pl_autojson json_t *request = cni_daemon_request("endpoint.check", &a->r->env);
	pl_autojson json_t *reply = NULL;
	pl_autoclose int sock = -1;
	struct pl_error ignored = {0};
	int code = -ENOMEM;

	sock = request ? cni_daemon_connect(&a->r->env, ASK_MS, &ignored) : -1;
	if (sock >= 0)
		code = cni_daemon_call(sock, request, a->netns, &reply, NULL, &ignored);
	if (code == -ENOENT)
		return false;
	return code == 0 || code == -ESTALE || a->existed;
}

/* Never that of an endpoint that lives: this ADD may be its second. */
static void add_release_lease(const struct add *a)
{
	struct cni_error ignored;

	if (!add_lives(a))
		cni_delegate(a->r, "DEL", NULL, &ignored);
}

static bool add_has_record(const struct add *a)
{
	const struct cni_env *env = &a->r->env;
	char path[4096];

	return pl_record_path(cni_run_dir(env), env->container_id, env->ifname, path,
			      sizeof(path)) == 0 &&
	       access(path, F_OK) == 0;
}

static int add_lock(struct add *a, struct cni_error *err)
{
	const struct cni_env *env = &a->r->env;

	a->lock = cni_lock(env, false, LOCK_MS);
	if (a->lock == -ETIMEDOUT)
		return cni_fail(err, CNI_TRY_LATER,
				"Another ADD or DEL of %s:%s is under way, or its IPAM plugin %s "
				"still runs: try again when it has ended",
				env->container_id, env->ifname, a->r->ipam);
	if (a->lock < 0)
		return cni_fail(err, CNI_IO, "Lock %s/ipam.lock: %s", cni_run_dir(env),
				strerror(-a->lock));
	/* Another ADD may have made it while this one waited. */
	a->existed = add_has_record(a);
	if (a->existed && add_lives(a))
		return cni_fail(err, CNI_EXISTS,
				"container %s has an endpoint %s already: delete it first",
				env->container_id, env->ifname);
	return 0;
}

static int add_lease(struct add *a, struct cni_error *err)
{
	pl_autojson json_t *result = NULL;
	int code = add_lock(a, err);

	if (code)
		return code;
	code = cni_delegate(a->r, "ADD", &result, err);
	if (code) {
		/* It may have failed half-way. */
		add_release_lease(a);
		return code;
	}
	a->leased = true;
	a->addresses = cni_ipam_addresses(result);
	if (!a->addresses)
		return cni_fail(err, CNI_DELEGATE,
				"IPAM plugin %s answered without a usable address", a->r->ipam);
	add_merge_ipam(a, result);
	return 0;
}

static json_t *add_request(const struct add *a)
{
	const struct cni_env *env = &a->r->env;
	pl_autojson json_t *q = cni_daemon_request("endpoint.add", env);
	int failed = q ? 0 : -ENOMEM;

	if (!failed)
		failed = json_object_set_new(q, "netns", json_string(env->netns));
	if (!failed)
		failed = json_object_set_new(q, "network", pl_netconf_to_json(&a->conf));
	if (!failed && a->pod_args.pod)
		failed = json_object_set(q, "pod", a->pod_args.pod);
	if (!failed && a->addresses)
		failed = json_object_set(q, "addresses", a->addresses);
	else if (!failed && a->pod_args.ips)
		failed = json_object_set(q, "ips", a->pod_args.ips);
	if (!failed && a->routes)
		failed = json_object_set(q, "routes", a->routes);
	if (!failed && a->host_ifname[0])
		failed = json_object_set_new(q, "hostIfname", json_string(a->host_ifname));
	else if (!failed && a->pod_args.mac[0])
		failed = json_object_set_new(q, "mac", json_string(a->pod_args.mac));
	return failed ? NULL : TAKE_PTR(q);
}

/*
 * Nobody answered: the daemon may have made all, a part, or nothing yet. It begins nothing for a
 * connection that is closed, hence in this order.
 */
static void add_undo_unanswered(struct add *a)
{
	struct cni_env env = a->r->env;
	struct pl_error ignored = {0};
	int sock = TAKE_FD(a->sock);

	pl_closep(&sock);
	if (a->existed)
		return; /* not this ADD's work */
	if (!env.timeout_ms || env.timeout_ms > UNDO_MS)
		env.timeout_ms = UNDO_MS;
	cni_del(&env, a->r->network, &ignored);
}

static int add_call(struct add *a, json_t **ret, struct cni_error *err)
{
	pl_autojson json_t *request = add_request(a);
	pl_autojson json_t *answer = NULL;
	struct pl_error why = {0};
	int code;

	if (!request)
		return cni_no_memory(err);
	code = cni_daemon_call(a->sock, request, a->netns, ret, &answer, &why);
	if (!code)
		return 0;
	if (!answer)
		add_undo_unanswered(a);
	return cni_fail_from(err, &why);
}

static int add_result(const struct add *a, const json_t *reply, json_t **ret, struct cni_error *err)
{
	const struct cni_request *r = a->r;
	const json_t *dns = json_object_get(reply, "dns");
	pl_autojson json_t *ours = NULL;

	if (a->conf.mode == PL_MODE_ACCELERATE) {
		*ret = cni_result_pass(r->version, r->prev_result);
		return *ret ? 0 : cni_no_memory(err);
	}
	ours = cni_result_new(r->version, r->env.netns, json_object_get(reply, "endpoint"),
			      json_object_get(reply, "routes"), dns ? dns : a->conf.dns);
	if (!ours)
		return cni_fail(err, CNI_FAILED,
				"podlaned's answer to endpoint.add is not "
				"complete: is its version another?");
	*ret = r->prev_result ? cni_result_append(r->prev_result, ours) : TAKE_PTR(ours);
	return *ret ? 0 : cni_no_memory(err);
}

static int add_prepare(struct add *a, struct cni_error *err)
{
	int code;

	code = cni_conf_parse(a->r, &a->conf, err);
	if (!code)
		code = cni_pod_args_parse(a->r, &a->pod_args, err);
	if (code)
		return code;
	a->netns = cni_open_netns(a->r->env.netns, err);
	if (a->netns < 0)
		return err->code;
	if (a->conf.mode == PL_MODE_ACCELERATE)
		code = add_take_prev(a, err);
	a->existed = add_has_record(a);
	return code;
}

static int add_carry_out(struct add *a, json_t **ret, struct cni_error *err)
{
	pl_autojson json_t *reply = NULL;
	struct pl_error why = {0};
	int code;

	/* Connected before the IPAM plugin runs: with no daemon there is nothing to undo. */
	a->sock = cni_daemon_connect(&a->r->env, ADD_MS, &why);
	if (a->sock < 0)
		return cni_fail_from(err, &why);
	if (a->r->ipam) {
		code = add_lease(a, err);
		if (code)
			return code;
	}
	code = add_call(a, &reply, err);
	if (code)
		return code;
	code = add_result(a, reply, ret, err);
	if (code)
		add_undo_unanswered(a);
	return code;
}

int cni_verb_add(const struct cni_request *r, json_t **ret, struct cni_error *err)
{
	struct add a = {.r = r, .netns = -1, .sock = -1, .lock = -1};
	int code = add_prepare(&a, err);

	if (!code)
		code = add_carry_out(&a, ret, err);
	if (code && a.leased)
		add_release_lease(&a);
	add_clear(&a);
	return code;
}
