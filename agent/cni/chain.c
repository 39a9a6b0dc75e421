/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading a result that is there already: an earlier plugin's (mode "accelerate") or that of our
 * own ADD (CHECK). A result is the runtime's word; where a link is taken from it, the kernel is
 * asked whether both ends belong together. Changes nothing.
 */
#include "cni/cni.h"
#include "netlink/netlink.h"

static bool is_sandboxed(const json_t *interface)
{
	return json_string_length(json_object_get(interface, "sandbox")) > 0;
}

int cni_prev_interface(const json_t *result, const char *ifname)
{
	const json_t *interface;
	size_t i;

	json_array_foreach (json_object_get(result, "interfaces"), i, interface) {
		const char *name = json_string_value(json_object_get(interface, "name"));

		if (name && is_sandboxed(interface) && strcmp(name, ifname) == 0)
			return (int)i;
	}
	return -ENOENT;
}

json_t *cni_prev_addresses(const json_t *result, const char *ifname)
{
	int wanted = cni_prev_interface(result, ifname);
	pl_autojson json_t *list = json_array();
	const json_t *ip;
	size_t i;

	json_array_foreach (json_object_get(result, "ips"), i, ip) {
		const json_t *index = json_object_get(ip, "interface");
		const json_t *address = json_object_get(ip, "address");
		const json_t *gateway = json_object_get(ip, "gateway");
		json_t *entry;

		if (!json_is_string(address))
			continue;
		if (json_is_integer(index) && json_integer_value(index) != wanted)
			continue;
		entry = json_pack("{s:O}", "address", address);
		if (!entry)
			return NULL;
		if (json_string_length(gateway))
			json_object_set(entry, "gateway", (json_t *)gateway);
		if (json_array_append_new(list, entry) < 0)
			return NULL;
	}
	return TAKE_PTR(list);
}

static bool is_pair(const struct pl_nl_link *host, const struct pl_nl_link *pod)
{
	if (!pl_nl_is_pair(host))
		return false;
	return host->ifindex == pod->peer_ifindex && host->peer_ifindex == pod->ifindex &&
	       host->peer_nsid >= 0;
}

/* The host interface among those of @prev that is the other end of @pod. */
static int find_named(struct pl_nl *nl, const json_t *prev, const struct pl_nl_link *pod,
		      struct pl_nl_link *ret)
{
	const json_t *interface;
	size_t i;

	json_array_foreach (json_object_get(prev, "interfaces"), i, interface) {
		const char *name = json_string_value(json_object_get(interface, "name"));
		struct pl_nl_link link;

		if (!name || !*name || is_sandboxed(interface))
			continue;
		if (pl_nl_link_get(nl, name, 0, &link) == 0 && is_pair(&link, pod)) {
			*ret = link;
			return 0;
		}
	}
	return -ENOENT;
}

int cni_find_host_end(const json_t *prev, const char *ifname, int netns_fd, char *ret, size_t size,
		      struct cni_error *err)
{
	pl_cleanup(pl_nl_closep) struct pl_nl *pod_nl = NULL;
	pl_cleanup(pl_nl_closep) struct pl_nl *host_nl = NULL;
	struct pl_nl_link pod, host;
	struct pl_error why = {0};

	if (pl_nl_open(netns_fd, &pod_nl, &why) < 0 || pl_nl_open(-1, &host_nl, &why) < 0)
		return cni_fail_from(err, &why);
	if (pl_nl_link_get(pod_nl, ifname, 0, &pod) < 0)
		return cni_fail(err, CNI_BAD_CONFIG,
				"Mode \"accelerate\": the plugin before podlane left no %s in the "
				"container's netns",
				ifname);
	if (find_named(host_nl, prev, &pod, &host) < 0 &&
	    (!pod.peer_ifindex || pl_nl_link_get(host_nl, NULL, pod.peer_ifindex, &host) < 0 ||
	     !is_pair(&host, &pod)))
		return cni_fail(err, CNI_BAD_CONFIG,
				"Mode \"accelerate\": %s (a %s) has no veth or netkit end of its "
				"own on the host; use it after a plugin that makes one, such as "
				"ptp",
				ifname, pod.kind[0] ? pod.kind : "device without a kind");
	snprintf(ret, size, "%s", host.name);
	return 0;
}
