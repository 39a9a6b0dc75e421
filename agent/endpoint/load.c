/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The records of earlier runs, taken over at start.
 */
#include "common/log.h"
#include "endpoint/internal.h"
#include "endpoint/link.h"

struct loading {
	struct pl_record *v;
	size_t n, size;
};

static int load_one(const struct pl_record *rec, void *arg)
{
	struct loading *all = arg;

	if (all->n == all->size) {
		size_t size = all->size ? all->size * 2 : 16;
		struct pl_record *v = reallocarray(all->v, size, sizeof(*v));

		if (!v)
			return -ENOMEM;
		all->v = v;
		all->size = size;
	}
	all->v[all->n++] = *rec;
	return 0;
}

static void load_bad(const char *path, const struct pl_error *err, void *arg)
{
	pl_error_log("record unreadable, set aside path=%s error=\"%s\"", path, err->text);
}

static int by_creation(const void *a, const void *b)
{
	const struct pl_record *x = a, *y = b;

	return x->created_ns < y->created_ns ? -1 : x->created_ns > y->created_ns;
}

static void undo_half_made(struct pl_endpoints *t, const struct pl_record *rec)
{
	struct pl_error err = {0};

	pl_info("unfinished endpoint undone container=%s ifname=%s", rec->container_id,
		rec->ifname);
	if (rec->mode == PL_MODE_POD && pl_podlink_delete(t->opts.nl, rec, &err) < 0)
		pl_warn("link not deleted host=%s error=\"%s\"", rec->host_ifname, err.text);
	(void)pl_record_remove(t->opts.run_dir, rec->container_id, rec->ifname);
}

int pl_endpoints_load(struct pl_endpoints *t, struct pl_error *err)
{
	struct loading all = {0};
	int r = pl_record_each(t->opts.run_dir, load_one, load_bad, &all);

	if (r < 0) {
		free(all.v);
		return pl_fail(err, r, "read the records under %s: %s", t->opts.run_dir,
			       strerror(-r));
	}
	if (all.n)
		qsort(all.v, all.n, sizeof(*all.v), by_creation);
	for (size_t i = 0; i < all.n; i++) {
		const struct pl_record *rec = &all.v[i];
		struct pl_error why = {0};
		struct pl_endpoint *pod;

		if (!rec->ifindex) {
			undo_half_made(t, rec);
			continue;
		}
		if (pl_lease_take(t, rec, &why) < 0 ||
		    pl_endpoints_insert(t, rec, &pod, &why) < 0) {
			pl_error_log("record not taken over container=%s ifname=%s error=\"%s\"",
				     rec->container_id, rec->ifname, why.text);
			continue;
		}
		pl_endpoint_event(pod, PL_EVENT_LOADED);
		if (pl_masq_note(t->opts.masq, rec) < 0)
			pl_warn("endpoint not masqueraded container=%s: out of memory",
				rec->container_id);
		for (size_t k = 0; k < rec->n_addrs; k++)
			pl_ipam_note_last(t->opts.ipam, rec->network, &rec->addrs[k].ip.ip);
	}
	free(all.v);
	return 0;
}
