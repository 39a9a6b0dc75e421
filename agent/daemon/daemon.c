/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Builds the daemon of its parts, in an order that loses no event (subscribe, then dump); says what
 * a turn of the loop does; and ends so that the datapath goes on.
 */
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>

#include "common/log.h"
#include "control/server.h"
#include "daemon/caps.h"
#include "daemon/daemon.h"
#include "daemon/notify.h"
#include "endpoint/endpoint.h"
#include "endpoint/remove.h"
#include "host/host.h"
#include "host/masq.h"
#include "mirror/mirrors.h"
#include "netlink/netkit_probe.h"
#include "reconcile/reconcile.h"
#include "reconcile/write.h"

enum { EVENTS_A_TURN = 64 }; /* netlink datagrams, before requests get their turn */

static void on_netlink_event(const struct pl_nl_event *event, void *arg)
{
	pl_node_event(arg, event);
}

static void on_netlink(evutil_socket_t fd, short what, void *arg)
{
	struct pl_daemon *d = arg;
	int r = pl_nl_monitor_read(d->monitor, EVENTS_A_TURN, on_netlink_event, d);

	if (r < 0)
		pl_error_log("netlink events not read error=\"%s\"", strerror(-r));
	pl_node_update(d);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct pl_daemon *d = arg;

	pl_node_update(d);
	pl_node_sync_routes(d);
	pl_endpoints_retry(d);
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct pl_daemon *d = arg;

	pl_info("ending signal=%d; the datapath goes on", (int)sig);
	event_base_loopbreak(d->base);
}

static int run_loop(struct pl_daemon *d, struct pl_error *err)
{
	struct event *netlink = event_new(d->base, pl_nl_monitor_fd(d->monitor),
					  EV_READ | EV_PERSIST, on_netlink, d);
	struct event *term = evsignal_new(d->base, SIGTERM, on_signal, d);
	struct event *intr = evsignal_new(d->base, SIGINT, on_signal, d);
	int r = 0;

	if (!netlink || !term || !intr || event_add(netlink, NULL) || event_add(term, NULL) ||
	    event_add(intr, NULL)) {
		r = pl_fail(err, -ENOMEM, "event loop: out of memory");
	} else {
		pl_notify("READY=1");
		pl_info("ready version=%s pid=%d endpoints=%u", PL_VERSION, (int)getpid(),
			d->n_pods);
		if (event_base_dispatch(d->base) < 0)
			r = pl_fail(err, -EIO, "event loop: it failed");
		pl_notify("STOPPING=1");
	}
	if (netlink)
		event_free(netlink);
	if (term)
		event_free(term);
	if (intr)
		event_free(intr);
	return r;
}

static int take_lock(struct pl_daemon *d, struct pl_error *err)
{
	char path[300];
	pl_autoclose int fd = -1;
	char who[32] = "";
	ssize_t n;

	snprintf(path, sizeof(path), "%s/podlaned.lock", d->settings.run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return pl_fail(err, -errno, "lock %s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		n = read(fd, who, sizeof(who) - 1);
		who[n > 0 ? strcspn(who, "\n") : 0] = 0;
		return pl_fail(
			err, -EBUSY,
			"another podlaned (pid %s) has %s: stop it, or give this one its own "
			"--run-dir and --bpffs",
			who[0] ? who : "?", path);
	}
	n = snprintf(who, sizeof(who), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) || pwrite(fd, who, (size_t)n, 0) != n)
		pl_warn("pid not written path=%s", path);
	d->lock_fd = TAKE_FD(fd);
	return 0;
}

static int prepare_run_dir(struct pl_daemon *d, struct pl_error *err)
{
	char path[300];
	int r;

	snprintf(path, sizeof(path), "%s/endpoints", d->settings.run_dir);
	r = pl_mkdir_p(path, 0755);
	return r < 0 ? pl_fail(err, r, "make %s: %s%s", path, strerror(-r),
			       r == -EACCES || r == -EPERM || r == -EROFS
				       ? "; podlaned must run as root, with a writable runDir"
				       : "")
		     : 0;
}

