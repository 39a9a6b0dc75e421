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

static int read_name(const json_t *value, const char *path, void *to, struct pl_error *err)
{
	struct pl_netconf *conf = to;
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

static int read_allow(const json_t *value, const char *path, void *to, struct pl_error *err)
{
	struct pl_netconf *conf = to;

	return pl_allow_read(value, path, &conf->allow, err);
}

static int read_mtu(const json_t *value, const char *path, void *to, struct pl_error *err)
{
	struct pl_netconf *conf = to;

	if (json_is_integer(value) && json_integer_value(value) == 0) {
		conf->mtu = 0;
		return 0;
	}
	return pl_json_read_u32(value, path, MTU_MIN, PL_MTU_MAX, &conf->mtu, err);
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

static int check_nameservers(const json_t *array, const char *path, void *to, struct pl_error *err)
{
	int r = pl_json_check_array(array, path, err);

	for (size_t i = 0; r == 0 && i < json_array_size(array); i++) {
		char where[PL_JSON_PATH_MAX];

		r = check_nameserver(json_array_get(array, i), pl_json_join_index(where, path, i),
				     err);
	}
	return r;
}

static int read_dns(const json_t *dns, const char *path, void *to, struct pl_error *err)
{
	static const struct pl_json_field dns_fields[] = {
		{"nameservers", PL_JSON_OWN, .read = check_nameservers},
		{"domain", PL_JSON_STRING},
		{"search", PL_JSON_STRINGS},
		{"options", PL_JSON_STRINGS},
		{NULL},
	};
	struct pl_netconf *conf = to;
	int r = 0;

	if (json_is_null(dns))
		return 0;
	r = pl_json_read_fields(dns, path, dns_fields, NULL, err);
	if (r < 0)
		return r;
	conf->dns = json_deep_copy(dns);
	return conf->dns ? 0 : pl_fail(err, -ENOMEM, "out of memory");
}

/* CNI wrote these two as strings up to 1.0.0, as booleans after. */
static const char *const bool_names[] = {"false", "true", NULL};

#define TO(member) .to = offsetof(struct pl_netconf, member)

/* What is only checked is the runtime's, or another plugin's: whoever needs it reads it itself. */
static const struct pl_json_field fields[] = {
	{"cniVersion", PL_JSON_STRING},
	{"cniVersions", PL_JSON_STRINGS},
	{"name", PL_JSON_OWN, .read = read_name},
	{"type", PL_JSON_STRING},
	{"mode", PL_JSON_CHOICE, TO(mode), .names = mode_names},
	{"link", PL_JSON_CHOICE, TO(link), .names = link_names},
	{"netkitMode", PL_JSON_SWITCH, TO(netkit_l2), .names = netkit_names},
	{"ipMasq", PL_JSON_BOOL, TO(ip_masq)},
	{"antispoof", PL_JSON_BOOL, TO(antispoof)},
	{"allow", PL_JSON_OWN, .read = read_allow},
	{"mtu", PL_JSON_OWN, .read = read_mtu},
	{"ipam", PL_JSON_OWN, .read = pl_netconf_read_ipam},
	{"dns", PL_JSON_OWN, .read = read_dns},
	{"capabilities", PL_JSON_OBJECT},
	{"runtimeConfig", PL_JSON_OBJECT},
	{"args", PL_JSON_OBJECT},
	{"prevResult", PL_JSON_OBJECT},
	{"disableCheck", PL_JSON_BOOL, TO(disable_check), .names = bool_names},
	{"disableGC", PL_JSON_BOOL, TO(disable_gc), .names = bool_names},
	{"loadOnlyInlinedPlugins", PL_JSON_BOOL, .to = PL_JSON_NOWHERE},
	{NULL},
};

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
	int r;

	*ret = (struct pl_netconf){.antispoof = true, .ipam_type = PL_NETCONF_BUILT_IN};
	if (!json_is_object(conf))
		return pl_fail(err, -EINVAL, "the network configuration must be an object");
	r = pl_json_read_fields(conf, "", fields, ret, err);
	return r < 0 ? r : check_whole(ret, err);
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
		int r = pl_json_read_key("", key, value, fields, &alone, &why);

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
