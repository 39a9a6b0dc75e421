/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Pod ends of links: a later plugin of the runtime's list may give one another MAC or MTU (tuning).
 * What the kernel says of the device is followed: frames for the pod go to its new MAC, and the
 * host end gets the same MTU. A pod that changes its own device gains nothing by that: a MAC which
 * is anybody else's on this node is not followed, and addresses never depend on a MAC.
 *
 * Events are hints alone: what they tell of is read anew. A pod can make any number of them, so
 * they are read in slices; where some were lost, all pod ends are looked at, in slices, too.
 */
#include <event2/event.h>

#include "common/log.h"
#include "endpoint/internal.h"
#include "endpoint/reach.h"

enum {
	SLICE_US = 50000,
	SLICE_EVENTS = 64,
	SLICE_LOOKS = 16,
	MTU_MIN = 68,	    /* of IPv4 */
	MTU_MIN_IP6 = 1280, /* below, the kernel takes IPv6 off the device */
};

#define QUIET_NS (10ULL * 1000000000) /* between two lines about one endpoint */

struct pl_pod_ends {
	struct pl_endpoints *endpoints;
	struct pl_nl_monitor *monitor;
	struct event *readable; /* not while the timer runs */
	struct event *timer;
	uint32_t due[SLICE_EVENTS]; /* host ends of what the events of this slice tell of */
	size_t n_due;
	uint32_t look; /* id of the endpoint that is looked at next; 0: none needs it */
};

/* ---- what is followed ---- */

static bool is_another_mac(struct pl_endpoints *t, const struct pl_endpoint *pod,
			   const struct pl_mac *mac)
{
	const struct pl_devices *links = pl_host_links(t->opts.host);

	for (size_t i = 0; i < links->n; i++)
		if (!memcmp(&links->v[i].mac, mac, sizeof(*mac)))
			return true;
	for (uint32_t id = 1; id < t->max; id++)
		if (t->v[id] && t->v[id] != pod &&
		    !memcmp(&t->v[id]->rec.pod_mac, mac, sizeof(*mac)))
			return true;
	return false;
}

static bool follows_mac(struct pl_endpoints *t, const struct pl_endpoint *pod,
			const struct pl_nl_link *end)
{
	static const struct pl_mac none;

	return pod->rec.link_kind != PL_LINK_NETKIT_L3 &&
	       memcmp(&end->mac, &pod->rec.pod_mac, sizeof(end->mac)) != 0 &&
	       !(end->mac.bytes[0] & 1) && memcmp(&end->mac, &none, sizeof(none)) != 0 &&
	       !is_another_mac(t, pod, &end->mac);
}

static bool follows_mtu(const struct pl_endpoint *pod, const struct pl_nl_link *end)
{
	uint32_t min = MTU_MIN;

	for (size_t i = 0; i < pod->rec.n_addrs; i++)
		if (pod->rec.addrs[i].ip.ip.family == AF_INET6)
			min = MTU_MIN_IP6;
	return end->mtu != pod->rec.mtu && end->mtu >= min && end->mtu <= UINT16_MAX;
}

/* The host end's side of it. The link of mode "accelerate" is its maker's. */
static int change_host_end(struct pl_endpoints *t, const struct pl_record *rec, bool mac,
			   struct pl_error *err)
{
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *b = NULL;
	int r;

	if (rec->mode != PL_MODE_POD)
		return 0;
	r = pl_nl_batch_new(t->opts.nl, &b);
	if (r < 0)
		return pl_fail(err, r, "change %s: %s", rec->host_ifname, strerror(-r));
	pl_nl_set_mtu(b, rec->ifindex, rec->mtu);
	for (size_t i = 0; mac && i < rec->n_addrs; i++)
		pl_nl_add_neigh(b, rec->ifindex, &rec->addrs[i].ip.ip, &rec->pod_mac);
	return pl_nl_batch_commit(b, err);
}

/* With its MAC the kernel takes the device's neighbours, which ADD had made. */
static int set_gateways(const struct pl_record *rec, struct pl_error *err)
{
	pl_autoclose int fd = pl_identity_open_netns(rec->netns, rec->netns_inode);
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *b = NULL;
	pl_cleanup(pl_nl_closep) struct pl_nl *nl = NULL;
	struct pl_reach want;
	int r;

	pl_reach_want_in_pod(rec, &want);
	if (fd < 0 || !want.n) /* a pod that cannot be entered asks by ARP */
		return 0;
	r = pl_nl_open(fd, &nl, err);
	if (!r)
		r = pl_nl_batch_new(nl, &b);
	for (size_t i = 0; !r && i < want.n; i++)
		pl_reach_make(b, rec->pod_ifindex, &want.v[i]);
	return r ? r : pl_nl_batch_commit(b, err);
}

static void log_following(struct pl_endpoint *pod)
{
	uint64_t now = pl_now_ns();
	char mac[PL_MAC_STRLEN];

	if (pod->followed_ns && now - pod->followed_ns < QUIET_NS)
		return;
	pod->followed_ns = now;
	pl_info("pod end changed, followed container=%s ifname=%s mac=%s mtu=%u",
		pod->rec.container_id, pod->rec.ifname, pl_mac_format(&pod->rec.pod_mac, mac),
		pod->rec.mtu);
}

