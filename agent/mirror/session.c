/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One session: what can be said of it without asking anybody.
 */
#include "mirror/internal.h"

void pl_session_freep(struct pl_session **session)
{
	struct pl_session *s = TAKE_PTR(*session);

	if (!s)
		return;
	pl_compilation_freep(&s->compilation);
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

bool pl_session_is_running(const struct pl_mirrors *m, const struct pl_session *s)
{
	return s && !s->expired && !s->uncompiled[0] && s->target &&
	       (!pl_session_needs_stage(s) || m->stage);
}

bool pl_session_is_tunnel(const struct pl_session *s)
{
	return pl_mirror_tunnel_kind(&s->spec.target) != NULL;
}

uint32_t pl_session_snaplen(const struct pl_session *s)
{
	return s->fits && (!s->spec.snaplen || s->fits < s->spec.snaplen) ? s->fits
									  : s->spec.snaplen;
}
