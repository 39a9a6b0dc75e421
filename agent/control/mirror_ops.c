/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Operations on mirror sessions.
 */
#include "control/ops.h"
#include "mirror/mirrors.h"

int pl_op_mirror(struct pl_call *c, struct pl_error *err)
{
	json_t *reply = NULL;
	int r = pl_mirrors_request(c->d->mirrors, json_string_value(json_object_get(c->req, "op")),
				   c->req, &reply, err);

	if (r < 0)
		return r;
	pl_client_reply(c->client, reply);
	return 0;
}

int pl_op_mirror_list(struct pl_call *c, struct pl_error *err)
{
	pl_reply_list(c, "mirrors", pl_mirrors_list(c->d->mirrors));
	return 0;
}
