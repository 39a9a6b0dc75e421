// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Requests about mirror sessions: what is refused when configured, and how a session reads.
 */
#include <ctype.h>

#include "common/log.h"
#include "endpoint/endpoint.h"
#include "mirror/internal.h"

/* ---- what is refused ---- */

static const char *pod_title(const struct pl_endpoint *pod, char buf[PL_NAME_MAX + 300])
{
	if (pod->rec.pod_name[0])
		snprintf(buf, PL_NAME_MAX + 300, "%.254s/%.254s", pod->rec.pod_namespace,
			 pod->rec.pod_name);
	else
		snprintf(buf, PL_NAME_MAX + 300, "%s:%s", pod->rec.container_id, pod->rec.ifname);
	return buf;
}

static bool any_selected(const struct pl_daemon *d, const char *query)
{
	for (uint32_t id = 1; id < d->max_pods; id++)
		if (d->pods[id] && pl_mirror_selects(query, &d->pods[id]->rec))
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
		char *full;
		int r;

		if (any_selected(m->d, spec->endpoints[i]))
			continue;
		r = pl_endpoints_query(m->d, spec->endpoints[i], &pod, err);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		full = strdup(pod->rec.container_id);
		if (!full)
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
	for (size_t i = 0; i < m->d->n_host_addrs; i++)
		if (pl_ip_cmp(&m->d->host_addrs[i].ip, &spec->target.remote) == 0)
			return pl_fail(
				err, -ELOOP,
				"mirror session %s: remote %s is this node itself; make a device of "
				"the node the target",
				spec->name, ip);
	for (uint32_t id = 1; id < m->d->max_pods; id++)
		if (m->d->pods[id] && pl_mirror_selects(ip, &m->d->pods[id]->rec))
			return pl_fail(
				err, -ELOOP,
				"mirror session %s: remote %s is endpoint %s of this node; make "
				"the endpoint itself the target",
				spec->name, ip, pod_title(m->d->pods[id], title));
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
	link = pl_links_by_name(&m->d->links, name);
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
		r = pl_endpoints_query(m->d, spec->target.name, &pod, err);
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

/* ---- adding ---- */

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
		pl_session_remove(m, slot);
	r = pl_session_new(m, &spec, &slot, err);
	if (r < 0)
		return r;
	m->slots[slot]->declared = declared;
	r = bring_up(m, slot, err);
	if (r < 0) {
		pl_session_remove(m, slot);
		return r;
	}
	pl_mirrors_converge(m);
	pl_info("mirror session begins name=%s slot=%u ifindex=%u", m->slots[slot]->spec.name, slot,
		m->slots[slot]->target);
	*ret_slot = slot;
	return 0;
}

/* ---- how a session reads ---- */

/* "sent_bytes" becomes "sentBytes". */
static void put_counter(json_t *j, const char *name, uint64_t n)
{
	char camel[32];
	size_t k = 0;

	for (const char *c = name; *c && k + 1 < sizeof(camel); c++) {
		if (*c == '_' && c[1])
			camel[k++] = (char)toupper((unsigned char)*++c);
		else
			camel[k++] = *c;
	}
	camel[k] = '\0';
	json_object_set_new(j, camel, json_integer((json_int_t)n));
}

static json_t *counters_json(const struct pl_mirrors *m, unsigned int slot)
{
	struct pl_mirror_stats stats = {0};
	json_t *j = json_object();
	char text[128];

	(void)pl_datapath_mirror_stats(m->d->dp, slot, &stats);
#define PUT(name, text) put_counter(j, #name, stats.name);
	PL_MIRROR_COUNTERS(PUT)
#undef PUT
	if (stats.last_error) {
		snprintf(text, sizeof(text), "%s (%s)", strerror((int)-stats.last_error),
			 pl_errno_name((int)stats.last_error));
		json_object_set_new(j, "lastError", json_string(text));
	}
	return j;
}

static size_t count_selected(const struct pl_mirrors *m, const struct pl_session *s)
{
	size_t n = 0;

	for (uint32_t id = 1; id < m->d->max_pods; id++) {
		const struct pl_endpoint *pod = m->d->pods[id];

		if (pod && pod != m->leaving && (!s->target || pod->rec.ifindex != s->target))
			n += s->spec.all || pl_mirror_names(&s->spec, &pod->rec);
	}
	return n;
}

