/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Netlink tells, this remembers. Uplinks are the links that match a pattern of the settings or,
 * without patterns, carry a default route; every address of the host is an entry of pl_addrs, so
 * that programs can say PASS_HOST.
 */
#include <fnmatch.h>
#include <net/if_arp.h>

#include "common/log.h"
#include "endpoint/endpoint.h"
#include "host/host.h"
#include "mirror/mirrors.h"
#include "reconcile/reconcile.h"
#include "reconcile/write.h"

static int compare_host_addr(const struct pl_host_addr *a, const struct pl_host_addr *b)
{
	int c = pl_ip_cmp(&a->ip, &b->ip);

	return c ? c : (a->ifindex > b->ifindex) - (a->ifindex < b->ifindex);
}

static size_t host_addr_bound(const struct pl_daemon *d, const struct pl_host_addr *key)
{
	size_t lo = 0, hi = d->n_host_addrs;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (compare_host_addr(&d->host_addrs[mid], key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int host_addr_add(struct pl_daemon *d, const struct pl_nl_addr *addr)
{
	const struct pl_host_addr key = {addr->ip.ip, addr->ifindex};
	size_t at = host_addr_bound(d, &key);

	if (at < d->n_host_addrs && !compare_host_addr(&d->host_addrs[at], &key))
		return 0;
	if (d->n_host_addrs == d->size_host_addrs) {
		size_t size = d->size_host_addrs ? d->size_host_addrs * 2 : 32;
		struct pl_host_addr *v = reallocarray(d->host_addrs, size, sizeof(*v));

		if (!v)
			return -ENOMEM;
		d->host_addrs = v;
		d->size_host_addrs = size;
	}
	memmove(&d->host_addrs[at + 1], &d->host_addrs[at], (d->n_host_addrs - at) * sizeof(key));
	d->host_addrs[at] = key;
	d->n_host_addrs++;
	d->node_dirty = true;
	return 0;
}

static void host_addr_del(struct pl_daemon *d, const struct pl_nl_addr *addr)
{
	const struct pl_host_addr key = {addr->ip.ip, addr->ifindex};
	size_t at = host_addr_bound(d, &key);

	if (at == d->n_host_addrs || compare_host_addr(&d->host_addrs[at], &key))
		return;
	d->n_host_addrs--;
	memmove(&d->host_addrs[at], &d->host_addrs[at + 1], (d->n_host_addrs - at) * sizeof(key));
	d->node_dirty = true;
}

bool pl_node_has_addr(const struct pl_daemon *d, const struct pl_ip *ip)
{
	const struct pl_host_addr key = {*ip, 0};
	size_t at = host_addr_bound(d, &key);

	return at < d->n_host_addrs && !pl_ip_cmp(&d->host_addrs[at].ip, ip);
}

static bool has_default_route(const struct pl_daemon *d, uint32_t ifindex)
{
	for (size_t i = 0; i < d->n_default_oifs; i++)
		if (d->default_oifs[i] == ifindex)
			return true;
	return false;
}

bool pl_node_is_uplink(const struct pl_daemon *d, const struct pl_nl_link *link)
{
	if (link->type != ARPHRD_ETHER || (link->flags & IFF_LOOPBACK) ||
	    pl_endpoints_by_ifindex(d, link->ifindex))
		return false;
	if (!d->settings.n_uplinks)
		return has_default_route(d, link->ifindex);
	for (size_t i = 0; i < d->settings.n_uplinks; i++)
		if (!fnmatch(d->settings.uplinks[i], link->name, 0))
			return true;
	return false;
}

uint32_t pl_node_mtu(const struct pl_daemon *d)
{
	for (size_t i = 0; i < d->links.n; i++)
		if (pl_node_is_uplink(d, &d->links.v[i]))
			return d->links.v[i].mtu;
	return 1500;
}

int pl_node_facts(struct pl_daemon *d, struct pl_facts *ret)
{
	for (size_t i = 0; i < d->n_host_addrs; i++) {
		struct pl_fact *f;

		if (i && !pl_ip_cmp(&d->host_addrs[i].ip, &d->host_addrs[i - 1].ip))
			continue;
		f = pl_facts_add(ret, PL_FACT_ADDR);
		if (!f)
			return -ENOMEM;
		f->ip = d->host_addrs[i].ip;
		f->addr = (struct pl_addr){.endpoint = PL_NODE, .kind = PL_ADDR_HOST};
	}
	for (size_t i = 0; i < d->links.n; i++) {
		const struct pl_nl_link *link = &d->links.v[i];
		struct pl_fact *f;

		if (!pl_node_is_uplink(d, link))
			continue;
		f = pl_facts_add(ret, PL_FACT_LINK);
		if (!f)
			return -ENOMEM;
		f->index = link->ifindex;
		f->link = (struct pl_device){.endpoint = PL_NODE, .role = PL_ROLE_UPLINK};
		f = pl_facts_add(ret, PL_FACT_ATTACH);
		if (!f)
			return -ENOMEM;
		f->index = link->ifindex;
		f->hook = PL_HOOK_FROM_UPLINK;
	}
	return 0;
}

void pl_node_update(struct pl_daemon *d)
{
	struct pl_facts want = {0};
	struct pl_error err = {0};

	if (!d->node_dirty)
		return;
	d->node_dirty = false;
	if (pl_node_facts(d, &want) < 0 || pl_apply(d, &want, &d->node, &err) < 0) {
		pl_warn("node update failed, trying again error=\"%s\"", err.text);
		pl_facts_clear(&want);
		d->node_dirty = true;
		pl_retry_later(d);
	}
}

static int dump_link(const struct pl_nl_link *link, void *arg)
{
	struct pl_daemon *d = arg;

	return pl_links_set(&d->links, link);
}

static int dump_addr(const struct pl_nl_addr *addr, void *arg)
{
	return host_addr_add(arg, addr);
}

static int dump_route(const struct pl_nl_route *route, void *arg)
{
	struct pl_daemon *d = arg;

	if (route->oif && !has_default_route(d, route->oif) &&
	    d->n_default_oifs < PL_ARRAY_SIZE(d->default_oifs))
		d->default_oifs[d->n_default_oifs++] = route->oif;
	return 0;
}

static int dump_default_routes(struct pl_daemon *d)
{
	d->n_default_oifs = 0;
	return pl_nl_default_dump(d->nl, 0, dump_route, d);
}

int pl_node_dump(struct pl_daemon *d, struct pl_error *err)
{
	int r;

	d->links.n = 0;
	d->n_host_addrs = 0;
	r = pl_nl_link_dump(d->nl, dump_link, d);
	if (r < 0)
		return pl_fail(err, r, "dump the links: %s", strerror(-r));
	r = pl_nl_addr_dump(d->nl, dump_addr, d);
	if (r < 0)
		return pl_fail(err, r, "dump the addresses: %s", strerror(-r));
	r = dump_default_routes(d);
	if (r < 0)
		return pl_fail(err, r, "dump the routes: %s", strerror(-r));
	d->node_dirty = true;
	d->range_routes.dirty = true;
	return 0;
}

/* IPv4 routes vanish with their device's address or state, without an event of their own. */
static void refresh_default_routes(struct pl_daemon *d)
{
	if (dump_default_routes(d) < 0) {
		pl_warn("default routes not read, trying again");
		pl_retry_later(d);
	}
	d->node_dirty = true;
}

static bool holds_endpoint(const struct pl_prefix *range, void *arg)
{
	const struct pl_daemon *d = arg;

	for (uint32_t id = 1; id < d->max_pods; id++)
		for (size_t i = 0; d->pods[id] && i < d->pods[id]->rec.n_addrs; i++)
			if (pl_prefix_contains(range, &d->pods[id]->rec.addrs[i].ip.ip))
				return true;
	return false;
}

void pl_node_start_routes(struct pl_daemon *d)
{
	int r = pl_range_routes_want(&d->range_routes, &d->settings.network);

	if (!r)
		r = pl_range_routes_adopt(&d->range_routes, d->nl, holds_endpoint, d);
	if (r < 0)
		pl_warn("routes of the ranges not read error=\"%s\"", strerror(-r));
	pl_node_sync_routes(d);
}

/* What cannot succeed is left until something changes: a dump a second is too dear for it. */
void pl_node_sync_routes(struct pl_daemon *d)
{
	int r = pl_range_routes_sync(&d->range_routes, d->nl);

	if (r == -EAGAIN || r == -ENOBUFS || r == -ENOMEM || r == -EINTR)
		pl_retry_later(d);
}

/* Put right by the timer: whoever takes them away again and again must not keep the loop busy. */
static void routes_changed(struct pl_daemon *d)
{
	d->range_routes.dirty = true;
	pl_retry_later(d);
}

/* In all that an event tells. */
static bool same_link(const struct pl_nl_link *a, const struct pl_nl_link *b)
{
	return a->ifindex == b->ifindex && a->type == b->type && !strcmp(a->name, b->name) &&
	       !strcmp(a->kind, b->kind) && a->flags == b->flags && a->mtu == b->mtu &&
	       !memcmp(&a->mac, &b->mac, sizeof(a->mac)) && a->peer_ifindex == b->peer_ifindex &&
	       a->peer_nsid == b->peer_nsid && a->master == b->master && a->group == b->group &&
	       !strcmp(a->qdisc, b->qdisc) && a->netkit_mode == b->netkit_mode &&
	       a->netkit_primary == b->netkit_primary && a->new_nsid == b->new_nsid;
}

/*
 * An event tells of a moment that has passed: the host end of a new pod is told down once more
 * after it was set up and read. What decides about forwarding is read anew.
 */
static int read_again(struct pl_daemon *d, const struct pl_nl_link *told, struct pl_nl_link *ret)
{
	const struct pl_nl_link *known = pl_links_get(&d->links, told->ifindex);
	const struct pl_endpoint *pod;

	*ret = *told;
	if (known && same_link(known, told))
		return -EALREADY;
	pod = pl_endpoints_by_ifindex(d, told->ifindex);
	if (!pod)
		return 0;
	if (pod->leaving) /* the answer would come when its link has gone */
		return -EALREADY;
	return pl_nl_link_get(d->nl, NULL, told->ifindex, ret);
}

static void link_new(struct pl_daemon *d, const struct pl_nl_link *told)
{
	struct pl_nl_link now;
	const struct pl_nl_link *link = &now;

	if (read_again(d, told, &now) < 0) /* nothing new, or gone: that has its own event */
		return;
	if (has_default_route(d, link->ifindex))
		refresh_default_routes(d);
	if (pl_links_set(&d->links, link) < 0)
		return;
	d->node_dirty = true;
	if (link->flags & IFF_LOOPBACK) /* IPv6 has its unreachable routes on it */
		routes_changed(d);
	pl_endpoints_link_changed(d, link);
	pl_mirrors_link_event(d->mirrors, link, false);
}

static void link_gone(struct pl_daemon *d, const struct pl_nl_link *link)
{
	pl_links_del(&d->links, link->ifindex);
	d->node_dirty = true;
	pl_endpoints_link_gone(d, link);
	pl_mirrors_link_event(d->mirrors, link, true);
}

int pl_node_refresh_link(struct pl_daemon *d, uint32_t ifindex)
{
	struct pl_nl_link link;
	int r = pl_nl_link_get(d->nl, NULL, ifindex, &link);

	if (!r) {
		/* Also where the link itself is as it was: its qdiscs may not be. */
		pl_links_del(&d->links, ifindex);
		link_new(d, &link);
	}
	return r;
}

void pl_node_event(struct pl_daemon *d, const struct pl_nl_event *event)
{
	const struct pl_endpoint *pod;
	struct pl_error err = {0};

	pl_write_routes_forget(d->dp);
	switch (event->type) {
	case PL_NL_LINK_NEW:
		link_new(d, &event->link);
		return;
	case PL_NL_LINK_DEL:
		link_gone(d, &event->link);
		return;
	case PL_NL_ADDR_NEW:
		if (host_addr_add(d, &event->addr) < 0)
			pl_warn("address event lost: out of memory");
		return;
	case PL_NL_ADDR_DEL:
		host_addr_del(d, &event->addr);
		if (has_default_route(d, event->addr.ifindex))
			refresh_default_routes(d);
		return;
	case PL_NL_ROUTE_CHANGED:
		refresh_default_routes(d);
		return;
	case PL_NL_OWN_ROUTE_GONE:
		routes_changed(d);
		return;
	case PL_NL_QDISC_CHANGED:
		/* Shaping matters on host ends alone, and a gone link has its own event. */
		pod = pl_endpoints_by_ifindex(d, event->link.ifindex);
		if (pod && !pod->leaving)
			(void)pl_node_refresh_link(d, event->link.ifindex);
		return;
	case PL_NL_LOST:
		routes_changed(d);
		if (pl_resync(d, "netlink events were lost", &err) < 0)
			pl_error_log("resync failed, trying again error=\"%s\"", err.text);
		return;
	}
}
