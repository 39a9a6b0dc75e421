/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What every operation reads of a request, and how a list is replied.
 */
#include "control/request.h"

int pl_request_text(const json_t *req, const char *key, bool required, const char **ret,
		    struct pl_error *err)
{
	const json_t *v = json_object_get(req, key);

	if (!v || json_is_null(v)) {
		if (required)
			return pl_fail(err, -EINVAL, "the request lacks \"%s\"", key);
		*ret = "";
		return 0;
	}
	if (!json_is_string(v))
		return pl_fail(err, -EINVAL, "\"%s\": expected a string", key);
	*ret = json_string_value(v);
	return 0;
}

/* Those of a delegated IPAM plugin's answer, as its addresses are. */
static int take_routes(const json_t *req, struct pl_netconf *conf, struct pl_error *err)
{
	json_t *routes = json_object_get(req, "routes");

	if (!routes || json_is_null(routes))
		return 0;
	if (!json_is_array(routes))
		return pl_fail(err, -EINVAL, "\"routes\": expected an array");
	json_decref(conf->routes);
	conf->routes = json_incref(routes);
	return 0;
}

int pl_request_conf(const struct pl_parts *parts, const json_t *req, struct pl_netconf *own,
		    const struct pl_netconf **ret, struct pl_error *err)
{
	const json_t *v = json_object_get(req, "network");
	pl_autojson json_t *whole = NULL;
	int r;

	if (!v || json_is_null(v)) {
		*ret = parts->network;
		return 0;
	}
	/* Without a name it says how this endpoint differs from the daemon's own network. */
	if (json_is_object(v) && !json_object_get(v, "name")) {
		whole = pl_netconf_to_json(parts->network);
		if (!whole || json_object_update(whole, (json_t *)v))
			return pl_fail(err, -ENOMEM, "network: out of memory");
	}
	r = pl_netconf_parse(whole ? whole : v, own, err);
	if (r == 0 && whole)
		r = pl_netconf_check_link(v, own, err);
	if (r == 0)
		r = pl_netconf_inherit_ranges(own, parts->network, err);
	if (r == 0)
		r = take_routes(req, own, err);
	if (r < 0)
		return r;
	*ret = own;
	return 0;
}

int pl_request_ips(const json_t *req, struct pl_endpoint_request *pod, struct pl_error *err)
{
	const json_t *list = json_object_get(req, "ips"), *item;
	size_t i;

	if (list && !json_is_array(list))
		return pl_fail(err, -EINVAL, "\"ips\": expected an array of addresses");
	json_array_foreach (list, i, item) {
		const char *text = json_string_value(item);

		if (pod->n_ips == PL_ARRAY_SIZE(pod->ips))
			return pl_fail(err, -EINVAL, "\"ips\": more than %zu",
				       PL_ARRAY_SIZE(pod->ips));
		if (!text || pl_ip_parse(text, &pod->ips[pod->n_ips]))
			return pl_fail(err, -EINVAL, "\"ips\"[%zu]: \"%s\" is not a valid address",
				       i, text ? text : "?");
		pod->n_ips++;
	}
	return 0;
}

int pl_request_addresses(const json_t *req, struct pl_record_addr *addrs, size_t max, size_t *ret_n,
			 struct pl_error *err)
{
	const json_t *list = json_object_get(req, "addresses"), *item;
	size_t i, n = 0;

	if (list && !json_is_array(list))
		return pl_fail(err, -EINVAL, "\"addresses\": expected an array");
	json_array_foreach (list, i, item) {
		const char *ip = json_string_value(json_object_get(item, "address"));
		const char *gw = json_string_value(json_object_get(item, "gateway"));

		if (n == max)
			return pl_fail(err, -EINVAL, "\"addresses\": more than %zu", max);
		addrs[n] = (struct pl_record_addr){0};
		if (!ip || pl_prefix_parse(ip, &addrs[n].ip))
			return pl_fail(err, -EINVAL,
				       "\"addresses\"[%zu]: \"%s\" is not a valid address", i,
				       ip ? ip : "?");
		if (gw && *gw && pl_ip_parse(gw, &addrs[n].gateway))
			return pl_fail(err, -EINVAL, "\"addresses\"[%zu].gateway: \"%s\"", i, gw);
		n++;
	}
	*ret_n = n;
	return 0;
}

int pl_request_mac(const json_t *req, struct pl_endpoint_request *pod, struct pl_error *err)
{
	const char *text = NULL;
	int r = pl_request_text(req, "mac", false, &text, err);

	if (r < 0 || !*text)
		return r;
	if (pl_mac_parse(text, &pod->mac))
		return pl_fail(err, -EINVAL, "\"mac\": \"%s\" is not a valid MAC address", text);
	pod->has_mac = true;
	return 0;
}

int pl_request_key(const json_t *req, const char **ret_id, const char **ret_ifname,
		   struct pl_error *err)
{
	int r = pl_request_text(req, "containerId", true, ret_id, err);

	return r ? r : pl_request_text(req, "ifname", true, ret_ifname, err);
}

struct array {
	json_t *entries;
	size_t at;
};

static json_t *next_entry(void *arg)
{
	struct array *array = arg;

	return json_incref(json_array_get(array->entries, array->at++));
}

static void array_free(void *arg)
{
	struct array *array = arg;

	json_decref(array->entries);
	free(array);
}

void pl_reply_array(struct pl_client *client, const char *key, json_t *entries)
{
	struct array *array = entries ? calloc(1, sizeof(*array)) : NULL;
	const struct pl_list list = {key, next_entry, array_free, array};

	if (!array) {
		json_decref(entries);
		pl_client_reply(client, NULL);
		return;
	}
	array->entries = entries;
	pl_client_reply_list(client, &list);
}
