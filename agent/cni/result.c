/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the plugin prints: results in the form of the version that was asked for, errors, and the
 * list of versions. Pure functions from JSON to JSON; a key that a version does not know is never
 * printed in it (libcni up to 1.0 refuses a result of a later version).
 */
#include "cni/cni.h"

static bool has_text(const json_t *j)
{
	return json_string_length(j) > 0;
}

static bool is_real_mac(const json_t *mac)
{
	return has_text(mac) && strcmp(json_string_value(mac), "00:00:00:00:00:00") != 0;
}

/* Copies @key where it is there and not empty. */
static int copy_text(json_t *to, const json_t *from, const char *key)
{
	json_t *value = json_object_get(from, key);

	return has_text(value) ? json_object_set(to, key, value) : 0;
}

static json_t *interface_new(enum cni_version v, const json_t *name, const json_t *mac,
			     const json_t *mtu, const char *sandbox)
{
	pl_autojson json_t *i = json_pack("{s:O}", "name", name);
	int failed = 0;

	if (!i)
		return NULL;
	if (is_real_mac(mac))
		failed |= json_object_set(i, "mac", (json_t *)mac);
	if (v >= CNI_1_1_0 && json_integer_value(mtu) > 0)
		failed |= json_object_set(i, "mtu", (json_t *)mtu);
	if (sandbox)
		failed |= json_object_set_new(i, "sandbox", json_string(sandbox));
	return failed ? NULL : TAKE_PTR(i);
}

static json_t *interfaces_new(enum cni_version v, const char *netns, const json_t *endpoint)
{
	const json_t *mtu = json_object_get(endpoint, "mtu");

	return json_pack("[o,o]",
			 interface_new(v, json_object_get(endpoint, "hostIfname"),
				       json_object_get(endpoint, "hostMac"), mtu, NULL),
			 interface_new(v, json_object_get(endpoint, "ifname"),
				       json_object_get(endpoint, "podMac"), mtu, netns));
}

static int ip_append(json_t *ips, enum cni_version v, const json_t *address)
{
	const json_t *cidr = json_object_get(address, "address");
	pl_autojson json_t *ip = json_pack("{s:O, s:i}", "address", cidr, "interface", 1);

	if (!ip || copy_text(ip, address, "gateway") < 0)
		return -ENOMEM;
	if (v < CNI_1_0_0) {
		const char *family = strchr(json_string_value(cidr), ':') ? "6" : "4";

		if (json_object_set_new(ip, "version", json_string(family)) < 0)
			return -ENOMEM;
	}
	return json_array_append(ips, ip);
}

static json_t *ips_new(enum cni_version v, const json_t *endpoint)
{
	pl_autojson json_t *ips = json_array();
	const json_t *address;
	size_t i;

	json_array_foreach (json_object_get(endpoint, "addresses"), i, address)
		if (!has_text(json_object_get(address, "address")) || ip_append(ips, v, address))
			return NULL;
	return TAKE_PTR(ips);
}

/* Without empty lists and words: some readers take them for "no name server at all". */
static json_t *dns_new(const json_t *dns)
{
	json_t *copy = json_object();
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)dns, key, value)
		if (json_array_size(value) || has_text(value))
			json_object_set(copy, key, value);
	return copy;
}

static json_t *routes_new(enum cni_version v, const json_t *routes)
{
	static const char *const later[] = {"mtu", "advmss", "priority", "table", "scope"};
	pl_autojson json_t *list = json_array();
	const json_t *route;
	size_t i;

	json_array_foreach (routes, i, route) {
		pl_autojson json_t *r = json_pack("{s:O}", "dst", json_object_get(route, "dst"));
		int failed = r ? copy_text(r, route, "gw") : -ENOMEM;

		for (size_t k = 0; !failed && v >= CNI_1_1_0 && k < PL_ARRAY_SIZE(later); k++) {
			json_t *value = json_object_get(route, later[k]);

			if (json_is_integer(value))
				failed = json_object_set(r, later[k], value);
		}
		if (failed || json_array_append(list, r) < 0)
			return NULL;
	}
	return TAKE_PTR(list);
}

