/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Builds the daemon of its parts, in an order that loses no event (subscribe, then dump); says what
 * a turn of the loop does; and ends so that the datapath stays attached.
 */
#include <event2/event.h>
#include <signal.h>

#include "common/log.h"
#include "common/turn.h"
#include "control/dispatch.h"
#include "control/server.h"
#include "daemon/caps.h"
#include "daemon/daemon.h"
#include "daemon/notify.h"
#include "daemon/reload.h"
#include "endpoint/endpoint.h"
#include "endpoint/remove.h"
#include "host/host.h"
#include "host/masq.h"
#include "host/range_routes.h"
#include "ipam/ipam.h"
#include "mirror/mirrors.h"
#include "netlink/netkit_probe.h"
#include "reconcile/reconcile.h"
#include "reconcile/write.h"

enum {
	EVENTS_A_TURN = 64,	/* netlink datagrams, before requests get their turn */
	FIRST_DUMPS = 20,	/* each of which tries five times */
	FLOW_SWEEP_SECONDS = 2, /* also how soon programs follow nf_conntrack's coming */
};

/* ---- what the host's events lead to ---- */

/*
 * Dumps links, addresses and routes, compares all that should be with all that is in the maps and
 * at the hooks, and makes it so: at start and whenever events were lost.
 */
static int resync(struct pl_daemon *d, const char *why, struct pl_error *err)
{
	int r;

	d->parts.resyncs++;
	d->resync_due = false;
	pl_debug("resync why=\"%s\"", why);
	r = pl_host_dump(d->parts.host, err);
	if (r < 0) {
		d->resync_due = true;
		pl_reconcile_retry_later(d->reconcile);
		return r;
	}
	pl_endpoints_sweep(d->parts.endpoints);
	r = pl_host_want(d->parts.host);
	if (r < 0)
		pl_fail(err, r, "compare the datapath with the host: out of memory");
	if (!r)
		r = pl_endpoints_want(d->parts.endpoints, err);
	if (!r)
		r = pl_reconcile_all(d->reconcile, err);
	if (r < 0)
		pl_reconcile_retry_later(d->reconcile);
	pl_mirrors_resync(d->parts.mirrors);
	return r;
}

static enum pl_claim claim(uint32_t ifindex, void *arg)
{
	const struct pl_daemon *d = arg;
	const struct pl_endpoint *ep = pl_endpoints_by_ifindex(d->parts.endpoints, ifindex);

	if (!ep)
		return PL_CLAIM_NONE;
	return pl_endpoint_is_leaving(ep) ? PL_CLAIM_LEAVING : PL_CLAIM_ENDPOINT;
}

static void link_changed(const struct pl_nl_link *link, void *arg)
{
	struct pl_daemon *d = arg;

	pl_endpoints_link_changed(d->parts.endpoints, link);
	pl_mirrors_link_event(d->parts.mirrors, link, false);
}

static void link_gone(const struct pl_nl_link *link, void *arg)
{
	struct pl_daemon *d = arg;

	pl_endpoints_link_gone(d->parts.endpoints, link);
	pl_mirrors_link_event(d->parts.mirrors, link, true);
}

static void stack_changed(const struct pl_nl_event *event, void *arg)
{
	struct pl_daemon *d = arg;

	pl_endpoints_stack_changed(d->parts.endpoints, event);
}

static void events_lost(void *arg)
{
	struct pl_error err = {0};

	if (resync(arg, "netlink events were lost", &err) < 0)
		pl_error_log("resync failed, trying again error=\"%s\"", err.text);
}

static bool holds_endpoint(const struct pl_prefix *range, void *arg)
{
	const struct pl_daemon *d = arg;

	return pl_endpoints_any_in(d->parts.endpoints, range);
}

static void endpoint_added(const struct pl_endpoint *ep, void *arg)
{
	const struct pl_daemon *d = arg;

	pl_mirrors_pod_changed(d->parts.mirrors, ep);
}

static void endpoint_going(const struct pl_endpoint *ep, void *arg)
{
	const struct pl_daemon *d = arg;

	pl_mirrors_pod_gone(d->parts.mirrors, ep);
}

/* ---- the loop ---- */

static void on_netlink_event(const struct pl_nl_event *event, void *arg)
{
	struct pl_daemon *d = arg;

	if (event->type != PL_NL_NEIGH_CHANGED) /* of which no route is made */
		pl_write_routes_forget(d->dp);
	pl_host_event(d->parts.host, event);
}

