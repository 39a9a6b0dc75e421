// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Mirror sessions between JSON and struct, and which endpoints they mean.
 */
#include "mirror/spec.h"

#include "filter/filter.h"

enum {
	SNAPLEN_MIN = 14, /* the Ethernet header: a shorter frame cannot be sent */
	SNAPLEN_MAX = 65535,
	VXLAN_PORT = 4789,
	VNI_MAX = 0xffffff,
	ERSPAN_ID_MAX = 0x3ff,
};

/* ---- reading ---- */

static int check_keys(const json_t *j, const char *where, const char *const *known,
		      struct pl_error *err)
{
	const char *key, *near;
	json_t *value;

	json_object_foreach ((json_t *)j, key, value) {
		bool found = false;

		for (size_t i = 0; known[i]; i++)
			found |= strcmp(known[i], key) == 0;
		if (found)
			continue;
		near = pl_nearest(key, known);
		return pl_fail(err, -ENOTSUP,
			       near ? "%s: unknown key \"%s\"; is \"%s\" meant?"
				    : "%s: unknown key \"%s\"",
			       where, key, near);
	}
	return 0;
}

/* @j may be NULL: then nothing was given. */
static int check_object(const json_t *j, const char *where, const char *const *known,
			struct pl_error *err)
{
	if (!j)
		return 0;
	if (!json_is_object(j))
		return pl_fail(err, -EINVAL, "%s: expected an object", where);
	return check_keys(j, where, known, err);
}

static int get_text(const json_t *j, const char *key, const char **ret, struct pl_error *err)
{
	const json_t *v = json_object_get(j, key);

	if (!v)
		return 0;
	if (!json_is_string(v) || !json_string_length(v))
		return pl_fail(err, -EINVAL, "%s: expected a string that is not empty", key);
	*ret = json_string_value(v);
	return 0;
}

static int get_bool(const json_t *j, const char *key, bool *ret, struct pl_error *err)
{
	const json_t *v = json_object_get(j, key);

	if (!v)
		return 0;
	if (!json_is_boolean(v))
		return pl_fail(err, -EINVAL, "%s: expected true or false", key);
	*ret = json_is_true(v);
	return 0;
}

static int get_number(const json_t *j, const char *where, const char *key, uint64_t min,
		      uint64_t max, uint64_t *ret, struct pl_error *err)
{
	const json_t *v = json_object_get(j, key);

	if (!v)
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	    (uint64_t)json_integer_value(v) < min || (uint64_t)json_integer_value(v) > max)
		return pl_fail(err, -EINVAL, "%s%s%s: expected a whole number from %llu to %llu",
			       where, *where ? "." : "", key, (unsigned long long)min,
			       (unsigned long long)max);
	*ret = (uint64_t)json_integer_value(v);
	return 0;
}

static int get_ip(const json_t *j, const char *where, const char *key, struct pl_ip *ret,
		  struct pl_error *err)
{
	const json_t *v = json_object_get(j, key);

	if (!v)
		return 0;
	if (!json_is_string(v) || pl_ip_parse(json_string_value(v), ret))
		return pl_fail(err, -EINVAL, "%s.%s: expected an IPv4 or IPv6 address", where, key);
	return 0;
}

static int parse_name(const json_t *j, struct pl_mirror_spec *spec, struct pl_error *err)
{
	const char *name = NULL;
	int r = get_text(j, "name", &name, err);

	if (r < 0)
		return r;
	if (!name)
		return pl_fail(err, -EINVAL, "name: every mirror session needs one");
	if (!pl_name_valid(name) || strlen(name) > PL_MIRROR_NAME_MAX)
		return pl_fail(
			err, -EINVAL,
			"name: \"%.80s\" is not a valid session name: at most %d letters, digits, "
			"'_', '.' and '-', starting with a letter or digit",
			name, PL_MIRROR_NAME_MAX);
	snprintf(spec->name, sizeof(spec->name), "%s", name);
	return 0;
}

