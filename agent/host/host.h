/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What of the host itself concerns the datapath: its addresses, its uplinks, and the links cache.
 */
#ifndef PODLANE_HOST_H
#define PODLANE_HOST_H

#include "daemon/daemon.h"

/* Fills links, host addresses and default routes anew. */
int pl_node_dump(struct pl_daemon *d, struct pl_error *err);
/* Desired facts: addresses of the host, uplinks with their program. 0 or -ENOMEM. */
int pl_node_facts(struct pl_daemon *d, struct pl_facts *ret);
/* Brings the facts to the datapath if something changed since the last call. */
void pl_node_update(struct pl_daemon *d);

/* One netlink event; pods and mirrors are told. PL_NL_LOST leads to a resync. */
void pl_node_event(struct pl_daemon *d, const struct pl_nl_event *event);
/* Reads a link anew and treats it as an event. 0 or -errno (-ENODEV: it is gone, handled). */
int pl_node_refresh_link(struct pl_daemon *d, uint32_t ifindex);

/*
 * Routes of the ranges: those of the daemon's own network, and what an earlier run made for the
 * networks of endpoints that are there. Call when the endpoints are loaded.
 */
void pl_node_start_routes(struct pl_daemon *d);
/* Brings them to the kernel where something may have changed. */
void pl_node_sync_routes(struct pl_daemon *d);

bool pl_node_is_uplink(const struct pl_daemon *d, const struct pl_nl_link *link);
bool pl_node_has_addr(const struct pl_daemon *d, const struct pl_ip *ip);
/* MTU of the first uplink; 1500 where there is none. */
uint32_t pl_node_mtu(const struct pl_daemon *d);

/* Switches IPv4 and IPv6 forwarding on, logging what could not be. */
void pl_node_enable_forwarding(void);
/* As it is now. -ENOENT: the kernel has no such protocol; -errno. */
int pl_node_forwarding(uint8_t family);
/* A sentence for each protocol that is not forwarded, and what to do: to the log, */
void pl_node_warn_forwarding(void);
/* or as a list; caller owns. */
json_t *pl_node_forwarding_warnings(void);

#endif
