/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Defaults, file and command line become one struct, by one table of fields. An option's text is
 * turned into the JSON that the file would hold, so each key has one reader.
 */
#include "daemon/settings.h"

#include "common/json_read.h"

/* Where what is wrong goes, and what was the first of it. */
struct reader {
	struct pl_settings *s;
	const char *file; /* NULL: none */
	pl_problem_fn *problem;
	void *arg;
	int first;
};

enum shape { FOLDER, NUMBER, BOOLEAN, CHOICE, UPLINKS, NATIVE, NETWORK, MIRRORS };

struct setting {
	const char *key;
	const char *option;
	enum shape shape;
	size_t at, size; /* in struct pl_settings */
	uint32_t min, max;
	const char *const *names; /* of a choice */
};

static const char *const level_names[] = {
	[PL_LOG_ERROR] = "error",
	[PL_LOG_WARN] = "warn",
	[PL_LOG_INFO] = "info",
	[PL_LOG_DEBUG] = "debug",
	"warning",
	NULL,
};

static const char *const attach_names[] = {
	[PL_ATTACH_AUTO] = "auto",
	[PL_ATTACH_TCX] = "tcx",
	[PL_ATTACH_CLSACT] = "clsact",
	NULL,
};

_Static_assert(sizeof(enum pl_log_level) == sizeof(unsigned int), "as a choice is stored");
_Static_assert(sizeof(enum pl_attach_choice) == sizeof(unsigned int), "as a choice is stored");

#define AT(field)	      offsetof(struct pl_settings, field)
#define FOLDER_IN(field)      FOLDER, AT(field), sizeof(((struct pl_settings *)0)->field)
#define NUMBER_IN(field, ...) NUMBER, AT(field), 0, __VA_ARGS__
#define CHOICE_IN(field, all) CHOICE, AT(field), 0, 0, 0, all

#define field_runDir	   FOLDER_IN(run_dir)
#define field_bpffs	   FOLDER_IN(bpffs)
#define field_logLevel	   CHOICE_IN(log_level, level_names)
#define field_maxEndpoints NUMBER_IN(max_endpoints, 1, 65535)
#define field_maxFlows	   NUMBER_IN(max_flows, 1024, 16777216)
#define field_flowBudget   NUMBER_IN(flow_budget, 16, 16777216)
#define field_flowRate	   NUMBER_IN(flow_rate, 16, 16777216)
#define field_attach	   CHOICE_IN(attach, attach_names)
#define field_uplinks	   UPLINKS
#define field_native	   NATIVE
#define field_forwarding   BOOLEAN, AT(forwarding)
#define field_expedite	   BOOLEAN, AT(expedite)
#define field_network	   NETWORK
#define field_mirrors	   MIRRORS

static const struct setting settings[] = {
#define SETTING(key, option, arg, help) {#key, option, field_##key},
	PL_SETTINGS(SETTING)
#undef SETTING
};

static const char *const setting_keys[] = {
#define SETTING_KEY(key, option, arg, help) #key,
	PL_SETTINGS(SETTING_KEY)
#undef SETTING_KEY
		NULL,
};

static void note_problem(void *arg, const struct pl_error *problem)
{
	struct reader *rd = arg;
	struct pl_error err = *problem;

	if (rd->file)
		pl_fail_prefix(&err, "%s", rd->file);
	rd->first = rd->first ?: err.code;
	rd->problem(rd->arg, &err);
}

/* ---- one shape each ---- */

static int read_text(char *ret, size_t size, const char *key, const json_t *v, struct pl_error *err)
{
	const char *s = "";
	int r = pl_json_read_string(v, key, &s, err);

	if (r < 0)
		return r;
	if (!*s)
		return pl_fail(err, -EINVAL, "%s: must not be empty", key);
	if (strlen(s) >= size)
		return pl_fail(err, -EINVAL, "%s: \"%s\" is longer than %zu bytes", key, s,
			       size - 1);
	strcpy(ret, s);
	return 0;
}

static int read_folder(char *ret, size_t size, const char *key, const json_t *v,
		       struct pl_error *err)
{
	const char *s = json_string_value(v);

	if (s && *s && *s != '/')
		return pl_fail(err, -EINVAL, "%s: \"%s\" is not an absolute path", key, s);
	return read_text(ret, size, key, v, err);
}

