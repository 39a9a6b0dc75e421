/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From JSON to a network's configuration and back. The same check runs in the plugin, which tells
 * the user, and in the daemon, which trusts no client; so it is pure: no file, no netlink, no log.
 * */
#include <net/if.h>

#include "common/allow.h"
#include "common/json_read.h"
#include "common/netconf_internal.h"

#define MTU_MIN	    68	 /* RFC 791 */
#define MTU_MIN_IP6 1280 /* RFC 8200 */

/* One key of an object. The value's reader gets the path of the key and the netconf. */
struct key {
	const char *name;
	int (*read)(const json_t *value, const char *path, struct pl_netconf *conf,
		    struct pl_error *err);
};

static const char *const mode_names[] = {
	[PL_MODE_POD] = "pod",
	[PL_MODE_ACCELERATE] = "accelerate",
	NULL,
};

static const char *const link_names[] = {
	[PL_CHOOSE_VETH] = "veth",
	[PL_CHOOSE_NETKIT] = "netkit",
	[PL_CHOOSE_AUTO] = "auto",
	NULL,
};

static const char *const netkit_names[] = {"l3", "l2", NULL};

/* --- the other keys --- */

static int read_name(const json_t *value, const char *path, struct pl_netconf *conf,
		     struct pl_error *err)
{
	const char *name = "";
	int r = pl_json_read_string(value, path, &name, err);

	if (r < 0)
		return r;
	if (!pl_name_valid(name))
		return pl_fail(
			err, -EINVAL,
			"%s: \"%s\" is not a valid network name: letters, digits, '_', '.' and '-', "
			"the first a letter or digit, at most %d",
			path, name, PL_NAME_MAX);
	strcpy(conf->name, name);
	return 0;
}

static int read_mode(const json_t *value, const char *path, struct pl_netconf *conf,
		     struct pl_error *err)
{
	unsigned int i;
	int r = pl_json_read_choice(value, path, mode_names, &i, err);

	if (r == 0)
		conf->mode = (enum pl_mode)i;
	return r;
}

static int read_link(const json_t *value, const char *path, struct pl_netconf *conf,
		     struct pl_error *err)
{
	unsigned int i;
	int r = pl_json_read_choice(value, path, link_names, &i, err);

	if (r == 0)
		conf->link = (enum pl_link_choice)i;
	return r;
}

static int read_netkit_mode(const json_t *value, const char *path, struct pl_netconf *conf,
			    struct pl_error *err)
{
	unsigned int i;
	int r = pl_json_read_choice(value, path, netkit_names, &i, err);

	if (r == 0)
		conf->netkit_l2 = i == 1;
	return r;
}

static int read_ip_masq(const json_t *value, const char *path, struct pl_netconf *conf,
			struct pl_error *err)
{
	return pl_json_read_bool(value, path, &conf->ip_masq, err);
}

static int read_antispoof(const json_t *value, const char *path, struct pl_netconf *conf,
			  struct pl_error *err)
{
	return pl_json_read_bool(value, path, &conf->antispoof, err);
}

static int read_allow(const json_t *value, const char *path, struct pl_netconf *conf,
		      struct pl_error *err)
{
	return pl_allow_read(value, path, &conf->allow, err);
}

static int read_mtu(const json_t *value, const char *path, struct pl_netconf *conf,
		    struct pl_error *err)
{
	if (json_is_integer(value) && json_integer_value(value) == 0) {
		conf->mtu = 0;
		return 0;
	}
	return pl_json_read_u32(value, path, MTU_MIN, PL_MTU_MAX, &conf->mtu, err);
}

/* CNI wrote these two as strings up to 1.0.0, as booleans after. */
static int read_bool_or_string(const json_t *value, const char *path, bool *ret,
			       struct pl_error *err)
{
	static const char *const names[] = {"false", "true", NULL};
	unsigned int i;
	int r;

	if (!json_is_string(value))
		return pl_json_read_bool(value, path, ret, err);
	r = pl_json_read_choice(value, path, names, &i, err);
	if (r == 0)
		*ret = i == 1;
	return r;
}

