/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * CHECK: an endpoint's record, links, maps and attachments, compared with what they should be.
 */
#include "endpoint/internal.h"
#include "endpoint/link.h"

static void check_applied(struct pl_endpoints *t, const struct pl_endpoint *pod,
			  const struct pl_fact *f, json_t *differences)
{
	struct pl_fact now = *f;
	char sentence[256];

	switch (f->kind) {
	case PL_FACT_ENDPOINT:
		now.endpoint = pl_datapath_slots(t->opts.dp)[f->index];
		if (pl_fact_same(&now, f))
			return;
		snprintf(sentence, sizeof(sentence), "pl_endpoints has another entry %u for %s",
			 f->index, pod->rec.host_ifname);
		break;
	case PL_FACT_ATTACH:
		if (pl_datapath_attached(t->opts.dp, f->hook, f->index) != PL_ATTACHED_NONE)
			return;
		snprintf(sentence, sizeof(sentence), "program %s is not attached to %s",
			 f->hook == PL_HOOK_TO_POD ? "to-pod" : "from-pod", pod->rec.host_ifname);
		break;
	default: /* compared with the record */
		return;
	}
	json_array_append_new(differences, json_string(sentence));
}

static void check_maps(struct pl_endpoints *t, const struct pl_endpoint *pod, json_t *differences)
{
	char sentence[256], ip[PL_IP_STRLEN];
	struct pl_error masq = {0};
	struct pl_device link;

	if (pl_datapath_link_get(t->opts.dp, pod->rec.ifindex, &link) || link.endpoint != pod->id) {
		snprintf(sentence, sizeof(sentence), "pl_devices has no entry for %s",
			 pod->rec.host_ifname);
		json_array_append_new(differences, json_string(sentence));
	}
	for (size_t i = 0; i < pod->rec.n_addrs; i++) {
		struct pl_addr addr;

		if (!pl_datapath_addr_get(t->opts.dp, &pod->rec.addrs[i].ip.ip, &addr) &&
		    addr.endpoint == pod->id)
			continue;
		snprintf(sentence, sizeof(sentence), "pl_addrs has no entry for %s",
			 pl_ip_format(&pod->rec.addrs[i].ip.ip, ip));
		json_array_append_new(differences, json_string(sentence));
	}
	if (pod->rec.ip_masq && pl_masq_check(t->opts.masq, &masq) < 0)
		json_array_append_new(differences, json_string(masq.text));
	for (size_t i = 0; i < pod->facts.applied.n; i++)
		check_applied(t, pod, &pod->facts.applied.v[i], differences);
	if (!pl_endpoint_is_ready(pod)) {
		snprintf(sentence, sizeof(sentence), "endpoint is not ready: %.200s", pod->why);
		json_array_append_new(differences, json_string(sentence));
	}
}

static int check_record(struct pl_endpoints *t, const struct pl_endpoint *pod, json_t *differences)
{
	struct pl_record on_disk;
	struct pl_error why = {0};
	char sentence[600];
	int r = pl_record_load(t->opts.run_dir, pod->rec.container_id, pod->rec.ifname, &on_disk,
			       &why);

	if (!r && (on_disk.ifindex == pod->rec.ifindex || !pod->rec.ifindex))
		return 0;
	snprintf(sentence, sizeof(sentence), "the record on disk is missing or differs%s%s",
		 why.text[0] ? ": " : "", why.text);
	return json_array_append_new(differences, json_string(sentence));
}

int pl_endpoints_check(struct pl_endpoints *t, struct pl_endpoint *pod, int netns_fd,
		       const struct pl_netconf *conf, json_t *differences, struct pl_error *err)
{
	struct pl_podlink_routes routes = {0};
	int r = 0;

	pl_endpoint_follow_pod_end(t, pod);
	if (conf && pod->rec.mode == PL_MODE_POD)
		r = pl_podlink_routes(&pod->rec, conf->routes, &routes, err);
	if (!r)
		r = pl_podlink_check(t->opts.nl, netns_fd, &pod->rec, &routes, differences, err);
	if (r < 0)
		return r;
	check_maps(t, pod, differences);
	check_record(t, pod, differences);
	return 0;
}
