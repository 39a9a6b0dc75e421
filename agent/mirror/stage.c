/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The devices of the sessions, and what is attached to them: made as they are needed, gone when
 * they are not.
 */
#include "common/log.h"
#include "mirror/internal.h"
#include "reconcile/write.h"

bool pl_mirrors_stage_needed(const struct pl_mirrors *m)
{
	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++)
		if (m->slots[slot] && !m->slots[slot]->expired &&
		    pl_session_needs_stage(m->slots[slot]))
			return true;
	return false;
}

int pl_mirrors_fit_stage(struct pl_mirrors *m, struct pl_error *err)
{
	bool needed = pl_mirrors_stage_needed(m);
	struct pl_nl_link link;
	int r;

	if (needed == (m->stage != 0))
		return 0;
	if (!needed) {
		(void)pl_write_detach(m->opts.dp, PL_HOOK_STAGE, m->drain, err);
		m->stage = m->drain = 0;
		return pl_mirror_device_delete(m->opts.nl, PL_STAGE_DEVICE, err);
	}
	r = pl_mirror_stage_make(m->opts.nl, &link, err);
	if (!r)
		r = pl_write_attach(m->opts.dp, PL_HOOK_STAGE, link.peer_ifindex, err);
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

static int collect_stale(const struct pl_attachment *a, void *arg)
{
	struct stale *stale = arg;
	bool used = a->hook == PL_HOOK_STAGE && a->ifindex == stale->m->drain;

	if ((a->hook != PL_HOOK_STAGE && a->hook != PL_HOOK_SINK) ||
	    stale->n == PL_ARRAY_SIZE(stale->v))
		return 0;
	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++)
		used |= slot != stale->without && stale->m->slots[slot] &&
			pl_session_is_tunnel(stale->m->slots[slot]) &&
			stale->m->slots[slot]->target == a->ifindex;
	if (used)
		return 0;
	stale->v[stale->n].hook = a->hook;
	stale->v[stale->n++].ifindex = a->ifindex;
	return 0;
}

/* Of devices that are no more, or go now: that of @without; PL_MIRRORS_MAX: none. */
void pl_mirrors_drop_attachments(struct pl_mirrors *m, unsigned int without)
{
	struct stale stale = {.m = m, .without = without};

	(void)pl_datapath_each_attachment(m->opts.dp, collect_stale, &stale);
	for (size_t i = 0; i < stale.n; i++)
		(void)pl_write_detach(m->opts.dp, stale.v[i].hook, stale.v[i].ifindex, NULL);
}

void pl_session_remove_tunnel(struct pl_mirrors *m, unsigned int slot)
{
	struct pl_error err = {0};
	char name[IFNAMSIZ];

	if (!pl_session_is_tunnel(m->slots[slot]))
		return;
	pl_mirror_tunnel_name(slot, name);
	pl_mirrors_drop_attachments(m, slot);
	if (pl_mirror_device_delete(m->opts.nl, name, &err) < 0)
		pl_warn("tunnel of mirror session not removed device=%s error=\"%s\"", name,
			err.text);
}

/* What an earlier run left behind, and no session needs. */
void pl_mirrors_sweep_devices(struct pl_mirrors *m)
{
	const struct pl_devices *links = pl_host_links(m->opts.host);

	for (size_t i = 0; i < links->n; i++) {
		const struct pl_nl_link *link = &links->v[i];
		struct pl_error err = {0};
		bool used = link->ifindex == m->stage || link->ifindex == m->drain;

		if (!pl_mirror_device_is_ours(link->name))
			continue;
		for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++)
			used |= m->slots[slot] && m->slots[slot]->target == link->ifindex;
		if (!used && pl_mirror_device_delete(m->opts.nl, link->name, &err) < 0)
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
