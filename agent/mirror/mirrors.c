// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Mirror sessions at work: from the table of sessions to slots, masks and match program, and what
 * events do to them. A session whose target is away pauses: it costs nothing then, and goes on
 * when the target returns. Nothing here touches how an original is forwarded.
 */
#include "mirror/mirrors.h"

#include <event2/event.h>

#include "common/log.h"
#include "endpoint/endpoint.h"
#include "filter/match.h"
#include "mirror/internal.h"

void pl_session_freep(struct pl_session **session)
{
	struct pl_session *s = TAKE_PTR(*session);

	if (!s)
		return;
	pl_mirror_spec_clear(&s->spec);
	pl_filter_freep(&s->filter);
	free(s);
}

unsigned int pl_mirrors_find(const struct pl_mirrors *m, const char *name)
{
	unsigned int slot;

	for (slot = 0; slot < PL_MIRRORS_MAX; slot++)
		if (m->slots[slot] && strcmp(m->slots[slot]->spec.name, name) == 0)
			break;
	return slot;
}

bool pl_session_needs_stage(const struct pl_session *s)
{
	return s->spec.snaplen || s->tunnel;
}

static bool is_running(const struct pl_mirrors *m, const struct pl_session *s)
{
	return s && !s->expired && s->target && (!pl_session_needs_stage(s) || m->stage);
}

static bool is_tunnel(const struct pl_session *s)
{
	return pl_mirror_tunnel_kind(&s->spec.target) != NULL;
}

/* ---- devices ---- */

static bool is_stage_needed(const struct pl_mirrors *m)
{
	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++)
		if (m->slots[slot] && !m->slots[slot]->expired &&
		    pl_session_needs_stage(m->slots[slot]))
			return true;
	return false;
}

int pl_mirrors_fit_stage(struct pl_mirrors *m, struct pl_error *err)
{
	bool needed = is_stage_needed(m);
	struct pl_nl_link link;
	int r;

	if (needed == (m->stage != 0))
		return 0;
	if (!needed) {
		(void)pl_datapath_detach(m->d->dp, PL_HOOK_STAGE, m->drain, err);
		m->stage = m->drain = 0;
		return pl_mirror_device_delete(m->d->nl, PL_STAGE_DEVICE, err);
	}
	r = pl_mirror_stage_make(m->d->nl, &link, err);
	if (!r)
		r = pl_datapath_attach(m->d->dp, PL_HOOK_STAGE, link.peer_ifindex, err);
	if (r < 0)
		return r;
	m->stage = link.ifindex;
	m->drain = link.peer_ifindex;
	return 0;
}

struct stale {
	const struct pl_mirrors *m;
	unsigned int without; /* a slot whose tunnel goes */
	struct {
		enum pl_hook hook;
		uint32_t ifindex;
	} v[2 * PL_MIRRORS_MAX];
	size_t n;
};

static int collect_stale(enum pl_hook hook, uint32_t ifindex, enum pl_attach_kind kind, void *arg)
{
	struct stale *stale = arg;
	bool used = hook == PL_HOOK_STAGE && ifindex == stale->m->drain;

	if ((hook != PL_HOOK_STAGE && hook != PL_HOOK_SINK) || stale->n == PL_ARRAY_SIZE(stale->v))
		return 0;
	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++)
		used |= slot != stale->without && stale->m->slots[slot] &&
			is_tunnel(stale->m->slots[slot]) &&
			stale->m->slots[slot]->target == ifindex;
	if (used)
		return 0;
	stale->v[stale->n].hook = hook;
	stale->v[stale->n++].ifindex = ifindex;
	return 0;
}

/* Of devices that are no more, or go now: that of @without; PL_MIRRORS_MAX: none. */
static void drop_attachments(struct pl_mirrors *m, unsigned int without)
{
	struct stale stale = {.m = m, .without = without};

	(void)pl_datapath_each_attachment(m->d->dp, collect_stale, &stale);
	for (size_t i = 0; i < stale.n; i++)
		(void)pl_datapath_detach(m->d->dp, stale.v[i].hook, stale.v[i].ifindex, NULL);
}

