/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rtnetlink through libmnl: what podlane asks of it and no more. Requests go in batches on one
 * socket, events come on another, so that a dump never meets an event. Nothing here knows of
 * endpoints or BPF maps.
 */
#ifndef PODLANE_NL_H
#define PODLANE_NL_H

#include <linux/if_link.h>
#include <net/if.h>
#include "addr.h"
#include "util.h"

struct pl_nl; /* a request socket, bound to the netns it was opened in */

/* A link as RTM_NEWLINK tells it. */
struct pl_nl_link {
	uint32_t ifindex;
	char name[IFNAMSIZ];
	char kind[16]; /* IFLA_INFO_KIND, "" for a physical device */
	uint32_t flags; /* IFF_UP, IFF_LOWER_UP ... */
	uint32_t mtu;
	struct pl_mac mac; /* zero where it has none */
	uint32_t peer_ifindex; /* IFLA_LINK: in the netns below; 0: none */
	int32_t peer_nsid; /* IFLA_LINK_NETNSID; -1: attribute absent, the peer is in this netns */
	uint32_t master; /* 0: none */
	char qdisc[16]; /* root qdisc's kind, "noqueue" ... */
	uint8_t netkit_mode; /* 1 + IFLA_NETKIT_MODE (L2 0, L3 1); 0: not netkit or unknown */
	bool netkit_primary;
	int32_t new_nsid; /* of RTM_DELLINK: IFLA_NEW_NETNSID, -1: a deletion, not a move */
};

/* Opens in netns @netns_fd (-1: the current one); the thread is back in its own netns after. */
int pl_nl_open(int netns_fd, struct pl_nl **ret, struct pl_error *err);
void pl_nl_close(struct pl_nl *nl);
void pl_nl_closep(struct pl_nl **nl);

/* By name or, where @name is NULL, by index. 0, -ENODEV, -errno. */
int pl_nl_link_get(struct pl_nl *nl, const char *name, uint32_t ifindex, struct pl_nl_link *ret);
/* Dumps; retried on NLM_F_DUMP_INTR, at most 5 times, then -EAGAIN. @fn's non-zero ends it. */
int pl_nl_link_dump(struct pl_nl *nl, int (*fn)(const struct pl_nl_link *link, void *arg),
		    void *arg);

struct pl_nl_addr {
	uint32_t ifindex;
	struct pl_prefix ip;
	uint8_t scope;
	uint32_t flags; /* IFA_F_* */
};
int pl_nl_addr_dump(struct pl_nl *nl, int (*fn)(const struct pl_nl_addr *addr, void *arg),
		    void *arg);

struct pl_nl_route {
	struct pl_prefix dst;
	struct pl_ip gateway; /* family 0: on-link */
	uint32_t oif;
	uint32_t table;
	uint32_t priority;
	uint32_t mtu, advmss; /* 0: not set */
	uint8_t scope; /* RT_SCOPE_* */
	uint8_t type; /* RTN_*; 0 means RTN_UNICAST when added */
	bool onlink;
};
int pl_nl_route_dump(struct pl_nl *nl, uint8_t family,
		     int (*fn)(const struct pl_nl_route *route, void *arg), void *arg);

struct pl_nl_neigh {
	uint32_t ifindex;
	struct pl_ip ip;
	struct pl_mac mac;
	uint16_t state; /* NUD_* */
};
int pl_nl_neigh_dump(struct pl_nl *nl, uint32_t ifindex,
		     int (*fn)(const struct pl_nl_neigh *neigh, void *arg), void *arg);

/*
 * Batch: messages collected, sent with one sendmsg, all answered. A message that fails does not
 * keep the kernel from carrying out the later ones: put what depends on what in that order, and
 * undo as a whole.
 */
struct pl_nl_batch;
int pl_nl_batch_new(struct pl_nl *nl, struct pl_nl_batch **ret);
void pl_nl_batch_freep(struct pl_nl_batch **batch);
/*
 * Sends and empties the batch. 0, or the first failing message's -errno with its description
 * ("add route default via 10.0.0.1: Network is unreachable") in @err. Where the kernel gives an
 * extended ACK, its text is part of it.
 */
