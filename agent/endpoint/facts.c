/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the datapath must hold for an endpoint, and whether it is ready.
 */
#include <net/if.h>

#include "common/log.h"
#include "endpoint/internal.h"

bool pl_endpoint_is_shaped(struct pl_endpoints *t, const struct pl_nl_link *link)
{
	if (link->qdisc[0] && strcmp(link->qdisc, "noqueue") && strcmp(link->qdisc, "noop"))
		return true;
	return pl_nl_has_ingress_qdisc(t->opts.nl, link->ifindex) > 0;
}

static bool is_ready(const struct pl_endpoint *pod, const struct pl_nl_link *link,
		     const char **ret_why)
{
	const char *why = NULL;

	if (!link)
		why = "the host end was deleted, or is in another network namespace";
	else if (!pl_nl_is_pair(link))
		why = "the host end is neither veth nor netkit";
	else if (link->peer_nsid == PL_NL_NSID_HERE)
		why = "the pod end is in the host's network namespace";
	else if (!(link->flags & IFF_UP))
		why = "the host end is down";
	else if (!(link->flags & IFF_LOWER_UP))
		why = "the pod end is down";
	*ret_why = why;
	return !why;
}

static void fill_slot(struct pl_endpoints *t, const struct pl_endpoint *pod,
		      struct pl_endpoint_info *e)
{
	const struct pl_record *r = &pod->rec;

	e->ifindex = r->ifindex;
	e->link_kind = r->link_kind;
	e->mtu = r->mtu < UINT16_MAX ? (__u16)r->mtu : UINT16_MAX;
	memcpy(e->pod_mac, r->pod_mac.bytes, 6);
	memcpy(e->host_mac, r->host_mac.bytes, 6);
	for (size_t i = r->n_addrs; i-- > 0;) {
		const struct pl_ip *ip = &r->addrs[i].ip.ip;

		if (ip->family == AF_INET)
			memcpy(e->ip4, ip->bytes, 4);
		else
			memcpy(e->ip6, ip->bytes, 16);
	}
	e->flags = (uint16_t)((pl_endpoint_is_ready(pod) ? PL_EP_READY : 0) |
			      (pod->shaped ? PL_EP_SHAPED : 0) |
			      (r->antispoof ? 0 : PL_EP_TRUSTED) | r->allow);
	e->mirror_out = pod->mirror_out;
	e->mirror_in = pod->mirror_in;
}

static int add_attach(struct pl_facts *facts, enum pl_hook hook, uint32_t ifindex)
{
	struct pl_fact *f = pl_facts_add(facts, PL_FACT_ATTACH);

	if (!f)
		return -ENOMEM;
	f->index = ifindex;
	f->hook = hook;
	return 0;
}

int pl_endpoint_facts(struct pl_endpoints *t, struct pl_endpoint *pod, struct pl_facts *ret)
{
	const struct pl_record *r = &pod->rec;
	const struct pl_nl_link *link = pl_endpoint_link_of(t, r);
	const char *why;
	struct pl_fact *f;

	pl_endpoint_event(pod, is_ready(pod, link, &why) ? PL_EVENT_LINK_UP : PL_EVENT_LINK_DOWN);
	if (pl_endpoint_is_leaving(pod))
		why = "it is being removed";
	snprintf(pod->why, sizeof(pod->why), "%s", why ? why : "");
	if (!link)
		return 0;
	f = pl_facts_add(ret, PL_FACT_ENDPOINT);
	if (!f)
		return -ENOMEM;
	f->index = pod->id;
	fill_slot(t, pod, &f->endpoint);
	f = pl_facts_add(ret, PL_FACT_LINK);
	if (!f)
		return -ENOMEM;
	f->index = r->ifindex;
	f->link = (struct pl_device){.endpoint = pod->id, .role = PL_ROLE_ENDPOINT};
	if (add_attach(ret, PL_HOOK_TO_POD, r->ifindex) ||
	    add_attach(ret, r->link_kind == PL_LINK_VETH ? PL_HOOK_FROM_POD : PL_HOOK_FROM_NETKIT,
		       r->ifindex))
		return -ENOMEM;
	for (size_t i = 0; !pl_endpoint_is_leaving(pod) && i < r->n_addrs; i++) {
		f = pl_facts_add(ret, PL_FACT_ADDR);
		if (!f)
			return -ENOMEM;
		f->ip = r->addrs[i].ip.ip;
		f->addr = (struct pl_addr){.endpoint = pod->id, .kind = PL_ADDR_POD};
	}
	return 0;
}

void pl_endpoint_set_masks(struct pl_endpoints *t, uint32_t id, uint64_t out, uint64_t in)
{
	struct pl_endpoint *pod = t->v[id];
	struct pl_fact f = {.kind = PL_FACT_ENDPOINT, .index = id};
	struct pl_error err = {0};

	if (pod->mirror_out == out && pod->mirror_in == in)
		return;
	pod->mirror_out = out;
	pod->mirror_in = in;
	fill_slot(t, pod, &f.endpoint);
	if (pl_reconcile_amend(t->opts.reconcile, &pod->facts, &f, &err) < 0)
		pl_warn("endpoint update failed, trying again container=%s ifname=%s error=\"%s\"",
			pod->rec.container_id, pod->rec.ifname, err.text);
}

const char *pl_endpoint_degraded(const struct pl_endpoints *t, const struct pl_endpoint *pod)
{
	return pl_endpoint_is_ready(pod) ? pl_reconcile_lacks(t->opts.reconcile, &pod->facts)
					 : NULL;
}