static int parse_endpoints(const json_t *j, struct pl_mirror_spec *spec, struct pl_error *err)
{
	const json_t *list = json_object_get(j, "endpoints"), *item;
	size_t i;

	if (json_is_string(list) && strcmp(json_string_value(list), "all") == 0) {
		spec->all = true;
		return 0;
	}
	if (!json_is_array(list) || !json_array_size(list))
		return pl_fail(err, -EINVAL,
			       "endpoints: expected \"all\" or an array with names of endpoints");
	spec->endpoints = calloc(json_array_size(list), sizeof(*spec->endpoints));
	if (!spec->endpoints)
		return pl_fail(err, -ENOMEM, "endpoints: out of memory");
	json_array_foreach (list, i, item) {
		const char *name = json_string_value(item);

		if (!name || !*name)
			return pl_fail(err, -EINVAL, "endpoints[%zu]: expected a name", i);
		spec->all |= strcmp(name, "all") == 0;
		spec->endpoints[i] = strdup(name);
		if (!spec->endpoints[i])
			return pl_fail(err, -ENOMEM, "endpoints: out of memory");
		spec->n_endpoints = i + 1;
	}
	if (spec->all && spec->n_endpoints > 1)
		return pl_fail(err, -EINVAL, "endpoints: \"all\" leaves nothing to add");
	return 0;
}

static int parse_direction(const json_t *j, struct pl_mirror_spec *spec, struct pl_error *err)
{
	const char *direction = "both";
	int r = get_text(j, "direction", &direction, err);

	if (r < 0)
		return r;
	spec->out = strcmp(direction, "in") != 0;
	spec->in = strcmp(direction, "out") != 0;
	if (spec->out && spec->in && strcmp(direction, "both") != 0)
		return pl_fail(err, -EINVAL,
			       "direction: \"%s\" is neither \"in\", \"out\" nor \"both\"",
			       direction);
	return 0;
}

static int parse_tunnel(const json_t *j, const char *kind, struct pl_mirror_target *t,
			struct pl_error *err)
{
	static const char *const vxlan_keys[] = {"remote", "local", "vni", "port", NULL};
	static const char *const gre_keys[] = {"remote", "local", "key", NULL};
	bool vxlan = t->kind == PL_TARGET_VXLAN;
	uint64_t id = UINT64_MAX, port = VXLAN_PORT;
	char where[32];
	int r;

	snprintf(where, sizeof(where), "target.%s", kind);
	if (!json_is_object(j))
		return pl_fail(err, -EINVAL, "%s: expected an object with \"remote\"", where);
	r = check_keys(j, where, vxlan ? vxlan_keys : gre_keys, err);
	if (!r)
		r = get_ip(j, where, "remote", &t->remote, err);
	if (!r)
		r = get_ip(j, where, "local", &t->local, err);
	if (!r && vxlan)
		r = get_number(j, where, "vni", 0, VNI_MAX, &id, err);
	if (!r && vxlan)
		r = get_number(j, where, "port", 1, 65535, &port, err);
	if (!r && !vxlan)
		r = get_number(j, where, "key", 0,
			       t->kind == PL_TARGET_GRE ? UINT32_MAX : ERSPAN_ID_MAX, &id, err);
	if (r < 0)
		return r;
	if (!t->remote.family)
		return pl_fail(err, -EINVAL, "%s.remote: missing", where);
	if (t->local.family && t->local.family != t->remote.family)
		return pl_fail(err, -EINVAL, "%s: local and remote are of different families",
			       where);
	if (vxlan && id == UINT64_MAX)
		return pl_fail(err, -EINVAL, "%s.vni: missing", where);
	t->id = id == UINT64_MAX ? 0 : (uint32_t)id;
	t->port = vxlan ? (uint16_t)port : 0;
	return 0;
}

static const char *const target_kinds[] = {
	[PL_TARGET_DEVICE] = "device", [PL_TARGET_ENDPOINT] = "endpoint",
	[PL_TARGET_VXLAN] = "vxlan",   [PL_TARGET_GRE] = "gre",
	[PL_TARGET_ERSPAN] = "erspan", NULL,
};

static int parse_target(const json_t *j, struct pl_mirror_spec *spec, struct pl_error *err)
{
	const json_t *target = json_object_get(j, "target"), *value = NULL;
	struct pl_mirror_target *t = &spec->target;
	int r = check_object(target, "target", target_kinds, err);

	if (r < 0)
		return r;
	if (json_object_size(target) != 1)
		return pl_fail(err, -EINVAL,
			       "target: expected one of device, endpoint, vxlan, gre, erspan");
	for (int kind = 0; target_kinds[kind]; kind++) {
		if (!json_object_get(target, target_kinds[kind]))
			continue;
		t->kind = (enum pl_mirror_target_kind)kind;
		value = json_object_get(target, target_kinds[kind]);
	}
	if (t->kind != PL_TARGET_DEVICE && t->kind != PL_TARGET_ENDPOINT)
		return parse_tunnel(value, target_kinds[t->kind], t, err);
	if (!json_is_string(value) || !json_string_length(value) ||
	    json_string_length(value) >= sizeof(t->name))
		return pl_fail(err, -EINVAL, "target.%s: expected a name", target_kinds[t->kind]);
	snprintf(t->name, sizeof(t->name), "%s", json_string_value(value));
	if (t->kind == PL_TARGET_DEVICE && !pl_ifname_valid(t->name))
		return pl_fail(err, -EINVAL, "target.device: \"%.40s\" is not a valid device name",
			       t->name);
	return 0;
}

