/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The devices of the sessions, and what is attached to them: made as they are needed, gone when
 * they are not.
 */
#include "common/log.h"
#include "mirror/internal.h"

int pl_mirrors_attach(struct pl_mirrors *m, struct pl_fact_owner *owner, enum pl_hook hook,
		      uint32_t ifindex, struct pl_error *err)
{
	struct pl_facts want = {0};

	if (ifindex) {
		struct pl_fact *f = pl_facts_add(&want, PL_FACT_ATTACH);

		if (!f)
			return pl_fail(err, -ENOMEM, "mirror sessions: out of memory");
		f->index = ifindex;
		f->hook = hook;
	}
	pl_reconcile_want(m->opts.reconcile, owner, &want);
	return pl_reconcile_reach(m->opts.reconcile, owner, err);
}

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
		(void)pl_mirrors_attach(m, &m->drain_facts, PL_HOOK_STAGE, 0, NULL);
		m->stage = m->drain = 0;
		return pl_mirror_device_delete(m->opts.nl, PL_STAGE_DEVICE, err);
	}
	r = pl_mirror_stage_make(m->opts.nl, &link, err);
	if (!r)
		r = pl_mirrors_attach(m, &m->drain_facts, PL_HOOK_STAGE, link.peer_ifindex, err);
	if (r < 0)
		return r;
	m->stage = link.ifindex;
	m->drain = link.peer_ifindex;
	return 0;
}

void pl_session_remove_tunnel(struct pl_mirrors *m, unsigned int slot)
{
	struct pl_error err = {0};
	char name[IFNAMSIZ];

	if (!pl_session_is_tunnel(m->slots[slot]))
		return;
	pl_mirror_tunnel_name(slot, name);
	(void)pl_mirrors_attach(m, &m->sinks[slot], PL_HOOK_SINK, 0, NULL);
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
