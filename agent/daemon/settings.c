/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Defaults, file and command line become one struct. An option's text is turned into the JSON
 * that the file would hold, so each key has one parser.
 */
#include <jansson.h>

#include "daemon/settings.h"

#include "common/proto.h"
#include "filter/filter.h"
#include "mirror/spec.h"

struct setting {
	const char *key;
	const char *option;
	int (*parse)(struct pl_settings *s, const char *key, const json_t *v, struct pl_error *err);
	enum { TEXT, NUMBER, BOOLEAN, LIST, NESTED } shape;
};

static int take_string(char *ret, size_t size, const char *key, const json_t *v,
		       struct pl_error *err)
{
	const char *s = json_string_value(v);

	if (!s || !*s)
		return pl_fail(err, -EINVAL, "%s: expected a non-empty string", key);
	if (strlen(s) >= size)
		return pl_fail(err, -EINVAL, "%s: longer than %zu bytes", key, size - 1);
	strcpy(ret, s);
	return 0;
}

static int take_dir(char *ret, size_t size, const char *key, const json_t *v, struct pl_error *err)
{
	const char *s = json_string_value(v);

	if (s && s[0] != '/')
		return pl_fail(err, -EINVAL, "%s: \"%s\" is no absolute path", key, s);
	return take_string(ret, size, key, v, err);
}

static int take_number(uint32_t *ret, uint32_t min, uint32_t max, const char *key, const json_t *v,
		       struct pl_error *err)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < min || n > max)
		return pl_fail(err, -EINVAL, "%s: expected a whole number from %u to %u", key, min,
			       max);
	*ret = (uint32_t)n;
	return 0;
}

static int parse_runDir(struct pl_settings *s, const char *key, const json_t *v,
			struct pl_error *err)
{
	return take_dir(s->run_dir, sizeof(s->run_dir), key, v, err);
}

static int parse_bpffs(struct pl_settings *s, const char *key, const json_t *v,
		       struct pl_error *err)
{
	return take_dir(s->bpffs, sizeof(s->bpffs), key, v, err);
}

static int parse_logLevel(struct pl_settings *s, const char *key, const json_t *v,
			  struct pl_error *err)
{
	const char *name = json_string_value(v);

	if (!name || pl_log_level_parse(name, &s->log_level))
		return pl_fail(err, -EINVAL, "%s: expected error, warn, info or debug", key);
	return 0;
}

static int parse_maxEndpoints(struct pl_settings *s, const char *key, const json_t *v,
			      struct pl_error *err)
{
	return take_number(&s->max_endpoints, 1, 65535, key, v, err);
}

static int parse_maxFlows(struct pl_settings *s, const char *key, const json_t *v,
			  struct pl_error *err)
{
	return take_number(&s->max_flows, 1024, 16777216, key, v, err);
}

static int parse_flowBudget(struct pl_settings *s, const char *key, const json_t *v,
			    struct pl_error *err)
{
	return take_number(&s->flow_budget, 16, 16777216, key, v, err);
}

static int parse_flowRate(struct pl_settings *s, const char *key, const json_t *v,
			  struct pl_error *err)
{
	return take_number(&s->flow_rate, 16, 16777216, key, v, err);
}

static int parse_attach(struct pl_settings *s, const char *key, const json_t *v,
			struct pl_error *err)
{
	static const char *const names[] = {
		[PL_ATTACH_AUTO] = "auto",
		[PL_ATTACH_TCX] = "tcx",
		[PL_ATTACH_CLSACT] = "clsact",
	};
	const char *name = json_string_value(v);

	for (size_t i = 0; name && i < PL_ARRAY_SIZE(names); i++) {
		if (!strcmp(name, names[i])) {
			s->attach = (enum pl_attach_choice)i;
			return 0;
		}
	}
	return pl_fail(err, -EINVAL, "%s: expected auto, tcx or clsact", key);
}

static int parse_uplinks(struct pl_settings *s, const char *key, const json_t *v,
			 struct pl_error *err)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(v) || json_array_size(v) > PL_PATTERNS_MAX)
		return pl_fail(err, -EINVAL, "%s: expected an array of at most %d patterns", key,
			       PL_PATTERNS_MAX);
	json_array_foreach (v, i, item) {
		int r = take_string(s->uplinks[i], sizeof(s->uplinks[i]), key, item, err);

		if (r < 0)
			return r;
	}
	s->n_uplinks = json_array_size(v);
	return 0;
}

/* "10.0.0.0/8", or "!10.96.0.0/12" for what is excepted. */
static int take_network(struct pl_network_rule *ret, const char *key, size_t i, const char *text,
			struct pl_error *err)
{
	struct pl_network_rule rule = {.except = text && *text == '!'};
	char right[PL_PREFIX_STRLEN];
	struct pl_ip first, last;