static void read_uplinks(struct reader *rd, const char *key, const json_t *v)
{
	struct pl_error err = {0};
	const json_t *item;
	size_t i;

	if (!json_is_array(v) || json_array_size(v) > PL_PATTERNS_MAX) {
		pl_fail(&err, -EINVAL, "%s: must be an array of at most %d patterns", key,
			PL_PATTERNS_MAX);
		note_problem(rd, &err);
		return;
	}
	json_array_foreach (v, i, item) {
		char where[PL_JSON_PATH_MAX];

		if (read_text(rd->s->uplinks[i], sizeof(rd->s->uplinks[i]),
			      pl_json_join_index(where, key, i), item, &err) < 0)
			note_problem(rd, &err);
	}
	rd->s->n_uplinks = json_array_size(v);
}

/* "10.0.0.0/8", or "!10.96.0.0/12" for what is excepted. */
static int read_rule(struct pl_network_rule *ret, const char *where, const json_t *v,
		     struct pl_error *err)
{
	struct pl_network_rule rule = {0};
	char right[PL_PREFIX_STRLEN];
	struct pl_ip first, last;
	const char *text = "";
	int r = pl_json_read_string(v, where, &text, err);

	if (r < 0)
		return r;
	rule.except = *text == '!';
	if (pl_prefix_parse(text + rule.except, &rule.net))
		return pl_fail(err, -EINVAL,
			       "%s: \"%s\" is not a prefix like 10.0.0.0/8, nor one with an "
			       "exclamation mark, like !10.96.0.0/12, that is excepted",
			       where, text);
	pl_prefix_range(&rule.net, &first, &last);
	if (pl_ip_cmp(&first, &rule.net.ip)) {
		rule.net.ip = first;
		return pl_fail(err, -EINVAL,
			       "%s: \"%s\" has bits beyond the prefix length: write %s%s, or a "
			       "longer prefix",
			       where, text, rule.except ? "!" : "",
			       pl_prefix_format(&rule.net, right));
	}
	*ret = rule;
	return 0;
}

static int add_rule(struct pl_settings *s, const char *where, const json_t *v, struct pl_error *err)
{
	struct pl_network_rule rule;
	int r = read_rule(&rule, where, v, err);

	if (r < 0)
		return r;
	for (size_t k = 0; k < s->n_native; k++)
		if (pl_prefix_same(&s->native[k].net, &rule.net))
			return pl_fail(err, -EINVAL, "%s: \"%s\": %s", where, json_string_value(v),
				       s->native[k].except == rule.except
					       ? "it is in the list already"
					       : "it cannot be native and excepted");
	s->native[s->n_native++] = rule;
	return 0;
}

static void read_native(struct reader *rd, const char *key, const json_t *v)
{
	struct pl_error err = {0};
	const json_t *item;
	size_t i;

	if (!json_is_array(v) || json_array_size(v) > PL_NATIVE_MAX) {
		pl_fail(&err, -EINVAL, "%s: must be an array of at most %d prefixes", key,
			PL_NATIVE_MAX);
		note_problem(rd, &err);
		return;
	}
	rd->s->n_native = 0;
	json_array_foreach (v, i, item) {
		char where[PL_JSON_PATH_MAX];

		if (add_rule(rd->s, pl_json_join_index(where, key, i), item, &err) < 0)
			note_problem(rd, &err);
	}
}

/* What the file leaves out of it is as by default. NULL where memory is short. */
static json_t *whole_network(const json_t *over)
{
	pl_autojson json_t *conf = json_pack("{s:s, s:s, s:{s:[[{s:s}],[{s:s}]]}}", "name",
					     "default", "type", "podlane", "ipam", "ranges",
					     "subnet", "10.201.0.0/24", "subnet", "fd42:706c::/64");

	if (conf && over && json_object_update(conf, (json_t *)over))
		return NULL;
	return TAKE_PTR(conf);
}

struct nested {
	struct reader *rd;
	const char *key;
};

static void note_nested(void *arg, const struct pl_error *problem)
{
	const struct nested *n = arg;
	struct pl_error err = *problem;

	pl_fail_prefix(&err, "%s", n->key);
	note_problem(n->rd, &err);
}

