/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Pod addressing: /32 and /128 in the pod, an on-link gateway whose neighbour entry is permanent,
 * so that no ARP or ND is needed to send the first packet; the host end carries the gateway's
 * address and the host routes the pod's address to it. No bridge, no subnet on the wire.
 */
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sched.h>

#include "endpoint/link.h"
#include "endpoint/reach.h"

/* Of the route to the gateway where an earlier interface of the pod may have the same one. */
#define LATER_METRIC 2048

/* The first address of @family tells the gateway of it. */
static const struct pl_record_addr *first_addr(const struct pl_record *rec, uint8_t family)
{
	for (size_t i = 0; i < rec->n_addrs; i++)
		if (rec->addrs[i].ip.ip.family == family)
			return &rec->addrs[i];
	return NULL;
}

static struct pl_prefix host_prefix(const struct pl_ip *ip)
{
	return (struct pl_prefix){*ip, pl_ip_bits(ip->family)};
}

/* ---- routes, pure ---- */

/* 1: the pod has it anyway. */
static int parse_route(const struct pl_record *rec, const json_t *j, size_t i,
		       struct pl_nl_route *ret, struct pl_error *err)
{
	const char *dst = json_string_value(json_object_get(j, "dst"));
	const char *gw = json_string_value(json_object_get(j, "gw"));
	struct pl_nl_route route = {.scope = RT_SCOPE_UNIVERSE};
	int r;

	if (!dst || pl_prefix_parse(dst, &route.dst))
		return pl_fail(err, -EINVAL, "ipam.routes[%zu].dst: expected a prefix", i);
	if (gw) {
		if (pl_ip_parse(gw, &route.gateway) || route.gateway.family != route.dst.ip.family)
			return pl_fail(err, -EINVAL,
				       "ipam.routes[%zu].gw: expected an address of dst's family",
				       i);
	} else {
		const struct pl_record_addr *addr = first_addr(rec, route.dst.ip.family);

		if (!addr)
			return pl_fail(err, -EINVAL,
				       "ipam.routes[%zu]: the pod has no address of dst's family",
				       i);
		route.gateway = *pl_reach_gateway(addr);
	}
	route.onlink = true;
	r = pl_podlink_read_route(j, i, &route, err);
	*ret = route;
	return r;
}

int pl_podlink_routes(const struct pl_record *rec, const json_t *conf,
		      struct pl_podlink_routes *ret, struct pl_error *err)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct pl_podlink_routes routes = {0};
	const json_t *item;
	size_t i;

	if (!conf) {
		routes.implicit = true;
		for (i = 0; i < PL_ARRAY_SIZE(families); i++) {
			const struct pl_record_addr *addr = first_addr(rec, families[i]);

			if (!addr)
				continue;
			routes.v[routes.n++] = (struct pl_nl_route){
				.dst = {{.family = families[i]}, 0},
				.gateway = *pl_reach_gateway(addr),
				.onlink = true,
			};
		}
		*ret = routes;
		return 0;
	}
	json_array_foreach (conf, i, item) {
		int r;

		if (routes.n == PL_ARRAY_SIZE(routes.v))
			return pl_fail(err, -EINVAL, "ipam.routes: more than %zu entries",
				       PL_ARRAY_SIZE(routes.v));
		r = parse_route(rec, item, i, &routes.v[routes.n], err);
		if (r < 0)
			return r;
		routes.n += r == 0;
	}
	*ret = routes;
	return 0;
}

json_t *pl_podlink_routes_json(const struct pl_podlink_routes *routes)
{
	json_t *list = json_array();

	for (size_t i = 0; i < routes->n; i++) {
		const struct pl_nl_route *route = &routes->v[i];
		char dst[PL_PREFIX_STRLEN], gw[PL_IP_STRLEN];
		json_t *item = json_pack("{s:s, s:s}", "dst", pl_prefix_format(&route->dst, dst),
					 "gw", pl_ip_format(&route->gateway, gw));

		if (route->mtu)
			json_object_set_new(item, "mtu", json_integer(route->mtu));
		if (route->advmss)
			json_object_set_new(item, "advmss", json_integer(route->advmss));
		if (route->priority)
			json_object_set_new(item, "priority", json_integer(route->priority));
		if (route->table)
			json_object_set_new(item, "table", json_integer(route->table));
		json_array_append_new(list, item);
	}
	return list;
}