	if (!text || pl_prefix_parse(text + rule.except, &rule.net))
		return pl_fail(err, -EINVAL,
			       "%s[%zu]: expected a prefix like 10.0.0.0/8, or one with an "
			       "exclamation mark, like !10.96.0.0/12, that is excepted",
			       key, i);
	pl_prefix_range(&rule.net, &first, &last);
	if (pl_ip_cmp(&first, &rule.net.ip)) {
		rule.net.ip = first;
		return pl_fail(
			err, -EINVAL,
			"%s[%zu]: \"%s\" has bits beyond the prefix length: write %s%s, or a "
			"longer prefix",
			key, i, text, rule.except ? "!" : "", pl_prefix_format(&rule.net, right));
	}
	*ret = rule;
	return 0;
}

static int parse_native(struct pl_settings *s, const char *key, const json_t *v,
			struct pl_error *err)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(v) || json_array_size(v) > PL_NATIVE_MAX)
		return pl_fail(err, -EINVAL, "%s: expected an array of at most %d prefixes", key,
			       PL_NATIVE_MAX);
	s->n_native = 0;
	json_array_foreach (v, i, item) {
		struct pl_network_rule rule;
		int r = take_network(&rule, key, i, json_string_value(item), err);

		if (r < 0)
			return r;
		for (size_t k = 0; k < s->n_native; k++)
			if (pl_prefix_same(&s->native[k].net, &rule.net))
				return pl_fail(err, -EINVAL, "%s[%zu]: \"%s\": %s", key, i,
					       json_string_value(item),
					       s->native[k].except == rule.except
						       ? "it is in the list already"
						       : "it cannot be native and excepted");
		s->native[s->n_native++] = rule;
	}
	return 0;
}

static int take_bool(bool *ret, const char *key, const json_t *v, struct pl_error *err)
{
	if (!json_is_boolean(v))
		return pl_fail(err, -EINVAL, "%s: expected true or false", key);
	*ret = json_is_true(v);
	return 0;
}

static int parse_forwarding(struct pl_settings *s, const char *key, const json_t *v,
			    struct pl_error *err)
{
	return take_bool(&s->forwarding, key, v, err);
}

static int parse_expedite(struct pl_settings *s, const char *key, const json_t *v,
			  struct pl_error *err)
{
	return take_bool(&s->expedite, key, v, err);
}

static int default_network(struct pl_netconf *ret, const json_t *over, struct pl_error *err)
{
	pl_autojson json_t *conf = json_pack("{s:s, s:s, s:{s:[[{s:s}],[{s:s}]]}}", "name",
					     "default", "type", "podlane", "ipam", "ranges",
					     "subnet", "10.201.0.0/24", "subnet", "fd42:706c::/64");

	if (!conf)
		return pl_fail(err, -ENOMEM, "network: out of memory");
	if (over && json_object_update(conf, (json_t *)over))
		return pl_fail(err, -EINVAL, "network: expected an object");
	return pl_netconf_parse(conf, ret, err);
}

static int parse_network(struct pl_settings *s, const char *key, const json_t *v,
			 struct pl_error *err)
{
	struct pl_netconf conf = {0};
	int r = default_network(&conf, v, err);

	if (!r && strcmp(conf.ipam_type, "podlane"))
		r = pl_fail(err, -EINVAL,
			    "ipam.type: the daemon's own network uses the built-in \"podlane\"; "
			    "\"%s\" can be delegated to from a CNI configuration",
			    conf.ipam_type);
	if (r < 0) {
		pl_netconf_clear(&conf);
		return pl_fail_prefix(err, "%s", key);
	}
	pl_netconf_clear(&s->network);
	s->network = conf;
	return 0;
}

/* All that can be known of a session without looking at the node. */
static int check_mirror(const json_t *all, size_t index, const json_t *item, struct pl_error *err)
{
	pl_cleanup(pl_mirror_spec_clear) struct pl_mirror_spec spec = {0};
	pl_cleanup(pl_filter_freep) struct pl_filter *filter = NULL;
	int r = pl_mirror_spec_parse(item, &spec, err);

	for (size_t i = 0; !r && i < index; i++) {
		const char *name =
			json_string_value(json_object_get(json_array_get(all, i), "name"));

		if (name && !strcmp(name, spec.name))
			r = pl_fail(err, -EINVAL, "name: \"%s\" is that of an earlier session",
				    name);
	}
	if (!r && spec.filter)
		r = pl_filter_compile(spec.filter, &filter, err);
	return r;
}

static int parse_mirrors(struct pl_settings *s, const char *key, const json_t *v,
			 struct pl_error *err)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(v))
		return pl_fail(err, -EINVAL, "%s: expected an array of mirror sessions", key);
	json_array_foreach (v, i, item)
		if (check_mirror(v, i, item, err) < 0)
			return pl_fail_prefix(err, "%s[%zu]", key, i);
	json_decref(s->mirrors);
	s->mirrors = json_deep_copy(v);
	return s->mirrors ? 0 : pl_fail(err, -ENOMEM, "%s: out of memory", key);
}

