/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What netlink tells of host ends, and what that means for their endpoints. Whether a link is the
 * host end of a record is netlink/identity.c's to say: the index alone may be another device's.
 */
#include <net/if.h>

#include "common/log.h"
#include "endpoint/internal.h"
#include "endpoint/link.h"
#include "endpoint/remove.h"

const struct pl_nl_link *pl_endpoint_link_of(const struct pl_endpoints *t,
					     const struct pl_record *rec)
{
	const struct pl_identity id = pl_identity_of_host_end(rec);
	const struct pl_nl_link *link = pl_links_get(pl_host_links(t->opts.host), rec->ifindex);

	return link && pl_identity_matches(&id, link) ? link : NULL;
}

const struct pl_nl_link *pl_endpoint_find_link(const struct pl_endpoints *t,
					       const struct pl_record *rec)
{
	const struct pl_identity id = pl_identity_of_host_end(rec);
	const struct pl_nl_link *link = pl_endpoint_link_of(t, rec);

	if (link)
		return link;
	link = pl_links_by_name(pl_host_links(t->opts.host), rec->host_ifname);
	return link && pl_identity_matches(&id, link) ? link : NULL;
}

static void save(struct pl_endpoints *t, const struct pl_record *rec)
{
	struct pl_error err = {0};

	if (pl_endpoint_save(t, rec, &err) < 0)
		pl_warn("record not saved error=\"%s\"", err.text);
}

/* Moved to another network namespace: it may come back, and its addresses stay taken. */
static void lose_link(struct pl_endpoints *t, struct pl_endpoint *pod)
{
	if (pod->state == PL_STATE_DELETING) /* the reaper will say */
		return;
	pl_endpoints_set_index(t, pod, 0);
	if (!pl_endpoint_is_leaving(pod))
		pl_endpoint_sync(t, pod);
}

/* Back from another network namespace, as if it were new: down, with nothing that it had. */
void pl_endpoint_take_back(struct pl_endpoints *t, struct pl_endpoint *pod,
			   const struct pl_nl_link *link)
{
	struct pl_error err = {0};

	pl_info("host end is back host=%s container=%s ifindex=%u", link->name,
		pod->rec.container_id, link->ifindex);
	pl_endpoints_set_index(t, pod, link->ifindex);
	save(t, &pod->rec);
	if (!(link->flags & IFF_UP) && pl_podlink_come_back(t->opts.nl, &pod->rec, &err) < 0)
		pl_warn("host end not set up again host=%s error=\"%s\"", link->name, err.text);
	pl_endpoint_suspect(t, pod, PL_SUSPECT_STACK);
}

static struct pl_endpoint *find_away(struct pl_endpoints *t, const struct pl_nl_link *link)
{
	for (uint32_t id = 1; t->n_away && id < t->max; id++) {
		struct pl_endpoint *pod = t->v[id];
		struct pl_identity known;

		if (!pod || pod->rec.ifindex)
			continue;
		known = pl_identity_of_host_end(&pod->rec);
		if (pl_identity_matches(&known, link))
			return pod;
	}
	return NULL;
}

static void follow_name(struct pl_endpoints *t, struct pl_endpoint *pod,
			const struct pl_nl_link *link)
{
	if (!strcmp(pod->rec.host_ifname, link->name))
		return;
	pl_info("host end renamed from=%s to=%s", pod->rec.host_ifname, link->name);
	pl_endpoint_copy_text(pod->rec.host_ifname, sizeof(pod->rec.host_ifname), link->name);
	save(t, &pod->rec);
}

void pl_endpoints_link_changed(struct pl_endpoints *t, const struct pl_nl_link *link)
{
	struct pl_endpoint *pod = pl_endpoints_by_ifindex(t, link->ifindex);

	if (pod &&
	    !pl_endpoint_link_of(t, &pod->rec)) { /* the event of the move is still to come */
		lose_link(t, pod);
		pod = NULL;
	}
	if (!pod) {
		pod = find_away(t, link);
		if (!pod || pl_endpoint_is_leaving(pod))
			return;
		pl_endpoint_take_back(t, pod, link);
	}
	follow_name(t, pod, link);
	pod->shaped = pl_endpoint_is_shaped(t, link);
	pl_endpoint_sync(t, pod);
}

