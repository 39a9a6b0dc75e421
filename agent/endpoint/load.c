/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The records of earlier runs, taken over at start. What is on disk is not believed: a record
 * counts if its link is there, is its own, and is no other record's.
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
	if (access(path, F_OK)) /* it was renamed */
		pl_error_log(
			"record set aside path=\"%s.bad\" error=\"%s; if a pod has lost its endpoint "
			"by it, delete and add the pod again\"",
			path, err->text);
	else
		pl_error_log("record not read path=%s error=\"%s\"", path, err->text);
}

/* It stays where a person can look at it; what it names is not touched. */
static void refuse(struct pl_endpoints *t, const struct pl_record *rec, const char *why)
{
	int r = pl_record_set_aside(t->opts.run_dir, rec->container_id, rec->ifname);

	if (r < 0)
		pl_warn("record not renamed container=%s ifname=%s error=\"%s\"", rec->container_id,
			rec->ifname, strerror(-r));
	pl_error_log("record set aside container=%s ifname=%s host=%s error=\"%s; if it was a "
		     "pod's, delete and add the pod again\"",
		     rec->container_id, rec->ifname, rec->host_ifname, why);
}

static int by_creation(const void *a, const void *b)
{
	const struct pl_record *x = a, *y = b;

	return x->created_ns < y->created_ns ? -1 : x->created_ns > y->created_ns;
}

/* Its link is deleted only if it is what the record says; nobody else has a link of that name. */
static void undo_half_made(struct pl_endpoints *t, const struct pl_record *rec)
{
	const struct pl_nl_link *link =
		pl_links_by_name(pl_host_links(t->opts.host), rec->host_ifname);
	struct pl_error err = {0};

	if (rec->mode == PL_MODE_POD && !pl_identity_has_given_name(rec)) {
		refuse(t, rec,
		       "the host end of an ADD that never ended has a name that podlane "
		       "does not give");
		return;
	}
	pl_info("unfinished endpoint undone container=%s ifname=%s", rec->container_id,
		rec->ifname);
	if (rec->mode == PL_MODE_POD && link && pl_identity_is_half_made(rec, link) &&
	    pl_podlink_delete(t->opts.nl, rec, &err) < 0)
		pl_warn("link not deleted host=%s error=\"%s\"", rec->host_ifname, err.text);
	(void)pl_record_remove(t->opts.run_dir, rec->container_id, rec->ifname);
}

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
	const struct pl_identity id = pl_identity_of_host_end(rec);
	struct survey *s = arg;
	struct pl_nl_link link;

	if (!rec->ifindex)
		return 0;
	s->n += (!pl_nl_link_get(s->nl, NULL, rec->ifindex, &link) &&
		 pl_identity_matches(&id, &link)) ||
		(!pl_nl_link_get(s->nl, rec->host_ifname, 0, &link) &&
		 pl_identity_matches(&id, &link)) ||
		pl_identity_is_elsewhere(rec);
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

/* By the name that ADD gave it, a link can be nobody else's. */
static bool bears_given_name(const struct pl_record *rec, const struct pl_nl_link *link)
{
	return pl_identity_has_given_name(rec) && (!link || !strcmp(link->name, rec->host_ifname));
}

/* Why the link, which matches the record, may be a foreign one all the same; NULL: it is not. */
static const char *doubt(const struct pl_endpoints *t, const struct pl_record *rec,
			 const struct pl_nl_link *link)
{
	uint32_t ifindex = 0;
	bool proven;

	if (bears_given_name(rec, link))
		return NULL;
	proven = !pl_identity_ask_pod(rec, &ifindex) && ifindex == link->ifindex;
	if (pl_host_is_uplink(t->opts.host, link) && (rec->mode == PL_MODE_POD || !proven))
		return "its host end is an uplink of this host";
	if (rec->mode == PL_MODE_POD && !proven)
		return "its host end has another name than ADD gave it, and does not lead to the "
		       "pod";
	if (!proven && link->peer_nsid == PL_NL_NSID_HERE)
		return "its host end does not lead to a pod";
	return NULL;
}

static void take_over(struct pl_endpoints *t, struct pl_record *rec, const struct pl_nl_link *link)
{
	bool moved = link && link->ifindex != rec->ifindex;
	uint32_t former = rec->ifindex;
	struct pl_error why = {0};
	struct pl_endpoint *pod;
	int r;

	if (link && pl_endpoints_by_ifindex(t, link->ifindex)) {
		refuse(t, rec, "another record has its host end");
		return;
	}
	if (!link || moved)
		rec->ifindex = 0;
	r = pl_lease_take(t, rec, &why);
	if (!r) {
		r = pl_endpoints_insert(t, rec, &pod, &why);
		if (r < 0)
			pl_lease_release(t, rec);
	}
	if (r == -EADDRINUSE) {
		refuse(t, rec, why.text);
		return;
	}
	if (r < 0) {
		pl_error_log("record not taken over container=%s ifname=%s error=\"%s\"",
			     rec->container_id, rec->ifname, why.text);
		return;
	}
	pod->former_ifindex = former;
	pl_endpoint_event(pod, PL_EVENT_LOADED);
	if (moved)
		pl_endpoint_take_back(t, pod, link);
	if (pl_masq_note(t->opts.masq, rec) < 0)
		pl_warn("endpoint not masqueraded container=%s error=\"out of memory\"",
			rec->container_id);
	for (size_t k = 0; k < rec->n_addrs; k++)
		pl_ipam_note_last(t->opts.ipam, rec->network, &rec->addrs[k].ip.ip);
}

/* Settles what is no endpoint any more, before any takes a slot. Whether @rec is left. */
static bool sift(struct pl_endpoints *t, const struct pl_record *rec)
{
	const struct pl_nl_link *link;
	const char *why;

	if (!rec->ifindex) {
		undo_half_made(t, rec);
		return false;
	}
	link = pl_endpoint_find_link(t, rec);
	if (!link && !pl_identity_is_elsewhere(rec)) {
		forget_stale(t, rec);
		return false;
	}
	why = link ? doubt(t, rec, link) : NULL;
	if (why)
		refuse(t, rec, why);
	return !why;
}

int pl_endpoints_load(struct pl_endpoints *t, struct pl_error *err)
{
	struct loading all = {0};
	size_t n = 0;
	int r;

	pl_record_tidy(t->opts.run_dir);
	r = pl_record_each(t->opts.run_dir, load_one, load_bad, &all);
	if (r < 0) {
		free(all.v);
		return pl_fail(err, r, "read the records under %s: %s", t->opts.run_dir,
			       strerror(-r));
	}
	if (all.n)
		qsort(all.v, all.n, sizeof(*all.v), by_creation);
	for (size_t i = 0; i < all.n; i++)
		if (sift(t, &all.v[i]))
			all.v[n++] = all.v[i];
	/* Links that have the name that ADD gave first: what other records say of them is wrong. */
	for (int given = 1; given >= 0; given--)
		for (size_t i = 0; i < n; i++) {
			const struct pl_nl_link *link = pl_endpoint_find_link(t, &all.v[i]);

			if (bears_given_name(&all.v[i], link) == given)
				take_over(t, &all.v[i], link);
		}
	free(all.v);
	return 0;
}
