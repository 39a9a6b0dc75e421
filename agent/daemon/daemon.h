/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The daemon's state in one place, and the order of its parts:
 *
 *   loop -> (netlink event | request | timer) -> pods, node = desired -> plan -> apply
 *
 * One thread, but for one that waits for the deletion of links (netlink/reaper.h) and shares
 * nothing with it. Nothing below main() exits; what fails is told upward as pl_error, or logged
 * where an event and no request was the cause.
 */
#ifndef PODLANE_DAEMON_H
#define PODLANE_DAEMON_H

#include "daemon/settings.h"
#include "datapath/datapath.h"
#include "endpoint/table.h"
#include "host/links.h"
#include "host/range_routes.h"
#include "ipam/ipam.h"
#include "netlink/netlink.h"
#include "reconcile/plan.h"

struct event_base;
struct event;
struct pl_mirrors;
struct pl_control;
struct pl_leave;

struct pl_host_addr {
	struct pl_ip ip;
	uint32_t ifindex;
};

struct pl_daemon {
	struct pl_settings settings;
	struct event_base *base;
	struct event *retry; /* timer: applies again what failed */

	struct pl_datapath *dp;
	struct pl_nl *nl;
	struct pl_nl_monitor *monitor;
	struct pl_ipam *ipam;
	struct pl_mirrors *mirrors;
	struct pl_control *control;
	struct pl_leave *leave;

	struct pl_devices links;
	struct pl_endpoint **pods;		/* by id; entry 0 unused */
	struct pl_endpoint **by_key, **by_link; /* buckets: of container and ifname, of ifindex */
	uint32_t n_buckets;			/* a power of two */
	uint32_t max_pods;			/* entries of @pods */
	uint32_t n_pods;
	uint32_t next_id; /* slots are reused as late as can be */

	struct pl_host_addr *host_addrs; /* sorted by ip, ifindex */
	size_t n_host_addrs;
	size_t size_host_addrs;
	uint32_t default_oifs[16]; /* devices of the default routes */
	size_t n_default_oifs;
	struct pl_range_routes range_routes;
	struct pl_facts node; /* applied: host addresses, uplinks */
	bool node_dirty;

	bool netkit_links; /* the kernel can make netkit links: probed by making one */
	uint64_t started_ns;
	uint64_t resyncs;
	int lock_fd;
};

/* Until a signal ends it, or something fails. Frees all but the settings. */
int pl_daemon_run(struct pl_daemon *d, struct pl_error *err);
/* Takes the datapath off the node, in place of running. */
int pl_daemon_remove(struct pl_daemon *d, struct pl_error *err);

#endif
