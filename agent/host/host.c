/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Netlink tells, this remembers. Uplinks are the links that match a pattern of the settings or,
 * without patterns, carry a default route; every address of the host is an entry of pl_addrs, so
 * that programs can say PASS_HOST.
 */
#include <fnmatch.h>
#include <net/if_arp.h>

#include "common/log.h"
#include "host/addrs.h"
#include "host/host.h"
#include "host/range_routes.h"

/* Devices of the default routes. */
struct default_oifs {
	uint32_t v[16];
	size_t n;
};

struct pl_host {
	struct pl_host_opts opts;
	struct pl_devices links;
	struct pl_host_addrs addrs;
	struct default_oifs oifs;
	bool routes_stale; /* the default routes could not be read when they changed */
	bool event_lost;   /* for want of memory */
	struct pl_range_routes range_routes;
	struct pl_fact_owner owner; /* host addresses, uplinks */
	bool dirty;		    /* something changed since they were said */
};

static enum pl_claim claim_of(const struct pl_host *h, uint32_t ifindex)
{
	return h->opts.watcher.claim(ifindex, h->opts.watcher.arg);
}

static bool has_oif(const struct default_oifs *oifs, uint32_t ifindex)
{
	for (size_t i = 0; i < oifs->n; i++)
		if (oifs->v[i] == ifindex)
			return true;
	return false;
}

static bool has_default_route(const struct pl_host *h, uint32_t ifindex)
{
	return has_oif(&h->oifs, ifindex);
}

bool pl_host_is_uplink(const struct pl_host *h, const struct pl_nl_link *link)
{
	if (link->type != ARPHRD_ETHER || (link->flags & IFF_LOOPBACK) ||
	    claim_of(h, link->ifindex) != PL_CLAIM_NONE)
		return false;
	if (!h->opts.n_uplinks)
		return has_default_route(h, link->ifindex);
	for (size_t i = 0; i < h->opts.n_uplinks; i++)
		if (!fnmatch(h->opts.uplinks[i], link->name, 0))
			return true;
	return false;
}

uint32_t pl_host_mtu(const struct pl_host *h)
{
	for (size_t i = 0; i < h->links.n; i++)
		if (pl_host_is_uplink(h, &h->links.v[i]))
			return h->links.v[i].mtu;
	return 1500;
}

/* Of several at one port, the first is named. */
static int tunnel_fact(const struct pl_nl_link *link, struct pl_facts *ret)
{
	struct pl_fact *f;

	if (!link->tunnel_port)
		return 0;
	f = pl_facts_add(ret, PL_FACT_TUNNEL);
	if (!f)
		return -ENOMEM;
	f->index = link->tunnel_port;
	f->tunnel.ifindex = link->ifindex;
	return 0;
}

