/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * CHECK. The daemon compares; what it compares with comes from prevResult. Every difference is
 * named.
 */
#include "cni/cni.h"

enum {
	CHECK_MS = 5000,
};

static void list_differences(const json_t *answer, struct cni_error *err)
{
	const json_t *text;
	size_t i, len = 0;

	json_array_foreach (json_object_get(answer, "differences"), i, text) {
		int n;

		if (!json_is_string(text) || len >= sizeof(err->details))
			continue;
		n = snprintf(err->details + len, sizeof(err->details) - len, "%s%s",
			     len ? "; " : "", json_string_value(text));
		len += n > 0 ? (size_t)n : 0;
	}
}

static int check_request(const struct cni_request *r, const struct pl_netconf *conf, json_t **ret,
			 struct cni_error *err)
{
	json_t *addresses, *routes, *mac;
	int index;

	if (!r->prev_result)
		return cni_fail(err, CNI_BAD_CONFIG,
				"CHECK needs prevResult, the result of ADD, to compare with");
	index = cni_prev_interface(r->prev_result, r->env.ifname);
	if (index < 0)
		return cni_fail(
			err, CNI_DIFFERS,
			"prevResult has no interface %s in a sandbox, which ADD always names",
			r->env.ifname);
	addresses = cni_prev_addresses(r->prev_result, r->env.ifname);
	*ret = cni_daemon_request("endpoint.check", &r->env);
	if (!*ret || json_object_set_new(*ret, "network", pl_netconf_to_json(conf)) < 0 ||
	    json_object_set_new(*ret, "addresses", addresses) < 0)
		return cni_no_memory(err);
	mac = json_object_get(
		json_array_get(json_object_get(r->prev_result, "interfaces"), (size_t)index),
		"mac");
	if (json_string_length(mac) && json_object_set(*ret, "mac", mac) < 0)
		return cni_no_memory(err);
	/* Which routes a delegated IPAM plugin asked for stands in the result alone. */
	routes = json_object_get(r->prev_result, "routes");
	if (r->ipam && json_array_size(routes) && json_object_set(*ret, "routes", routes) < 0)
		return cni_no_memory(err);
	return 0;
}

static int check_by_daemon(const struct cni_request *r, const struct pl_netconf *conf,
			   struct cni_error *err)
{
	pl_autojson json_t *request = NULL;
	pl_autojson json_t *reply = NULL;
	pl_autojson json_t *answer = NULL;
	pl_autoclose int netns = -1;
	pl_autoclose int sock = -1;
	struct pl_error why = {0};
	int code;

	code = check_request(r, conf, &request, err);
	if (code)
		return code;
	netns = cni_open_netns(r->env.netns, err);
	if (netns < 0)
		return err->code;
	sock = cni_daemon_connect(&r->env, CHECK_MS, &why);
	if (sock < 0)
		return cni_fail_from(err, &why);
	if (cni_daemon_call(sock, request, netns, &reply, &answer, &why) == 0)
		return 0;
	code = cni_fail_from(err, &why);
	list_differences(answer, err);
	return code;
}

int cni_verb_check(const struct cni_request *r, json_t **ret, struct cni_error *err)
{
	struct pl_netconf conf = {0};
	int code = cni_conf_parse(r, &conf, err);

	if (!code)
		code = check_by_daemon(r, &conf, err);
	if (!code && r->ipam)
		code = cni_delegate(r, "CHECK", NULL, err);
	pl_netconf_clear(&conf);
	return code;
}