static void remove_tunnel(struct pl_mirrors *m, unsigned int slot)
{
	struct pl_error err = {0};
	char name[IFNAMSIZ];

	if (!is_tunnel(m->slots[slot]))
		return;
	pl_mirror_tunnel_name(slot, name);
	drop_attachments(m, slot);
	if (pl_mirror_device_delete(m->d->nl, name, &err) < 0)
		pl_warn("tunnel of mirror session not removed device=%s error=\"%s\"", name,
			err.text);
}

/* What an earlier run left behind, and no session needs. */
static void sweep_devices(struct pl_mirrors *m)
{
	for (size_t i = 0; i < m->d->links.n; i++) {
		const struct pl_nl_link *link = &m->d->links.v[i];
		struct pl_error err = {0};
		bool used = link->ifindex == m->stage || link->ifindex == m->drain;

		if (!pl_mirror_device_is_ours(link->name))
			continue;
		for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++)
			used |= m->slots[slot] && m->slots[slot]->target == link->ifindex;
		if (!used && pl_mirror_device_delete(m->d->nl, link->name, &err) < 0)
			pl_warn("device of no mirror session not removed device=%s error=\"%s\"",
				link->name, err.text);
	}
}

static int delete_ours(const struct pl_nl_link *link, void *arg)
{
	return pl_mirror_device_is_ours(link->name) ? pl_mirror_device_delete(arg, link->name, NULL)
						    : 0;
}

int pl_mirrors_remove_devices(struct pl_error *err)
{
	pl_cleanup(pl_nl_closep) struct pl_nl *nl = NULL;
	int r = pl_nl_open(-1, &nl, err);

	if (r < 0)
		return r;
	r = pl_nl_link_dump(nl, delete_ours, nl);
	return r < 0 ? pl_fail(err, r, "remove the devices of mirror sessions: %s", strerror(-r))
		     : 0;
}

/* ---- targets ---- */

const struct pl_endpoint *pl_session_target_endpoint(const struct pl_mirrors *m,
						     const struct pl_session *s)
{
	const struct pl_endpoint *pod = s->target ? pl_endpoints_by_ifindex(m->d, s->target) : NULL;

	return pod == m->leaving ? NULL : pod;
}

static void set_target(struct pl_session *s, const struct pl_nl_link *link)
{
	s->target = link->ifindex;
	s->tunnel = pl_mirror_device_wraps(link, &s->fits);
	s->why[0] = '\0';
}

static bool resolve_device(struct pl_mirrors *m, struct pl_session *s)
{
	const struct pl_nl_link *link = pl_links_by_name(&m->d->links, s->spec.target.name);

	if (!link || (m->leaving && m->leaving->rec.ifindex == link->ifindex)) {
		snprintf(s->why, sizeof(s->why), "device %.15s is not there", s->spec.target.name);
		return false;
	}
	if (link->flags & IFF_LOOPBACK) {
		snprintf(s->why, sizeof(s->why),
			 "device %s would hand the copies to the host itself", link->name);
		return false;
	}
	set_target(s, link);
	return true;
}

static bool resolve_endpoint(struct pl_mirrors *m, struct pl_session *s)
{
	const struct pl_nl_link *link;
	struct pl_error err = {0};
	struct pl_endpoint *pod;

	if (pl_endpoints_query(m->d, s->spec.target.name, &pod, &err) < 0) {
		snprintf(s->why, sizeof(s->why), "%.200s", err.text);
		return false;
	}
	link = pl_links_get(&m->d->links, pod->rec.ifindex);
	if (pod == m->leaving || !link) {
		snprintf(s->why, sizeof(s->why), "endpoint %.200s is gone", s->spec.target.name);
		return false;
	}
	set_target(s, link);
	return true;
}

