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

/* It would be swept later, but takes the place of one that lives. */
static void forget_stale(struct pl_endpoints *t, const struct pl_record *rec)
{
	pl_info("record without link removed container=%s ifname=%s host=%s", rec->container_id,
		rec->ifname, rec->host_ifname);
	(void)pl_record_remove(t->opts.run_dir, rec->container_id, rec->ifname);
}

/* ---- before anything is changed ---- */

struct survey {
	struct pl_nl *nl;
	uint32_t n;	  /* records that want room */
	uint32_t unknown; /* of another version */
	char why[256];	  /* what the first of these is */
};

static int count_record(const struct pl_record *rec, void *arg)
{
	struct survey *s = arg;

	s->n += rec->ifindex != 0;
	return 0;
}

static int count_living(const struct pl_record *rec, void *arg)
{
	struct survey *s = arg;
	struct pl_nl_link link;

	s->n += rec->ifindex && pl_nl_link_get(s->nl, NULL, rec->ifindex, &link) == 0 &&
		pl_endpoint_has_link(rec, &link);
	return 0;
}

static void count_unknown(const char *path, const struct pl_error *err, void *arg)
{
	struct survey *s = arg;

	if (err->code != -EPROTONOSUPPORT) {
		load_bad(path, err, NULL);
		return;
	}
	if (!s->unknown++)
		snprintf(s->why, sizeof(s->why), "%.250s", err->text);
}

int pl_endpoints_survey(const char *run_dir, struct pl_nl *nl, uint32_t room, struct pl_error *err)
{
	struct survey s = {.nl = nl};
	int r = pl_record_each(run_dir, count_record, count_unknown, &s);

	if (!r && !s.unknown && s.n > room) {
		s.n = 0; /* those whose link has gone want none */
		r = pl_record_each(run_dir, count_living, NULL, &s);
	}
	if (r < 0)
		return pl_fail(err, r, "read the records under %s: %s", run_dir, strerror(-r));
	if (s.unknown)
		return pl_fail(err, -EPROTONOSUPPORT,
			       "%u endpoints are of another version of podlane (%s): start the "
			       "podlaned that made them, or delete them with that one first; the "
			       "datapath is left as it is",
			       s.unknown, s.why);
	if (s.n > room)
		return pl_fail(
			err, -EUSERS,
			"%u endpoints are on this node, and maxEndpoints is %u: raise it to "
			"%u at least, or delete endpoints with the former settings first; the "
			"datapath is left as it is",
			s.n, room, s.n);
	return 0;
}

/* ---- loading ---- */

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
		if (all.n >= t->max && !pl_endpoint_link_of(t, rec)) {
			forget_stale(t, rec);
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
			pl_warn("endpoint not masqueraded container=%s error=\"out of memory\"",
				rec->container_id);
		for (size_t k = 0; k < rec->n_addrs; k++)
			pl_ipam_note_last(t->opts.ipam, rec->network, &rec->addrs[k].ip.ip);
	}
	free(all.v);
	return 0;
}