static int parse_sample(const json_t *j, struct pl_mirror_spec *spec, struct pl_error *err)
{
	static const char *const keys[] = {"packets", "flows", NULL};
	const json_t *sample = json_object_get(j, "sample");
	uint64_t packets = 0, flows = 0;
	int r = check_object(sample, "sample", keys, err);

	if (!r)
		r = get_number(sample, "sample", "packets", 1, UINT32_MAX, &packets, err);
	if (!r)
		r = get_number(sample, "sample", "flows", 1, UINT32_MAX, &flows, err);
	if (r < 0)
		return r;
	if (packets && flows)
		return pl_fail(err, -EINVAL, "sample: either packets or flows, not both");
	spec->flows = flows > 1;
	spec->sample = flows ? (uint32_t)flows : packets ? (uint32_t)packets : 1;
	return 0;
}

static int parse_amount(const json_t *j, struct pl_mirror_spec *spec, struct pl_error *err)
{
	static const char *const rate_keys[] = {"pps", "bps", NULL};
	static const char *const expire_keys[] = {"seconds", "packets", NULL};
	/* The datapath multiplies rates by 1000, the daemon seconds by 10^9. */
	const uint64_t rate_max = INT64_MAX / 1000, seconds_max = UINT32_MAX;
	const json_t *rate = json_object_get(j, "rate"), *expire = json_object_get(j, "expire");
	uint64_t snaplen = 0;
	int r = check_object(rate, "rate", rate_keys, err);

	if (!r)
		r = get_number(rate, "rate", "pps", 1, rate_max, &spec->pps, err);
	if (!r)
		r = get_number(rate, "rate", "bps", 1, rate_max, &spec->bps, err);
	if (!r)
		r = check_object(expire, "expire", expire_keys, err);
	if (!r)
		r = get_number(expire, "expire", "seconds", 1, seconds_max, &spec->seconds, err);
	if (!r)
		r = get_number(expire, "expire", "packets", 1, INT64_MAX, &spec->packets, err);
	if (!r)
		r = get_number(j, "", "snaplen", SNAPLEN_MIN, SNAPLEN_MAX, &snaplen, err);
	spec->snaplen = (uint32_t)snaplen;
	return r;
}

static int parse_filter(const json_t *j, struct pl_mirror_spec *spec, struct pl_error *err)
{
	const char *filter = NULL, *program = NULL;
	int r = get_text(j, "filter", &filter, err);

	if (!r)
		r = get_text(j, "program", &program, err);
	if (!r && program && !filter)
		r = pl_fail(err, -EINVAL, "program: \"filter\" must say its words");
	if (r < 0 || !filter)
		return r;
	if (strlen(filter) > PL_FILTER_EXPR_MAX)
		return pl_fail(err, -EINVAL, "filter: longer than %d bytes", PL_FILTER_EXPR_MAX);
	spec->filter = strdup(filter);
	spec->program = program ? strdup(program) : NULL;
	return spec->filter && (spec->program || !program)
		       ? 0
		       : pl_fail(err, -ENOMEM, "filter: out of memory");
}

int pl_mirror_spec_parse(const json_t *j, struct pl_mirror_spec *ret, struct pl_error *err)
{
	static const char *const keys[] = {
		"op",	  "v",	    "name", "endpoints", "direction", "filter",	      "program",
		"target", "sample", "rate", "snaplen",	 "expire",    "includeDrops", NULL,
	};
	int r;

	*ret = (struct pl_mirror_spec){.sample = 1};
	if (!json_is_object(j))
		return pl_fail(err, -EINVAL, "mirror session: expected an object");
	r = check_keys(j, "mirror session", keys, err);
	if (!r)
		r = parse_name(j, ret, err);
	if (!r)
		r = parse_endpoints(j, ret, err);
	if (!r)
		r = parse_direction(j, ret, err);
	if (!r)
		r = parse_filter(j, ret, err);
	if (!r)
		r = parse_target(j, ret, err);
	if (!r)
		r = parse_sample(j, ret, err);
	if (!r)
		r = parse_amount(j, ret, err);
	if (!r)
		r = get_bool(j, "includeDrops", &ret->drops, err);
	return r;
}