static void on_netlink(evutil_socket_t fd, short what, void *arg)
{
	struct pl_daemon *d = arg;
	PL_TURN("netlink events");
	int r = pl_nl_monitor_read(d->monitor, EVENTS_A_TURN, on_netlink_event, d);

	if (r < 0)
		pl_error_log("netlink events not read error=\"%s\"", strerror(-r));
	pl_host_update(d->parts.host);
}

static void on_retry(void *arg)
{
	struct pl_daemon *d = arg;
	struct pl_error err = {0};

	pl_host_retry(d->parts.host);
	if (d->resync_due && resync(d, "the last one failed", &err) < 0)
		pl_error_log("resync failed, trying again error=\"%s\"", err.text);
}

static bool pins_there(struct pl_daemon *d)
{
	struct pl_error err = {0};
	int r = pl_write_pins(d->dp, &err);

	if (r > 0)
		pl_warn("datapath repaired object=pins path=%s", d->settings.bpffs);
	else if (r < 0 && !d->pins_missing)
		pl_error_log(
			"pins were deleted, and are restored when possible: programs stay attached, but "
			"no new one is attached error=\"%s\"",
			err.text);
	d->pins_missing = r < 0;
	return r >= 0;
}

static bool on_look(void *arg)
{
	struct pl_daemon *d = arg;

	pl_masq_look(d->masq);
	return pins_there(d);
}

static void on_flow_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct pl_daemon *d = arg;
	struct pl_error err = {0};
	PL_TURN("sweep of flows");
	int r = pl_datapath_flows_sweep(d->dp);

	pl_log_flush(pl_now_ns());
	if (r < 0)
		pl_error_log("flow table not swept error=\"%s\"", strerror(-r));
	r = pl_datapath_follow_conntrack(d->dp, &err);
	if (r < 0)
		pl_error_log("programs do not ask conntrack, trying again error=\"%s\"", err.text);
	if (r <= 0)
		return;
	pl_info("nf_conntrack is there: programs %s",
		pl_datapath_features(d->dp)->conntrack == PL_CT_ASK
			? "ask it before they open a connection"
			: "cannot ask it here, and remember what the stack delivers");
	if (resync(d, "programs are new", &err) < 0)
		pl_error_log("resync failed, trying again error=\"%s\"", err.text);
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct pl_daemon *d = arg;

	pl_info("exiting, the datapath stays attached signal=%d", (int)sig);
	event_base_loopbreak(d->base);
}

static void on_hangup(evutil_socket_t sig, short what, void *arg)
{
	PL_TURN("reload");

	pl_daemon_reload(arg);
}

/* From the loop alone: one that hangs is missed, and the service manager starts us again. */
static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	pl_notify("WATCHDOG=1");
}

/* Turn by turn, to know how long each of them takes. */
static int run_turns(struct pl_daemon *d)
{
	int r;

	do {
		r = event_base_loop(d->base, EVLOOP_ONCE);
		pl_turn_end();
	} while (r == 0 && !event_base_got_break(d->base));
	return r;
}

static int run_loop(struct pl_daemon *d, struct pl_error *err)
{
	const uint64_t watchdog_us = pl_notify_watchdog_us() / 2;
	const struct timeval beat = {.tv_sec = (time_t)(watchdog_us / 1000000),
				     .tv_usec = (suseconds_t)(watchdog_us % 1000000)};
	struct event *events[] = {
		event_new(d->base, pl_nl_monitor_fd(d->monitor), EV_READ | EV_PERSIST, on_netlink,
			  d),
		evsignal_new(d->base, SIGTERM, on_signal, d),
		evsignal_new(d->base, SIGINT, on_signal, d),
		evsignal_new(d->base, SIGHUP, on_hangup, d),
		event_new(d->base, -1, EV_PERSIST, on_watchdog, d),
	};
	const size_t n = PL_ARRAY_SIZE(events), last = watchdog_us ? n : n - 1;
	int r = 0;

	for (size_t i = 0; i < n && !r; i++)
		if (!events[i] || (i < last && event_add(events[i], i == n - 1 ? &beat : NULL)))
			r = pl_fail(err, -ENOMEM, "event loop: out of memory");
	if (!r) {
		pl_notify("READY=1");
		pl_info("ready version=%s pid=%d endpoints=%u", PL_VERSION, (int)getpid(),
			d->parts.endpoints->n);
		if (run_turns(d) < 0)
			r = pl_fail(err, -EIO, "event loop: it failed");
		if (!r && d->run_dir.lost.code) {
			*err = d->run_dir.lost;
			r = err->code;
		}
		pl_notify("STOPPING=1");
	}
	for (size_t i = 0; i < n; i++)
		if (events[i])
			event_free(events[i]);
	return r;
}

