/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What of the host itself concerns the datapath: its links, its addresses, its uplinks. All of it
 * comes from netlink; who uses a link is asked of whoever watches.
 */
#ifndef PODLANE_HOST_H
#define PODLANE_HOST_H

#include <jansson.h>
#include "common/netconf.h"
#include "host/links.h"
#include "netlink/netlink.h"
#include "reconcile/reconcile.h"

struct pl_host;

enum pl_claim {
	PL_CLAIM_NONE,
	PL_CLAIM_ENDPOINT, /* the host end of an endpoint: no uplink */
	PL_CLAIM_LEAVING,  /* it is being deleted: the kernel would answer when it has gone */
};

/* Who is told of what happens to links, and asked whose they are. Every function is set. */
struct pl_host_watcher {
	enum pl_claim (*claim)(uint32_t ifindex, void *arg);
	void (*link_changed)(const struct pl_nl_link *link, void *arg);
	void (*link_gone)(const struct pl_nl_link *link, void *arg);
	/*
	 * An address or a neighbour of a link, or a route to one address, is not what it was; and
	 * each event of a link as the kernel told it, which may be past.
	 */
	void (*stack_changed)(const struct pl_nl_event *event, void *arg);
	void (*lost)(void *arg); /* events were lost: only a dump tells how things are */
	void *arg;
};

struct pl_host_opts {
	struct pl_nl *nl;
	struct pl_reconcile *reconcile;
	const char (*uplinks)[IFNAMSIZ]; /* fnmatch(3) patterns; none: default routes */
	size_t n_uplinks;
	struct pl_host_watcher watcher;
};

/* What @opts points to must live as long. */
int pl_host_new(const struct pl_host_opts *opts, struct pl_host **ret, struct pl_error *err);
void pl_host_freep(struct pl_host **host);

/* Reads links, host addresses and default routes anew; what is known stays where that fails. */
int pl_host_dump(struct pl_host *host, struct pl_error *err);
/* Says what the datapath must hold for the host; nothing is done yet. 0 or -ENOMEM. */
int pl_host_want(struct pl_host *host);
/* Brings that to the datapath if something changed since the last call. */
void pl_host_update(struct pl_host *host);

/* Tries again what could not be read or brought to the kernel. */
void pl_host_retry(struct pl_host *host);

/* Other patterns than those at open, or what these point to. Nothing is done yet. */
void pl_host_set_uplinks(struct pl_host *host, const char (*uplinks)[IFNAMSIZ], size_t n_uplinks);

/* One netlink event; the watcher is told. */
void pl_host_event(struct pl_host *host, const struct pl_nl_event *event);
/* Reads a link anew and treats it as an event. 0 or -errno (-ENODEV: it is gone, handled). */
int pl_host_refresh_link(struct pl_host *host, uint32_t ifindex);
/* A link that was made, or deleted, before its event comes. 0 or -ENOMEM. */
int pl_host_note_link(struct pl_host *host, const struct pl_nl_link *link);
void pl_host_forget_link(struct pl_host *host, uint32_t ifindex);

/* The links that are known; read with the functions of links.h. */
const struct pl_devices *pl_host_links(const struct pl_host *host);
bool pl_host_is_uplink(const struct pl_host *host, const struct pl_nl_link *link);
bool pl_host_has_addr(const struct pl_host *host, const struct pl_ip *ip);
/* On this very link. */
bool pl_host_link_has_addr(const struct pl_host *host, uint32_t ifindex, const struct pl_ip *ip);
/* MTU of the first uplink; 1500 where there is none. */
uint32_t pl_host_mtu(const struct pl_host *host);

/*
 * Routes of the ranges: those of the daemon's own network, and what an earlier run made for
 * networks of which @is_used() says that an endpoint is there.
 */
void pl_host_start_routes(struct pl_host *host, const struct pl_netconf *network,
			  bool (*is_used)(const struct pl_prefix *range, void *arg), void *arg);
/* Those of another network are wanted, too: the timer makes them. 0 or -ENOMEM. */
int pl_host_want_routes(struct pl_host *host, const struct pl_netconf *network);
/* Brings them to the kernel where something may have changed. */
void pl_host_sync_routes(struct pl_host *host);

/* Switches IPv4 and IPv6 forwarding on, logging what could not be. */
void pl_host_enable_forwarding(void);
/* As it is now. -ENOENT: the kernel has no such protocol; -errno. */
int pl_host_forwarding(uint8_t family);
/* A sentence for each protocol that is not forwarded, and what to do: to the log, */
void pl_host_warn_forwarding(void);
/* or as a list; caller owns. */
json_t *pl_host_forwarding_warnings(void);

#endif
