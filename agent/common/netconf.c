/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From JSON to a network's configuration and back. The same check runs in the plugin, which tells
 * the user, and in the daemon, which trusts no client; so it is pure: no file, no netlink, no log.
 * Ranges read as host-local reads them, so that its configurations can be moved over as they are.
 */
#include <net/if.h>

#include "common/netconf.h"

#define PATH_MAX_BYTES 64   /* of a key's path: ours, so never long */
#define MTU_MIN	       68   /* RFC 791 */
#define MTU_MIN_IP6    1280 /* RFC 8200 */
#define MTU_MAX	       65535
#define BUILT_IN       "podlane"

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

/* A path that is longer than ours can be shows that it was cut. */
static const char *cut_path(char buf[PATH_MAX_BYTES], int written)
{
	if (written >= PATH_MAX_BYTES)
		strcpy(buf + PATH_MAX_BYTES - sizeof("..."), "...");
	return buf;
}

static const char *join(char buf[PATH_MAX_BYTES], const char *path, const char *key)
{
	int n = snprintf(buf, PATH_MAX_BYTES, "%s%s%s", path, *path ? "." : "", key);

	return cut_path(buf, n);
}

static const char *join_index(char buf[PATH_MAX_BYTES], const char *path, size_t i)
{
	int n = snprintf(buf, PATH_MAX_BYTES, "%s[%zu]", path, i);

	return cut_path(buf, n);
}