static bool resolve_tunnel(struct pl_mirrors *m, unsigned int slot)
{
	struct pl_session *s = m->slots[slot];
	struct pl_nl_link link;
	struct pl_error err = {0};
	char name[IFNAMSIZ];
	int r;

	pl_mirror_tunnel_name(slot, name);
	if (s->target && pl_nl_link_get(m->d->nl, name, 0, &link) == 0 &&
	    link.ifindex == s->target &&
	    strcmp(link.kind, pl_mirror_tunnel_kind(&s->spec.target)) == 0) {
		set_target(s, &link);
		return true;
	}
	drop_attachments(m, slot);
	r = pl_mirror_tunnel_make(m->d->nl, slot, &s->spec.target, &link, &err);
	/* Anyone could wrap packets for the host otherwise, past its uplinks' filters. */
	if (!r) {
		r = pl_datapath_attach(m->d->dp, PL_HOOK_SINK, link.ifindex, &err);
		if (r < 0)
			(void)pl_mirror_device_delete(m->d->nl, name, NULL);
	}
	if (r < 0) {
		snprintf(s->why, sizeof(s->why), "%.250s", err.text);
		return false;
	}
	set_target(s, &link);
	return true;
}

bool pl_session_resolve(struct pl_mirrors *m, unsigned int slot)
{
	struct pl_session *s = m->slots[slot];
	uint32_t was = s->target;
	bool there;

	if (s->expired)
		there = false;
	else if (is_tunnel(s))
		there = resolve_tunnel(m, slot);
	else if (s->spec.target.kind == PL_TARGET_ENDPOINT)
		there = resolve_endpoint(m, s);
	else
		there = resolve_device(m, s);
	if (!there)
		s->target = 0;
	if (was && !there && !s->expired)
		pl_warn("mirror session pauses name=%s why=\"%s\"", s->spec.name, s->why);
	else if (!was && there && m->applied[slot].id == s->id)
		pl_info("mirror session goes on name=%s ifindex=%u", s->spec.name, s->target);
	return there;
}

/* ---- datapath ---- */

uint32_t pl_session_snaplen(const struct pl_session *s)
{
	return s->fits && (!s->spec.snaplen || s->fits < s->spec.snaplen) ? s->fits
									  : s->spec.snaplen;
}

static struct pl_mirror wanted(const struct pl_mirrors *m, unsigned int slot)
{
	const struct pl_session *s = m->slots[slot];
	struct pl_mirror w = {0};

	if (!s)
		return w;
	w.target = s->target;
	w.flags = (is_running(m, s) ? PL_MIRROR_ACTIVE : 0) | (s->filter ? PL_MIRROR_FILTER : 0) |
		  (s->spec.drops ? PL_MIRROR_DROPS : 0) | (s->spec.flows ? PL_MIRROR_FLOWS : 0) |
		  (pl_session_needs_stage(s) ? PL_MIRROR_STAGE : 0);
	w.sample = s->spec.sample;
	w.snaplen = pl_session_snaplen(s);
	w.pps = s->spec.pps;
	w.bps = s->spec.bps;
	w.expires_ns = s->expires_ns;
	w.max_packets = s->spec.packets;
	w.id = s->id;
	w.stage = pl_session_needs_stage(s) ? m->stage : 0;
	return w;
}

static void set_slot(struct pl_mirrors *m, unsigned int slot, const struct pl_mirror *w)
{
	int r = 0;

	if (w->id && w->id != m->applied[slot].id)
		r = pl_datapath_mirror_reset(m->d->dp, slot);
	if (!r)
		r = pl_datapath_mirror_set(m->d->dp, slot, w);
	if (r < 0)
		pl_error_log("mirror session not stored slot=%u error=\"%s\"", slot, strerror(-r));
	else
		m->applied[slot] = *w;
}

static void look(const struct pl_mirrors *m, struct pl_mirror_view views[PL_MIRRORS_MAX])
{
	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++) {
		const struct pl_session *s = m->slots[slot];

		views[slot] = (struct pl_mirror_view){
			.spec = s ? &s->spec : NULL,
			.running = is_running(m, s),
			.target = s ? s->target : 0,
		};
	}
}

static void store_masks(const struct pl_mirrors *m, const struct pl_mirror_view *views,
			const struct pl_endpoint *pod)
{
	struct pl_endpoint_info *e = &pl_datapath_endpoints(m->d->dp)[pod->id];
	uint64_t out, in;

	if (pod == m->leaving)
		return;
	pl_mirror_masks(views, &pod->rec, &out, &in);
	__atomic_store_n(&e->mirror_out, out, __ATOMIC_RELAXED);
	__atomic_store_n(&e->mirror_in, in, __ATOMIC_RELAXED);
}