void pl_endpoint_follow_pod_end(struct pl_endpoints *t, struct pl_endpoint *pod)
{
	const struct pl_nl_link *host = pl_endpoint_link_of(t, &pod->rec);
	struct pl_error err = {0};
	struct pl_nl_link end;
	bool mac, mtu;
	int r;

	if (pl_endpoint_is_leaving(pod) || !host || host->peer_nsid < 0 ||
	    host->peer_ifindex != pod->rec.pod_ifindex ||
	    pl_nl_link_get_in(t->opts.nl, host->peer_nsid, NULL, pod->rec.pod_ifindex, &end) < 0 ||
	    end.peer_ifindex != pod->rec.ifindex)
		return;
	mac = follows_mac(t, pod, &end);
	mtu = follows_mtu(pod, &end);
	if (!mac && !mtu)
		return;
	if (mac)
		pod->rec.pod_mac = end.mac;
	if (mtu)
		pod->rec.mtu = end.mtu;
	log_following(pod);
	r = change_host_end(t, &pod->rec, mac, &err);
	if (!r && mac)
		r = set_gateways(&pod->rec, &err);
	if (pl_endpoint_save(t, &pod->rec, &err) < 0 || r < 0)
		pl_warn("change of a pod end followed in part container=%s ifname=%s error=\"%s\"",
			pod->rec.container_id, pod->rec.ifname, err.text);
	pl_endpoint_sync(t, pod);
}

/* ---- when ---- */

static void note_due(struct pl_pod_ends *p, uint32_t ifindex)
{
	for (size_t i = 0; i < p->n_due; i++)
		if (p->due[i] == ifindex)
			return;
	if (p->n_due < PL_ARRAY_SIZE(p->due))
		p->due[p->n_due++] = ifindex;
}

/* The other end of a pod end is our host end; whether it is that very pair is read later. */
static void on_event(const struct pl_nl_event *event, void *arg)
{
	struct pl_pod_ends *p = arg;
	const struct pl_endpoint *pod;

	if (event->type == PL_NL_LOST) {
		p->look = 1;
		return;
	}
	if (event->type != PL_NL_LINK_NEW || event->nsid == PL_NL_NSID_HERE)
		return;
	pod = pl_endpoints_by_ifindex(p->endpoints, event->link.peer_ifindex);
	if (!pod || pod->rec.pod_ifindex != event->link.ifindex)
		return;
	if (event->link.mtu != pod->rec.mtu ||
	    memcmp(&event->link.mac, &pod->rec.pod_mac, sizeof(event->link.mac)) != 0)
		note_due(p, pod->rec.ifindex);
}

static void look_at_some(struct pl_pod_ends *p)
{
	struct pl_endpoints *t = p->endpoints;

	for (int n = 0; n < SLICE_LOOKS && p->look && p->look < t->max; p->look++)
		if (t->v[p->look]) {
			pl_endpoint_follow_pod_end(t, t->v[p->look]);
			n++;
		}
	if (p->look >= t->max)
		p->look = 0;
}

static void on_slice(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval pause = {.tv_usec = SLICE_US};
	struct pl_pod_ends *p = arg;

	event_del(p->readable);
	event_add(p->timer, &pause);
	if (pl_datapath_expediting(p->endpoints->opts.dp)) /* the kernel would not answer */
		return;
	p->n_due = 0;
	(void)pl_nl_monitor_read(p->monitor, SLICE_EVENTS, on_event, p);
	for (size_t i = 0; i < p->n_due; i++) {
		struct pl_endpoint *pod = pl_endpoints_by_ifindex(p->endpoints, p->due[i]);

		if (pod)
			pl_endpoint_follow_pod_end(p->endpoints, pod);
	}
	look_at_some(p);
}

/* After a pause: once more, where there is something left; else when the next event comes. */
static void on_pause_over(evutil_socket_t fd, short what, void *arg)
{
	struct pl_pod_ends *p = arg;

	if (p->look)
		on_slice(-1, 0, p);
	else
		event_add(p->readable, NULL);
}

int pl_pod_ends_new(struct pl_endpoints *t, struct pl_pod_ends **ret, struct pl_error *err)
{
	pl_cleanup(pl_pod_ends_freep) struct pl_pod_ends *p = calloc(1, sizeof(*p));
	static const struct timeval at_once;
	struct pl_error why = {0};

	if (!p)
		return pl_fail(err, -ENOMEM, "pod ends of links: out of memory");
	p->endpoints = t;
	p->look = 1; /* what changed while no daemon ran */
	if (pl_nl_monitor_open_pods(&p->monitor, &why) < 0) {
		pl_warn("pod ends of links are not watched, only compared by CHECK error=\"%s\"",
			why.text);
		*ret = TAKE_PTR(p);
		return 0;
	}
	p->readable = event_new(t->opts.base, pl_nl_monitor_fd(p->monitor), EV_READ | EV_PERSIST,
				on_slice, p);
	p->timer = evtimer_new(t->opts.base, on_pause_over, p);
	if (!p->readable || !p->timer || event_add(p->timer, &at_once))
		return pl_fail(err, -ENOMEM, "event loop: out of memory");
	*ret = TAKE_PTR(p);
	return 0;
}

void pl_pod_ends_freep(struct pl_pod_ends **ref)
{
	struct pl_pod_ends *p = TAKE_PTR(*ref);

	if (!p)
		return;
	if (p->readable)
		event_free(p->readable);
	if (p->timer)
		event_free(p->timer);
	pl_nl_monitor_closep(&p->monitor);
	free(p);
}