/* CNI wants to see the value, too. */
static int unknown_key(const char *path, const char *key, const json_t *value,
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

/* Every key of @object is in @known, and @object is one. */
static int check_keys(const json_t *object, const char *path, const char *const *known,
		      struct pl_error *err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return pl_fail(err, -EINVAL, "%s: must be an object", path);
	json_object_foreach ((json_t *)object, key, value) {
		const char *const *k = known;

		while (*k && strcmp(*k, key) != 0)
			k++;
		if (!*k)
			return unknown_key(path, key, value, known, err);
	}
	return 0;
}

static int check_array(const json_t *value, const char *path, struct pl_error *err)
{
	return json_is_array(value) ? 0 : pl_fail(err, -EINVAL, "%s: must be an array", path);
}

static int check_object(const json_t *value, const char *path, struct pl_error *err)
{
	return json_is_object(value) ? 0 : pl_fail(err, -EINVAL, "%s: must be an object", path);
}

static int read_bool(const json_t *value, const char *path, bool *ret, struct pl_error *err)
{
	if (!json_is_boolean(value))
		return pl_fail(err, -EINVAL, "%s: must be true or false", path);
	*ret = json_is_true(value);
	return 0;
}

static int read_string(const json_t *value, const char *path, const char **ret,
		       struct pl_error *err)
{
	if (!json_is_string(value))
		return pl_fail(err, -EINVAL, "%s: must be a string", path);
	*ret = json_string_value(value);
	return 0;
}

static int read_u32(const json_t *value, const char *path, uint32_t min, uint32_t max,
		    uint32_t *ret, struct pl_error *err)
{
	json_int_t n;

	if (!json_is_integer(value))
		return pl_fail(err, -EINVAL, "%s: must be a whole number", path);
	n = json_integer_value(value);
	if (n < min || n > max)
		return pl_fail(err, -EINVAL, "%s: %lld is not between %u and %u", path,
			       (long long)n, min, max);
	*ret = (uint32_t)n;
	return 0;
}

/* *ret: the index of the value in @names. */
static int read_choice(const json_t *value, const char *path, const char *const *names,
		       unsigned int *ret, struct pl_error *err)
{
	char all[64] = "";
	const char *s = "", *near;
	int r = read_string(value, path, &s, err);

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
		return pl_fail(err, -EINVAL, "%s: \"%s\" is none of %s; did you mean \"%s\"?", path,
			       s, all, near);
	return pl_fail(err, -EINVAL, "%s: \"%s\" is none of %s", path, s, all);
}

static int read_ip(const json_t *value, const char *path, struct pl_ip *ret, struct pl_error *err)
{
	const char *s = "";
	int r = read_string(value, path, &s, err);

	if (r < 0)
		return r;
	if (pl_ip_parse(s, ret) < 0)
		return pl_fail(err, -EINVAL, "%s: \"%s\" is no IP address", path, s);
	return 0;
}

/* Host bits are refused: "10.0.0.5/24" may mean the address or the network. */
static int read_network(const json_t *value, const char *path, struct pl_prefix *ret,
			struct pl_error *err)
{
	char text[PL_PREFIX_STRLEN];
	struct pl_prefix p, network;
	struct pl_ip last;
	const char *s = "";
	int r = read_string(value, path, &s, err);

	if (r < 0)
		return r;
	if (pl_prefix_parse(s, &p) < 0)
		return pl_fail(err, -EINVAL, "%s: \"%s\" is no network (ADDRESS/BITS)", path, s);
	network = p;
	pl_prefix_range(&p, &network.ip, &last);
	if (pl_ip_cmp(&p.ip, &network.ip) != 0)
		return pl_fail(err, -EINVAL, "%s: %s has host bits set; its network is %s", path, s,
			       pl_prefix_format(&network, text));
	*ret = network;
	return 0;
}

/* --- ranges --- */

/*
 * Fills in what host-local would: the first address after the network's to the last but the
 * broadcast address, and the first of the subnet as gateway. In a subnet of one or two addresses
 * every address may be a pod's, so it has no gateway of its own.
 */
static void range_defaults(struct pl_range *range)
{
	bool tiny = range->subnet.len >= pl_ip_bits(range->subnet.ip.family) - 1;

	pl_prefix_range(&range->subnet, &range->start, &range->end);
	if (tiny)
		return;
	pl_ip_add(&range->start, 1, &range->start);
	range->gateway = range->start;
	if (range->subnet.ip.family == AF_INET)
		range->end.bytes[3]--; /* the broadcast address is odd: no borrow */
}

/* An optional address of a range, which must lie in the subnet. */
static int read_range_ip(const json_t *object, const char *path, const char *key,
			 const struct pl_prefix *subnet, struct pl_ip *ret, struct pl_error *err)
{
	char where[PATH_MAX_BYTES], prefix[PL_PREFIX_STRLEN], text[PL_IP_STRLEN];
	const json_t *value = json_object_get(object, key);
	struct pl_ip ip;
	int r;

	if (!value)
		return 0;
	join(where, path, key);
	r = read_ip(value, where, &ip, err);
	if (r < 0)
		return r;
	if (!pl_prefix_contains(subnet, &ip))
		return pl_fail(err, -EINVAL, "%s: %s is outside of %s", where,
			       pl_ip_format(&ip, text), pl_prefix_format(subnet, prefix));
	*ret = ip;
	return 0;
}

/* Unlike the range's ends, the gateway may lie elsewhere: the pod reaches it on-link. */
static int read_gateway(const json_t *object, const char *path, uint8_t family, struct pl_ip *ret,
			struct pl_error *err)
{
	static const struct pl_prefix multicast4 = {{AF_INET, {224}}, 4};
	static const struct pl_prefix multicast6 = {{AF_INET6, {0xff}}, 8};
	const json_t *value = json_object_get(object, "gateway");
	char where[PATH_MAX_BYTES], text[PL_IP_STRLEN];
	struct pl_ip ip, none = {.family = family};
	int r;

	if (!value)
		return 0;
	join(where, path, "gateway");
	r = read_ip(value, where, &ip, err);
	if (r < 0)
		return r;
	if (ip.family != family)
		return pl_fail(err, -EINVAL, "%s: %s is not of the subnet's address family", where,
			       pl_ip_format(&ip, text));
	if (pl_ip_cmp(&ip, &none) == 0 || pl_prefix_contains(&multicast4, &ip) ||
	    pl_prefix_contains(&multicast6, &ip))
		return pl_fail(err, -EINVAL, "%s: %s is no address of one host", where,
			       pl_ip_format(&ip, text));
	*ret = ip;
	return 0;
}

static const char *range_text(const struct pl_range *range, char buf[2 * PL_IP_STRLEN + 4])
{
	char start[PL_IP_STRLEN], end[PL_IP_STRLEN];

	snprintf(buf, 2 * PL_IP_STRLEN + 4, "%s to %s", pl_ip_format(&range->start, start),
		 pl_ip_format(&range->end, end));
	return buf;
}

static int check_range(const struct pl_range *range, const char *path,
		       const struct pl_netconf *conf, struct pl_error *err)
{
	char a[2 * PL_IP_STRLEN + 4], b[2 * PL_IP_STRLEN + 4];

	if (pl_ip_cmp(&range->start, &range->end) > 0)
		return pl_fail(err, -EINVAL, "%s: %s: the range ends before it starts", path,
			       range_text(range, a));
	if (!pl_ip_is_pod_usable(&range->start) || !pl_ip_is_pod_usable(&range->end))
		return pl_fail(err, -EINVAL,
			       "%s: %s: these are no unicast addresses that a pod can have", path,
			       range_text(range, a));
	for (size_t i = 0; i < conf->n_ranges; i++) {
		const struct pl_range *other = &conf->ranges[i];

		if (other->set == range->set && other->subnet.ip.family != range->subnet.ip.family)
			return pl_fail(err, -EINVAL,
				       "%s: IPv4 and IPv6 in one range set, which gives one "
				       "address; make them two sets",
				       path);
		if (pl_ip_cmp(&range->start, &other->end) <= 0 &&
		    pl_ip_cmp(&other->start, &range->end) <= 0)
			return pl_fail(err, -EINVAL, "%s: %s overlaps with the range %s", path,
				       range_text(range, a), range_text(other, b));
	}
	return 0;
}

/* Reads subnet, rangeStart, rangeEnd and gateway out of @object and appends the range. */
static int add_range(const json_t *object, const char *path, unsigned int set,
		     struct pl_netconf *conf, struct pl_error *err)
{
	struct pl_range range = {.set = set};
	char where[PATH_MAX_BYTES];
	const json_t *subnet = json_object_get(object, "subnet");
	int r;

	join(where, path, "subnet");
	if (!subnet)
		return pl_fail(err, -EINVAL, "%s: is missing; a range needs one", where);
	if (conf->n_ranges == PL_RANGES_MAX)
		return pl_fail(err, -EINVAL, "%s: more than %d ranges in one network", path,
			       PL_RANGES_MAX);
	r = read_network(subnet, where, &range.subnet, err);
	if (r < 0)
		return r;
	range_defaults(&range);
	r = read_range_ip(object, path, "rangeStart", &range.subnet, &range.start, err);
	if (r < 0)
		return r;
	r = read_range_ip(object, path, "rangeEnd", &range.subnet, &range.end, err);
	if (r < 0)
		return r;
	r = read_gateway(object, path, range.subnet.ip.family, &range.gateway, err);
	if (r < 0)
		return r;
	r = check_range(&range, path, conf, err);
	if (r < 0)
		return r;
	conf->ranges[conf->n_ranges++] = range;
	return 0;
}

static int add_set(const json_t *set, const char *path, unsigned int number,
		   struct pl_netconf *conf, struct pl_error *err)
{
	static const char *const known[] = {"subnet", "rangeStart", "rangeEnd", "gateway", NULL};
	int r = check_array(set, path, err);

	if (r < 0)
		return r;
	if (json_array_size(set) == 0)
		return pl_fail(err, -EINVAL, "%s: is empty; a range set needs a range", path);
	if (number == PL_SETS_MAX)
		return pl_fail(err, -EINVAL, "%s: more than %d range sets in one network", path,
			       PL_SETS_MAX);
	for (size_t i = 0; i < json_array_size(set); i++) {
		const json_t *range = json_array_get(set, i);
		char where[PATH_MAX_BYTES];

		join_index(where, path, i);
		r = check_keys(range, where, known, err);
		if (r < 0)
			return r;
		r = add_range(range, where, number, conf, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The shorthand, a range right in "ipam", is the first set; those of "ranges" follow. */
static int read_ranges(const json_t *ipam, const char *path, struct pl_netconf *conf,
		       struct pl_error *err)
{
	static const char *const shorthand[] = {"subnet", "rangeStart", "rangeEnd", "gateway"};
	const json_t *ranges = json_object_get(ipam, "ranges");
	unsigned int n_sets = 0;
	char where[PATH_MAX_BYTES];
	int r;

	for (size_t i = 0; i < PL_ARRAY_SIZE(shorthand); i++) {
		if (!json_object_get(ipam, shorthand[i]))
			continue;
		r = add_range(ipam, path, n_sets++, conf, err);
		if (r < 0)
			return r;
		break;
	}
	if (!ranges)
		return 0;
	join(where, path, "ranges");
	r = check_array(ranges, where, err);
	if (r < 0)
		return r;
	if (json_array_size(ranges) == 0)
		return pl_fail(err, -EINVAL,
			       "%s: is empty; leave it out to use the daemon's ranges", where);
	for (size_t i = 0; i < json_array_size(ranges); i++) {
		char set_path[PATH_MAX_BYTES];

		join_index(set_path, where, i);
		r = add_set(json_array_get(ranges, i), set_path, n_sets++, conf, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_exclude(const json_t *exclude, const char *path, struct pl_netconf *conf,
			struct pl_error *err)
{
	int r = check_array(exclude, path, err);

	if (r < 0)
		return r;
	if (json_array_size(exclude) > PL_RANGES_MAX)
		return pl_fail(err, -EINVAL, "%s: more than %d networks", path, PL_RANGES_MAX);
	for (size_t i = 0; i < json_array_size(exclude); i++) {
		char where[PATH_MAX_BYTES];

		join_index(where, path, i);
		r = read_network(json_array_get(exclude, i), where, &conf->exclude[i], err);
		if (r < 0)
			return r;
		conf->n_exclude = i + 1;
	}
	return 0;
}

/* --- routes --- */

static int check_route_number(const json_t *route, const char *path, const char *key, uint32_t max,
			      struct pl_error *err)
{
	const json_t *value = json_object_get(route, key);
	char where[PATH_MAX_BYTES];
	uint32_t n;

	return value ? read_u32(value, join(where, path, key), 0, max, &n, err) : 0;
}

static int check_route_gateway(const json_t *route, const char *path, const struct pl_prefix *dst,
			       struct pl_error *err)
{
	const json_t *value = json_object_get(route, "gw");
	char where[PATH_MAX_BYTES], text[PL_PREFIX_STRLEN];
	struct pl_ip gw;
	int r;

	if (!value)
		return 0;
	join(where, path, "gw");
	r = read_ip(value, where, &gw, err);
	if (r < 0)
		return r;
	if (gw.family != dst->ip.family)
		return pl_fail(err, -EINVAL, "%s: is not of the address family of %s", where,
			       pl_prefix_format(dst, text));
	return 0;
}

static int check_route(const json_t *route, const char *path, struct pl_error *err)
{
	static const char *const known[] = {"dst",	"gw",	 "mtu",	  "advmss",
					    "priority", "table", "scope", NULL};
	static const struct {
		const char *key;
		uint32_t max;
	} numbers[] = {
		{"mtu", MTU_MAX},      {"advmss", MTU_MAX},  {"priority", UINT32_MAX},
		{"table", UINT32_MAX}, {"scope", UINT8_MAX},
	};
	struct pl_prefix dst;
	char where[PATH_MAX_BYTES];
	const json_t *value;
	int r = check_keys(route, path, known, err);

	if (r < 0)
		return r;
	value = json_object_get(route, "dst");
	join(where, path, "dst");
	if (!value)
		return pl_fail(err, -EINVAL, "%s: is missing; a route needs one", where);
	r = read_network(value, where, &dst, err);
	if (r < 0)
		return r;
	r = check_route_gateway(route, path, &dst, err);
	for (size_t i = 0; r == 0 && i < PL_ARRAY_SIZE(numbers); i++)
		r = check_route_number(route, path, numbers[i].key, numbers[i].max, err);
	return r;
}

static int read_routes(const json_t *routes, const char *path, struct pl_netconf *conf,
		       struct pl_error *err)
{
	int r = check_array(routes, path, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < json_array_size(routes); i++) {
		char where[PATH_MAX_BYTES];

		r = check_route(json_array_get(routes, i), join_index(where, path, i), err);
		if (r < 0)
			return r;
	}
	conf->routes = json_deep_copy(routes);
	return conf->routes ? 0 : pl_fail(err, -ENOMEM, "out of memory");
}

/* --- ipam --- */

static int read_built_in_ipam(const json_t *ipam, const char *path, struct pl_netconf *conf,
			      struct pl_error *err)
{
	static const char *const known[] = {"type",	"subnet",  "rangeStart",
					    "rangeEnd", "gateway", "ranges",
					    "exclude",	"routes",  NULL};
	const json_t *exclude = json_object_get(ipam, "exclude");
	const json_t *routes = json_object_get(ipam, "routes");
	char where[PATH_MAX_BYTES];
	int r = check_keys(ipam, path, known, err);

	if (r < 0)
		return r;
	r = read_ranges(ipam, path, conf, err);
	if (r < 0)
		return r;
	if (exclude) {
		r = read_exclude(exclude, join(where, path, "exclude"), conf, err);
		if (r < 0)
			return r;
	}
	return routes ? read_routes(routes, join(where, path, "routes"), conf, err) : 0;
}

/* The type names a program that will be looked for in CNI_PATH: no way out of that folder. */
static int read_ipam_type(const json_t *ipam, const char *path, struct pl_netconf *conf,
			  struct pl_error *err)
{
	const json_t *value = json_object_get(ipam, "type");
	char where[PATH_MAX_BYTES];
	const char *type = "";
	int r;

	if (!value)
		return 0;
	join(where, path, "type");
	r = read_string(value, where, &type, err);
	if (r < 0)
		return r;
	if (!pl_name_valid(type) || strlen(type) >= sizeof(conf->ipam_type))
		return pl_fail(err, -EINVAL, "%s: \"%s\" cannot be the name of a plugin", where,
			       type);
	strcpy(conf->ipam_type, type);
	return 0;
}

static int read_ipam(const json_t *ipam, const char *path, struct pl_netconf *conf,
		     struct pl_error *err)
{
	int r = check_object(ipam, path, err);

	if (r < 0)
		return r;
	r = read_ipam_type(ipam, path, conf, err);
	if (r < 0)
		return r;
	/* Another plugin's object is that plugin's to judge. */
	if (strcmp(conf->ipam_type, BUILT_IN) != 0)
		return 0;
	return read_built_in_ipam(ipam, path, conf, err);
}

/* --- the other keys --- */

static int read_name(const json_t *value, const char *path, struct pl_netconf *conf,
		     struct pl_error *err)
{
	const char *name = "";
	int r = read_string(value, path, &name, err);

	if (r < 0)
		return r;
	if (!pl_name_valid(name))
		return pl_fail(err, -EINVAL,
			       "%s: \"%s\" is no network name: letters, digits, '_', '.' and '-', "
			       "the first a letter or digit, at most %d",
			       path, name, PL_NAME_MAX);
	strcpy(conf->name, name);
	return 0;
}

static int read_mode(const json_t *value, const char *path, struct pl_netconf *conf,
		     struct pl_error *err)
{
	unsigned int i;
	int r = read_choice(value, path, mode_names, &i, err);

	if (r == 0)
		conf->mode = (enum pl_mode)i;
	return r;
}

static int read_link(const json_t *value, const char *path, struct pl_netconf *conf,
		     struct pl_error *err)
{
	unsigned int i;
	int r = read_choice(value, path, link_names, &i, err);

	if (r == 0)
		conf->link = (enum pl_link_choice)i;
	return r;
}

static int read_netkit_mode(const json_t *value, const char *path, struct pl_netconf *conf,
			    struct pl_error *err)
{
	unsigned int i;
	int r = read_choice(value, path, netkit_names, &i, err);

	if (r == 0)
		conf->netkit_l2 = i == 1;
	return r;
}

static int read_ip_masq(const json_t *value, const char *path, struct pl_netconf *conf,
			struct pl_error *err)
{
	return read_bool(value, path, &conf->ip_masq, err);
}

static int read_antispoof(const json_t *value, const char *path, struct pl_netconf *conf,
			  struct pl_error *err)
{
	return read_bool(value, path, &conf->antispoof, err);
}

static int read_mtu(const json_t *value, const char *path, struct pl_netconf *conf,
		    struct pl_error *err)
{
	if (json_is_integer(value) && json_integer_value(value) == 0) {
		conf->mtu = 0;
		return 0;
	}
	return read_u32(value, path, MTU_MIN, MTU_MAX, &conf->mtu, err);
}

/* CNI wrote these two as strings up to 1.0.0, as booleans after. */
static int read_bool_or_string(const json_t *value, const char *path, bool *ret,
			       struct pl_error *err)
{
	static const char *const names[] = {"false", "true", NULL};
	unsigned int i;
	int r;

	if (!json_is_string(value))
		return read_bool(value, path, ret, err);
	r = read_choice(value, path, names, &i, err);
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
	int r = check_array(array, path, err);

	for (size_t i = 0; r == 0 && i < json_array_size(array); i++) {
		char where[PATH_MAX_BYTES];
		const char *s = "";

		r = read_string(json_array_get(array, i), join_index(where, path, i), &s, err);
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
	r = check_keys(dns, path, known, err);
	if (r < 0)
		return r;
	json_object_foreach ((json_t *)dns, key, value) {
		char where[PATH_MAX_BYTES];
		const char *domain;

		join(where, path, key);
		r = strcmp(key, "domain") == 0 ? read_string(value, where, &domain, err)
					       : check_strings(value, where, err);
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
	return json_is_null(value) ? 0 : check_object(value, path, err);
}

static int foreign_string(const json_t *value, const char *path, struct pl_netconf *conf,
			  struct pl_error *err)
{
	const char *s = "";

	return read_string(value, path, &s, err);
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

	return read_bool(value, path, &b, err);
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
	{"mtu", read_mtu},
	{"ipam", read_ipam},
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
	return unknown_key("", key, value, known, err);
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

	*ret = (struct pl_netconf){.antispoof = true, .ipam_type = BUILT_IN};
	if (!json_is_object(conf))
		return pl_fail(err, -EINVAL, "the network configuration must be an object");
	json_object_foreach ((json_t *)conf, key, value) {
		r = read_key(key, value, ret, err);
		if (r < 0)
			return r;
	}
	return check_whole(ret, err);
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
	if (conf->n_ranges || strcmp(conf->ipam_type, BUILT_IN) != 0)
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
		"{s:s, s:s, s:s, s:s, s:b, s:b, s:I, s:o, s:b, s:b}", "name", conf->name, "mode",
		mode_names[conf->mode], "link", link_names[conf->link], "netkitMode",
		netkit_names[conf->netkit_l2], "ipMasq", conf->ip_masq, "antispoof",
		conf->antispoof, "mtu", (json_int_t)conf->mtu, "ipam", ipam_json(conf),
		"disableCheck", conf->disable_check, "disableGC", conf->disable_gc);

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
