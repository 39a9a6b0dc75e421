/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sessions of the daemon's configuration.
 */
#include "common/log.h"
#include "mirror/internal.h"

static bool is_declared(const struct pl_mirrors *m, const struct pl_session *s)
{
	pl_autojson json_t *own = pl_mirror_spec_to_json(&s->spec);
	const json_t *item;
	size_t i;

	json_array_foreach (m->opts.declared, i, item) {
		struct pl_mirror_spec spec;
		pl_autojson json_t *canonical = NULL;

		if (pl_mirror_spec_parse(item, &spec, NULL) == 0)
			canonical = pl_mirror_spec_to_json(&spec);
		pl_mirror_spec_clear(&spec);
		if (canonical && json_equal(canonical, own))
			return true;
	}
	return false;
}

/* The configuration's sessions: those that are recorded as they stand go on, others begin. */
void pl_mirrors_take_declared(struct pl_mirrors *m)
{
	const json_t *item;
	size_t i;

	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++)
		if (m->slots[slot] && m->slots[slot]->declared && !is_declared(m, m->slots[slot]))
			pl_session_remove(m, slot, NULL);
	json_array_foreach (m->opts.declared, i, item) {
		const char *name = json_string_value(json_object_get(item, "name")) ?: "";
		unsigned int slot = pl_mirrors_find(m, name);
		struct pl_error err = {0};

		if (slot < PL_MIRRORS_MAX && is_declared(m, m->slots[slot]))
			continue;
		if (slot < PL_MIRRORS_MAX) {
			pl_warn("mirror session replaced by that of the configuration name=%s",
				name);
			pl_session_remove(m, slot, NULL);
		}
		if (pl_mirrors_add(m, item, true, &slot, &err) < 0)
			pl_error_log("mirror session of the configuration left out index=%zu "
				     "error=\"%s\"",
				     i, err.text);
	}
}
