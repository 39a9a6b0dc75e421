/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * STATUS. Would ADD succeed? Nothing else depends on the answer.
 */
#include "cni/cni.h"
#include "common/proto.h"

enum {
	STATUS_MS = 2000,
};

static int status_failed(const struct pl_error *why, struct cni_error *err)
{
	if (why->code == -EINVAL)
		return cni_fail_from(err, why);
	if (why->code == -ENETDOWN)
		return cni_fail(err, CNI_NOT_READY_LOSS, "%s", why->text);
	return cni_fail(err, CNI_NOT_READY, "%s", why->text);
}

static int status_by_daemon(const struct cni_request *r, const struct pl_netconf *conf,
			    struct cni_error *err)
{
	pl_autojson json_t *request =
		json_pack("{s:s, s:i, s:o}", "op", "network.status", "v", PL_PROTO_VERSION,
			  "network", pl_netconf_to_json(conf));
	pl_autojson json_t *reply = NULL;
	pl_autoclose int sock = -1;
	struct pl_error why = {0};
	const json_t *available;

	if (!request)
		return cni_no_memory(err);
	sock = cni_daemon_connect(&r->env, STATUS_MS, &why);
	if (sock < 0 || cni_daemon_call(sock, request, -1, &reply, NULL, &why) < 0)
		return status_failed(&why, err);
	available = json_object_get(reply, "available");
	if (json_is_integer(available) && json_integer_value(available) == 0)
		return cni_fail(err, CNI_NOT_READY, "Network %s has no address left", r->network);
	return 0;
}

int cni_verb_status(const struct cni_request *r, json_t **ret, struct cni_error *err)
{
	struct pl_netconf conf = {0};
	int code = cni_conf_parse(r, &conf, err);

	if (!code)
		code = status_by_daemon(r, &conf, err);
	if (!code && r->ipam)
		code = cni_delegate(r, "STATUS", NULL, err);
	pl_netconf_clear(&conf);
	return code;
}