int pl_nl_batch_commit(struct pl_nl_batch *batch, struct pl_error *err);

struct pl_nl_pair {
	const char *name; /* host end */
	const char *peer_name;
	int peer_netns_fd; /* the peer is made in there, not moved; -1: same netns */
	struct pl_mac mac, peer_mac; /* ignored for netkit L3 */
	uint32_t mtu; /* both ends; 0: the kernel's default */
	uint32_t peer_ifindex; /* 0: the kernel chooses */
	bool no_ll; /* IFLA_INET6_ADDR_GEN_MODE none on the host end */
};
/* Each of these appends a message; -ENOBUFS/-ENOMEM only. */
int pl_nl_add_veth(struct pl_nl_batch *b, const struct pl_nl_pair *pair);
/* @l2: mode L2, else L3. Policy blackhole on both sides, scrub default (asked for where known). */
int pl_nl_add_netkit(struct pl_nl_batch *b, const struct pl_nl_pair *pair, bool l2);
/* VXLAN to one remote. */
int pl_nl_add_vxlan(struct pl_nl_batch *b, const char *name, uint32_t vni,
		    const struct pl_ip *remote, const struct pl_ip *local, uint16_t port);
/* @remote_key 0: no key. kind: "gretap", "erspan", "ip6gretap", "ip6erspan". */
int pl_nl_add_gre(struct pl_nl_batch *b, const char *name, const char *kind,
		  const struct pl_ip *remote, const struct pl_ip *local, uint32_t key);
int pl_nl_set_up(struct pl_nl_batch *b, uint32_t ifindex, bool up);
int pl_nl_del_link(struct pl_nl_batch *b, const char *name, uint32_t ifindex);
/* @flags: IFA_F_NODAD, IFA_F_NOPREFIXROUTE ... */
int pl_nl_add_addr(struct pl_nl_batch *b, uint32_t ifindex, const struct pl_prefix *ip,
		   uint8_t scope, uint32_t flags);
int pl_nl_add_route(struct pl_nl_batch *b, const struct pl_nl_route *route);
int pl_nl_del_route(struct pl_nl_batch *b, const struct pl_nl_route *route);
/* NUD_PERMANENT. */
int pl_nl_add_neigh(struct pl_nl_batch *b, uint32_t ifindex, const struct pl_ip *ip,
		    const struct pl_mac *mac);

/* Events. */
enum pl_nl_event_type {
	PL_NL_LINK_NEW,
	PL_NL_LINK_DEL, /* with new_nsid >= 0: moved to another netns */
	PL_NL_ADDR_NEW,
	PL_NL_ADDR_DEL,
	PL_NL_ROUTE_CHANGED, /* a default route came or went */
	PL_NL_QDISC_CHANGED, /* on .link.ifindex: read the link again */
	PL_NL_LOST, /* ENOBUFS: events are missing, dump everything again */
};

struct pl_nl_event {
	enum pl_nl_event_type type;
	struct pl_nl_link link; /* LINK_*: all; QDISC_CHANGED: ifindex */
	struct pl_nl_addr addr; /* ADDR_* */
};

struct pl_nl_monitor;
/* Subscribes (links, addresses, routes, qdiscs) in the current netns; non-blocking. */
int pl_nl_monitor_open(struct pl_nl_monitor **ret, struct pl_error *err);
void pl_nl_monitor_closep(struct pl_nl_monitor **mon);
int pl_nl_monitor_fd(const struct pl_nl_monitor *mon);
/* Reads what is there, at most @budget datagrams. 0 or -errno. */
int pl_nl_monitor_read(struct pl_nl_monitor *mon, unsigned int budget,
		       void (*fn)(const struct pl_nl_event *event, void *arg), void *arg);

/* Pure decoders, for tests and fuzzing: @buf holds one whole netlink message. 0 or -EBADMSG. */
int pl_nl_decode_link(const void *buf, size_t len, struct pl_nl_link *ret);
int pl_nl_decode_addr(const void *buf, size_t len, struct pl_nl_addr *ret);
int pl_nl_decode_route(const void *buf, size_t len, struct pl_nl_route *ret);
int pl_nl_decode_event(const void *buf, size_t len, struct pl_nl_event *ret); /* 1: not ours */

#endif