void pl_endpoints_link_gone(struct pl_endpoints *t, const struct pl_nl_link *link)
{
	struct pl_endpoint *pod = pl_endpoints_by_ifindex(t, link->ifindex);

	if (!pod)
		return;
	if (link->new_nsid != PL_NL_NSID_HERE) {
		lose_link(t, pod);
		return;
	}
	if (!pl_endpoint_is_leaving(pod))
		pl_info("link gone host=%s container=%s", pod->rec.host_ifname,
			pod->rec.container_id);
	pl_endpoint_link_gone(t, pod);
}

/* ---- what leads to a pod ---- */

static bool is_own_neighbour(const struct pl_record *rec, const struct pl_nl_neigh *neigh)
{
	for (size_t i = 0; i < rec->n_addrs; i++)
		if (!pl_ip_cmp(&rec->addrs[i].ip.ip, &neigh->ip))
			return true;
	return false;
}

static void neighbour_changed(struct pl_endpoints *t, const struct pl_nl_neigh *neigh)
{
	struct pl_endpoint *pod = pl_endpoints_by_ifindex(t, neigh->ifindex);

	if (!pod || !is_own_neighbour(&pod->rec, neigh))
		return;
	if (neigh->state == NUD_PERMANENT &&
	    !memcmp(&neigh->mac, &pod->rec.pod_mac, sizeof(neigh->mac))) /* as it should be */
		return;
	pl_endpoint_suspect(t, pod, PL_SUSPECT_STACK);
}

/* To any address there is: the map of addresses knows at once whether it is a pod's. */
static void host_route_gone(struct pl_endpoints *t, const struct pl_nl_route *route)
{
	struct pl_addr addr;

	if (!pl_datapath_addr_get(t->opts.dp, &route->dst.ip, &addr) && addr.kind == PL_ADDR_POD &&
	    addr.endpoint < t->max && t->v[addr.endpoint])
		pl_endpoint_suspect(t, t->v[addr.endpoint], PL_SUSPECT_STACK);
}

/*
 * An event may tell of a moment that has passed: of a host end that was down, or without a carrier
 * because its pod's end was. It is up again, but what was on it is gone.
 */
static void link_was(struct pl_endpoints *t, const struct pl_nl_link *told)
{
	struct pl_endpoint *pod = pl_endpoints_by_ifindex(t, told->ifindex);

	if (!pod)
		return;
	if (!(told->flags & IFF_UP))
		pl_endpoint_suspect(t, pod, PL_SUSPECT_STACK);
	else if (!(told->flags & IFF_LOWER_UP))
		pl_endpoint_suspect(t, pod, PL_SUSPECT_STACK | PL_SUSPECT_POD_END);
}

void pl_endpoints_stack_changed(struct pl_endpoints *t, const struct pl_nl_event *event)
{
	struct pl_endpoint *pod;

	switch (event->type) {
	case PL_NL_NEIGH_CHANGED:
		neighbour_changed(t, &event->neigh);
		return;
	case PL_NL_HOST_ROUTE_GONE:
		host_route_gone(t, &event->route);
		return;
	case PL_NL_ADDR_DEL:
		pod = pl_endpoints_by_ifindex(t, event->addr.ifindex);
		if (pod)
			pl_endpoint_suspect(t, pod, PL_SUSPECT_STACK);
		return;
	case PL_NL_LINK_NEW:
		link_was(t, &event->link);
		return;
	default:
		return;
	}
}

/* ---- after a dump ---- */

static void sweep_one(struct pl_endpoints *t, struct pl_endpoint *pod)
{
	const struct pl_nl_link *link = pl_endpoint_find_link(t, &pod->rec);

	if (!link && pl_identity_is_elsewhere(&pod->rec)) {
		if (pod->rec.ifindex && pod->state != PL_STATE_DELETING)
			pl_endpoints_set_index(t, pod, 0);
		return;
	}
	if (!link) {
		pl_info("record without link removed container=%s ifname=%s host=%s",
			pod->rec.container_id, pod->rec.ifname, pod->rec.host_ifname);
		pl_endpoint_release(t, pod);
		return;
	}
	if (link->ifindex != pod->rec.ifindex && !pl_endpoint_is_leaving(pod))
		pl_endpoint_take_back(t, pod, link);
	follow_name(t, pod, link);
	pod->shaped = pl_endpoint_is_shaped(t, link);
	pl_endpoint_suspect(t, pod, PL_SUSPECT_STACK);
}

void pl_endpoints_sweep(struct pl_endpoints *t)
{
	for (uint32_t id = 1; id < t->max; id++)
		if (t->v[id])
			sweep_one(t, t->v[id]);
}
