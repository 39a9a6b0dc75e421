/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records that somebody removed are written again, from what the daemon knows.
 */
#include <limits.h>

#include "common/log.h"
#include "endpoint/internal.h"

static bool keep_one(struct pl_endpoints *t, const struct pl_endpoint *pod)
{
	struct pl_record copy = pod->rec, *rec = &copy;
	struct pl_error err = {0};
	char path[PATH_MAX];

	if (pl_record_path(t->opts.run_dir, rec->container_id, rec->ifname, path, sizeof(path)) ||
	    !access(path, F_OK) || errno != ENOENT)
		return false;
	if (!rec->ifindex) /* elsewhere: without an index it would be an ADD that never ended */
		rec->ifindex = pod->former_ifindex;
	if (pl_endpoint_save(t, rec, &err) < 0) {
		pl_warn("record not saved error=\"%s\"", err.text);
		return false;
	}
	return true;
}

size_t pl_endpoints_keep_records(struct pl_endpoints *t, uint32_t *next, uint64_t end_ns)
{
	size_t n = 0;

	do {
		if (*next >= t->max) {
			*next = 0;
			return n;
		}
		if (t->v[*next] && keep_one(t, t->v[*next]))
			n++;
		++*next;
	} while (pl_now_ns() < end_ns);
	return n;
}
