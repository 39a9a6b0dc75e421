/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * New sessions: what is refused, and what is begun.
 */
#include "common/log.h"
#include "endpoint/table.h"
#include "mirror/internal.h"

static const char *pod_title(const struct pl_endpoint *pod, char buf[PL_NAME_MAX + 300])
{
	if (pod->rec.pod_name[0])
		snprintf(buf, PL_NAME_MAX + 300, "%.254s/%.254s", pod->rec.pod_namespace,
			 pod->rec.pod_name);
	else
		snprintf(buf, PL_NAME_MAX + 300, "%s:%s", pod->rec.container_id, pod->rec.ifname);
	return buf;
}

static bool any_selected(const struct pl_endpoints *t, const char *query)
{
	for (uint32_t id = 1; id < t->max; id++)
		if (t->v[id] && pl_record_is_called(&t->v[id]->rec, query))
			return true;
	return false;
}

/*
 * The start of a container id means that container, not what may once begin alike. A name that
 * nobody has yet is fine: the session waits for it.
 */
static int complete_prefixes(struct pl_mirrors *m, struct pl_mirror_spec *spec,
			     struct pl_error *err)
{
	for (size_t i = 0; i < spec->n_endpoints && !spec->all; i++) {
		struct pl_endpoint *pod;
		char *full = NULL;
		int r;

		if (any_selected(m->opts.endpoints, spec->endpoints[i]))
			continue;
		r = pl_endpoints_query(m->opts.endpoints, spec->endpoints[i], &pod, err);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		if (asprintf(&full, "%s%s%s", pod->rec.container_id,
			     strchr(spec->endpoints[i], ':') ? ":" : "",
			     strchr(spec->endpoints[i], ':') ? pod->rec.ifname : "") < 0)
			return pl_fail(err, -ENOMEM, "mirror session: out of memory");
		free(spec->endpoints[i]);
		spec->endpoints[i] = full;
	}
	return 0;
}

/* Its own target, or that of others, among what is to be mirrored. */
static int refuse_mirrored_target(struct pl_mirrors *m, unsigned int slot, struct pl_error *err)
{
	const struct pl_session *own = m->slots[slot];
	char title[PL_NAME_MAX + 300];

	for (unsigned int i = 0; i < PL_MIRRORS_MAX; i++) {
		const struct pl_session *s = m->slots[i];
		const struct pl_endpoint *pod;

		if (!s || s->expired)
			continue;
		pod = pl_session_target_endpoint(m, s);
		if (pod && pl_mirror_names(&own->spec, &pod->rec))
			return pl_fail(
				err, -ELOOP,
				"mirror session %s: endpoint %s is the target of session %s; a "
				"target cannot be mirrored itself",
				own->spec.name, pod_title(pod, title), s->spec.name);
		pod = pl_session_target_endpoint(m, own);
		if (pod && pl_mirror_names(&s->spec, &pod->rec))
			return pl_fail(
				err, -ELOOP,
				"mirror session %s: its target, endpoint %s, is itself mirrored "
				"by session %s; choose another target",
				own->spec.name, pod_title(pod, title), s->spec.name);
	}
	return 0;
}

static int refuse_local_remote(struct pl_mirrors *m, const struct pl_mirror_spec *spec,
			       struct pl_error *err)
{
	char ip[PL_IP_STRLEN], title[PL_NAME_MAX + 300];

	if (!spec->target.remote.family)
		return 0;
	pl_ip_format(&spec->target.remote, ip);
	if (pl_host_has_addr(m->opts.host, &spec->target.remote))
		return pl_fail(err, -ELOOP,
			       "mirror session %s: remote %s is this node itself; make a device of "
			       "the node the target",
			       spec->name, ip);
	for (uint32_t id = 1; id < m->opts.endpoints->max; id++)
		if (m->opts.endpoints->v[id] &&
		    pl_record_is_called(&m->opts.endpoints->v[id]->rec, ip))
			return pl_fail(
				err, -ELOOP,
				"mirror session %s: remote %s is endpoint %s of this node; make "
				"the endpoint itself the target",
				spec->name, ip, pod_title(m->opts.endpoints->v[id], title));
	return 0;
}

static int check_device(struct pl_mirrors *m, const struct pl_mirror_spec *spec, bool may_be_away,
			struct pl_error *err)
{
	const char *name = spec->target.name;
	const struct pl_nl_link *link;