static int facts_of(const struct pl_host *h, struct pl_facts *ret)
{
	for (size_t i = 0; i < h->addrs.n; i++) {
		struct pl_fact *f;

		if (i && !pl_ip_cmp(&h->addrs.v[i].ip, &h->addrs.v[i - 1].ip))
			continue;
		f = pl_facts_add(ret, PL_FACT_ADDR);
		if (!f)
			return -ENOMEM;
		f->ip = h->addrs.v[i].ip;
		f->addr = (struct pl_addr){.endpoint = PL_NODE, .kind = PL_ADDR_HOST};
	}
	for (size_t i = 0; i < h->links.n; i++) {
		const struct pl_nl_link *link = &h->links.v[i];
		struct pl_fact *f;

		if (tunnel_fact(link, ret) < 0)
			return -ENOMEM;
		if (!pl_host_is_uplink(h, link))
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

int pl_host_want(struct pl_host *h)
{
	struct pl_facts want = {0};

	if (facts_of(h, &want) < 0) {
		pl_facts_clear(&want);
		h->dirty = true;
		return -ENOMEM;
	}
	h->dirty = false;
	pl_reconcile_want(h->opts.reconcile, &h->owner, &want);
	return 0;
}

void pl_host_update(struct pl_host *h)
{
	struct pl_error err = {0};

	if (!h->dirty)
		return;
	if (pl_host_want(h) < 0) {
		pl_warn("host update failed, trying again error=\"out of memory\"");
		pl_reconcile_retry_later(h->opts.reconcile);
	} else if (pl_reconcile_reach(h->opts.reconcile, &h->owner, &err) < 0) {
		pl_warn("host update failed, trying again error=\"%s\"", err.text);
	}
}

/* What a dump tells; it takes the place of what is known when it is whole. */
struct dump {
	struct pl_devices links;
	struct pl_host_addrs addrs;
	struct default_oifs oifs;
};

static int dump_link(const struct pl_nl_link *link, void *arg)
{
	return pl_links_append(&((struct dump *)arg)->links, link);
}

static int dump_addr(const struct pl_nl_addr *addr, void *arg)
{
	int r = pl_host_addrs_add(&((struct dump *)arg)->addrs, addr);

	return r < 0 ? r : 0;
}

static int dump_route(const struct pl_nl_route *route, void *arg)
{
	struct default_oifs *oifs = arg;

	if (route->oif && !has_oif(oifs, route->oif) && oifs->n < PL_ARRAY_SIZE(oifs->v))
		oifs->v[oifs->n++] = route->oif;
	return 0;
}

static int read_all(struct pl_nl *nl, struct dump *new, struct pl_error *err)
{
	int r = pl_nl_link_dump(nl, dump_link, new);

	if (r < 0)
		return pl_fail(err, r, "dump the links: %s", strerror(-r));
	pl_links_sort(&new->links);
	r = pl_nl_addr_dump(nl, dump_addr, new);
	if (r < 0)
		return pl_fail(err, r, "dump the addresses: %s", strerror(-r));
	r = pl_nl_default_dump(nl, 0, dump_route, &new->oifs);
	return r < 0 ? pl_fail(err, r, "dump the routes: %s", strerror(-r)) : 0;
}

int pl_host_dump(struct pl_host *h, struct pl_error *err)
{
	struct dump new = {0};
	int r = read_all(h->opts.nl, &new, err);

	if (r < 0) {
		pl_links_clear(&new.links);
		pl_host_addrs_clear(&new.addrs);
		return r;
	}
	pl_links_clear(&h->links);
	pl_host_addrs_clear(&h->addrs);
	h->links = new.links;
	h->addrs = new.addrs;
	h->oifs = new.oifs;
	h->routes_stale = false;
	h->event_lost = false;
	h->dirty = true;
	h->range_routes.dirty = true;
	return 0;
}

/*
 * IPv4 routes vanish with their device's address or state, without an event of their own. What is
 * known stays where they cannot be read: an uplink is not left for a dump that failed.
 */
static void refresh_default_routes(struct pl_host *h)
{
	struct default_oifs oifs = {0};

	h->routes_stale = pl_nl_default_dump(h->opts.nl, 0, dump_route, &oifs) < 0;
	if (h->routes_stale) {
		pl_warn("default routes not read, trying again");
		pl_reconcile_retry_later(h->opts.reconcile);
		return;
	}
	h->oifs = oifs;
	h->dirty = true;
}

void pl_host_retry(struct pl_host *h)
{
	if (h->event_lost) {
		h->event_lost = false;
		h->opts.watcher.lost(h->opts.watcher.arg);
	}
	if (h->routes_stale)
		refresh_default_routes(h);
	pl_host_update(h);
	pl_host_sync_routes(h);
}

void pl_host_start_routes(struct pl_host *h, const struct pl_netconf *network,
			  bool (*is_used)(const struct pl_prefix *range, void *arg), void *arg)
{
	int r = pl_range_routes_want(&h->range_routes, network);

	if (!r)
		r = pl_range_routes_adopt(&h->range_routes, h->opts.nl, is_used, arg);
	if (r < 0)
		pl_warn("routes of the ranges not read error=\"%s\"", strerror(-r));
	pl_host_sync_routes(h);
}

int pl_host_want_routes(struct pl_host *h, const struct pl_netconf *network)
{
	int r = pl_range_routes_want(&h->range_routes, network);

	if (h->range_routes.dirty)
		pl_reconcile_retry_later(h->opts.reconcile);
	return r;
}

/* What cannot succeed is left until something changes: a dump a second is too dear for it. */
void pl_host_sync_routes(struct pl_host *h)
{
	int r = pl_range_routes_sync(&h->range_routes, h->opts.nl);

	if (r == -EAGAIN || r == -ENOBUFS || r == -ENOMEM || r == -EINTR)
		pl_reconcile_retry_later(h->opts.reconcile);
}

/* Put right by the timer: whoever takes them away again and again must not keep the loop busy. */
static void routes_changed(struct pl_host *h)
{
	h->range_routes.dirty = true;
	pl_reconcile_retry_later(h->opts.reconcile);
}

/* As if the kernel had lost it: everything is read anew, once there is memory again. */
static void event_lost(struct pl_host *h, const char *what)
{
	if (!h->event_lost)
		pl_warn("netlink event lost, everything is read anew event=%s error=\"out of memory\"",
			what);
	h->event_lost = true;
	pl_reconcile_retry_later(h->opts.reconcile);
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
static int read_again(struct pl_host *h, const struct pl_nl_link *told, struct pl_nl_link *ret)
{
	const struct pl_nl_link *known = pl_links_get(&h->links, told->ifindex);

	*ret = *told;
	if (known && same_link(known, told))
		return -EALREADY;
	switch (claim_of(h, told->ifindex)) {
	case PL_CLAIM_NONE:
		return 0;
	case PL_CLAIM_LEAVING: /* the answer would come when its link has gone */
		return -EALREADY;
	case PL_CLAIM_ENDPOINT:
		break;
	}
	return pl_nl_link_get(h->opts.nl, NULL, told->ifindex, ret);
}

static void link_new(struct pl_host *h, const struct pl_nl_link *told)
{
	struct pl_nl_link now;
	const struct pl_nl_link *link = &now;

	if (read_again(h, told, &now) < 0) /* nothing new, or gone: that has its own event */
		return;
	if (has_default_route(h, link->ifindex))
		refresh_default_routes(h);
	if (pl_links_set(&h->links, link) < 0) {
		event_lost(h, "link");
		return;
	}
	h->dirty = true;
	if (link->flags & IFF_LOOPBACK) /* IPv6 has its unreachable routes on it */
		routes_changed(h);
	h->opts.watcher.link_changed(link, h->opts.watcher.arg);
}

static void link_gone(struct pl_host *h, const struct pl_nl_link *link)
{
	pl_links_del(&h->links, link->ifindex);
	h->dirty = true;
	h->opts.watcher.link_gone(link, h->opts.watcher.arg);
}

int pl_host_refresh_link(struct pl_host *h, uint32_t ifindex)
{
	struct pl_nl_link link;
	int r = pl_nl_link_get(h->opts.nl, NULL, ifindex, &link);

	if (!r) {
		/* Also where the link itself is as it was: its qdiscs may not be. */
		pl_links_del(&h->links, ifindex);
		link_new(h, &link);
	}
	return r;
}

void pl_host_event(struct pl_host *h, const struct pl_nl_event *event)
{
	int r;

	switch (event->type) {
	case PL_NL_LINK_NEW:
		link_new(h, &event->link);
		h->opts.watcher.stack_changed(event, h->opts.watcher.arg);
		return;
	case PL_NL_LINK_DEL:
		link_gone(h, &event->link);
		return;
	case PL_NL_ADDR_NEW:
		r = pl_host_addrs_add(&h->addrs, &event->addr);
		if (r < 0)
			event_lost(h, "address");
		h->dirty |= r > 0;
		return;
	case PL_NL_ADDR_DEL:
		h->dirty |= pl_host_addrs_del(&h->addrs, &event->addr);
		if (has_default_route(h, event->addr.ifindex))
			refresh_default_routes(h);
		h->opts.watcher.stack_changed(event, h->opts.watcher.arg);
		return;
	case PL_NL_HOST_ROUTE_GONE:
	case PL_NL_NEIGH_CHANGED:
		h->opts.watcher.stack_changed(event, h->opts.watcher.arg);
		return;
	case PL_NL_ROUTE_CHANGED:
		refresh_default_routes(h);
		return;
	case PL_NL_OWN_ROUTE_GONE:
		routes_changed(h);
		return;
	case PL_NL_QDISC_CHANGED:
		/* Shaping matters on host ends alone, and a gone link has its own event. */
		if (claim_of(h, event->link.ifindex) == PL_CLAIM_ENDPOINT)
			(void)pl_host_refresh_link(h, event->link.ifindex);
		return;
	case PL_NL_LOST:
		routes_changed(h);
		h->opts.watcher.lost(h->opts.watcher.arg);
		return;
	}
}

int pl_host_note_link(struct pl_host *h, const struct pl_nl_link *link)
{
	return pl_links_set(&h->links, link);
}

void pl_host_forget_link(struct pl_host *h, uint32_t ifindex)
{
	pl_links_del(&h->links, ifindex);
}

void pl_host_set_uplinks(struct pl_host *h, const char (*uplinks)[IFNAMSIZ], size_t n_uplinks)
{
	h->opts.uplinks = uplinks;
	h->opts.n_uplinks = n_uplinks;
	h->dirty = true;
}

const struct pl_devices *pl_host_links(const struct pl_host *h)
{
	return &h->links;
}

bool pl_host_has_addr(const struct pl_host *h, const struct pl_ip *ip)
{
	return pl_host_addrs_has(&h->addrs, 0, ip);
}

bool pl_host_link_has_addr(const struct pl_host *h, uint32_t ifindex, const struct pl_ip *ip)
{
	return pl_host_addrs_has(&h->addrs, ifindex, ip);
}

int pl_host_new(const struct pl_host_opts *opts, struct pl_host **ret, struct pl_error *err)
{
	struct pl_host *h = calloc(1, sizeof(*h));

	if (!h)
		return pl_fail(err, -ENOMEM, "host: out of memory");
	h->opts = *opts;
	*ret = h;
	return 0;
}

void pl_host_freep(struct pl_host **ref)
{
	struct pl_host *h = TAKE_PTR(*ref);

	if (!h)
		return;
	pl_reconcile_drop(h->opts.reconcile, &h->owner);
	pl_links_clear(&h->links);
	pl_host_addrs_clear(&h->addrs);
	pl_range_routes_clear(&h->range_routes);
	free(h);
}
