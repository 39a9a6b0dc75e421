/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * GC. Removes what is not in the list of valid attachments, in this network alone. With a list that
 * cannot be read it fails, without one it succeeds, and removes nothing in both cases.
 */
#include "cni/cni.h"
#include "common/proto.h"

enum {
	GC_MS = 10000,
	LOCK_MS = 10000, /* for the IPAM plugins of ADDs that were killed */
};

static int gc_collect(json_t *valid, const json_t *list, struct cni_error *err)
{
	const json_t *one;
	size_t i;

	if (!json_is_array(list) && !json_is_null(list))
		return cni_fail(err, CNI_BAD_CONFIG, "cni.dev/valid-attachments is not a list");
	json_array_foreach (list, i, one) {
		json_t *id = json_object_get(one, "containerID");
		json_t *ifname = json_object_get(one, "ifname");

		if (!json_is_string(id) || !json_is_string(ifname))
			return cni_fail(err, CNI_BAD_CONFIG,
					"cni.dev/valid-attachments[%zu] has no containerID or no "
					"ifname; nothing was removed",
					i);
		if (json_array_append_new(valid, json_pack("{s:O, s:O}", "containerId", id,
							   "ifname", ifname)) < 0)
			return cni_no_memory(err);
	}
	return 0;
}

/*
 * libcni writes an empty list as null, and the list under two spellings: null is "none is valid",
 * and what either spelling holds is valid. *ret is NULL where there is no list at all.
 */
static int gc_valid(const struct cni_request *r, json_t **ret, struct cni_error *err)
{
	const json_t *now = json_object_get(r->conf, "cni.dev/valid-attachments");
	const json_t *before = json_object_get(r->conf, "cni.dev/attachments");
	int code = 0;

	if (!now && !before)
		return 0;
	*ret = json_array();
	if (!*ret)
		return cni_no_memory(err);
	if (now)
		code = gc_collect(*ret, now, err);
	if (!code && before && !json_equal(now, before))
		code = gc_collect(*ret, before, err);
	return code;
}

/* {"containerId", "ifname"} as one text; the caller frees it. */
static char *gc_key(const json_t *attachment)
{
	const char *id = json_string_value(json_object_get(attachment, "containerId"));
	const char *ifname = json_string_value(json_object_get(attachment, "ifname"));
	char *key;

	return asprintf(&key, "%s:%s", id ? id : "", ifname ? ifname : "") < 0 ? NULL : key;
}

/* Hashed, for each endpoint of the node is looked up in it. NULL without memory. */
static json_t *gc_set(const json_t *valid)
{
	pl_autojson json_t *set = json_object();
	const json_t *one;
	size_t i;

	json_array_foreach (valid, i, one) {
		pl_autofree char *key = gc_key(one);

		if (!key || json_object_set_new_nocheck(set, key, json_true()))
			return NULL;
	}
	return TAKE_PTR(set);
}

/* Without memory, nothing is given up. */
static bool gc_is_valid(const json_t *set, const json_t *endpoint)
{
	pl_autofree char *key = gc_key(endpoint);

	return !key || json_object_get(set, key);
}

/* Keeps of @endpoints the ones of the network that are not in @set any more. */
static int gc_pick(const struct cni_request *r, const json_t *set, const json_t *endpoints,
		   json_t *stale)
{
	json_t *endpoint;
	size_t i;

	json_array_foreach (endpoints, i, endpoint) {
		const char *network = json_string_value(json_object_get(endpoint, "network"));

		if (!network || strcmp(network, r->network) != 0 || gc_is_valid(set, endpoint))
			continue;
		if (json_array_append(stale, endpoint) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int gc_list_stale(const struct cni_request *r, const json_t *valid, json_t *stale,
			 struct pl_error *err)
{
	pl_autojson json_t *request =
		json_pack("{s:s, s:i}", "op", "endpoint.list", "v", PL_PROTO_VERSION);
	pl_autojson json_t *reply = NULL;
	pl_autojson json_t *set = gc_set(valid);
	pl_autoclose int sock = cni_daemon_connect(&r->env, GC_MS, err);
	bool more;
	int code;

	if (sock < 0)
		return sock;
	if (!set)
		return pl_fail(err, -ENOMEM, "No memory left");
	code = pl_client_call(sock, request, -1, &reply, err);
	while (!code) {
		more = json_is_true(json_object_get(reply, "more"));
		code = gc_pick(r, set, json_object_get(reply, "endpoints"), stale);
		if (code || !more)
			break;
		json_decref(reply);
		reply = NULL;
		code = pl_client_next(sock, &reply, err);
	}
	return code;
}

/* For a list of valid attachments that does not fit into one message. */
static int gc_one_by_one(const struct cni_request *r, const json_t *valid, struct pl_error *err)
{
	pl_autojson json_t *stale = json_array();
	const json_t *endpoint;
	int code, first = 0;
	size_t i;

	code = gc_list_stale(r, valid, stale, err);
	if (code)
		return code;
	json_array_foreach (stale, i, endpoint) {
		struct cni_env env = r->env;
		struct pl_error why = {0};

		env.container_id = json_string_value(json_object_get(endpoint, "containerId"));
		env.ifname = json_string_value(json_object_get(endpoint, "ifname"));
		code = cni_del_by_daemon(&env, r->network, &why);
		if (code && !first) {
			first = code;
			*err = why;
		}
	}
	return first;
}

static int gc_by_daemon(const struct cni_request *r, json_t *valid, struct pl_error *err)
{
	pl_autojson json_t *request =
		json_pack("{s:s, s:i, s:s, s:O}", "op", "endpoint.gc", "v", PL_PROTO_VERSION,
			  "network", r->network, "valid", valid);
	pl_autojson json_t *reply = NULL;
	pl_autoclose int sock = -1;

	if (!request)
		return pl_fail(err, -ENOMEM, "No memory left");
	sock = cni_daemon_connect(&r->env, GC_MS, err);
	if (sock < 0)
		return sock;
	return cni_daemon_call(sock, request, -1, &reply, NULL, err);
}

int cni_verb_gc(const struct cni_request *r, json_t **ret, struct cni_error *err)
{
	pl_autoclose int lock = -1;
	pl_autojson json_t *valid = NULL;
	struct cni_error delegated = {0};
	struct pl_error why = {0};
	int code;

	code = gc_valid(r, &valid, err);
	if (code)
		return code;
	/*
	 * libcni leaves the list out where its caller has none. That must not mean "remove
	 * everything", for a delegated plugin neither, which would take it so.
	 */
	if (!valid) {
		fprintf(stderr,
			"podlane: GC of network %s came without cni.dev/valid-attachments: nothing "
			"was removed\n",
			r->network);
		return 0;
	}
	if (r->ipam)
		lock = cni_lock(&r->env, true, LOCK_MS);
	/* As much as possible is removed before the first error is told. */
	code = gc_by_daemon(r, valid, &why);
	if (code == -EMSGSIZE)
		code = gc_one_by_one(r, valid, &why);
	if (code < 0)
		code = cni_fail_from(err, &why);
	if (r->ipam && cni_delegate(r, "GC", NULL, &delegated) && !code) {
		*err = delegated;
		code = err->code;
	}
	return code;
}