static int read_disable_check(const json_t *value, const char *path, struct pl_netconf *conf,
			      struct pl_error *err)
{
	return read_bool_or_string(value, path, &conf->disable_check, err);
}

static int read_disable_gc(const json_t *value, const char *path, struct pl_netconf *conf,
			   struct pl_error *err)
{
	return read_bool_or_string(value, path, &conf->disable_gc, err);
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

/* A zone is the resolver's: "fe80::53%eth0". */
static int check_nameserver(const json_t *value, const char *path, struct pl_error *err)
{
	char address[PL_IP_STRLEN];
	struct pl_ip ip = {0};
	const char *s = "", *zone;
	int r = pl_json_read_string(value, path, &s, err), n;

	if (r < 0)
		return r;
	zone = strchr(s, '%');
	n = snprintf(address, sizeof(address), "%.*s", (int)strcspn(s, "%"), s);
	if (n >= (int)sizeof(address) || pl_ip_parse(address, &ip) ||
	    (zone && (ip.family != AF_INET6 || !zone[1])))
		return pl_fail(err, -EINVAL, "%s: \"%s\" is not a valid IP address", path, s);
	return 0;
}

static int check_nameservers(const json_t *array, const char *path, struct pl_error *err)
{
	int r = pl_json_check_array(array, path, err);

	for (size_t i = 0; r == 0 && i < json_array_size(array); i++) {
		char where[PL_JSON_PATH_MAX];

		r = check_nameserver(json_array_get(array, i), pl_json_join_index(where, path, i),
				     err);
	}
	return r;
}

static int read_dns(const json_t *dns, const char *path, struct pl_netconf *conf,
		    struct pl_error *err)
{
	static const char *const known[] = {"nameservers", "domain", "search", "options", NULL};
	const char *key;
	json_t *value;
	int r;

	if (json_is_null(dns))
		return 0;
	r = pl_json_check_keys(dns, path, known, err);
	if (r < 0)
		return r;
	json_object_foreach ((json_t *)dns, key, value) {
		char where[PL_JSON_PATH_MAX];
		const char *domain;

		pl_json_join(where, path, key);
		if (strcmp(key, "domain") == 0)
			r = pl_json_read_string(value, where, &domain, err);
		else if (strcmp(key, "nameservers") == 0)
			r = check_nameservers(value, where, err);
		else
			r = check_strings(value, where, err);
		if (r < 0)
			return r;
	}
	conf->dns = json_deep_copy(dns);
	return conf->dns ? 0 : pl_fail(err, -ENOMEM, "out of memory");
}

/* What the runtime hands through; the plugin reads it where it needs it. */
static int foreign_object(const json_t *value, const char *path, struct pl_netconf *conf,
			  struct pl_error *err)
{
	return json_is_null(value) ? 0 : pl_json_check_object(value, path, err);
}

static int foreign_string(const json_t *value, const char *path, struct pl_netconf *conf,
			  struct pl_error *err)
{
	const char *s = "";

	return pl_json_read_string(value, path, &s, err);
}

static int foreign_strings(const json_t *value, const char *path, struct pl_netconf *conf,
			   struct pl_error *err)
{
	return check_strings(value, path, err);
}

static int foreign_bool(const json_t *value, const char *path, struct pl_netconf *conf,
			struct pl_error *err)
{
	bool b;