void pl_mirrors_converge(struct pl_mirrors *m)
{
	struct pl_mirror_view views[PL_MIRRORS_MAX];
	struct pl_mirror w;

	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++) {
		w = wanted(m, slot);
		if (!memcmp(&w, &m->applied[slot], sizeof(w)) ||
		    !(m->applied[slot].flags & PL_MIRROR_ACTIVE))
			continue;
		w = m->applied[slot];
		w.flags &= ~(uint32_t)PL_MIRROR_ACTIVE;
		set_slot(m, slot, &w);
	}
	look(m, views);
	for (uint32_t id = 1; id < m->d->max_pods; id++)
		if (m->d->pods[id])
			store_masks(m, views, m->d->pods[id]);
	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++) {
		w = wanted(m, slot);
		if (memcmp(&w, &m->applied[slot], sizeof(w)))
			set_slot(m, slot, &w);
	}
}

/* The stage there before any session points to it, and gone only after the last one. */
static void settle(struct pl_mirrors *m)
{
	bool needed = is_stage_needed(m);
	struct pl_error err = {0};

	if (!needed)
		pl_mirrors_converge(m);
	if (pl_mirrors_fit_stage(m, &err) < 0)
		pl_error_log("mirror sessions with a snap length or tunnel pause error=\"%s\"",
			     err.text);
	if (needed)
		pl_mirrors_converge(m);
}

int pl_mirrors_renew_program(struct pl_mirrors *m, struct pl_error *err)
{
	const struct pl_filter *filters[PL_MIRRORS_MAX] = {0};
	pl_autofree struct bpf_insn *insns = NULL;
	pl_autoclose int fd = -1;
	bool any = false;
	size_t n;
	int r;

	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++) {
		const struct pl_session *s = m->slots[slot];

		filters[slot] = s && !s->expired ? s->filter : NULL;
		any |= filters[slot] != NULL;
	}
	if (any) {
		r = pl_match_build(filters, &insns, &n, err);
		if (r < 0)
			return r;
		fd = pl_match_load(insns, n, pl_datapath_programs_fd(m->d->dp), err);
		if (fd < 0)
			return fd;
	}
	r = pl_datapath_program_set(m->d->dp, PL_PROG_MATCH, fd);
	return r < 0 ? pl_fail(err, r, "put the match program in place: %s", strerror(-r)) : 0;
}

static void renew_program_or_log(struct pl_mirrors *m)
{
	struct pl_error err = {0};

	/* The old one stays, which has the filters of all sessions that are left. */
	if (pl_mirrors_renew_program(m, &err) < 0)
		pl_error_log("match program not renewed error=\"%s\"", err.text);
}

/* ---- sessions ---- */

static bool has_deadline(const struct pl_session *s)
{
	return !s->expired && (s->spec.seconds || s->spec.packets || (is_tunnel(s) && !s->target));
}

static void arm_timer(struct pl_mirrors *m)
{
	const struct timeval second = {.tv_sec = 1};

	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++)
		if (m->slots[slot] && has_deadline(m->slots[slot])) {
			event_add(m->timer, &second);
			return;
		}
}

/* What a session leaves when it ends: the slot off, the program and the devices without it. */
static void release(struct pl_mirrors *m)
{
	settle(m);
	renew_program_or_log(m);
}

static void expire(struct pl_mirrors *m, unsigned int slot, const char *why)
{
	struct pl_session *s = m->slots[slot];

	s->expired = true;
	s->target = 0;
	snprintf(s->why, sizeof(s->why), "%s", why);
	pl_info("mirror session ends name=%s why=\"%s\"", s->spec.name, why);
	release(m);
	remove_tunnel(m, slot);
	if (pl_session_save(m, slot) < 0)
		pl_warn("mirror session not recorded name=%s", s->spec.name);
}

void pl_session_remove(struct pl_mirrors *m, unsigned int slot)
{
	struct pl_session *s = m->slots[slot];

	s->expired = true; /* off and out of the masks first, its devices after that */
	s->target = 0;
	release(m);
	remove_tunnel(m, slot);
	pl_session_forget(m, s->spec.name);
	pl_session_freep(&m->slots[slot]);
	pl_mirrors_converge(m);
}

