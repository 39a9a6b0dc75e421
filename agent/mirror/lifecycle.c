/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A session's way from its slot to its end: begun, expired, removed.
 */
#include <event2/event.h>

#include "common/log.h"
#include "common/turn.h"
#include "mirror/internal.h"

static bool has_deadline(const struct pl_session *s)
{
	return !s->expired &&
	       (s->spec.seconds || s->spec.packets || (pl_session_is_tunnel(s) && !s->target));
}

void pl_mirrors_arm_timer(struct pl_mirrors *m)
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
	pl_mirrors_sync(m);
	pl_mirrors_renew_program_or_log(m);
}

/* Marks it: those that end together are released together, with one match program. */
static void expire(struct pl_mirrors *m, unsigned int slot, const char *why)
{
	struct pl_session *s = m->slots[slot];

	s->expired = true;
	s->target = 0;
	snprintf(s->why, sizeof(s->why), "%s", why);
	pl_info("mirror session ends name=%s why=\"%s\"", s->spec.name, why);
}

static void release_expired(struct pl_mirrors *m, uint64_t expired)
{
	if (!expired)
		return;
	release(m);
	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++) {
		if (!(expired & 1ULL << slot))
			continue;
		pl_session_remove_tunnel(m, slot);
		if (pl_session_save(m, slot) < 0)
			pl_warn("mirror session not recorded name=%s", m->slots[slot]->spec.name);
	}
}

void pl_session_remove(struct pl_mirrors *m, unsigned int slot, json_t **ret_counters)
{
	struct pl_session *s = m->slots[slot];

	s->expired = true; /* off and out of the masks first, its devices after that */
	s->target = 0;
	release(m);
	pl_session_remove_tunnel(m, slot);
	pl_session_forget(m, s->spec.name);
	if (ret_counters)
		*ret_counters = pl_session_counters_json(m, slot);
	pl_session_freep(&m->slots[slot]);
	pl_mirrors_converge(m);
}

static bool is_spent(const struct pl_mirrors *m, unsigned int slot)
{
	struct pl_mirror_state state;

	return m->slots[slot]->spec.packets &&
	       pl_datapath_mirror_state(m->opts.dp, slot, &state) == 0 &&
	       state.sent >= m->slots[slot]->spec.packets;
}

void pl_mirrors_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct pl_mirrors *m = arg;
	uint64_t now = pl_now_ns(), expired = 0;
	PL_TURN("mirror sessions");

	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++) {
		struct pl_session *s = m->slots[slot];

		if (!s || s->expired)
			continue;
		if (s->expires_ns && now >= s->expires_ns)
			expire(m, slot, "its time is over");
		else if (is_spent(m, slot))
			expire(m, slot, "its copies are made");
		else if (pl_session_is_tunnel(s) && !s->target && pl_session_resolve(m, slot))
			pl_mirrors_sync(m);
		expired |= (uint64_t)s->expired << slot;
	}
	release_expired(m, expired);
	pl_mirrors_arm_timer(m);
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
	pl_session_remove(m, oldest, NULL);
	*ret = oldest;
	return 0;
}

/* What the session was waiting for; the command's word is not believed, but checked. */
static int take_program(struct pl_mirrors *m, struct pl_session *s, const char *program,
			struct pl_error *err)
{
	int r = pl_filter_parse(s->spec.filter, program, &s->filter, err);

	if (r < 0)
		return r;
	r = pl_mirrors_renew_program(m, err);
	if (r < 0)
		pl_filter_freep(&s->filter);
	return r;
}

static void on_compiled(void *arg, unsigned int slot, const char *program,
			const struct pl_error *failed)
{
	struct pl_mirrors *m = arg;
	struct pl_session *s = m->slots[slot];
	struct pl_error err = {0};

	if (failed)
		err = *failed;
	else
		(void)take_program(m, s, program, &err);
	pl_compilation_freep(&s->compilation);
	snprintf(s->uncompiled, sizeof(s->uncompiled), "%.250s", err.text);
	if (err.code < 0) {
		pl_error_log("filter of mirror session not compiled name=%s error=\"%s\"",
			     s->spec.name, err.text);
		return;
	}
	pl_mirrors_sync(m);
	if (pl_session_save(m, slot) < 0)
		pl_warn("mirror session not recorded name=%s", s->spec.name);
}

void pl_session_compile(struct pl_mirrors *m, unsigned int slot)
{
	struct pl_session *s = m->slots[slot];
	struct pl_error err = {0};

	snprintf(s->uncompiled, sizeof(s->uncompiled), "its filter is being compiled");
	if (pl_compilation_start(m->opts.base, s->spec.filter, on_compiled, m, slot,
				 &s->compilation, &err) < 0) {
		snprintf(s->uncompiled, sizeof(s->uncompiled), "%.250s", err.text);
		pl_error_log("filter of mirror session not compiled name=%s error=\"%s\"",
			     s->spec.name, err.text);
	}
}

static int make_filter(struct pl_session *s, bool declared, struct pl_error *err)
{
	pl_autofree char *program = TAKE_PTR(s->spec.program);

	if (program)
		return pl_filter_parse(s->spec.filter, program, &s->filter, err);
	if (s->spec.filter && !declared)
		return pl_fail(
			err, -EINVAL,
			"program: it is missing: podlaned compiles no filters; \"podlane mirror "
			"compile\" does");
	return 0;
}

int pl_session_new(struct pl_mirrors *m, struct pl_mirror_spec *spec, bool declared,
		   unsigned int *ret_slot, struct pl_error *err)
{
	pl_cleanup(pl_session_freep) struct pl_session *s = calloc(1, sizeof(*s));
	int r;

	if (!s) {
		pl_mirror_spec_clear(spec);
		return pl_fail(err, -ENOMEM, "mirror session: out of memory");
	}
	s->spec = *spec;
	*spec = (struct pl_mirror_spec){0};
	s->declared = declared;
	r = make_filter(s, declared, err);
	if (!r)
		r = take_slot(m, ret_slot, err);
	if (r < 0)
		return r;
	s->id = m->next_id++;
	if (s->spec.seconds)
		s->expires_ns = pl_now_ns() + s->spec.seconds * 1000000000ULL;
	m->slots[*ret_slot] = TAKE_PTR(s);
	if (m->slots[*ret_slot]->spec.filter && !m->slots[*ret_slot]->filter)
		pl_session_compile(m, *ret_slot);
	pl_mirrors_arm_timer(m);
	return 0;
}