	return pl_json_read_bool(value, path, &b, err);
}

static const struct key keys[] = {
	{"cniVersion", foreign_string},
	{"cniVersions", foreign_strings},
	{"name", read_name},
	{"type", foreign_string},
	{"mode", read_mode},
	{"link", read_link},
	{"netkitMode", read_netkit_mode},
	{"ipMasq", read_ip_masq},
	{"antispoof", read_antispoof},
	{"allow", read_allow},
	{"mtu", read_mtu},
	{"ipam", pl_netconf_read_ipam},
	{"dns", read_dns},
	{"capabilities", foreign_object},
	{"runtimeConfig", foreign_object},
	{"args", foreign_object},
	{"prevResult", foreign_object},
	{"disableCheck", read_disable_check},
	{"disableGC", read_disable_gc},
	{"loadOnlyInlinedPlugins", foreign_bool},
};

static int no_such_key(const char *key, const json_t *value, struct pl_error *err)
{
	const char *known[PL_ARRAY_SIZE(keys) + 1] = {NULL};

	for (size_t i = 0; i < PL_ARRAY_SIZE(keys); i++)
		known[i] = keys[i].name;
	return pl_json_unknown_key("", key, value, known, err);
}

static int read_key(const char *key, const json_t *value, struct pl_netconf *conf,
		    struct pl_error *err)
{
	for (size_t i = 0; i < PL_ARRAY_SIZE(keys); i++) {
		if (strcmp(key, keys[i].name) == 0)
			return keys[i].read(value, key, conf, err);
	}
	/* CNI keeps this prefix for what runtimes add, whatever they will think of. */
	if (strncmp(key, "cni.dev/", strlen("cni.dev/")) == 0)
		return 0;
	return no_such_key(key, value, err);
}

/* What no key can judge alone. */
static int check_whole(const struct pl_netconf *conf, struct pl_error *err)
{
	if (!*conf->name)
		return pl_fail(err, -EINVAL, "name: is missing; a network needs one");
	for (size_t i = 0; i < conf->n_ranges; i++) {
		if (conf->mtu && conf->mtu < MTU_MIN_IP6 &&
		    conf->ranges[i].subnet.ip.family == AF_INET6)
			return pl_fail(err, -EINVAL, "mtu: %u is less than the %d that IPv6 needs",
				       conf->mtu, MTU_MIN_IP6);
	}
	return 0;
}

int pl_netconf_parse(const json_t *conf, struct pl_netconf *ret, struct pl_error *err)
{
	const char *key;
	json_t *value;
	int r;

	*ret = (struct pl_netconf){.antispoof = true, .ipam_type = PL_NETCONF_BUILT_IN};
	if (!json_is_object(conf))
		return pl_fail(err, -EINVAL, "the network configuration must be an object");
	json_object_foreach ((json_t *)conf, key, value) {
		r = read_key(key, value, ret, err);
		if (r < 0)
			return r;
	}
	return check_whole(ret, err);
}

int pl_netconf_parse_all(const json_t *conf, struct pl_netconf *ret, pl_problem_fn *problem,
			 void *arg)
{
	struct pl_error err = {0};
	int first = pl_netconf_parse(conf, ret, &err);
	const char *key;
	json_t *value;

	if (!first)
		return 0;
	pl_netconf_clear(ret);
	/* Alone, each key tells what is wrong with it; else it is what they are together. */
	json_object_foreach ((json_t *)conf, key, value) {
		struct pl_netconf alone = {.ipam_type = PL_NETCONF_BUILT_IN};
		struct pl_error why = {0};
		int r = read_key(key, value, &alone, &why);

		pl_netconf_clear(&alone);
		if (r < 0) {
			err.code = 0;
			problem(arg, &why);
		}
	}
	if (err.code)
		problem(arg, &err);
	return first;
}

int pl_netconf_check_link(const json_t *conf, const struct pl_netconf *parsed, struct pl_error *err)
{
	if (!json_object_get(conf, "netkitMode") || parsed->link != PL_CHOOSE_VETH)
		return 0;
	return pl_fail(err, -EINVAL,
		       "netkitMode: \"%s\" is of no use to a veth: \"link\" must be \"netkit\" or "
		       "\"auto\"",
		       netkit_names[parsed->netkit_l2]);
}

void pl_netconf_clear(struct pl_netconf *conf)
{
	json_decref(conf->routes);
	json_decref(conf->dns);
	*conf = (struct pl_netconf){0};
}

int pl_netconf_inherit_ranges(struct pl_netconf *conf, const struct pl_netconf *from,
			      struct pl_error *err)
{
	if (conf->n_ranges || strcmp(conf->ipam_type, PL_NETCONF_BUILT_IN) != 0)
		return 0;
	if (conf->n_exclude + from->n_exclude > PL_RANGES_MAX)
		return pl_fail(err, -EINVAL,
			       "ipam.exclude: more than %d networks, with the %zu of network %s",
			       PL_RANGES_MAX, from->n_exclude, from->name);
	memcpy(conf->ranges, from->ranges, sizeof(conf->ranges));
	conf->n_ranges = from->n_ranges;
	memcpy(conf->exclude + conf->n_exclude, from->exclude,
	       from->n_exclude * sizeof(*conf->exclude));
	conf->n_exclude += from->n_exclude;
	return 0;
}

/* --- and back --- */

static json_t *ip_json(const struct pl_ip *ip)
{
	char text[PL_IP_STRLEN];

	return json_string(pl_ip_format(ip, text));
}

static json_t *prefix_json(const struct pl_prefix *p)
{
	char text[PL_PREFIX_STRLEN];

	return json_string(pl_prefix_format(p, text));
}

static json_t *range_json(const struct pl_range *range)
{
	pl_autojson json_t *j =
		json_pack("{s:o, s:o, s:o}", "subnet", prefix_json(&range->subnet), "rangeStart",
			  ip_json(&range->start), "rangeEnd", ip_json(&range->end));

	if (range->gateway.family && json_object_set_new(j, "gateway", ip_json(&range->gateway)))
		return NULL;
	return TAKE_PTR(j);
}

static json_t *ranges_json(const struct pl_netconf *conf)
{
	pl_autojson json_t *sets = json_array();
	json_t *set = NULL;

	for (size_t i = 0; i < conf->n_ranges; i++) {
		if (i == 0 || conf->ranges[i].set != conf->ranges[i - 1].set) {
			set = json_array();
			if (json_array_append_new(sets, set))
				return NULL;
		}
		if (json_array_append_new(set, range_json(&conf->ranges[i])))
			return NULL;
	}
	return TAKE_PTR(sets);
}

static json_t *exclude_json(const struct pl_netconf *conf)
{
	pl_autojson json_t *all = json_array();

	for (size_t i = 0; i < conf->n_exclude; i++) {
		if (json_array_append_new(all, prefix_json(&conf->exclude[i])))
			return NULL;
	}
	return TAKE_PTR(all);
}

static json_t *ipam_json(const struct pl_netconf *conf)
{
	pl_autojson json_t *j = json_pack("{s:s}", "type", conf->ipam_type);

	if (conf->n_ranges && json_object_set_new(j, "ranges", ranges_json(conf)))
		return NULL;
	if (conf->n_exclude && json_object_set_new(j, "exclude", exclude_json(conf)))
		return NULL;
	if (conf->routes && json_object_set_new(j, "routes", json_deep_copy(conf->routes)))
		return NULL;
	return TAKE_PTR(j);
}

json_t *pl_netconf_to_json(const struct pl_netconf *conf)
{
	pl_autojson json_t *j = json_pack(
		"{s:s, s:s, s:s, s:s, s:b, s:b, s:o, s:I, s:o, s:b, s:b}", "name", conf->name,
		"mode", mode_names[conf->mode], "link", link_names[conf->link], "netkitMode",
		netkit_names[conf->netkit_l2], "ipMasq", conf->ip_masq, "antispoof",
		conf->antispoof, "allow", pl_allow_json(conf->allow), "mtu", (json_int_t)conf->mtu,
		"ipam", ipam_json(conf), "disableCheck", conf->disable_check, "disableGC",
		conf->disable_gc);

	if (conf->dns && json_object_set_new(j, "dns", json_deep_copy(conf->dns)))
		return NULL;
	return TAKE_PTR(j);
}

/* --- names --- */

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool pl_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > PL_NAME_MAX || !is_alnum(name[0]))
		return false;
	for (size_t i = 1; i < len; i++) {
		if (!is_alnum(name[i]) && !strchr("_.-", name[i]))
			return false;
	}
	return true;
}

bool pl_ifname_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= IFNAMSIZ || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (size_t i = 0; i < len;) {
		size_t n = pl_utf8_char(name + i, len - i);

		if (n == 0 || (n == 1 && ((unsigned char)name[i] <= ' ' || name[i] == 0x7f)))
			return false;
		/* The kernel reads '%' as a pattern for it to number. */
		if (strchr("/:%", name[i]))
			return false;
		i += n;
	}
	return true;
}
