/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The mirror sessions of the settings: checked as they are read, and given back as they were
 * written.
 */
#include "daemon/settings.h"
#include "filter/filter.h"
#include "mirror/compile.h"
#include "mirror/spec.h"

/*
 * The program is noted beside the filter's words. Where the command did not say whether they are
 * right, the session asks it again when it begins.
 */
static int check_filter(const struct pl_mirror_spec *spec, json_t *item, struct pl_error *err)
{
	pl_cleanup(pl_filter_freep) struct pl_filter *filter = NULL;
	pl_autofree char *program = NULL;
	int r;

	if (spec->program)
		return pl_filter_parse(spec->filter, spec->program, &filter, err);
	r = pl_compile_now(spec->filter, &program, err);
	if (!r)
		r = pl_filter_parse(spec->filter, program, &filter, err);
	if (r == -EINVAL)
		return r;
	if (err)
		*err = (struct pl_error){0};
	return !r && json_object_set_new(item, "program", json_string(program)) ? -ENOMEM : 0;
}

int pl_settings_check_mirror(const json_t *all, size_t index, json_t *item, struct pl_error *err)
{
	pl_cleanup(pl_mirror_spec_clear) struct pl_mirror_spec spec = {0};
	int r = pl_mirror_spec_parse(item, &spec, err);

	for (size_t i = 0; !r && i < index; i++) {
		const char *name =
			json_string_value(json_object_get(json_array_get(all, i), "name"));

		if (name && !strcmp(name, spec.name))
			r = pl_fail(err, -EINVAL, "name: \"%s\" is that of an earlier session",
				    name);
	}
	return !r && spec.filter ? check_filter(&spec, item, err) : r;
}

json_t *pl_settings_mirrors_json(const json_t *declared)
{
	json_t *mirrors = declared ? json_deep_copy(declared) : json_array(), *item;
	size_t i;

	json_array_foreach (mirrors, i, item)
		(void)json_object_del(item, "program");
	return mirrors;
}
