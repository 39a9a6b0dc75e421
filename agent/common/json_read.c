/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Values of JSON, read by their path: what is wrong is said with the key where it stands.
 */
#include "common/json_read.h"

enum { VALUE_MAX = 64 };

/* A path that is longer than ours can be shows that it was cut. */
static const char *cut_path(char buf[PL_JSON_PATH_MAX], int written)
{
	if (written >= PL_JSON_PATH_MAX)
		strcpy(buf + PL_JSON_PATH_MAX - sizeof("..."), "...");
	return buf;
}

const char *pl_json_join(char buf[PL_JSON_PATH_MAX], const char *path, const char *key)
{
	int n = snprintf(buf, PL_JSON_PATH_MAX, "%s%s%s", path, *path ? "." : "", key);

	return cut_path(buf, n);
}

const char *pl_json_join_index(char buf[PL_JSON_PATH_MAX], const char *path, size_t i)
{
	int n = snprintf(buf, PL_JSON_PATH_MAX, "%s[%zu]", path, i);

	return cut_path(buf, n);
}

/* CNI wants to see the value, too. */
int pl_json_unknown_key(const char *path, const char *key, const json_t *value,
			const char *const *known, struct pl_error *err)
{
	pl_autofree char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	const char *near = pl_nearest(key, known);
	const char *colon = *path ? ": " : "";

	if (near)
		return pl_fail(err, -ENOTSUP,
			       "%s%sunknown key \"%s\" (value %.64s); did you mean \"%s\"?", path,
			       colon, key, text ? text : "?", near);
	return pl_fail(err, -ENOTSUP, "%s%sunknown key \"%s\" (value %.64s)", path, colon, key,
		       text ? text : "?");
}

/* Says what is there, too, where that is short enough to be read. */
static int wrong_type(const json_t *value, const char *path, const char *what, struct pl_error *err)
{
	pl_autofree char *text =
		value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : strdup("missing");

	if (!text || strlen(text) > VALUE_MAX)
		return pl_fail(err, -EINVAL, "%s: must be %s", path, what);
	return pl_fail(err, -EINVAL, "%s: must be %s, and is %s", path, what, text);
}

/* Every key of @object is in @known, and @object is one. */
int pl_json_check_keys(const json_t *object, const char *path, const char *const *known,
		       struct pl_error *err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return wrong_type(object, path, "an object", err);
	json_object_foreach ((json_t *)object, key, value) {
		const char *const *k = known;

		while (*k && strcmp(*k, key) != 0)
			k++;
		if (!*k)
			return pl_json_unknown_key(path, key, value, known, err);
	}
	return 0;
}

int pl_json_check_array(const json_t *value, const char *path, struct pl_error *err)
{
	return json_is_array(value) ? 0 : wrong_type(value, path, "an array", err);
}

int pl_json_check_object(const json_t *value, const char *path, struct pl_error *err)
{
	return json_is_object(value) ? 0 : wrong_type(value, path, "an object", err);
}

int pl_json_read_bool(const json_t *value, const char *path, bool *ret, struct pl_error *err)
{
	if (!json_is_boolean(value))
		return wrong_type(value, path, "true or false", err);
	*ret = json_is_true(value);
	return 0;
}

int pl_json_read_string(const json_t *value, const char *path, const char **ret,
			struct pl_error *err)
{
	if (!json_is_string(value))
		return wrong_type(value, path, "a string", err);
	*ret = json_string_value(value);
	return 0;
}

int pl_json_read_u32(const json_t *value, const char *path, uint32_t min, uint32_t max,
		     uint32_t *ret, struct pl_error *err)
{
	json_int_t n;

	if (!json_is_integer(value))
		return wrong_type(value, path, "a whole number", err);
	n = json_integer_value(value);
	if (n < min || n > max)
		return pl_fail(err, -EINVAL, "%s: %lld is not between %u and %u", path,
			       (long long)n, min, max);
	*ret = (uint32_t)n;
	return 0;
}

/* *ret: the index of the value in @names. */
int pl_json_read_choice(const json_t *value, const char *path, const char *const *names,
			unsigned int *ret, struct pl_error *err)
{
	char all[64] = "";
	const char *s = "", *near;
	int r = pl_json_read_string(value, path, &s, err);

	if (r < 0)
		return r;
	for (unsigned int i = 0; names[i]; i++) {
		if (strcmp(s, names[i]) == 0) {
			*ret = i;
			return 0;
		}
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s\"%s\"", i ? ", " : "",
			 names[i]);
	}
	near = pl_nearest(s, names);
	if (near)
		return pl_fail(err, -EINVAL, "%s: \"%s\" is not one of %s; did you mean \"%s\"?",
			       path, s, all, near);
	return pl_fail(err, -EINVAL, "%s: \"%s\" is not one of %s", path, s, all);
}

