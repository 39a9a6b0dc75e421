/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which operation a request asks for: one table, which also says which keys each of them knows.
 */
#include "common/log.h"
#include "common/proto.h"
#include "control/dispatch.h"
#include "control/ops.h"
#include "control/server.h"
#include "host/host.h"

#define KEYS(...)                                                                                  \
	(const char *const[])                                                                      \
	{                                                                                          \
		"op", "v", __VA_ARGS__ __VA_OPT__(, ) NULL                                         \
	}

static const struct {
	const char *op;
	int (*handle)(struct pl_call *c, struct pl_error *err);
	const char *const *keys; /* NULL: the handler checks them */
} operations[] = {
	{"status", pl_op_status, KEYS()},
	{"endpoint.add", pl_op_endpoint_add,
	 KEYS("containerId", "ifname", "netns", "network", "ips", "mac", "pod", "addresses",
	      "routes", "hostIfname")},
	{"endpoint.del", pl_op_endpoint_del, KEYS("containerId", "ifname", "network")},
	{"endpoint.check", pl_op_endpoint_check,
	 KEYS("containerId", "ifname", "netns", "network", "addresses", "routes")},
	{"endpoint.gc", pl_op_endpoint_gc, KEYS("network", "valid")},
	{"endpoint.list", pl_op_endpoint_list, KEYS()},
	{"endpoint.names", pl_op_endpoint_names, KEYS("prefix")},
	{"endpoint.show", pl_op_endpoint_show, KEYS("query")},
	{"stats", pl_op_stats, KEYS("query")},
	{"network.status", pl_op_network_status, KEYS("network")},
	{"mirror.add", pl_op_mirror, NULL},
	{"mirror.del", pl_op_mirror, NULL},
	{"mirror.show", pl_op_mirror, NULL},
	{"mirror.list", pl_op_mirror_list, KEYS()},
	{"log.level", pl_op_log_level, KEYS("level")},
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

static int dispatch(struct pl_call *c, struct pl_error *err)
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

bool pl_dispatch_is_removal(const json_t *request)
{
	const char *op = json_string_value(json_object_get(request, "op"));

	return op && !strcmp(op, "endpoint.del");
}

void pl_dispatch(void *arg, struct pl_client *client, const json_t *request, int netns_fd)
{
	const struct pl_parts *parts = arg;
	struct pl_call call = {parts, client, request, netns_fd};
	struct pl_error err = {0};

	if (dispatch(&call, &err) < 0) {
		const char *op = json_string_value(json_object_get(request, "op"));

		pl_info("request failed op=%s code=%s error=\"%s\"", op ? op : "",
			pl_errno_name(err.code), err.text);
		pl_client_fail(client, &err);
	}
	pl_host_update(parts->host);
}
