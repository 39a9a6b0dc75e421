/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the datapath must hold for the sessions, as facts: slots, masks of endpoints, programs.
 */
#include <bpf/bpf.h>

#include "common/log.h"
#include "endpoint/endpoint.h"
#include "filter/match.h"
#include "mirror/internal.h"

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
		  (pl_session_needs_stage(s) ? PL_MIRROR_STAGE : 0) |
		  (s->tunnel ? PL_MIRROR_WRAPS : 0);
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

/* Says what the slots are to hold, and reaches it unless the first resync is to do that. */
static void want_slots(struct pl_mirrors *m, const struct pl_mirror slots[PL_MIRRORS_MAX])
{
	struct pl_facts want = {0};
	struct pl_error err = {0};
	int r = 0;

	for (unsigned int slot = 0; !r && slot < PL_MIRRORS_MAX; slot++) {
		struct pl_fact *f = slots[slot].id ? pl_facts_add(&want, PL_FACT_MIRROR) : NULL;

		if (f) {
			f->index = slot;
			f->mirror = slots[slot];
		} else if (slots[slot].id) {
			r = pl_fail(&err, -ENOMEM, "out of memory");
		}
	}
	if (!r) {
		memcpy(m->said, slots, sizeof(m->said));
		pl_reconcile_want(m->opts.reconcile, &m->sessions, &want);
	}
	pl_facts_clear(&want);
	if (!r && m->started)
		r = pl_reconcile_reach(m->opts.reconcile, &m->sessions, &err);
	if (r < 0)
		pl_error_log("mirror sessions not stored, trying again error=\"%s\"", err.text);
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

void pl_mirrors_want_masks(const struct pl_mirrors *m, const struct pl_mirror_view *views,
			   const struct pl_endpoint *pod)
{
	uint64_t out, in;

	if (pod == m->leaving)
		return;
	pl_mirror_masks(views, &pod->rec, &out, &in);
	pl_endpoint_set_masks(m->opts.endpoints, pod->id, out, in);
}

void pl_mirrors_converge(struct pl_mirrors *m)
{
	struct pl_mirror_view views[PL_MIRRORS_MAX];
	struct pl_mirror next[PL_MIRRORS_MAX], off[PL_MIRRORS_MAX];

	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++) {
		next[slot] = wanted(m, slot);
		off[slot] = m->said[slot];
		if (memcmp(&next[slot], &off[slot], sizeof(next[slot])))
			off[slot].flags &= ~(uint32_t)PL_MIRROR_ACTIVE;
	}
	want_slots(m, off);
	pl_mirrors_session_views(m, views);
	for (uint32_t id = 1; id < m->opts.endpoints->max; id++)
		if (m->opts.endpoints->v[id])
			pl_mirrors_want_masks(m, views, m->opts.endpoints->v[id]);
	want_slots(m, next);
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

static uint32_t program_id(int fd)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* pl_mirror, and the match program @fd, -1: none. */
static int want_programs(struct pl_mirrors *m, int fd, struct pl_error *err)
{
	const int fds[] = {[PL_PROG_MATCH] = fd, [PL_PROG_MIRROR] = -1};
	struct pl_facts want = {0};

	for (uint32_t slot = 0; slot < PL_ARRAY_SIZE(fds); slot++) {
		struct pl_fact *f;

		if (slot == PL_PROG_MATCH && fd < 0)
			continue;
		f = pl_facts_add(&want, PL_FACT_PROGRAM);
		if (!f) {
			pl_facts_clear(&want);
			return pl_fail(err, -ENOMEM, "mirror sessions: out of memory");
		}
		f->index = slot;
		f->program.fd = fds[slot];
		f->program.id = fd < 0 ? 0 : program_id(fd);
	}
	pl_reconcile_want(m->opts.reconcile, &m->programs, &want);
	return pl_reconcile_reach(m->opts.reconcile, &m->programs, err);
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
	r = want_programs(m, fd, err);
	if (r < 0) {
		(void)want_programs(m, m->match_fd, NULL);
		return r;
	}
	pl_closep(&m->match_fd);
	m->match_fd = TAKE_FD(fd);
	return 0;
}

void pl_mirrors_renew_program_or_log(struct pl_mirrors *m)
{
	struct pl_error err = {0};

	/* The old one stays, which has the filters of all sessions that are left. */
	if (pl_mirrors_renew_program(m, &err) < 0)
		pl_error_log("match program not renewed error=\"%s\"", err.text);
}