static void read_network(struct reader *rd, const char *key, const json_t *v)
{
	struct nested nested = {rd, key};
	struct pl_netconf conf = {0};
	struct pl_error err = {0};
	pl_autojson json_t *whole = NULL;
	int r = pl_json_check_object(v, key, &err);

	if (r < 0) {
		note_problem(rd, &err);
		return;
	}
	whole = whole_network(v);
	r = whole ? pl_netconf_parse_all(whole, &conf, note_nested, &nested) : -ENOMEM;
	if (!whole || (!r && strcmp(conf.ipam_type, "podlane"))) {
		r = !whole ? pl_fail(&err, -ENOMEM, "out of memory")
			   : pl_fail(&err, -EINVAL,
				     "ipam.type: the daemon's own network uses the built-in "
				     "\"podlane\"; \"%s\" can be delegated to from a CNI "
				     "configuration",
				     conf.ipam_type);
		note_nested(&nested, &err);
	}
	if (!r && pl_netconf_check_link(v, &conf, &err) < 0) {
		r = err.code;
		note_nested(&nested, &err);
	}
	if (r < 0) {
		pl_netconf_clear(&conf);
		return;
	}
	pl_netconf_clear(&rd->s->network);
	rd->s->network = conf;
}

static void read_mirrors(struct reader *rd, const char *key, const json_t *v)
{
	pl_autojson json_t *mirrors = json_deep_copy(v);
	struct pl_error err = {0};
	json_t *item;
	size_t i;

	if (!json_is_array(v) || !mirrors) {
		if (!json_is_array(v))
			pl_fail(&err, -EINVAL, "%s: must be an array of mirror sessions", key);
		else
			pl_fail(&err, -ENOMEM, "%s: out of memory", key);
		note_problem(rd, &err);
		return;
	}
	json_array_foreach (mirrors, i, item) {
		if (pl_settings_check_mirror(mirrors, i, item, &err) < 0) {
			pl_fail_prefix(&err, "%s[%zu]", key, i);
			note_problem(rd, &err);
		}
	}
	json_decref(rd->s->mirrors);
	rd->s->mirrors = TAKE_PTR(mirrors);
}

/* @name: as the key is called where @v stands */
static void read_setting(struct reader *rd, const struct setting *f, const char *name,
			 const json_t *v)
{
	char *field = (char *)rd->s + f->at;
	struct pl_error err = {0};
	unsigned int choice = 0;
	int r = 0;

	switch (f->shape) {
	case FOLDER:
		r = read_folder(field, f->size, name, v, &err);
		break;
	case NUMBER:
		r = pl_json_read_u32(v, name, f->min, f->max, (uint32_t *)field, &err);
		break;
	case BOOLEAN:
		r = pl_json_read_bool(v, name, (bool *)field, &err);
		break;
	case CHOICE:
		r = pl_json_read_choice(v, name, f->names, &choice, &err);
		if (f->names == level_names && choice > PL_LOG_DEBUG)
			choice = PL_LOG_WARN; /* "warning" */
		if (!r)
			memcpy(field, &choice, sizeof(choice));
		break;
	case UPLINKS:
		read_uplinks(rd, name, v);
		break;
	case NATIVE:
		read_native(rd, name, v);
		break;
	case NETWORK:
		read_network(rd, name, v);
		break;
	case MIRRORS:
		read_mirrors(rd, name, v);
		break;
	}
	if (r < 0)
		note_problem(rd, &err);
}

/* ---- all of them ---- */

void pl_settings_init(struct pl_settings *s)
{
	pl_autojson json_t *network = whole_network(NULL);

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
	if (network)
		(void)pl_netconf_parse(network, &s->network, NULL);
}

void pl_settings_clear(struct pl_settings *s)
{
	pl_netconf_clear(&s->network);
	json_decref(s->mirrors);
	s->mirrors = NULL;
}

static void read_object(struct reader *rd, const json_t *j)
{
	struct pl_error err = {0};
	const char *key;
	json_t *v;

	if (!json_is_object(j)) {
		pl_fail(&err, -EINVAL, "expected a JSON object");
		note_problem(rd, &err);
		return;
	}
	json_object_foreach ((json_t *)j, key, v) {
		size_t i = 0;

		while (i < PL_ARRAY_SIZE(settings) && strcmp(key, settings[i].key))
			i++;
		if (i < PL_ARRAY_SIZE(settings)) {
			read_setting(rd, &settings[i], key, v);
			continue;
		}
		pl_json_unknown_key("", key, v, setting_keys, &err);
		note_problem(rd, &err);
	}
}