/* ---- making ---- */

/* *ret_link tells the host end; an index in it means that there is something to undo. */
static int try_pair(struct pl_nl *host, int netns_fd, const struct pl_record *rec,
		    struct pl_nl_link *ret_link, struct pl_error *err)
{
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *b = NULL;
	const struct pl_nl_pair pair = {
		.name = rec->host_ifname,
		.peer_name = rec->ifname,
		.peer_netns_fd = netns_fd,
		.mac = rec->host_mac,
		.peer_mac = rec->pod_mac,
		.mtu = rec->mtu,
	};
	int r = pl_nl_batch_new(host, &b);

	if (r < 0)
		return pl_fail(err, r, "make the link %s: %s", rec->ifname, strerror(-r));
	if (rec->link_kind == PL_LINK_VETH)
		pl_nl_add_veth(b, &pair);
	else
		pl_nl_add_netkit(b, &pair, rec->link_kind == PL_LINK_NETKIT_L2);
	pl_nl_read_link(b, rec->host_ifname, 0, ret_link);
	r = pl_nl_batch_commit(b, err);
	if (r == -EEXIST)
		return pl_fail(err, r,
			       "the pod has an interface named %s already: choose another name, or "
			       "remove it first",
			       rec->ifname);
	return r;
}

/*
 * Fills the indexes and the MACs that the kernel chose. Linux 6.7, and 6.8 and 6.9 before
 * d6fe532b7499, let nobody choose for netkit, neither now nor later: the pod is told by what it
 * got.
 */
static int make_pair(struct pl_nl *host, int netns_fd, struct pl_record *rec, struct pl_error *err)
{
	struct pl_nl_link link = {0}, pod_end;
	bool chosen = true;
	int r = try_pair(host, netns_fd, rec, &link, err);

	if (r == -EOPNOTSUPP && rec->link_kind == PL_LINK_NETKIT_L2) {
		chosen = false;
		rec->host_mac = rec->pod_mac = (struct pl_mac){0};
		r = try_pair(host, netns_fd, rec, &link, err);
	}
	rec->ifindex = link.ifindex;
	rec->pod_ifindex = link.peer_ifindex;
	if (r < 0)
		return r;
	if (rec->link_kind != PL_LINK_VETH)
		rec->host_mac = link.mac;
	if (rec->link_kind == PL_LINK_NETKIT_L3)
		rec->pod_mac = (struct pl_mac){0};
	if (chosen)
		return 0;
	r = pl_nl_link_get_in(host, link.peer_nsid, NULL, link.peer_ifindex, &pod_end);
	if (r < 0)
		return pl_fail(err, r, "read the MAC of %s in the pod: %s", rec->ifname,
			       strerror(-r));
	rec->pod_mac = pod_end.mac;
	return 0;
}

/*
 * Runtimes switch IPv6 off in namespaces that they take for IPv4-only; a network with IPv6
 * addresses says otherwise. /proc/sys/net follows the thread's netns.
 */
static void enable_ipv6(int netns_fd, const char *ifname)
{
	pl_autoclose int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	char path[96];
	int fd;

	if (own < 0 || setns(netns_fd, CLONE_NEWNET))
		return;
	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", ifname);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (write(fd, "0\n", 2) != 2)
			errno = 0; /* adding the address then fails and says why */
		close(fd);
	}
	if (setns(own, CLONE_NEWNET)) {
		/* Going on would mean to work on the host from inside a pod. */
		fprintf(stderr, "return to the host's network namespace: %s\n", strerror(errno));
		abort();
	}
}

/* @later: another interface has the default route, and may have the same gateway. */
static void queue_gateways(struct pl_nl_batch *b, const struct pl_record *rec, bool later)
{
	for (size_t i = 0; i < rec->n_addrs; i++) {
		const struct pl_ip *gw = pl_reach_gateway(&rec->addrs[i]);
		const struct pl_nl_route on_link = {
			.dst = host_prefix(gw),
			.oif = rec->pod_ifindex,
			.priority = later ? LATER_METRIC + rec->pod_ifindex : 0,
			.scope = RT_SCOPE_LINK,
		};

		if (pl_reach_gateway_seen(rec, i))
			continue;
		pl_nl_add_route(b, &on_link);
		if (rec->link_kind != PL_LINK_NETKIT_L3)
			pl_nl_add_neigh(b, rec->pod_ifindex, gw, &rec->host_mac);
	}
}