static const char *state_of(const struct pl_mirrors *m, const struct pl_session *s, size_t selected,
			    char why[512])
{
	const struct pl_nl_link *link = pl_links_get(&m->d->links, s->target);

	snprintf(why, 512, "%s", s->why);
	if (s->expired)
		return "expired";
	if (!s->target)
		return "paused";
	if (pl_session_needs_stage(s) && !m->stage) {
		snprintf(why, 512, "the device that copies pass on their way (%s) is gone",
			 PL_STAGE_DEVICE);
		return "paused";
	}
	if (!selected && !s->spec.all) {
		snprintf(why, 512, "no endpoint is named %.300s yet", s->spec.endpoints[0]);
		return "waiting";
	}
	if (link && !(link->flags & IFF_UP))
		snprintf(why, 512, "device %s is down: copies are lost", link->name);
	else if (link && !(link->flags & IFF_LOWER_UP))
		snprintf(why, 512, "device %s has no carrier: copies may be lost", link->name);
	else if (s->fits && s->fits == pl_session_snaplen(s))
		snprintf(why, 512, "copies are cut to %u bytes, the most that the tunnel takes",
			 s->fits);
	return "active";
}

static void put_target_device(const struct pl_mirrors *m, const struct pl_session *s,
			      unsigned int slot, json_t *j)
{
	const struct pl_nl_link *link = pl_links_get(&m->d->links, s->target);
	char name[IFNAMSIZ];

	if (!s->target)
		return;
	json_object_set_new(j, "targetIfindex", json_integer((json_int_t)s->target));
	/* The cache learns of a tunnel by an event that may still be on its way. */
	pl_mirror_tunnel_name(slot, name);
	if (pl_mirror_tunnel_kind(&s->spec.target))
		json_object_set_new(j, "targetDevice", json_string(name));
	else if (link)
		json_object_set_new(j, "targetDevice", json_string(link->name));
}

static json_t *session_json(const struct pl_mirrors *m, unsigned int slot)
{
	const struct pl_session *s = m->slots[slot];
	json_t *j = pl_mirror_spec_to_json(&s->spec);
	size_t selected = count_selected(m, s);
	uint64_t now = pl_now_ns();
	char why[512];

	json_object_set_new(j, "state", json_string(state_of(m, s, selected, why)));
	if (why[0])
		json_object_set_new(j, "why", json_string(why));
	json_object_set_new(j, "slot", json_integer(slot));
	json_object_set_new(j, "declared", json_boolean(s->declared));
	json_object_set_new(j, "selected", json_integer((json_int_t)selected));
	put_target_device(m, s, slot, j);
	if (s->expires_ns && !s->expired)
		json_object_set_new(
			j, "secondsLeft",
			json_integer(s->expires_ns > now
					     ? (json_int_t)((s->expires_ns - now) / 1000000000)
					     : 0));
	json_object_set_new(j, "counters", counters_json(m, slot));
	return j;
}

json_t *pl_mirrors_list(struct pl_mirrors *m)
{
	json_t *list = json_array();

	for (unsigned int slot = 0; m && slot < PL_MIRRORS_MAX; slot++)
		if (m->slots[slot])
			json_array_append_new(list, session_json(m, slot));
	return list;
}

size_t pl_mirrors_count(const struct pl_mirrors *m)
{
	size_t n = 0;

	for (unsigned int slot = 0; m && slot < PL_MIRRORS_MAX; slot++)
		n += m->slots[slot] != NULL;
	return n;
}

json_t *pl_mirrors_of_endpoint(struct pl_mirrors *m, const struct pl_endpoint *pod)
{
	json_t *names = json_array();

	for (unsigned int slot = 0; m && slot < PL_MIRRORS_MAX; slot++) {
		const struct pl_session *s = m->slots[slot];

		if (s && !s->expired && s->target != pod->rec.ifindex &&
		    (s->spec.all || pl_mirror_names(&s->spec, &pod->rec)))
			json_array_append_new(names, json_string(s->spec.name));
	}
	return names;
}

/* ---- requests ---- */

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

int pl_mirrors_request(struct pl_mirrors *m, const char *op, const json_t *request,
		       json_t **ret_reply, struct pl_error *err)
{
	json_t *mirror;
	unsigned int slot;
	int r;

	if (strcmp(op, "mirror.add") == 0)
		r = pl_mirrors_add(m, request, false, &slot, err);
	else
		r = find_named(m, request, &slot, err);
	if (r < 0)
		return r;
	mirror = session_json(m, slot);
	if (strcmp(op, "mirror.del") == 0) {
		pl_info("mirror session deleted name=%s", m->slots[slot]->spec.name);
		pl_session_remove(m, slot);
		/* What came until the very end: nobody has the slot yet. */
		json_object_set_new(mirror, "counters", counters_json(m, slot));
	}
	*ret_reply = json_pack("{s:b, s:o}", "ok", 1, "mirror", mirror);
	return *ret_reply ? 0 : pl_fail(err, -ENOMEM, "mirror session: out of memory");
}