int pl_settings_from_json(struct pl_settings *s, const json_t *j, pl_problem_fn *problem, void *arg)
{
	struct reader rd = {.s = s, .problem = problem, .arg = arg};

	read_object(&rd, j);
	return rd.first;
}

/* Lines that begin with // become blank, so that lines and columns stay what they are. */
static void blank_comments(char *text)
{
	for (char *line = text; *line;) {
		size_t len = strcspn(line, "\n"), begin = strspn(line, " \t");

		if (!strncmp(line + begin, "//", 2))
			memset(line, ' ', len);
		line += len + (line[len] == '\n');
	}
}

int pl_settings_load(struct pl_settings *s, const char *path, pl_problem_fn *problem, void *arg)
{
	struct reader rd = {.s = s, .problem = problem, .arg = arg};
	pl_autofree char *text = NULL;
	pl_autojson json_t *j = NULL;
	struct pl_error err = {0};
	json_error_t at;
	size_t len;
	int r = pl_read_file(path, 1 << 20, &text, &len);

	if (r < 0) {
		pl_fail(&err, r, "read %s: %s", path, strerror(-r));
		note_problem(&rd, &err);
		return rd.first;
	}
	blank_comments(text);
	j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &at);
	if (!j) {
		pl_fail(&err, -EINVAL, "%s:%d:%d: %s", path, at.line, at.column, at.text);
		note_problem(&rd, &err);
		return rd.first;
	}
	rd.file = path;
	read_object(&rd, j);
	return rd.first;
}

/* ---- the command line ---- */

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
	case UPLINKS:
	case NATIVE:
		return split_list(value);
	default:
		return json_string(value);
	}
}

int pl_settings_option(struct pl_settings *s, const char *option, const char *value,
		       pl_problem_fn *problem, void *arg)
{
	struct reader rd = {.s = s, .problem = problem, .arg = arg};
	struct pl_error err = {0};

	for (size_t i = 0; i < PL_ARRAY_SIZE(settings); i++) {
		pl_autojson json_t *v = NULL;
		char name[64];

		if (!settings[i].option || strcmp(option, settings[i].option))
			continue;
		v = option_to_json(&settings[i], value);
		snprintf(name, sizeof(name), "--%s", option);
		if (v) {
			read_setting(&rd, &settings[i], name, v);
			return rd.first;
		}
		pl_fail(&err, -ENOMEM, "%s: out of memory", name);
		note_problem(&rd, &err);
		return rd.first;
	}
	pl_fail(&err, -ENOENT, "no such option: --%s", option);
	note_problem(&rd, &err);
	return rd.first;
}

/* ---- and back ---- */

static json_t *uplinks_json(const struct pl_settings *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_uplinks; i++)
		json_array_append_new(list, json_string(s->uplinks[i]));
	return list;
}

static json_t *native_json(const struct pl_settings *s)
{
	json_t *list = json_array();
	char text[PL_PREFIX_STRLEN];

	for (size_t i = 0; i < s->n_native; i++)
		json_array_append_new(list,
				      json_sprintf("%s%s", s->native[i].except ? "!" : "",
						   pl_prefix_format(&s->native[i].net, text)));
	return list;
}

static json_t *network_json(const struct pl_settings *s)
{
	json_t *j = pl_netconf_to_json(&s->network);

	if (s->network.link == PL_CHOOSE_VETH) /* where it is of no use, no file may have it */
		json_object_del(j, "netkitMode");
	return j;
}

json_t *pl_settings_value(const struct pl_settings *s, enum pl_setting which)
{
	const struct setting *f = &settings[which];
	const char *field = (const char *)s + f->at;
	unsigned int choice;

	switch (f->shape) {
	case FOLDER:
		return json_string(field);
	case NUMBER:
		return json_integer(*(const uint32_t *)field);
	case BOOLEAN:
		return json_boolean(*(const bool *)field);
	case CHOICE:
		memcpy(&choice, field, sizeof(choice));
		return json_string(f->names[choice]);
	case UPLINKS:
		return uplinks_json(s);
	case NATIVE:
		return native_json(s);
	case NETWORK:
		return network_json(s);
	case MIRRORS:
		return pl_settings_mirrors_json(s->mirrors);
	}
	return NULL;
}

const char *pl_setting_key(enum pl_setting which)
{
	return setting_keys[which];
}
