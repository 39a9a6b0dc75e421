// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One call of the daemon from a subcommand: connects when first needed, sends, joins the pages of
 * the answer, and turns what went wrong into a sentence and an exit code.
 */
#include "cli/cli.h"
#include "common/proto.h"

json_t *cli_request(const char *op)
{
	return json_pack("{s:s, s:i}", "op", op, "v", PL_PROTO_VERSION);
}

void cli_disconnect(struct cli *cli)
{
	int sock = TAKE_FD(cli->sock);

	pl_closep(&sock);
}

static enum cli_exit fail_connect(struct cli *cli, int code)
{
	switch (code) {
	case -EACCES:
	case -EPERM:
		return cli_fail(cli, code, "only root may talk to podlaned at %s: try sudo",
				cli->socket);
	case -ENAMETOOLONG:
	case -EINVAL:
		return cli_usage_error(cli, "%s: the path is too long for a socket", cli->socket);
	case -ENOENT:
	case -ENOTDIR:
	case -ECONNREFUSED:
	case -ENOTSOCK:
	case -EPROTOTYPE:
		break;
	default:
		cli_fail(cli, code, "connect to podlaned at %s: %s", cli->socket, strerror(-code));
		return CLI_NO_DAEMON;
	}
	cli_fail(cli, code,
		 "podlaned does not answer at %s: is it running? (systemctl status podlaned)",
		 cli->socket);
	return CLI_NO_DAEMON;
}

/* The daemon itself refuses with other codes than those of a connection that broke. */
static enum cli_exit fail_call(struct cli *cli, const struct pl_error *err)
{
	bool broken = err->code == -EPIPE || err->code == -ECONNRESET || err->code == -ETIMEDOUT;

	cli->err = *err;
	cli_disconnect(cli);
	return broken ? CLI_NO_DAEMON : CLI_FAILED;
}

/* Appends the arrays of @page to those of @whole. */
static int join_page(json_t *whole, json_t *page)
{
	const char *key;
	json_t *value;

	json_object_foreach (page, key, value) {
		json_t *into = json_object_get(whole, key);
		int rc;

		if (json_is_array(into) && json_is_array(value))
			rc = json_array_extend(into, value);
		else
			rc = json_object_set(whole, key, value);
		if (rc)
			return -ENOMEM;
	}
	return 0;
}

enum cli_exit cli_call(struct cli *cli, json_t *request, int fd, json_t **ret)
{
	pl_autojson json_t *owned = request;
	pl_autojson json_t *whole = NULL;
	struct pl_error err = {0};
	bool more;
	int rc;

	if (!request)
		return cli_out_of_memory(cli);
	if (cli->sock < 0) {
		rc = pl_client_connect(cli->socket, cli->timeout_ms);
		if (rc < 0)
			return fail_connect(cli, rc);
		cli->sock = rc;
	}
	rc = pl_client_call(cli->sock, owned, fd, &whole, &err);
	if (rc < 0)
		return fail_call(cli, &err);
	for (more = cli_bool(whole, "more"); more;) {
		pl_autojson json_t *page = NULL;

		rc = pl_client_next(cli->sock, &page, &err);
		if (rc < 0)
			return fail_call(cli, &err);
		more = cli_bool(page, "more");
		if (join_page(whole, page))
			return cli_out_of_memory(cli);
	}
	json_object_del(whole, "ok");
	json_object_del(whole, "more");
	*ret = TAKE_PTR(whole);
	return CLI_OK;
}
