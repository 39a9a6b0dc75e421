/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Mirror sessions at work, and what events do to them. A session whose target is away pauses: it
 * costs nothing then, and goes on when the target returns. Nothing here touches how an original is
 * forwarded.
 */
#include <event2/event.h>

#include "mirror/internal.h"

static void read_said(struct pl_mirrors *m)
{
	m->next_id = 1;
	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++) {
		(void)pl_datapath_mirror_get(m->opts.dp, slot, &m->said[slot]);
		if (m->said[slot].id >= m->next_id)
			m->next_id = m->said[slot].id + 1;
	}
}

int pl_mirrors_new(const struct pl_mirrors_opts *opts, struct pl_mirrors **ret,
		   struct pl_error *err)
{
	pl_cleanup(pl_mirrors_freep) struct pl_mirrors *m = calloc(1, sizeof(*m));

	if (!m)
		return pl_fail(err, -ENOMEM, "mirror sessions: out of memory");
	m->opts = *opts;
	m->match_fd = -1;
	m->timer = evtimer_new(opts->base, pl_mirrors_on_timer, m);
	if (!m->timer)
		return pl_fail(err, -ENOMEM, "mirror sessions: out of memory");
	read_said(m);
	pl_sessions_load(m);
	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++)
		if (m->slots[slot] && m->slots[slot]->id >= m->next_id)
			m->next_id = m->slots[slot]->id + 1;
	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++) {
		const struct pl_session *s = m->slots[slot];

		if (!s)
			continue;
		(void)pl_session_resolve(m, slot);
		/* A record of a podlaned that compiled by itself. */
		if (s->spec.filter && !s->filter && !s->expired)
			pl_session_compile(m, slot);
	}
	pl_mirrors_renew_program_or_log(m);
	pl_mirrors_sync(m);
	pl_mirrors_take_declared(m);
	pl_mirrors_sweep_devices(m);
	pl_mirrors_arm_timer(m);
	*ret = TAKE_PTR(m);
	return 0;
}

void pl_mirrors_set_declared(struct pl_mirrors *m, const json_t *declared)
{
	m->opts.declared = declared;
	pl_mirrors_take_declared(m);
	pl_mirrors_arm_timer(m);
}

/* The datapath keeps the sessions: they outlive the daemon. */
void pl_mirrors_freep(struct pl_mirrors **mirrors)
{
	struct pl_mirrors *m = TAKE_PTR(*mirrors);

	if (!m)
		return;
	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++) {
		pl_session_freep(&m->slots[slot]);
		pl_reconcile_drop(m->opts.reconcile, &m->sinks[slot]);
	}
	pl_reconcile_drop(m->opts.reconcile, &m->sessions);
	pl_reconcile_drop(m->opts.reconcile, &m->programs);
	pl_reconcile_drop(m->opts.reconcile, &m->drain_facts);
	pl_closep(&m->match_fd);
	if (m->timer)
		event_free(m->timer);
	free(m);
}

/* Targets anew, tunnels only if asked for; true where that changed one. */
static bool resolve_all(struct pl_mirrors *m, bool tunnels)
{
	bool changed = false;

	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++) {
		struct pl_session *s = m->slots[slot];
		uint32_t was = s ? s->target : 0, fitted = s ? s->fits : 0;

		if (!s || s->expired || (pl_session_is_tunnel(s) && !tunnels))
			continue;
		(void)pl_session_resolve(m, slot);
		changed |= s->target != was || s->fits != fitted;
		if (pl_session_is_tunnel(s) && s->target && s->target != was)
			(void)pl_session_save(m, slot);
	}
	pl_mirrors_arm_timer(m);
	return changed;
}

void pl_mirrors_pod_changed(struct pl_mirrors *m, const struct pl_endpoint *pod)
{
	struct pl_mirror_view views[PL_MIRRORS_MAX];

	if (!m)
		return;
	if (resolve_all(m, false)) {
		pl_mirrors_sync(m);
		return;
	}
	pl_mirrors_session_views(m, views);
	pl_mirrors_want_masks(m, views, pod);
}

void pl_mirrors_pod_gone(struct pl_mirrors *m, const struct pl_endpoint *pod)
{
	if (!m)
		return;
	m->leaving = pod;
	if (resolve_all(m, false))
		pl_mirrors_sync(m);
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
		(void)pl_mirrors_attach(m, &m->drain_facts, PL_HOOK_STAGE, 0, NULL);
		pl_mirrors_converge(m);
		changed = true;
	}
	if (concerns(m, link))
		changed |= resolve_all(m, true);
	if (changed)
		pl_mirrors_sync(m);
}

void pl_mirrors_resync(struct pl_mirrors *m)
{
	if (!m)
		return;
	m->started = true;
	(void)resolve_all(m, true);
	pl_mirrors_sync(m);
}
