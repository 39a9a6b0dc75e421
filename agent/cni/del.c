/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DEL. Always success where nothing is left: the daemon removes, or, where none answers in time,
 * the plugin itself. The configuration is not judged and prevResult not needed.
 */
#include "cni/cni.h"

enum {
	DEL_MS = 5000,	 /* then the plugin finishes by itself */
	LOCK_MS = 10000, /* for the IPAM plugin of an ADD that was killed */
};

int cni_del_by_daemon(const struct cni_env *env, const char *network, struct pl_error *err)
{
	pl_autojson json_t *request = cni_daemon_request("endpoint.del", env);
	pl_autojson json_t *reply = NULL;
	pl_autoclose int sock = -1;

	if (!request)
		return -ENOMEM;
	if (network && json_object_set_new(request, "network", json_string(network)) < 0)
		return -ENOMEM;
	sock = cni_daemon_connect(env, DEL_MS, err);
	if (sock < 0)
		return sock;
	return cni_daemon_call(sock, request, -1, &reply, NULL, err);
}

int cni_del(const struct cni_env *env, const char *network, struct pl_error *err)
{
	int code = cni_del_by_daemon(env, network, err);

	if (cni_daemon_absent(code))
		code = cni_offline_del(cni_run_dir(env), env->container_id, env->ifname, network,
				       env->netns, err);
	if (code < 0 && !err->code)
		pl_fail(err, code, "Remove %s:%s: %s", env->container_id, env->ifname,
			strerror(-code));
	return code;
}

/*
 * The configuration is not judged: one that was edited into something invalid must not keep what
 * an earlier one made. The link goes before the lease: an address must be off the wire before it
 * can be somebody else's. Where the lock cannot be had DEL goes on: it must not fail for want of
 * it.
 */
int cni_verb_del(const struct cni_request *r, json_t **ret, struct cni_error *err)
{
	pl_autoclose int lock = r->ipam ? cni_lock(&r->env, false, LOCK_MS) : -1;
	struct pl_error why = {0};
	int code = cni_del(&r->env, r->network, &why);

	if (lock == -ETIMEDOUT)
		fprintf(stderr,
			"podlane: DEL of %s:%s waits no longer for an ADD, or its IPAM plugin %s, "
			"that still runs\n",
			r->env.container_id, r->env.ifname, r->ipam);
	if (code < 0)
		return cni_fail_from(err, &why);
	return r->ipam ? cni_delegate(r, "DEL", NULL, err) : 0;
}