/* Default routes of the pod's other interfaces. */
struct defaults {
	uint32_t own; /* ifindex of the interface that does not count */
	bool v4, v6;
};

static int note_default(const struct pl_nl_route *route, void *arg)
{
	struct defaults *d = arg;

	if (route->oif == d->own)
		return 0;
	if (route->dst.ip.family == AF_INET)
		d->v4 = true;
	else
		d->v6 = true;
	return 0;
}

static struct defaults other_defaults(struct pl_nl *pod, uint32_t own)
{
	struct defaults d = {.own = own};

	(void)pl_nl_default_dump(pod, 0, note_default, &d);
	return d;
}

/*
 * A default route that nobody asked for by name must not displace, or fail on, that of the pod's
 * first interface: such a pod reaches this network's gateway, and what its configuration routes.
 */
static bool gives_way(const struct defaults *others, const struct pl_podlink_routes *routes,
		      const struct pl_nl_route *route)
{
	return routes->implicit && (route->dst.ip.family == AF_INET ? others->v4 : others->v6);
}

static int set_up_pod_end(int netns_fd, const struct pl_record *rec,
			  const struct pl_podlink_routes *routes, struct pl_error *err)
{
	pl_cleanup(pl_nl_closep) struct pl_nl *pod = NULL;
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *b = NULL;
	struct defaults others;
	int r = pl_nl_open(netns_fd, &pod, err);

	if (r < 0)
		return r;
	others = other_defaults(pod, rec->pod_ifindex);
	if (first_addr(rec, AF_INET6))
		enable_ipv6(netns_fd, rec->ifname);
	r = pl_nl_batch_new(pod, &b);
	if (r < 0)
		return pl_fail(err, r, "configure %s in the pod: %s", rec->ifname, strerror(-r));
	for (size_t i = 0; i < rec->n_addrs; i++)
		pl_nl_add_addr(b, rec->pod_ifindex, &rec->addrs[i].ip, RT_SCOPE_UNIVERSE,
			       IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
	pl_nl_set_up(b, rec->pod_ifindex, true);
	queue_gateways(b, rec, others.v4 || others.v6);
	for (size_t i = 0; i < routes->n; i++) {
		struct pl_nl_route route = routes->v[i];

		if (gives_way(&others, routes, &route))
			continue;
		route.oif = rec->pod_ifindex;
		pl_nl_add_route(b, &route);
	}
	r = pl_nl_batch_commit(b, err);
	return r < 0 ? pl_fail_prefix(err, "configure %s in the pod", rec->ifname) : 0;
}

static int set_up_host_end(struct pl_nl *host, const struct pl_record *rec,
			   struct pl_nl_link *ret_link, struct pl_error *err)
{
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *b = NULL;
	struct pl_reach want;
	int r = pl_nl_batch_new(host, &b);

	if (r < 0)
		return pl_fail(err, r, "configure %s: %s", rec->host_ifname, strerror(-r));
	if (first_addr(rec, AF_INET6))
		pl_nl_set_no_ll(b, rec->ifindex);
	pl_nl_set_up(b, rec->ifindex, true);
	pl_reach_want(rec, &want);
	for (size_t i = 0; i < want.n; i++)
		pl_reach_make(b, rec->ifindex, &want.v[i]);
	pl_nl_read_link(b, NULL, rec->ifindex, ret_link);
	r = pl_nl_batch_commit(b, err);
	return r < 0 ? pl_fail_prefix(err, "configure %s on the host", rec->host_ifname) : 0;
}

int pl_podlink_create(struct pl_nl *host, int netns_fd, struct pl_record *rec,
		      const struct pl_podlink_routes *routes, struct pl_nl_link *ret_link,
		      struct pl_error *err)
{
	int r = make_pair(host, netns_fd, rec, err);

	if (!r)
		r = set_up_pod_end(netns_fd, rec, routes, err);
	if (!r)
		r = set_up_host_end(host, rec, ret_link, err);
	if (!r)
		return 0;
	if (rec->ifindex)
		(void)pl_podlink_delete(host, rec, NULL);
	rec->ifindex = 0;
	rec->pod_ifindex = 0;
	return r;
}

int pl_podlink_come_back(struct pl_nl *host, const struct pl_record *rec, struct pl_error *err)
{
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *b = NULL;
	int r;

	if (rec->mode != PL_MODE_POD || !first_addr(rec, AF_INET6))
		return 0;
	r = pl_nl_batch_new(host, &b);
	if (r < 0)
		return pl_fail(err, r, "configure %s: %s", rec->host_ifname, strerror(-r));
	pl_nl_set_no_ll(b, rec->ifindex);
	return pl_nl_batch_commit(b, err);
}

int pl_podlink_delete(struct pl_nl *host, const struct pl_record *rec, struct pl_error *err)
{
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *b = NULL;
	int r = pl_nl_batch_new(host, &b);

	if (r < 0)
		return pl_fail(err, r, "delete the link %s: %s", rec->host_ifname, strerror(-r));
	pl_nl_del_link(b, rec->ifindex ? NULL : rec->host_ifname, rec->ifindex);
	pl_nl_allow_missing(b);
	return pl_nl_batch_commit(b, err);
}

/* ---- checking ---- */

static void differ(json_t *list, const char *fmt, ...) PL_PRINTF(2, 3);

static void differ(json_t *list, const char *fmt, ...)
{
	pl_autofree char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	json_array_append_new(list, json_string(text ? text : "out of memory"));
}

struct found {
	const struct pl_ip *ip;
	const struct pl_nl_route *route;
	const struct pl_mac *mac;
	uint32_t ifindex;
	bool hit;
};

static int match_addr(const struct pl_nl_addr *addr, void *arg)
{
	struct found *f = arg;

	f->hit |= addr->ifindex == f->ifindex && !pl_ip_cmp(&addr->ip.ip, f->ip);
	return 0;
}

static int match_route(const struct pl_nl_route *route, void *arg)
{
	struct found *f = arg;

	f->hit |= route->oif == f->ifindex && route->dst.len == f->route->dst.len &&
		  !pl_ip_cmp(&route->dst.ip, &f->route->dst.ip) &&
		  (!f->route->gateway.family || !pl_ip_cmp(&route->gateway, &f->route->gateway)) &&
		  route->table == (f->route->table ? f->route->table : RT_TABLE_MAIN);
	return 0;
}

static int match_neigh(const struct pl_nl_neigh *neigh, void *arg)
{
	struct found *f = arg;

	f->hit |= neigh->ifindex == f->ifindex && !pl_ip_cmp(&neigh->ip, f->ip) &&
		  (neigh->state & NUD_PERMANENT) &&
		  !memcmp(neigh->mac.bytes, f->mac->bytes, sizeof(neigh->mac.bytes));
	return 0;
}

static int want_addr(struct pl_nl *nl, uint32_t ifindex, const char *ifname, const struct pl_ip *ip,
		     json_t *differences)
{
	struct found f = {.ip = ip, .ifindex = ifindex};
	char text[PL_IP_STRLEN];
	int r = pl_nl_addr_dump(nl, match_addr, &f);

	if (!r && !f.hit)
		differ(differences, "address %s is missing on %s", pl_ip_format(ip, text), ifname);
	return r;
}

static int want_route(struct pl_nl *nl, uint32_t ifindex, const char *ifname,
		      const struct pl_nl_route *route, json_t *differences)
{
	struct found f = {.route = route, .ifindex = ifindex};
	char text[PL_PREFIX_STRLEN];
	int r = pl_nl_route_dump(nl, route->dst.ip.family, match_route, &f);

	if (!r && !f.hit)
		differ(differences, "route %s is missing on %s",
		       pl_prefix_format(&route->dst, text), ifname);
	return r;
}

static int want_neigh(struct pl_nl *nl, uint32_t ifindex, const char *ifname,
		      const struct pl_ip *ip, const struct pl_mac *mac, json_t *differences)
{
	struct found f = {.ip = ip, .ifindex = ifindex, .mac = mac};
	char text[PL_IP_STRLEN];
	int r = pl_nl_neigh_dump(nl, ifindex, match_neigh, &f);

	if (!r && !f.hit)
		differ(differences, "permanent neighbour %s is missing or has another MAC on %s",
		       pl_ip_format(ip, text), ifname);
	return r;
}

static void want_link(const struct pl_nl_link *link, const char *what, const struct pl_mac *mac,
		      const struct pl_record *rec, json_t *differences)
{
	char have[PL_MAC_STRLEN], want[PL_MAC_STRLEN];

	if (!(link->flags & IFF_UP))
		differ(differences, "%s %s is down", what, link->name);
	if (rec->mode == PL_MODE_ACCELERATE)
		return;
	if (rec->link_kind != PL_LINK_NETKIT_L3 &&
	    memcmp(link->mac.bytes, mac->bytes, sizeof(mac->bytes)))
		differ(differences, "%s %s has MAC %s instead of %s", what, link->name,
		       pl_mac_format(&link->mac, have), pl_mac_format(mac, want));
	if (link->mtu != rec->mtu)
		differ(differences, "%s %s has MTU %u instead of %u", what, link->name, link->mtu,
		       rec->mtu);
}

static int check_host_end(struct pl_nl *host, const struct pl_record *rec, json_t *differences)
{
	struct pl_nl_link link;
	int r = pl_nl_link_get(host, NULL, rec->ifindex, &link);

	if (r == -ENODEV) {
		differ(differences, "host end %s was deleted", rec->host_ifname);
		return 0;
	}
	if (r < 0)
		return r;
	want_link(&link, "host end", &rec->host_mac, rec, differences);
	if (rec->mode == PL_MODE_ACCELERATE)
		return 0;
	for (size_t i = 0; !r && i < rec->n_addrs; i++) {
		const struct pl_record_addr *addr = &rec->addrs[i];
		const struct pl_nl_route route = {.dst = host_prefix(&addr->ip.ip)};

		r = want_addr(host, rec->ifindex, rec->host_ifname, pl_reach_gateway(addr),
			      differences);
		if (!r)
			r = want_route(host, rec->ifindex, rec->host_ifname, &route, differences);
		if (!r && rec->link_kind != PL_LINK_NETKIT_L3)
			r = want_neigh(host, rec->ifindex, rec->host_ifname, &addr->ip.ip,
				       &rec->pod_mac, differences);
	}
	return r;
}

static int check_pod_end(struct pl_nl *pod, const struct pl_record *rec,
			 const struct pl_podlink_routes *routes, json_t *differences)
{
	struct defaults others;
	struct pl_nl_link link;
	int r = pl_nl_link_get(pod, rec->ifname, 0, &link);

	if (r == -ENODEV) {
		differ(differences, "%s is missing in the pod", rec->ifname);
		return 0;
	}
	if (r < 0)
		return r;
	others = other_defaults(pod, link.ifindex);
	want_link(&link, "pod end", &rec->pod_mac, rec, differences);
	if (link.ifindex != rec->pod_ifindex)
		differ(differences, "%s in the pod is another device: index %u instead of %u",
		       rec->ifname, link.ifindex, rec->pod_ifindex);
	for (size_t i = 0; !r && i < rec->n_addrs; i++) {
		const struct pl_record_addr *addr = &rec->addrs[i];

		r = want_addr(pod, link.ifindex, rec->ifname, &addr->ip.ip, differences);
		if (!r && rec->mode == PL_MODE_POD && rec->link_kind != PL_LINK_NETKIT_L3)
			r = want_neigh(pod, link.ifindex, rec->ifname, pl_reach_gateway(addr),
				       &rec->host_mac, differences);
	}
	for (size_t i = 0; !r && rec->mode == PL_MODE_POD && i < routes->n; i++)
		if (!gives_way(&others, routes, &routes->v[i]))
			r = want_route(pod, link.ifindex, rec->ifname, &routes->v[i], differences);
	return r;
}

int pl_podlink_check(struct pl_nl *host, int netns_fd, const struct pl_record *rec,
		     const struct pl_podlink_routes *routes, json_t *differences,
		     struct pl_error *err)
{
	pl_cleanup(pl_nl_closep) struct pl_nl *pod = NULL;
	int r = pl_nl_open(netns_fd, &pod, err);

	if (r < 0)
		return r;
	r = check_host_end(host, rec, differences);
	if (!r)
		r = check_pod_end(pod, rec, routes, differences);
	return r < 0 ? pl_fail(err, r, "compare %s with its record: %s", rec->host_ifname,
			       strerror(-r))
		     : 0;
}
