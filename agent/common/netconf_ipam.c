/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The "ipam" object of a network: ranges, exclusions, routes. Ranges read as host-local reads them,
 * so that its configurations can be moved over as they are.
 */
#include "common/json_read.h"
#include "common/netconf_internal.h"

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
	char where[PL_JSON_PATH_MAX], prefix[PL_PREFIX_STRLEN], text[PL_IP_STRLEN];
	const json_t *value = json_object_get(object, key);
	struct pl_ip ip;
	int r;

	if (!value)
		return 0;
	pl_json_join(where, path, key);
	r = pl_json_read_ip(value, where, &ip, err);
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
	char where[PL_JSON_PATH_MAX], text[PL_IP_STRLEN];
	struct pl_ip ip, none = {.family = family};
	int r;

	if (!value)
		return 0;
	pl_json_join(where, path, "gateway");
	r = pl_json_read_ip(value, where, &ip, err);
	if (r < 0)
		return r;
	if (ip.family != family)
		return pl_fail(err, -EINVAL, "%s: %s is not of the subnet's address family", where,
			       pl_ip_format(&ip, text));
	if (pl_ip_cmp(&ip, &none) == 0 || pl_prefix_contains(&multicast4, &ip) ||
	    pl_prefix_contains(&multicast6, &ip))
		return pl_fail(err, -EINVAL, "%s: %s is not the address of a host", where,
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
	char where[PL_JSON_PATH_MAX];
	const json_t *subnet = json_object_get(object, "subnet");
	int r;

	pl_json_join(where, path, "subnet");
	if (!subnet)
		return pl_fail(err, -EINVAL, "%s: is missing; a range needs one", where);
	if (conf->n_ranges == PL_RANGES_MAX)
		return pl_fail(err, -EINVAL, "%s: more than %d ranges in one network", path,
			       PL_RANGES_MAX);
	r = pl_json_read_network(subnet, where, &range.subnet, err);
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
	int r = pl_json_check_array(set, path, err);

	if (r < 0)
		return r;
	if (json_array_size(set) == 0)
		return pl_fail(err, -EINVAL, "%s: is empty; a range set needs a range", path);
	if (number == PL_SETS_MAX)
		return pl_fail(err, -EINVAL, "%s: more than %d range sets in one network", path,
			       PL_SETS_MAX);
	for (size_t i = 0; i < json_array_size(set); i++) {
		const json_t *range = json_array_get(set, i);
		char where[PL_JSON_PATH_MAX];

		pl_json_join_index(where, path, i);
		r = pl_json_check_keys(range, where, known, err);
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
	char where[PL_JSON_PATH_MAX];
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
	pl_json_join(where, path, "ranges");
	r = pl_json_check_array(ranges, where, err);
	if (r < 0)
		return r;
	if (json_array_size(ranges) == 0)
		return pl_fail(err, -EINVAL,
			       "%s: is empty; leave it out to use the daemon's ranges", where);
	for (size_t i = 0; i < json_array_size(ranges); i++) {
		char set_path[PL_JSON_PATH_MAX];

		pl_json_join_index(set_path, where, i);
		r = add_set(json_array_get(ranges, i), set_path, n_sets++, conf, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_exclude(const json_t *exclude, const char *path, struct pl_netconf *conf,
			struct pl_error *err)
{
	int r = pl_json_check_array(exclude, path, err);

	if (r < 0)
		return r;
	if (json_array_size(exclude) > PL_RANGES_MAX)
		return pl_fail(err, -EINVAL, "%s: more than %d networks", path, PL_RANGES_MAX);
	for (size_t i = 0; i < json_array_size(exclude); i++) {
		char where[PL_JSON_PATH_MAX];

		pl_json_join_index(where, path, i);
		r = pl_json_read_network(json_array_get(exclude, i), where, &conf->exclude[i], err);
		if (r < 0)
			return r;
		conf->n_exclude = i + 1;
	}
	return 0;
}

static int check_route_number(const json_t *route, const char *path, const char *key, uint32_t max,
			      struct pl_error *err)
{
	const json_t *value = json_object_get(route, key);
	char where[PL_JSON_PATH_MAX];
	uint32_t n;

	return value ? pl_json_read_u32(value, pl_json_join(where, path, key), 0, max, &n, err) : 0;
}

static int check_route_gateway(const json_t *route, const char *path, const struct pl_prefix *dst,
			       struct pl_error *err)
{
	const json_t *value = json_object_get(route, "gw");
	char where[PL_JSON_PATH_MAX], text[PL_PREFIX_STRLEN];
	struct pl_ip gw;
	int r;

	if (!value)
		return 0;
	pl_json_join(where, path, "gw");
	r = pl_json_read_ip(value, where, &gw, err);
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
		{"mtu", PL_MTU_MAX},   {"advmss", PL_MTU_MAX}, {"priority", UINT32_MAX},
		{"table", UINT32_MAX}, {"scope", UINT8_MAX},
	};
	struct pl_prefix dst;
	char where[PL_JSON_PATH_MAX];
	const json_t *value;
	int r = pl_json_check_keys(route, path, known, err);

	if (r < 0)
		return r;
	value = json_object_get(route, "dst");
	pl_json_join(where, path, "dst");
	if (!value)
		return pl_fail(err, -EINVAL, "%s: is missing; a route needs one", where);
	r = pl_json_read_network(value, where, &dst, err);
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
	int r = pl_json_check_array(routes, path, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < json_array_size(routes); i++) {
		char where[PL_JSON_PATH_MAX];

		r = check_route(json_array_get(routes, i), pl_json_join_index(where, path, i), err);
		if (r < 0)
			return r;
	}
	conf->routes = json_deep_copy(routes);
	return conf->routes ? 0 : pl_fail(err, -ENOMEM, "out of memory");
}

static int read_built_in_ipam(const json_t *ipam, const char *path, struct pl_netconf *conf,
			      struct pl_error *err)
{
	static const char *const known[] = {"type",	"subnet",  "rangeStart",
					    "rangeEnd", "gateway", "ranges",
					    "exclude",	"routes",  NULL};
	const json_t *exclude = json_object_get(ipam, "exclude");
	const json_t *routes = json_object_get(ipam, "routes");
	char where[PL_JSON_PATH_MAX];
	int r = pl_json_check_keys(ipam, path, known, err);

	if (r < 0)
		return r;
	r = read_ranges(ipam, path, conf, err);
	if (r < 0)
		return r;
	if (exclude) {
		r = read_exclude(exclude, pl_json_join(where, path, "exclude"), conf, err);
		if (r < 0)
			return r;
	}
	return routes ? read_routes(routes, pl_json_join(where, path, "routes"), conf, err) : 0;
}

/* The type names a program that will be looked for in CNI_PATH: no way out of that folder. */
static int read_ipam_type(const json_t *ipam, const char *path, struct pl_netconf *conf,
			  struct pl_error *err)
{
	const json_t *value = json_object_get(ipam, "type");
	char where[PL_JSON_PATH_MAX];
	const char *type = "";
	int r;

	if (!value)
		return 0;
	pl_json_join(where, path, "type");
	r = pl_json_read_string(value, where, &type, err);
	if (r < 0)
		return r;
	if (!pl_name_valid(type) || strlen(type) >= sizeof(conf->ipam_type))
		return pl_fail(err, -EINVAL, "%s: \"%s\" cannot be the name of a plugin", where,
			       type);
	strcpy(conf->ipam_type, type);
	return 0;
}

int pl_netconf_read_ipam(const json_t *ipam, const char *path, void *to, struct pl_error *err)
{
	struct pl_netconf *conf = to;
	int r = pl_json_check_object(ipam, path, err);

	if (r < 0)
		return r;
	r = read_ipam_type(ipam, path, conf, err);
	if (r < 0)
		return r;
	/* Another plugin's object is that plugin's to judge. */
	if (strcmp(conf->ipam_type, PL_NETCONF_BUILT_IN) != 0)
		return 0;
	return read_built_in_ipam(ipam, path, conf, err);
}
