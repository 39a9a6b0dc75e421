/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How a session reads: its state in words, its counters.
 */
#include <ctype.h>

#include "mirror/internal.h"

/* "sent_bytes" becomes "sentBytes". */
static void put_counter(json_t *j, const char *name, uint64_t n)
{
	char camel[32];
	size_t k = 0;

	for (const char *c = name; *c && k + 1 < sizeof(camel); c++) {
		if (*c == '_' && c[1])
			camel[k++] = (char)toupper((unsigned char)*++c);
		else
			camel[k++] = *c;
	}
	camel[k] = '\0';
	json_object_set_new(j, camel, json_integer((json_int_t)n));
}

json_t *pl_session_counters_json(const struct pl_mirrors *m, unsigned int slot)
{
	struct pl_mirror_stats stats = {0};
	json_t *j = json_object();
	char text[128];

	(void)pl_datapath_mirror_stats(m->opts.dp, slot, &stats);
#define PUT(name, text) put_counter(j, #name, stats.name);
	PL_MIRROR_COUNTERS(PUT)
#undef PUT
	if (stats.last_error) {
		snprintf(text, sizeof(text), "%s (%s)", strerror((int)-stats.last_error),
			 pl_errno_name((int)stats.last_error));
		json_object_set_new(j, "lastError", json_string(text));
	}
	return j;
}

static size_t count_selected(const struct pl_mirrors *m, const struct pl_session *s)
{
	size_t n = 0;

	for (uint32_t id = 1; id < m->opts.endpoints->max; id++) {
		const struct pl_endpoint *pod = m->opts.endpoints->v[id];

		if (pod && pod != m->leaving && (!s->target || pod->rec.ifindex != s->target))
			n += s->spec.all || pl_mirror_names(&s->spec, &pod->rec);
	}
	return n;
}

/* The program that cuts, or ends, the copies on their way may be missing: tried again. */
static const char *lacking(const struct pl_mirrors *m, unsigned int slot)
{
	const char *lacks = pl_reconcile_lacks(m->opts.reconcile, &m->sinks[slot]);

	if (!lacks && pl_session_needs_stage(m->slots[slot]))
		lacks = pl_reconcile_lacks(m->opts.reconcile, &m->drain_facts);
	if (!lacks && m->slots[slot]->filter)
		lacks = pl_reconcile_lacks(m->opts.reconcile, &m->programs);
	return lacks ?: pl_reconcile_lacks(m->opts.reconcile, &m->sessions);
}

static const char *state_of(const struct pl_mirrors *m, unsigned int slot, size_t selected,
			    char why[512])
{
	const struct pl_session *s = m->slots[slot];
	const struct pl_nl_link *link = pl_links_get(pl_host_links(m->opts.host), s->target);
	const char *lacks = lacking(m, slot);

	snprintf(why, 512, "%s", s->why);
	if (s->expired)
		return "expired";
	if (s->uncompiled[0]) {
		snprintf(why, 512, "%s", s->uncompiled);
		return "paused";
	}
	if (!s->target)
		return "paused";
	if (pl_session_needs_stage(s) && !m->stage) {
		snprintf(why, 512, "the device %s, which copies pass through, was deleted",
			 PL_STAGE_DEVICE);
		return "paused";
	}
	if (!selected && !s->spec.all) {
		snprintf(why, 512, "no endpoint is named %.300s yet", s->spec.endpoints[0]);
		return "waiting";
	}
	if (lacks)
		snprintf(why, 512, "%s", lacks);
	else if (link && !(link->flags & IFF_UP))
		snprintf(why, 512, "device %s is down: copies are lost", link->name);
	else if (link && !(link->flags & IFF_LOWER_UP))
		snprintf(why, 512, "device %s has no carrier: copies may be lost", link->name);
	else if (s->fits && s->fits == pl_session_snaplen(s))
		snprintf(why, 512, "copies are cut to %u bytes, the most that the tunnel takes",
			 s->fits);
	return "active";
}

/* Names that no endpoint has now. */
static void put_unmatched(const struct pl_mirrors *m, const struct pl_session *s, json_t *j)
{
	json_t *names = json_array();

	for (size_t i = 0; i < s->spec.n_endpoints && !s->spec.all; i++) {
		bool found = false;

		for (uint32_t id = 1; id < m->opts.endpoints->max && !found; id++) {
			const struct pl_endpoint *pod = m->opts.endpoints->v[id];

			found = pod && pod != m->leaving &&
				pl_record_is_called(&pod->rec, s->spec.endpoints[i]);
		}
		if (!found)
			json_array_append_new(names, json_string(s->spec.endpoints[i]));
	}
	if (json_array_size(names))
		json_object_set(j, "unmatched", names);
	json_decref(names);
}

static void put_target_device(const struct pl_mirrors *m, const struct pl_session *s,
			      unsigned int slot, json_t *j)
{
	const struct pl_nl_link *link = pl_links_get(pl_host_links(m->opts.host), s->target);
	char name[IFNAMSIZ];

	if (!s->target)
		return;
	json_object_set_new(j, "targetIfindex", json_integer((json_int_t)s->target));
	/* The cache learns of a tunnel by an event that may still be on its way. */
	pl_mirror_tunnel_name(slot, name);
	if (pl_mirror_tunnel_kind(&s->spec.target))
		json_object_set_new(j, "targetDevice", json_string(name));
	else if (link)
		json_object_set_new(j, "targetDevice", json_string(link->name));
}

json_t *pl_session_json(const struct pl_mirrors *m, unsigned int slot)
{
	const struct pl_session *s = m->slots[slot];
	json_t *j = pl_mirror_spec_to_json(&s->spec);
	size_t selected = count_selected(m, s);
	uint64_t now = pl_now_ns();
	char why[512];

	json_object_set_new(j, "state", json_string(state_of(m, slot, selected, why)));
	if (why[0])
		json_object_set_new(j, "why", json_string(why));
	json_object_set_new(j, "slot", json_integer(slot));
	json_object_set_new(j, "declared", json_boolean(s->declared));
	json_object_set_new(j, "selected", json_integer((json_int_t)selected));
	put_unmatched(m, s, j);
	put_target_device(m, s, slot, j);
	if (s->expires_ns && !s->expired)
		json_object_set_new(
			j, "secondsLeft",
			json_integer(s->expires_ns > now
					     ? (json_int_t)((s->expires_ns - now) / 1000000000)
					     : 0));
	json_object_set_new(j, "counters", pl_session_counters_json(m, slot));
	return j;
}

json_t *pl_mirrors_list(struct pl_mirrors *m)
{
	json_t *list = json_array();

	for (unsigned int slot = 0; m && slot < PL_MIRRORS_MAX; slot++)
		if (m->slots[slot])
			json_array_append_new(list, pl_session_json(m, slot));
	return list;
}

size_t pl_mirrors_count(const struct pl_mirrors *m)
{
	size_t n = 0;

	for (unsigned int slot = 0; m && slot < PL_MIRRORS_MAX; slot++)
		n += m->slots[slot] != NULL;
	return n;
}

json_t *pl_mirrors_of_endpoint(struct pl_mirrors *m, const struct pl_endpoint *pod)
{
	json_t *names = json_array();

	for (unsigned int slot = 0; m && slot < PL_MIRRORS_MAX; slot++) {
		const struct pl_session *s = m->slots[slot];

		if (s && !s->expired && s->target != pod->rec.ifindex &&
		    (s->spec.all || pl_mirror_names(&s->spec, &pod->rec)))
			json_array_append_new(names, json_string(s->spec.name));
	}
	return names;
}
