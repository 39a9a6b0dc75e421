/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which operation a request asks for: one table, which also says which keys each of them knows.
 */
#include "common/log.h"
#include "common/proto.h"
#include "common/turn.h"
#include "control/dispatch.h"
#include "control/ops.h"
#include "control/server.h"
#include "host/host.h"

#define KEYS(...)                                                                                  \
	(const char *const[])                                                                      \
	{                                                                                          \
		"op", "v", __VA_ARGS__ __VA_OPT__(, ) NULL                                         \
	}

/* What a request is: see struct pl_control_handler. */
enum kind {
	QUESTION,
	WORK,
	REMOVAL, /* work, too */
};

static const struct operation {
	const char *op;
	enum kind kind;
	int (*handle)(struct pl_call *c, struct pl_error *err);
	const char *const *keys; /* NULL: the handler checks them */
} operations[] = {
	{"status", QUESTION, pl_op_status, KEYS()},
	{"endpoint.add", WORK, pl_op_endpoint_add,
	 KEYS("containerId", "ifname", "netns", "network", "ips", "mac", "pod", "addresses",
	      "routes", "hostIfname")},
	{"endpoint.del", REMOVAL, pl_op_endpoint_del, KEYS("containerId", "ifname", "network")},
	{"endpoint.check", WORK, pl_op_endpoint_check,
	 KEYS("containerId", "ifname", "netns", "network", "addresses", "routes", "mac")},
	{"endpoint.gc", WORK, pl_op_endpoint_gc, KEYS("network", "valid")},
	{"endpoint.list", QUESTION, pl_op_endpoint_list, KEYS()},
	{"endpoint.names", QUESTION, pl_op_endpoint_names, KEYS("prefix")},
	{"endpoint.show", QUESTION, pl_op_endpoint_show, KEYS("query")},
	{"stats", QUESTION, pl_op_stats, KEYS("query")},
	{"network.status", QUESTION, pl_op_network_status, KEYS("network")},
	{"mirror.add", WORK, pl_op_mirror, NULL},
	{"mirror.del", WORK, pl_op_mirror, NULL},
	{"mirror.show", QUESTION, pl_op_mirror, NULL},
	{"mirror.list", QUESTION, pl_op_mirror_list, KEYS()},
	{"log.level", QUESTION, pl_op_log_level, KEYS("level")},
};

static const struct operation *find_operation(const json_t *request)
{
	const char *op = json_string_value(json_object_get(request, "op"));

	for (size_t i = 0; op && i < PL_ARRAY_SIZE(operations); i++)
		if (!strcmp(op, operations[i].op))
			return &operations[i];
	return NULL;
}

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
	const struct operation *operation = find_operation(c->req);
	int r;

	if (!op)
		return pl_fail(err, -EINVAL, "the request lacks \"op\"");
	if (v && json_integer_value(v) != PL_PROTO_VERSION)
		return pl_fail(
			err, -EPROTO,
			"this podlaned speaks version %d of the protocol: use the plugin and "
			"the command line of the same release (%s)",
			PL_PROTO_VERSION, PL_VERSION);
	if (!operation)
		return pl_fail(err, -ENOTSUP, "unknown operation \"%s\"", op);
	r = check_keys(c->req, operation->keys, err);
	return r < 0 ? r : operation->handle(c, err);
}

bool pl_dispatch_is_removal(const json_t *request)
{
	const struct operation *operation = find_operation(request);

	return operation && operation->kind == REMOVAL;
}

bool pl_dispatch_is_work(const json_t *request)
{
	const struct operation *operation = find_operation(request);

	return operation && operation->kind != QUESTION;
}

void pl_dispatch(void *arg, struct pl_client *client, const json_t *request, int netns_fd)
{
	const struct pl_parts *parts = arg;
	const struct operation *operation = find_operation(request);
	struct pl_call call = {parts, client, request, netns_fd};
	struct pl_error err = {0};
	PL_TURN(operation ? operation->op : "unknown operation");

	if (dispatch(&call, &err) < 0) {
		const char *op = json_string_value(json_object_get(request, "op"));

		pl_info("request failed op=%s code=%s error=\"%s\"", op ? op : "",
			pl_errno_name(err.code), err.text);
		pl_client_fail(client, &err);
	}
	pl_host_update(parts->host);
}
