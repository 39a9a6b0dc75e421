/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The plugin's side of the control socket: where it is, how long it is waited for, and what a
 * refusal of the transport means in words. Knows no verb.
 */
#include "cni/cni.h"
#include "common/proto.h"

const char *cni_run_dir(const struct cni_env *env)
{
	return env->run_dir && *env->run_dir ? env->run_dir : PL_RUN_DIR;
}

bool cni_daemon_absent(int code)
{
	switch (-code) {
	case ENOENT:
	case ECONNREFUSED:
	case ECONNRESET:
	case ENOTDIR:
	case EPIPE:
	case ETIMEDOUT:
	case EAGAIN:
		return true;
	default:
		return false;
	}
}

json_t *cni_daemon_request(const char *op, const struct cni_env *env)
{
	return json_pack("{s:s, s:i, s:s, s:s}", "op", op, "v", PL_PROTO_VERSION, "containerId",
			 env->container_id, "ifname", env->ifname);
}

int cni_daemon_connect(const struct cni_env *env, unsigned int timeout_ms, struct pl_error *err)
{
	char buf[4096];
	const char *path = env->socket;
	int fd;

	if (!path || !*path) {
		snprintf(buf, sizeof(buf), "%s/%s", cni_run_dir(env), PL_SOCKET_NAME);
		path = buf;
	}
	fd = pl_client_connect(path, env->timeout_ms ? env->timeout_ms : timeout_ms);
	if (fd >= 0)
		return fd;
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ECONNREFUSED) {
		pl_fail(err, -ESHUTDOWN,
			"podlaned does not answer on %s (%s): start it (systemctl start podlaned), "
			"then try again",
			path, strerror(-fd));
		return fd;
	}
	return pl_fail(err, fd, "Connect to podlaned on %s: %s", path, strerror(-fd));
}

static int transport_failed(int code, struct pl_error *err)
{
	if (code == -EAGAIN || code == -ETIMEDOUT)
		return pl_fail(err, -ETIMEDOUT, "podlaned did not answer in time: it may be hung");
	if (code == -EPIPE || code == -ECONNRESET)
		return pl_fail(err, -EPIPE, "podlaned ended before it answered");
	return pl_fail(err, code, "Talk to podlaned: %s", strerror(-code));
}

int cni_daemon_call(int sock, const json_t *request, int fd, json_t **ret, json_t **ret_error,
		    struct pl_error *err)
{
	pl_autojson json_t *reply = NULL;
	json_t *error;
	const char *code;
	int r, stray = -1;

	r = pl_proto_send(sock, request, fd);
	if (!r)
		r = pl_proto_recv(sock, &reply, &stray);
	if (stray >= 0)
		close(stray);
	if (r < 0)
		return transport_failed(r, err);
	if (json_is_true(json_object_get(reply, "ok"))) {
		*ret = TAKE_PTR(reply);
		return 0;
	}
	error = json_object_get(reply, "error");
	code = json_string_value(json_object_get(error, "code"));
	r = code ? pl_errno_from_name(code) : -EBADMSG;
	if (ret_error)
		*ret_error = json_incref(error);
	code = json_string_value(json_object_get(error, "message"));
	return pl_fail(err, r, "%s", code ? code : "podlaned refused without a message");
}
