/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The target of a session: found or made, or away.
 */
#include "common/log.h"
#include "endpoint/table.h"
#include "mirror/internal.h"

const struct pl_endpoint *pl_session_target_endpoint(const struct pl_mirrors *m,
						     const struct pl_session *s)
{
	const struct pl_endpoint *pod =
		s->target ? pl_endpoints_by_ifindex(m->opts.endpoints, s->target) : NULL;

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
	const struct pl_nl_link *link =
		pl_links_by_name(pl_host_links(m->opts.host), s->spec.target.name);

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

	if (pl_endpoints_query(m->opts.endpoints, s->spec.target.name, &pod, &err) < 0) {
		snprintf(s->why, sizeof(s->why), "%.200s", err.text);
		return false;
	}
	link = pl_links_get(pl_host_links(m->opts.host), pod->rec.ifindex);
	if (pod == m->leaving || !link) {
		snprintf(s->why, sizeof(s->why), "endpoint %.200s was deleted",
			 s->spec.target.name);
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
	if (s->target && pl_nl_link_get(m->opts.nl, name, 0, &link) == 0 &&
	    link.ifindex == s->target &&
	    strcmp(link.kind, pl_mirror_tunnel_kind(&s->spec.target)) == 0) {
		set_target(s, &link);
		/* Taken over from an earlier run: it is there, or the timer tries again. */
		(void)pl_mirrors_attach(m, &m->sinks[slot], PL_HOOK_SINK, link.ifindex, NULL);
		return true;
	}
	(void)pl_mirrors_attach(m, &m->sinks[slot], PL_HOOK_SINK, 0, NULL);
	r = pl_mirror_tunnel_make(m->opts.nl, slot, &s->spec.target, &link, &err);
	/* Anyone could wrap packets for the host otherwise, past its uplinks' filters. */
	if (!r) {
		r = pl_mirrors_attach(m, &m->sinks[slot], PL_HOOK_SINK, link.ifindex, &err);
		if (r < 0) {
			(void)pl_mirrors_attach(m, &m->sinks[slot], PL_HOOK_SINK, 0, NULL);
			(void)pl_mirror_device_delete(m->opts.nl, name, NULL);
		}
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
	else if (pl_session_is_tunnel(s))
		there = resolve_tunnel(m, slot);
	else if (s->spec.target.kind == PL_TARGET_ENDPOINT)
		there = resolve_endpoint(m, s);
	else
		there = resolve_device(m, s);
	if (!there)
		s->target = 0;
	if (was && !there && !s->expired)
		pl_warn("mirror session pauses name=%s why=\"%s\"", s->spec.name, s->why);
	else if (!was && there && m->said[slot].id == s->id)
		pl_info("mirror session resumes name=%s ifindex=%u", s->spec.name, s->target);
	return there;
}