	if (spec->target.kind != PL_TARGET_DEVICE)
		return 0;
	if (strncmp(name, PL_MIRROR_DEVICES, strlen(PL_MIRROR_DEVICES)) == 0)
		return pl_fail(err, -EINVAL,
			       "target.device: names that begin with \"%s\" are for the devices of "
			       "mirror sessions themselves",
			       PL_MIRROR_DEVICES);
	link = pl_links_by_name(pl_host_links(m->opts.host), name);
	if (!link && !may_be_away)
		return pl_fail(err, -ENODEV,
			       "target.device: the host has no device %s: make it first, or "
			       "declare the session in podlaned.json, which may wait for it",
			       name);
	if (link && link->flags & IFF_LOOPBACK)
		return pl_fail(
			err, -EINVAL,
			"target.device: %s would hand the copies to the host itself, which would "
			"take them for its own packets",
			name);
	return 0;
}

static int check_new(struct pl_mirrors *m, struct pl_mirror_spec *spec, bool declared,
		     struct pl_error *err)
{
	struct pl_endpoint *pod;
	int r = 0;

	if (pl_mirrors_find(m, spec->name) < PL_MIRRORS_MAX &&
	    !m->slots[pl_mirrors_find(m, spec->name)]->expired)
		return pl_fail(
			err, -EEXIST,
			"there is a mirror session %s already; to change it, delete it first: "
			"podlane mirror del %s",
			spec->name, spec->name);
	/* The configuration says what it means: it is compared with the record at the next start.
	 */
	if (!declared)
		r = complete_prefixes(m, spec, err);
	if (!r)
		r = check_device(m, spec, declared, err);
	if (!r && !declared && spec->target.kind == PL_TARGET_ENDPOINT) {
		r = pl_endpoints_query(m->opts.endpoints, spec->target.name, &pod, err);
		if (r == -ENOENT)
			return pl_fail(
				err, r,
				"target.endpoint: no endpoint is named \"%s\": add it first, "
				"or declare the session in podlaned.json, which may wait for "
				"it",
				spec->target.name);
		if (r < 0)
			pl_fail_prefix(err, "target.endpoint");
	}
	if (!r)
		r = refuse_local_remote(m, spec, err);
	return r;
}

/* The slot is taken, nothing runs yet. Whatever fails is undone by the caller. */
static int bring_up(struct pl_mirrors *m, unsigned int slot, struct pl_error *err)
{
	struct pl_session *s = m->slots[slot];
	bool there = pl_session_resolve(m, slot);
	int r;

	if (!there && !s->declared)
		return pl_fail(err, -ENODEV, "mirror session %s: %s", s->spec.name, s->why);
	r = refuse_mirrored_target(m, slot, err);
	if (!r)
		r = pl_mirrors_renew_program(m, err);
	if (!r)
		r = pl_mirrors_fit_stage(m, err);
	if (r < 0)
		return r;
	r = pl_session_save(m, slot);
	if (r < 0)
		return pl_fail(err, r, "record mirror session %s: %s", s->spec.name, strerror(-r));
	return 0;
}

int pl_mirrors_add(struct pl_mirrors *m, const json_t *j, bool declared, unsigned int *ret_slot,
		   struct pl_error *err)
{
	pl_cleanup(pl_mirror_spec_clear) struct pl_mirror_spec spec = {0};
	unsigned int slot;
	int r = pl_mirror_spec_parse(j, &spec, err);

	if (!r)
		r = check_new(m, &spec, declared, err);
	if (r < 0)
		return r;
	/* Its place is taken only by what has passed: an expired session of that name. */
	slot = pl_mirrors_find(m, spec.name);
	if (slot < PL_MIRRORS_MAX)
		pl_session_remove(m, slot, NULL);
	r = pl_session_new(m, &spec, declared, &slot, err);
	if (r < 0)
		return r;
	r = bring_up(m, slot, err);
	if (r < 0) {
		pl_session_remove(m, slot, NULL);
		return r;
	}
	pl_mirrors_converge(m);
	pl_info("mirror session begins name=%s slot=%u ifindex=%u", m->slots[slot]->spec.name, slot,
		m->slots[slot]->target);
	*ret_slot = slot;
	return 0;
}