static bool is_spent(const struct pl_mirrors *m, unsigned int slot)
{
	struct pl_mirror_state state;

	return m->slots[slot]->spec.packets &&
	       pl_datapath_mirror_state(m->d->dp, slot, &state) == 0 &&
	       state.sent >= m->slots[slot]->spec.packets;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct pl_mirrors *m = arg;
	uint64_t now = pl_now_ns();

	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++) {
		struct pl_session *s = m->slots[slot];

		if (!s || s->expired)
			continue;
		if (s->expires_ns && now >= s->expires_ns)
			expire(m, slot, "its time is over");
		else if (is_spent(m, slot))
			expire(m, slot, "its copies are made");
		else if (is_tunnel(s) && !s->target && pl_session_resolve(m, slot))
			settle(m);
	}
	arm_timer(m);
}

/* A free slot, the one that was free for longest; else that of the first expired session. */
static int take_slot(struct pl_mirrors *m, unsigned int *ret, struct pl_error *err)
{
	unsigned int oldest = PL_MIRRORS_MAX;

	for (unsigned int i = 0; i < PL_MIRRORS_MAX; i++) {
		unsigned int slot = (m->next_slot + i) % PL_MIRRORS_MAX;

		if (!m->slots[slot]) {
			m->next_slot = slot + 1;
			*ret = slot;
			return 0;
		}
		if (m->slots[slot]->expired &&
		    (oldest == PL_MIRRORS_MAX || m->slots[slot]->id < m->slots[oldest]->id))
			oldest = slot;
	}
	if (oldest == PL_MIRRORS_MAX)
		return pl_fail(
			err, -ENOSPC,
			"there are %d mirror sessions already, the most there can be; delete "
			"one: podlane mirror list",
			PL_MIRRORS_MAX);
	pl_session_remove(m, oldest);
	*ret = oldest;
	return 0;
}

int pl_session_new(struct pl_mirrors *m, struct pl_mirror_spec *spec, unsigned int *ret_slot,
		   struct pl_error *err)
{
	pl_cleanup(pl_session_freep) struct pl_session *s = calloc(1, sizeof(*s));
	int r;

	if (!s) {
		pl_mirror_spec_clear(spec);
		return pl_fail(err, -ENOMEM, "mirror session: out of memory");
	}
	s->spec = *spec;
	*spec = (struct pl_mirror_spec){0};
	r = s->spec.filter ? pl_filter_compile(s->spec.filter, &s->filter, err) : 0;
	if (!r)
		r = take_slot(m, ret_slot, err);
	if (r < 0)
		return r;
	s->id = m->next_id++;
	if (s->spec.seconds)
		s->expires_ns = pl_now_ns() + s->spec.seconds * 1000000000ULL;
	m->slots[*ret_slot] = TAKE_PTR(s);
	arm_timer(m);
	return 0;
}

/* ---- start and end ---- */

static void read_applied(struct pl_mirrors *m)
{
	m->next_id = 1;
	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++) {
		(void)pl_datapath_mirror_get(m->d->dp, slot, &m->applied[slot]);
		if (m->applied[slot].id >= m->next_id)
			m->next_id = m->applied[slot].id + 1;
	}
}

static bool is_declared(const struct pl_mirrors *m, const struct pl_session *s)
{
	pl_autojson json_t *own = pl_mirror_spec_to_json(&s->spec);
	const json_t *item;
	size_t i;

	json_array_foreach (m->d->settings.mirrors, i, item) {
		struct pl_mirror_spec spec;
		pl_autojson json_t *canonical = NULL;

		if (pl_mirror_spec_parse(item, &spec, NULL) == 0)
			canonical = pl_mirror_spec_to_json(&spec);
		pl_mirror_spec_clear(&spec);
		if (canonical && json_equal(canonical, own))
			return true;
	}
	return false;
}

