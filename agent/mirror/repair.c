/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the sessions have in the datapath may be taken from it as an endpoint's: looked at now and
 * then, put back, and told. Masks are put back with their endpoint's slot.
 */
#include "common/log.h"
#include "mirror/internal.h"
#include "reconcile/write.h"

static bool has_filter(const struct pl_mirrors *m)
{
	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++)
		if (m->slots[slot] && !m->slots[slot]->expired && m->slots[slot]->filter)
			return true;
	return false;
}

static void repair_programs(struct pl_mirrors *m)
{
	if (!pl_datapath_program_id(m->opts.dp, PL_PROG_MIRROR)) {
		pl_warn("datapath repaired object=program name=pl_mirror");
		(void)pl_write_mirror_program(m->opts.dp);
	}
	if (has_filter(m) && !pl_datapath_program_id(m->opts.dp, PL_PROG_MATCH)) {
		pl_warn("datapath repaired object=program name=match");
		pl_mirrors_renew_program_or_log(m);
	}
}

static void repair_attachment(struct pl_mirrors *m, enum pl_hook hook, uint32_t ifindex)
{
	struct pl_error err = {0};

	if (pl_datapath_attached(m->opts.dp, hook, ifindex) != PL_ATTACHED_NONE)
		return;
	/* The device may have gone just now: its event says so next. */
	if (pl_write_attach(m->opts.dp, hook, ifindex, &err) < 0)
		pl_debug("attachment not repaired error=\"%s\"", err.text);
	else
		pl_warn("datapath repaired object=attachment hook=%s ifindex=%u",
			pl_datapath_hook_name(hook), ifindex);
}

static bool repair_slot(struct pl_mirrors *m, unsigned int slot)
{
	struct pl_mirror there;

	if (pl_datapath_mirror_get(m->opts.dp, slot, &there) ||
	    !memcmp(&there, &m->applied[slot], sizeof(there)))
		return false;
	pl_warn("datapath repaired object=mirror slot=%u", slot);
	/* What is there is not ours: its id must not be taken for a session that begins. */
	there.id = m->applied[slot].id;
	m->applied[slot] = there;
	return true;
}

void pl_mirrors_repair(struct pl_mirrors *m)
{
	bool changed = false, any = false;

	if (!m)
		return;
	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++) {
		const struct pl_session *s = m->slots[slot];

		if (!s)
			continue;
		any = true;
		changed |= repair_slot(m, slot);
		if (pl_session_is_tunnel(s) && s->target)
			repair_attachment(m, PL_HOOK_SINK, s->target);
	}
	if (any)
		repair_programs(m);
	if (m->drain)
		repair_attachment(m, PL_HOOK_STAGE, m->drain);
	if (changed)
		pl_mirrors_converge(m);
}