static int open_datapath(struct pl_daemon *d, struct pl_error *err)
{
	const struct pl_datapath_opts opts = {
		.bpffs_dir = d->settings.bpffs,
		.max_endpoints = d->settings.max_endpoints + 1,
		.max_flows = d->settings.max_flows,
		.flow_budget = d->settings.flow_budget,
		.flow_rate = d->settings.flow_rate,
		.attach = d->settings.attach,
		.expedite = d->settings.expedite,
	};

	return pl_datapath_open(&opts, &d->dp, err);
}

int pl_daemon_reach_networks(struct pl_daemon *d, struct pl_error *err)
{
	struct pl_network_rule *rules = d->native[d->native_now ^ 1];
	struct pl_facts want = {0};
	struct pl_fact *f = pl_facts_add(&want, PL_FACT_NETWORKS);

	if (!f)
		return pl_fail(err, -ENOMEM, "native networks: out of memory");
	d->native_now ^= 1;
	memcpy(rules, d->settings.native, sizeof(d->settings.native));
	f->networks.rules = rules;
	f->networks.n = d->settings.n_native;
	pl_reconcile_want(d->reconcile, &d->networks, &want);
	return pl_reconcile_reach(d->reconcile, &d->networks, err);
}

static int open_host(struct pl_daemon *d, struct pl_error *err)
{
	const struct pl_host_opts opts = {
		.nl = d->nl,
		.reconcile = d->reconcile,
		.uplinks = (const char(*)[IFNAMSIZ])d->settings.uplinks,
		.n_uplinks = d->settings.n_uplinks,
		.watcher = {claim, link_changed, link_gone, stack_changed, events_lost, d},
	};

	return pl_host_new(&opts, &d->parts.host, err);
}

static int open_endpoints(struct pl_daemon *d, struct pl_error *err)
{
	const struct pl_endpoints_opts opts = {
		.base = d->base,
		.nl = d->nl,
		.dp = d->dp,
		.reconcile = d->reconcile,
		.ipam = d->parts.ipam,
		.host = d->parts.host,
		.masq = d->masq,
		.run_dir = d->settings.run_dir,
		.netkit_links = d->parts.netkit_links,
		.watcher = {endpoint_added, endpoint_going, d},
	};

	return pl_endpoints_new(&opts, &d->parts.endpoints, err);
}

static int open_mirrors(struct pl_daemon *d, struct pl_error *err)
{
	const struct pl_mirrors_opts opts = {
		.base = d->base,
		.nl = d->nl,
		.dp = d->dp,
		.reconcile = d->reconcile,
		.host = d->parts.host,
		.endpoints = d->parts.endpoints,
		.run_dir = d->settings.run_dir,
		.declared = d->settings.mirrors,
	};

	return pl_mirrors_new(&opts, &d->parts.mirrors, err);
}

static int open_control(struct pl_daemon *d, struct pl_error *err)
{
	const struct pl_control_handler handler = {
		.handle = pl_dispatch,
		.is_removal = pl_dispatch_is_removal,
		.is_work = pl_dispatch_is_work,
		.arg = &d->parts,
	};

	return pl_control_open(d->base, d->settings.run_dir, &handler, &d->control, err);
}

/* What requests see beside the parts that are opened one by one. */
static void fill_parts(struct pl_daemon *d)
{
	d->parts.dp = d->dp;
	d->parts.network = &d->settings.network;
	d->parts.native = d->settings.native;
	d->parts.n_native = d->settings.n_native;
	d->parts.run_dir = d->settings.run_dir;
	d->parts.bpffs = d->settings.bpffs;
	d->parts.netkit_links = pl_datapath_features(d->dp)->netkit && pl_netkit_probe(d->nl);
}

