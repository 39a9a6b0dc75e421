/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names of what a network allows, and back. Pure. */
#include "common/allow.h"
#include "common/json_read.h"

static const char *const names[] = {
#define ALLOW_NAME(flag, name) name,
	PL_ALLOW(ALLOW_NAME)
#undef ALLOW_NAME
		NULL,
};

static const uint16_t flags[] = {
#define ALLOW_FLAG(flag, name) flag,
	PL_ALLOW(ALLOW_FLAG)
#undef ALLOW_FLAG
};

int pl_allow_read(const json_t *value, const char *path, uint16_t *ret, struct pl_error *err)
{
	uint16_t allow = 0;
	int r = pl_json_check_array(value, path, err);

	for (size_t i = 0; r == 0 && i < json_array_size(value); i++) {
		char where[PL_JSON_PATH_MAX];
		unsigned int which = 0;

		r = pl_json_read_choice(json_array_get(value, i),
					pl_json_join_index(where, path, i), names, &which, err);
		if (r == 0)
			allow |= flags[which];
	}
	if (r == 0)
		*ret = allow;
	return r;
}

json_t *pl_allow_json(uint16_t allow)
{
	pl_autojson json_t *list = json_array();

	for (size_t i = 0; i < PL_ARRAY_SIZE(flags); i++)
		if (allow & flags[i] && json_array_append_new(list, json_string(names[i])))
			return NULL;
	return TAKE_PTR(list);
}