int pl_json_read_ip(const json_t *value, const char *path, struct pl_ip *ret, struct pl_error *err)
{
	const char *s = "";
	int r = pl_json_read_string(value, path, &s, err);

	if (r < 0)
		return r;
	if (pl_ip_parse(s, ret) < 0)
		return pl_fail(err, -EINVAL, "%s: \"%s\" is not a valid IP address", path, s);
	return 0;
}

/* Host bits are refused: "10.0.0.5/24" may mean the address or the network. */
int pl_json_read_network(const json_t *value, const char *path, struct pl_prefix *ret,
			 struct pl_error *err)
{
	char text[PL_PREFIX_STRLEN];
	struct pl_prefix p, network;
	struct pl_ip last;
	const char *s = "";
	int r = pl_json_read_string(value, path, &s, err);

	if (r < 0)
		return r;
	if (pl_prefix_parse(s, &p) < 0)
		return pl_fail(err, -EINVAL, "%s: \"%s\" is not a valid network (ADDRESS/BITS)",
			       path, s);
	network = p;
	pl_prefix_range(&p, &network.ip, &last);
	if (pl_ip_cmp(&p.ip, &network.ip) != 0)
		return pl_fail(err, -EINVAL, "%s: %s has host bits set; its network is %s", path, s,
			       pl_prefix_format(&network, text));
	*ret = network;
	return 0;
}

static int check_strings(const json_t *array, const char *path, struct pl_error *err)
{
	int r = pl_json_check_array(array, path, err);

	for (size_t i = 0; r == 0 && i < json_array_size(array); i++) {
		char where[PL_JSON_PATH_MAX];
		const char *s = "";

		r = pl_json_read_string(json_array_get(array, i),
					pl_json_join_index(where, path, i), &s, err);
	}
	return r;
}

static int read_field(const struct pl_json_field *f, const json_t *value, const char *path,
		      void *base, struct pl_error *err)
{
	void *to = base && f->to != PL_JSON_NOWHERE ? (char *)base + f->to : NULL;
	bool word = f->kind != PL_JSON_BOOL || (f->names && json_is_string(value));
	unsigned int choice = 0;
	const char *s;
	bool b = false;
	int r;

	switch (f->kind) {
	case PL_JSON_OWN:
		return f->read(value, path, base, err);
	case PL_JSON_OBJECT:
		return json_is_null(value) ? 0 : pl_json_check_object(value, path, err);
	case PL_JSON_STRING:
		return pl_json_read_string(value, path, &s, err);
	case PL_JSON_STRINGS:
		return check_strings(value, path, err);
	case PL_JSON_BOOL:
	case PL_JSON_SWITCH:
	case PL_JSON_CHOICE:
		break;
	}
	r = word ? pl_json_read_choice(value, path, f->names, &choice, err)
		 : pl_json_read_bool(value, path, &b, err);
	if (r < 0 || !to)
		return r;
	if (f->kind == PL_JSON_CHOICE)
		memcpy(to, &choice, sizeof(choice)); /* an enum, as wide */
	else
		*(bool *)to = word ? choice == 1 : b;
	return 0;
}

static int no_such_field(const char *path, const char *key, const json_t *value,
			 const struct pl_json_field *fields, struct pl_error *err)
{
	const char *known[64];
	size_t n = 0;

	for (; fields[n].key && n + 1 < PL_ARRAY_SIZE(known); n++)
		known[n] = fields[n].key;
	known[n] = NULL;
	return pl_json_unknown_key(path, key, value, known, err);
}

int pl_json_read_key(const char *path, const char *key, const json_t *value,
		     const struct pl_json_field *fields, void *to, struct pl_error *err)
{
	const struct pl_json_field *f = fields;
	char where[PL_JSON_PATH_MAX];

	while (f->key && strcmp(f->key, key) != 0)
		f++;
	if (f->key)
		return read_field(f, value, pl_json_join(where, path, key), to, err);
	if (!*path && strncmp(key, PL_JSON_RESERVED, strlen(PL_JSON_RESERVED)) == 0)
		return 0;
	return no_such_field(path, key, value, fields, err);
}

int pl_json_read_fields(const json_t *object, const char *path, const struct pl_json_field *fields,
			void *to, struct pl_error *err)
{
	const char *key;
	json_t *value;
	int r = pl_json_check_object(object, path, err);

	if (r < 0)
		return r;
	json_object_foreach ((json_t *)object, key, value) {
		r = pl_json_read_key(path, key, value, fields, to, err);
		if (r < 0)
			return r;
	}
	return 0;
}