/* The parts, lowest first; none of them has done anything yet. */
static int open_parts(struct pl_daemon *d, struct pl_error *err)
{
	const struct pl_reconcile_watcher watcher = {on_retry, on_look, d};
	static const struct timeval sweep_interval = {.tv_sec = FLOW_SWEEP_SECONDS};
	int r;

	d->base = event_base_new();
	if (!d->base)
		return pl_fail(err, -ENOMEM, "event loop: out of memory");
	r = pl_ipam_new(&d->parts.ipam);
	if (r < 0)
		return pl_fail(err, r, "address management: %s", strerror(-r));
	d->flow_sweep = event_new(d->base, -1, EV_PERSIST, on_flow_sweep, d);
	if (!d->flow_sweep || event_add(d->flow_sweep, &sweep_interval))
		return pl_fail(err, -ENOMEM, "event loop: out of memory");
	r = pl_reconcile_new(d->base, d->dp, &watcher, &d->reconcile, err);
	if (!r) /* before any endpoint: they begin with the networks as they should be */
		r = pl_daemon_reach_networks(d, err);
	if (!r)
		r = open_host(d, err);
	if (!r)
		r = pl_masq_new(d->settings.native, d->settings.n_native, &d->masq, err);
	if (!r)
		r = open_endpoints(d, err);
	return r;
}

/* A dump is torn where links come and go at the same time: that passes. */
static int dump_first(struct pl_daemon *d, struct pl_error *err)
{
	int r = -EAGAIN;

	for (int i = 0; i < FIRST_DUMPS && (r == -EAGAIN || r == -ENOBUFS); i++)
		r = pl_host_dump(d->parts.host, err);
	return r;
}

/* Events are subscribed to before the dump: what happens in between is seen twice, never missed. */
static int start(struct pl_daemon *d, struct pl_error *err)
{
	int r = pl_run_dir_open(&d->run_dir, d->settings.run_dir, err);

	if (!r)
		r = pl_nl_monitor_open(&d->monitor, err);
	if (!r)
		r = pl_nl_open(-1, &d->nl, err);
	if (!r)
		r = pl_endpoints_survey(d->settings.run_dir, d->nl, d->settings.max_endpoints, err);
	if (!r)
		r = open_datapath(d, err);
	if (r < 0)
		return r;
	fill_parts(d);
	if (d->settings.forwarding)
		pl_host_enable_forwarding();
	pl_host_warn_forwarding();
	r = open_parts(d, err);
	if (!r)
		r = dump_first(d, err);
	if (!r)
		r = pl_endpoints_load(d->parts.endpoints, err);
	if (!r)
		r = open_mirrors(d, err);
	if (r < 0)
		return r;
	r = resync(d, "start", err);
	if (r < 0) {
		pl_error_log("start is not complete, trying again error=\"%s\"", err->text);
		*err = (struct pl_error){0};
	}
	pl_masq_resync(d->masq);
	pl_host_start_routes(d->parts.host, &d->settings.network, holds_endpoint, d);
	pl_reconcile_watch(d->reconcile);
	r = open_control(d, err);
	return r < 0 ? r
		     : pl_run_dir_watch(&d->run_dir, d->base, d->control, d->parts.endpoints,
					d->parts.mirrors, err);
}

static void finish(struct pl_daemon *d)
{
	pl_run_dir_unwatch(&d->run_dir);
	if (d->parts.endpoints)
		pl_removals_wait(d->parts.endpoints);
	pl_control_closep(&d->control);
	pl_mirrors_freep(&d->parts.mirrors);
	pl_endpoints_freep(&d->parts.endpoints);
	pl_masq_freep(&d->masq);
	pl_host_freep(&d->parts.host);
	if (d->reconcile)
		pl_reconcile_drop(d->reconcile, &d->networks);
	pl_reconcile_freep(&d->reconcile);
	pl_ipam_freep(&d->parts.ipam);
	if (d->flow_sweep)
		event_free(d->flow_sweep);
	if (d->base)
		event_base_free(d->base);
	pl_datapath_closep(&d->dp);
	pl_nl_closep(&d->nl);
	pl_nl_monitor_closep(&d->monitor);
	pl_run_dir_close(&d->run_dir);
}

int pl_daemon_run(struct pl_daemon *d, struct pl_error *err)
{
	int r;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN); /* until the loop takes it: the file is being read anyway */
	r = pl_caps_check(err);
	if (!r)
		r = start(d, err);
	if (!r)
		r = pl_caps_drop(err);
	if (!r)
		r = run_loop(d, err);
	finish(d);
	return r;
}

int pl_daemon_remove(struct pl_daemon *d, struct pl_error *err)
{
	int r = pl_caps_check(err);

	if (!r)
		r = pl_run_dir_open(&d->run_dir, d->settings.run_dir, err);
	if (!r)
		r = pl_datapath_remove(d->settings.bpffs, err);
	if (!r)
		r = pl_mirrors_remove_devices(err);
	if (!r)
		r = pl_range_routes_remove(err);
	pl_run_dir_close(&d->run_dir);
	return r;
}