/* The configuration's sessions: those that are recorded as they stand go on, others begin. */
static void take_declared(struct pl_mirrors *m)
{
	const json_t *item;
	size_t i;

	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++)
		if (m->slots[slot] && m->slots[slot]->declared && !is_declared(m, m->slots[slot]))
			pl_session_remove(m, slot);
	json_array_foreach (m->d->settings.mirrors, i, item) {
		const char *name = json_string_value(json_object_get(item, "name")) ?: "";
		unsigned int slot = pl_mirrors_find(m, name);
		struct pl_error err = {0};

		if (slot < PL_MIRRORS_MAX && is_declared(m, m->slots[slot]))
			continue;
		if (slot < PL_MIRRORS_MAX) {
			pl_warn("mirror session gives way to the configuration's name=%s", name);
			pl_session_remove(m, slot);
		}
		if (pl_mirrors_add(m, item, true, &slot, &err) < 0)
			pl_error_log("mirror session of the configuration left out index=%zu "
				     "error=\"%s\"",
				     i, err.text);
	}
}

int pl_mirrors_new(struct pl_daemon *d, struct pl_mirrors **ret, struct pl_error *err)
{
	pl_cleanup(pl_mirrors_freep) struct pl_mirrors *m = calloc(1, sizeof(*m));

	if (!m)
		return pl_fail(err, -ENOMEM, "mirror sessions: out of memory");
	m->d = d;
	m->timer = evtimer_new(d->base, on_timer, m);
	if (!m->timer)
		return pl_fail(err, -ENOMEM, "mirror sessions: out of memory");
	read_applied(m);
	pl_sessions_load(m);
	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++)
		if (m->slots[slot] && m->slots[slot]->id >= m->next_id)
			m->next_id = m->slots[slot]->id + 1;
	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++)
		if (m->slots[slot])
			(void)pl_session_resolve(m, slot);
	renew_program_or_log(m);
	settle(m);
	take_declared(m);
	sweep_devices(m);
	drop_attachments(m, PL_MIRRORS_MAX);
	arm_timer(m);
	*ret = TAKE_PTR(m);
	return 0;
}

/* The datapath keeps the sessions: they outlive the daemon. */
void pl_mirrors_freep(struct pl_mirrors **mirrors)
{
	struct pl_mirrors *m = TAKE_PTR(*mirrors);

	if (!m)
		return;
	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++)
		pl_session_freep(&m->slots[slot]);
	if (m->timer)
		event_free(m->timer);
	free(m);
}

/* ---- events ---- */

/* Targets anew, tunnels only if asked for; true where that changed one. */
static bool resolve_all(struct pl_mirrors *m, bool tunnels)
{
	bool changed = false;

	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++) {
		struct pl_session *s = m->slots[slot];
		uint32_t was = s ? s->target : 0, fitted = s ? s->fits : 0;

		if (!s || s->expired || (is_tunnel(s) && !tunnels))
			continue;
		(void)pl_session_resolve(m, slot);
		changed |= s->target != was || s->fits != fitted;
		if (is_tunnel(s) && s->target && s->target != was)
			(void)pl_session_save(m, slot);
	}
	arm_timer(m);
	return changed;
}

void pl_mirrors_pod_changed(struct pl_mirrors *m, const struct pl_endpoint *pod)
{
	struct pl_mirror_view views[PL_MIRRORS_MAX];

	if (!m)
		return;
	if (resolve_all(m, false)) {
		settle(m);
		return;
	}
	look(m, views);
	store_masks(m, views, pod);
}

void pl_mirrors_pod_gone(struct pl_mirrors *m, const struct pl_endpoint *pod)
{
	if (!m)
		return;
	m->leaving = pod;
	if (resolve_all(m, false))
		settle(m);
	m->leaving = NULL;
}

static bool concerns(const struct pl_mirrors *m, const struct pl_nl_link *link)
{
	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++) {
		const struct pl_session *s = m->slots[slot];

		if (s && !s->expired &&
		    (s->target == link->ifindex || !strcmp(s->spec.target.name, link->name)))
			return true;
	}
	return false;
}

void pl_mirrors_link_event(struct pl_mirrors *m, const struct pl_nl_link *link, bool gone)
{
	bool changed = false;

	if (!m)
		return;
	if (gone && link->ifindex == m->stage) {
		m->stage = m->drain = 0;
		drop_attachments(m, PL_MIRRORS_MAX);
		pl_mirrors_converge(m);
		changed = true;
	}
	if (concerns(m, link))
		changed |= resolve_all(m, true);
	if (changed)
		settle(m);
}

void pl_mirrors_resync(struct pl_mirrors *m)
{
	if (!m)
		return;
	(void)resolve_all(m, true);
	settle(m);
}