#define shape_runDir	   TEXT
#define shape_bpffs	   TEXT
#define shape_logLevel	   TEXT
#define shape_maxEndpoints NUMBER
#define shape_maxFlows	   NUMBER
#define shape_flowBudget   NUMBER
#define shape_flowRate	   NUMBER
#define shape_attach	   TEXT
#define shape_uplinks	   LIST
#define shape_native	   LIST
#define shape_forwarding   BOOLEAN
#define shape_expedite	   BOOLEAN
#define shape_network	   NESTED
#define shape_mirrors	   NESTED

static const struct setting settings[] = {
#define SETTING(key, option, arg, help) {#key, option, parse_##key, shape_##key},
	PL_SETTINGS(SETTING)
#undef SETTING
};

static const char *const setting_keys[] = {
#define SETTING_KEY(key, option, arg, help) #key,
	PL_SETTINGS(SETTING_KEY)
#undef SETTING_KEY
		NULL,
};

void pl_settings_init(struct pl_settings *s)
{
	*s = (struct pl_settings){
		.run_dir = PL_RUN_DIR,
		.bpffs = PL_BPFFS_DIR,
		.log_level = PL_LOG_INFO,
		.max_endpoints = 4095,
		.max_flows = 131072,
		.flow_budget = 16384,
		.flow_rate = 50000,
		.attach = PL_ATTACH_AUTO,
		.forwarding = true,
		.expedite = true,
	};
	/* Constant input: it fails only without memory, which the first ADD then reports. */
	(void)default_network(&s->network, NULL, NULL);
}

void pl_settings_clear(struct pl_settings *s)
{
	pl_netconf_clear(&s->network);
	json_decref(s->mirrors);
	s->mirrors = NULL;
}

int pl_settings_from_json(struct pl_settings *s, const json_t *j, struct pl_error *err)
{
	const char *key;
	json_t *v;

	if (!json_is_object(j))
		return pl_fail(err, -EINVAL, "expected a JSON object");
	json_object_foreach ((json_t *)j, key, v) {
		size_t i = 0;
		int r;

		while (i < PL_ARRAY_SIZE(settings) && strcmp(key, settings[i].key))
			i++;
		if (i == PL_ARRAY_SIZE(settings)) {
			const char *near = pl_nearest(key, setting_keys);

			return pl_fail(err, -ENOTSUP, "unknown key \"%s\"%s%s%s", key,
				       near ? "; did you mean \"" : "", near ? near : "",
				       near ? "\"?" : "");
		}
		r = settings[i].parse(s, key, v, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int pl_settings_load(struct pl_settings *s, const char *path, struct pl_error *err)
{
	pl_autofree char *text = NULL;
	pl_autojson json_t *j = NULL;
	json_error_t at;
	size_t len;
	int r = pl_read_file(path, 1 << 20, &text, &len);

	if (r < 0)
		return pl_fail(err, r, "read %s: %s", path, strerror(-r));
	j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &at);
	if (!j)
		return pl_fail(err, -EINVAL, "%s:%d:%d: %s", path, at.line, at.column, at.text);
	r = pl_settings_from_json(s, j, err);
	return r < 0 ? pl_fail_prefix(err, "%s", path) : 0;
}

static json_t *split_list(const char *value)
{
	pl_autofree char *copy = strdup(value);
	json_t *list = json_array();
	char *save = NULL;

	for (char *p = copy ? strtok_r(copy, ", ", &save) : NULL; p;
	     p = strtok_r(NULL, ", ", &save))
		json_array_append_new(list, json_string(p));
	return list;
}

static json_t *option_to_json(const struct setting *setting, const char *value)
{
	uint64_t n;

	switch (setting->shape) {
	case NUMBER:
		return pl_parse_u64(value, 0, INT64_MAX, &n) ? json_string(value)
							     : json_integer((json_int_t)n);
	case BOOLEAN:
		if (!strcmp(value, "true") || !strcmp(value, "false"))
			return json_boolean(!strcmp(value, "true"));
		return json_string(value);
	case LIST:
		return split_list(value);
	case TEXT:
	case NESTED:
		break;
	}
	return json_string(value);
}

int pl_settings_option(struct pl_settings *s, const char *option, const char *value,
		       struct pl_error *err)
{
	for (size_t i = 0; i < PL_ARRAY_SIZE(settings); i++) {
		pl_autojson json_t *v = NULL;
		char name[64];

		if (!settings[i].option || strcmp(option, settings[i].option))
			continue;
		v = option_to_json(&settings[i], value);
		if (!v)
			return pl_fail(err, -ENOMEM, "--%s: out of memory", option);
		snprintf(name, sizeof(name), "--%s", option);
		return settings[i].parse(s, name, v, err);
	}
	return pl_fail(err, -ENOENT, "no such option: --%s", option);
}
