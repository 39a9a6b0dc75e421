/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Operations on mirror sessions.
 */
#include "common/log.h"
#include "control/ops.h"
#include "mirror/mirrors.h"

static int find_named(const struct pl_mirrors *m, const json_t *request, unsigned int *ret,
		      struct pl_error *err)
{
	const char *name = json_string_value(json_object_get(request, "name")), *key;
	json_t *value;

	json_object_foreach ((json_t *)request, key, value)
		if (strcmp(key, "op") && strcmp(key, "v") && strcmp(key, "name"))
			return pl_fail(err, -ENOTSUP, "unknown key \"%s\" in the request", key);
	if (!name)
		return pl_fail(err, -EINVAL, "the request lacks \"name\"");
	*ret = pl_mirrors_find(m, name);
	if (*ret == PL_MIRRORS_MAX)
		return pl_fail(err, -ENOENT,
			       "there is no mirror session %.80s; see: podlane mirror list", name);
	return 0;
}

static int answer(struct pl_mirrors *m, const char *op, const json_t *request, json_t **ret_reply,
		  struct pl_error *err)
{
	json_t *mirror, *counters;
	unsigned int slot;
	int r;

	if (strcmp(op, "mirror.add") == 0)
		r = pl_mirrors_add(m, request, false, &slot, err);
	else
		r = find_named(m, request, &slot, err);
	if (r < 0)
		return r;
	mirror = pl_session_json(m, slot);
	if (strcmp(op, "mirror.del") == 0) {
		pl_info("mirror session deleted name=%s",
			json_string_value(json_object_get(request, "name")));
		pl_session_remove(m, slot, &counters);
		json_object_set_new(mirror, "counters", counters);
	}
	*ret_reply = json_pack("{s:b, s:o}", "ok", 1, "mirror", mirror);
	return *ret_reply ? 0 : pl_fail(err, -ENOMEM, "mirror session: out of memory");
}

int pl_op_mirror(struct pl_call *c, struct pl_error *err)
{
	json_t *reply = NULL;
	int r = answer(c->parts->mirrors, json_string_value(json_object_get(c->req, "op")), c->req,
		       &reply, err);

	if (r < 0)
		return r;
	pl_client_reply(c->client, reply);
	return 0;
}

int pl_op_mirror_list(struct pl_call *c, struct pl_error *err)
{
	pl_reply_array(c->client, "mirrors", pl_mirrors_list(c->parts->mirrors));
	return 0;
}
