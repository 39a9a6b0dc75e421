/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the datapath must hold for the sessions: slots, masks of endpoints, the match program.
 */
#include "common/log.h"
#include "filter/match.h"
#include "mirror/internal.h"
#include "reconcile/write.h"

static struct pl_mirror wanted(const struct pl_mirrors *m, unsigned int slot)
{
	const struct pl_session *s = m->slots[slot];
	struct pl_mirror w = {0};

	if (!s)
		return w;
	w.target = s->target;
	w.flags = (pl_session_is_running(m, s) ? PL_MIRROR_ACTIVE : 0) |
		  (s->filter ? PL_MIRROR_FILTER : 0) | (s->spec.drops ? PL_MIRROR_DROPS : 0) |
		  (s->spec.flows ? PL_MIRROR_FLOWS : 0) |
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
	int r = pl_write_mirror(m->opts.dp, slot, w, w->id && w->id != m->applied[slot].id);

	if (r < 0)
		pl_error_log("mirror session not stored slot=%u error=\"%s\"", slot, strerror(-r));
	else
		m->applied[slot] = *w;
}

void pl_mirrors_session_views(const struct pl_mirrors *m,
			      struct pl_mirror_view views[PL_MIRRORS_MAX])
{
	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++) {
		const struct pl_session *s = m->slots[slot];

		views[slot] = (struct pl_mirror_view){
			.spec = s ? &s->spec : NULL,
			.running = pl_session_is_running(m, s),
			.target = s ? s->target : 0,
		};
	}
}

void pl_mirrors_store_masks(const struct pl_mirrors *m, const struct pl_mirror_view *views,
			    const struct pl_endpoint *pod)
{
	uint64_t out, in;

	if (pod == m->leaving)
		return;
	pl_mirror_masks(views, &pod->rec, &out, &in);
	pl_write_masks(m->opts.dp, pod->id, out, in);
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
	pl_mirrors_session_views(m, views);
	for (uint32_t id = 1; id < m->opts.endpoints->max; id++)
		if (m->opts.endpoints->v[id])
			pl_mirrors_store_masks(m, views, m->opts.endpoints->v[id]);
	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++) {
		w = wanted(m, slot);
		if (memcmp(&w, &m->applied[slot], sizeof(w)))
			set_slot(m, slot, &w);
	}
}

/* The stage there before any session points to it, and gone only after the last one. */
void pl_mirrors_sync(struct pl_mirrors *m)
{
	bool needed = pl_mirrors_stage_needed(m);
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
		fd = pl_match_load(insns, n, pl_datapath_programs_fd(m->opts.dp), err);
		if (fd < 0)
			return fd;
	}
	r = pl_write_program(m->opts.dp, PL_PROG_MATCH, fd);
	return r < 0 ? pl_fail(err, r, "put the match program in place: %s", strerror(-r)) : 0;
}

void pl_mirrors_renew_program_or_log(struct pl_mirrors *m)
{
	struct pl_error err = {0};

	/* The old one stays, which has the filters of all sessions that are left. */
	if (pl_mirrors_renew_program(m, &err) < 0)
		pl_error_log("match program not renewed error=\"%s\"", err.text);
}
