/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The daemon's state in one place, and the order of its parts:
 *
 *   loop -> (netlink event | request | timer) -> host, endpoints, mirrors -> reconcile -> datapath
 *
 * One thread, but for one that waits for the deletion of links (netlink/reaper.h) and shares
 * nothing with it. Nothing below main() exits; what fails is told upward as pl_error, or logged
 * where an event and no request was the cause. Private to this folder: a part gets what it works on
 * when it is opened.
 */
#ifndef PODLANE_DAEMON_H
#define PODLANE_DAEMON_H

#include "control/dispatch.h"
#include "daemon/options.h"
#include "daemon/run_dir.h"

struct event_base;
struct event;
struct pl_control;

struct pl_daemon {
	const struct pl_options *options;
	struct pl_settings settings;
	struct event_base *base;
	struct event *flow_sweep; /* timer: takes away flows that have ended */
	struct pl_nl *nl;
	struct pl_nl_monitor *monitor;
	struct pl_datapath *dp;
	struct pl_reconcile *reconcile;
	struct pl_fact_owner networks;			 /* the native ones of the settings, */
	struct pl_network_rule native[2][PL_NATIVE_MAX]; /* as they are wanted and were before */
	unsigned int native_now;
	struct pl_masq *masq;
	struct pl_parts parts; /* the rest, as requests see it */
	struct pl_control *control;
	bool pins_missing; /* and it was said */
	bool resync_due;   /* the last one failed before it could compare */
	struct pl_run_dir run_dir;
};

/* Until a signal ends it, or something fails. Frees all but the settings. */
int pl_daemon_run(struct pl_daemon *d, struct pl_error *err);
/* Brings the native networks of the settings to the datapath. */
int pl_daemon_reach_networks(struct pl_daemon *d, struct pl_error *err);
/* Takes the datapath off the node, in place of running. */
int pl_daemon_remove(struct pl_daemon *d, struct pl_error *err);

#endif