static int open_datapath(struct pl_daemon *d, struct pl_error *err)
{
	const struct pl_datapath_opts opts = {
		.bpffs_dir = d->settings.bpffs,
		.max_endpoints = d->settings.max_endpoints + 1,
		.max_flows = d->settings.max_flows,
		.attach = d->settings.attach,
		.expedite = d->settings.expedite,
	};
	int r = pl_datapath_open(&opts, &d->dp, err);

	if (r < 0)
		return r;
	r = pl_endpoints_init(d, pl_datapath_max_endpoints(d->dp));
	if (r < 0)
		return pl_fail(err, r, "out of memory for %u endpoints", d->max_pods);
	return pl_write_networks(d->dp, d->settings.native, d->settings.n_native, err);
}

/* Events are subscribed to before the dump: what happens in between is seen twice, never missed. */
static int start(struct pl_daemon *d, struct pl_error *err)
{
	int r = prepare_run_dir(d, err);

	if (!r)
		r = take_lock(d, err);
	if (!r)
		r = pl_nl_monitor_open(&d->monitor, err);
	if (!r)
		r = pl_nl_open(-1, &d->nl, err);
	if (!r)
		r = open_datapath(d, err);
	if (r < 0)
		return r;
	d->netkit_links = pl_datapath_features(d->dp)->netkit && pl_netkit_probe(d->nl);
	if (d->settings.forwarding)
		pl_node_enable_forwarding();
	pl_node_warn_forwarding();
	d->base = event_base_new();
	d->retry = d->base ? evtimer_new(d->base, on_retry, d) : NULL;
	if (!d->retry)
		return pl_fail(err, -ENOMEM, "event loop: out of memory");
	r = pl_ipam_new(&d->ipam);
	if (r < 0)
		return pl_fail(err, r, "address management: %s", strerror(-r));
	r = pl_leave_new(d, &d->leave, err);
	if (!r)
		r = pl_node_dump(d, err);
	if (!r)
		r = pl_endpoints_load(d, err);
	if (!r)
		r = pl_mirrors_new(d, &d->mirrors, err);
	if (r < 0)
		return r;
	r = pl_resync(d, "start", err);
	if (r < 0) {
		pl_error_log("start is not complete, trying again error=\"%s\"", err->text);
		*err = (struct pl_error){0};
	}
	pl_masq_resync(d);
	pl_node_start_routes(d);
	return pl_control_open(d, &d->control, err);
}

static void finish(struct pl_daemon *d)
{
	pl_leave_settle(d);
	pl_control_closep(&d->control);
	pl_leave_freep(&d->leave);
	pl_mirrors_freep(&d->mirrors);
	pl_endpoints_clear(d);
	pl_facts_clear(&d->node);
	pl_links_clear(&d->links);
	pl_range_routes_clear(&d->range_routes);
	free(d->host_addrs);
	pl_ipam_freep(&d->ipam);
	if (d->retry)
		event_free(d->retry);
	if (d->base)
		event_base_free(d->base);
	pl_datapath_closep(&d->dp);
	pl_nl_closep(&d->nl);
	pl_nl_monitor_closep(&d->monitor);
	pl_closep(&d->lock_fd);
}

int pl_daemon_run(struct pl_daemon *d, struct pl_error *err)
{
	int r;

	signal(SIGPIPE, SIG_IGN);
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
	int r = prepare_run_dir(d, err);

	if (!r)
		r = take_lock(d, err);
	if (!r)
		r = pl_datapath_remove(d->settings.bpffs, err);
	if (!r)
		r = pl_mirrors_remove_devices(err);
	if (!r)
		r = pl_range_routes_remove(err);
	pl_closep(&d->lock_fd);
	return r;
}