void pl_mirror_spec_clear(struct pl_mirror_spec *spec)
{
	for (size_t i = 0; i < spec->n_endpoints; i++)
		free(spec->endpoints[i]);
	free(spec->endpoints);
	free(spec->filter);
	free(spec->program);
	*spec = (struct pl_mirror_spec){0};
}

/* ---- writing ---- */

static void put_number(json_t *j, const char *key, uint64_t n)
{
	json_object_set_new(j, key, json_integer((json_int_t)n));
}

static void put_ip(json_t *j, const char *key, const struct pl_ip *ip)
{
	char text[PL_IP_STRLEN];

	if (ip->family)
		json_object_set_new(j, key, json_string(pl_ip_format(ip, text)));
}

static json_t *target_to_json(const struct pl_mirror_target *t)
{
	json_t *target = json_object(), *tunnel;

	if (t->kind == PL_TARGET_DEVICE || t->kind == PL_TARGET_ENDPOINT) {
		json_object_set_new(target, target_kinds[t->kind], json_string(t->name));
		return target;
	}
	tunnel = json_object();
	put_ip(tunnel, "remote", &t->remote);
	put_ip(tunnel, "local", &t->local);
	if (t->kind == PL_TARGET_VXLAN) {
		put_number(tunnel, "vni", t->id);
		put_number(tunnel, "port", t->port);
	} else if (t->id) {
		put_number(tunnel, "key", t->id);
	}
	json_object_set_new(target, target_kinds[t->kind], tunnel);
	return target;
}

/* {"packets": 3} and the like: what is not 0. NULL where all is. */
static json_t *numbers_to_json(const char *a, uint64_t va, const char *b, uint64_t vb)
{
	json_t *j;

	if (!va && !vb)
		return NULL;
	j = json_object();
	if (va)
		put_number(j, a, va);
	if (vb)
		put_number(j, b, vb);
	return j;
}

json_t *pl_mirror_spec_to_json(const struct pl_mirror_spec *spec)
{
	json_t *j = json_object(), *endpoints = json_array(), *part;

	json_object_set_new(j, "name", json_string(spec->name));
	if (spec->all)
		json_array_append_new(endpoints, json_string("all"));
	for (size_t i = 0; i < spec->n_endpoints && !spec->all; i++)
		json_array_append_new(endpoints, json_string(spec->endpoints[i]));
	json_object_set_new(j, "endpoints", endpoints);
	json_object_set_new(j, "direction",
			    json_string(spec->out && spec->in ? "both"
					: spec->out	      ? "out"
							      : "in"));
	if (spec->filter)
		json_object_set_new(j, "filter", json_string(spec->filter));
	json_object_set_new(j, "target", target_to_json(&spec->target));
	if (spec->sample > 1) {
		part = json_object();
		put_number(part, spec->flows ? "flows" : "packets", spec->sample);
		json_object_set_new(j, "sample", part);
	}
	part = numbers_to_json("pps", spec->pps, "bps", spec->bps);
	if (part)
		json_object_set_new(j, "rate", part);
	if (spec->snaplen)
		put_number(j, "snaplen", spec->snaplen);
	part = numbers_to_json("seconds", spec->seconds, "packets", spec->packets);
	if (part)
		json_object_set_new(j, "expire", part);
	json_object_set_new(j, "includeDrops", json_boolean(spec->drops));
	return j;
}

/* ---- selection ---- */

bool pl_mirror_names(const struct pl_mirror_spec *spec, const struct pl_record *rec)
{
	for (size_t i = 0; i < spec->n_endpoints && !spec->all; i++)
		if (pl_record_is_called(rec, spec->endpoints[i]))
			return true;
	return false;
}

void pl_mirror_masks(const struct pl_mirror_view views[PL_MIRRORS_MAX], const struct pl_record *rec,
		     uint64_t *ret_out, uint64_t *ret_in)
{
	uint64_t out = 0, in = 0;
	bool is_target = false;

	for (unsigned int i = 0; i < PL_MIRRORS_MAX; i++) {
		const struct pl_mirror_spec *spec = views[i].spec;

		if (!spec || !views[i].running)
			continue;
		is_target |= views[i].target && views[i].target == rec->ifindex;
		if (!spec->all && !pl_mirror_names(spec, rec))
			continue;
		out |= spec->out ? 1ULL << i : 0;
		in |= spec->in ? 1ULL << i : 0;
	}
	*ret_out = is_target ? 0 : out;
	*ret_in = is_target ? 0 : in;
}