json_t *cni_result_new(enum cni_version v, const char *netns, const json_t *endpoint,
		       const json_t *routes, const json_t *dns)
{
	pl_autojson json_t *result =
		json_pack("{s:s, s:o, s:o}", "cniVersion", cni_version_name(v), "interfaces",
			  interfaces_new(v, netns, endpoint), "ips", ips_new(v, endpoint));
	int failed = result ? 0 : -ENOMEM;

	if (!failed && json_array_size(routes))
		failed = json_object_set_new(result, "routes", routes_new(v, routes));
	if (!failed)
		failed = json_object_set_new(result, "dns", dns_new(dns));
	return failed ? NULL : TAKE_PTR(result);
}

/* Appends the elements of ours[key] to result[key]. */
static int append_list(json_t *result, const json_t *ours, const char *key)
{
	json_t *list = json_object_get(result, key);
	json_t *add = json_object_get(ours, key);

	if (!json_array_size(add))
		return 0;
	if (!json_is_array(list))
		return json_object_set(result, key, add);
	return json_array_extend(list, add);
}

static int shift_interfaces(json_t *ours, size_t by)
{
	json_t *ip;
	size_t i;

	json_array_foreach (json_object_get(ours, "ips"), i, ip) {
		json_int_t index = json_integer_value(json_object_get(ip, "interface"));

		if (json_object_set_new(ip, "interface", json_integer(index + (json_int_t)by)) < 0)
			return -ENOMEM;
	}
	return 0;
}

json_t *cni_result_append(const json_t *prev, const json_t *ours)
{
	pl_autojson json_t *result = json_deep_copy(prev);
	pl_autojson json_t *add = json_deep_copy(ours);
	const json_t *dns = json_object_get(add, "dns");
	int failed;

	if (!result || !add)
		return NULL;
	failed = shift_interfaces(add, json_array_size(json_object_get(prev, "interfaces")));
	failed |= append_list(result, add, "interfaces");
	failed |= append_list(result, add, "ips");
	failed |= append_list(result, add, "routes");
	failed |= json_object_set(result, "cniVersion", json_object_get(add, "cniVersion"));
	if (json_object_size(dns) || !json_object_get(result, "dns"))
		failed |= json_object_set(result, "dns", (json_t *)dns);
	return failed ? NULL : TAKE_PTR(result);
}

json_t *cni_result_pass(enum cni_version v, const json_t *prev)
{
	pl_autojson json_t *result = json_deep_copy(prev);

	if (!result ||
	    json_object_set_new(result, "cniVersion", json_string(cni_version_name(v))) < 0)
		return NULL;
	return TAKE_PTR(result);
}

/* Messages quote what came in; JSON has no room for bytes that are not UTF-8, or were cut. */
static json_t *text_json(const char *text)
{
	size_t len = strlen(text);
	pl_autofree char *copy = strdup(text);

	for (size_t i = 0; copy && i < len;) {
		size_t n = pl_utf8_char(copy + i, len - i);

		if (!n)
			copy[i] = '?';
		i += n ? n : 1;
	}
	return copy ? json_string(copy) : NULL;
}

json_t *cni_error_to_json(enum cni_version v, const struct cni_error *err)
{
	pl_autojson json_t *j = json_pack("{s:s, s:i, s:o}", "cniVersion", cni_version_name(v),
					  "code", err->code, "msg", text_json(err->msg));

	if (j && err->details[0] && json_object_set_new(j, "details", text_json(err->details)) < 0)
		return NULL;
	return TAKE_PTR(j);
}

json_t *cni_error_to_netavark(const struct cni_error *err)
{
	return json_pack("{s:o}", "error", text_json(err->msg));
}

json_t *cni_versions_to_json(const char *asked)
{
	pl_autojson json_t *list = json_array();

	for (int v = 0; v < CNI_VERSION_COUNT; v++)
		if (json_array_append_new(list, json_string(cni_version_name(v))) < 0)
			return NULL;
	return json_pack("{s:s, s:O}", "cniVersion",
			 asked ? asked : cni_version_name(CNI_VERSION_COUNT - 1),
			 "supportedVersions", list);
}
