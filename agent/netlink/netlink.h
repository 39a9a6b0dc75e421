/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rtnetlink through libmnl: what podlane asks of it and no more. Requests go in batches on one
 * socket, events come on another, so that a dump never meets an event. Nothing here knows of
 * endpoints or BPF maps.
 */
#ifndef PODLANE_NETLINK_H
#define PODLANE_NETLINK_H

#include "netlink/types.h"

struct pl_nl; /* a request socket, bound to the netns it was opened in */

/*
 * Opens in netns @netns_fd (-1: the current one); the thread is back in its own netns after. Where
 * the way back is barred the process aborts: it must never go on inside a pod's netns.
 * -EINVAL: the fd is no netns; -EPERM.
 */
int pl_nl_open(int netns_fd, struct pl_nl **ret, struct pl_error *err);
void pl_nl_close(struct pl_nl *nl);
void pl_nl_closep(struct pl_nl **nl);

/*
 * The number by which @nl's netns knows that of @netns_fd: the peer of a link is in there exactly
 * if its peer_nsid is this. 0, -ENOENT (no number yet: no link leads there), -errno.
 */
int pl_nl_nsid_get(struct pl_nl *nl, int netns_fd, int32_t *ret);

/* By name or, where @name is NULL, by index. 0, -ENODEV, -errno. */
int pl_nl_link_get(struct pl_nl *nl, const char *name, uint32_t ifindex, struct pl_nl_link *ret);
/* The same in the netns that @nl's knows as @nsid (peer_nsid of a link), without entering it. */
int pl_nl_link_get_in(struct pl_nl *nl, int32_t nsid, const char *name, uint32_t ifindex,
		      struct pl_nl_link *ret);

/*
 * Dumps are read whole, then told: @fn never sees a torn or a repeated one, and may use @nl.
 * Retried on NLM_F_DUMP_INTR, at most 5 times, then -EAGAIN. @fn's non-zero ends it and is
 * returned.
 */
int pl_nl_link_dump(struct pl_nl *nl, int (*fn)(const struct pl_nl_link *link, void *arg),
		    void *arg);

int pl_nl_addr_dump(struct pl_nl *nl, int (*fn)(const struct pl_nl_addr *addr, void *arg),
		    void *arg);

/* @family 0: both. All tables, "local" too; a multipath route comes once for each next hop. */
int pl_nl_route_dump(struct pl_nl *nl, uint8_t family,
		     int (*fn)(const struct pl_nl_route *route, void *arg), void *arg);
/* Unicast default routes of the main table alone, once for each next hop. */
int pl_nl_default_dump(struct pl_nl *nl, uint8_t family,
		       int (*fn)(const struct pl_nl_route *route, void *arg), void *arg);

/* Those of PL_NL_PROTOCOL in the main table; the kernel sorts them out, however many there are. */
int pl_nl_own_route_dump(struct pl_nl *nl, int (*fn)(const struct pl_nl_route *route, void *arg),
			 void *arg);

/* @ifindex 0: of all devices. */
int pl_nl_neigh_dump(struct pl_nl *nl, uint32_t ifindex,
		     int (*fn)(const struct pl_nl_neigh *neigh, void *arg), void *arg);

/* 0, -ENOENT (there is none), -errno. */
int pl_nl_neigh_get(struct pl_nl *nl, uint32_t ifindex, const struct pl_ip *ip,
		    struct pl_nl_neigh *ret);
/*
 * The route that leads to @ip, as it stands in its table. 0, or -errno: also that which an
 * unreachable, prohibiting or missing route means for packets.
 */
int pl_nl_route_get(struct pl_nl *nl, const struct pl_ip *ip, struct pl_nl_route *ret);

/*
 * 1: the link has an "ingress" qdisc, which polices what comes in; 0: it has none, or clsact, which
 * only holds filters; -errno.
 */
int pl_nl_has_ingress_qdisc(struct pl_nl *nl, uint32_t ifindex);

/*
 * Batch: messages collected, sent with one sendmsg (32 at a time), all answered. A message that
 * fails does not keep the kernel from carrying out the later ones: put what depends on what in that
 * order, and undo as a whole. One thing is kept back: what changes anything and follows the making
 * of a link is sent, by a sendmsg of its own, only once the link was made, for otherwise it would
 * hit a stranger that has the name or index already.
 */
struct pl_nl_batch;
int pl_nl_batch_new(struct pl_nl *nl, struct pl_nl_batch **ret);
void pl_nl_batch_freep(struct pl_nl_batch **batch);
/*
 * Sends and empties the batch. 0, or the first failing message's -errno with its description
 * ("add route default via 10.0.0.1 on device 7: Network is unreachable") in @err. Where the kernel
 * gives an extended ACK, its text is part of it. A deletion that finds nothing is a failure
 * (-ENODEV, -ESRCH, -EADDRNOTAVAIL), unless pl_nl_allow_missing() came right after it.
 */
int pl_nl_batch_commit(struct pl_nl_batch *batch, struct pl_error *err);
/* Nothing of it is sent. */
void pl_nl_batch_clear(struct pl_nl_batch *batch);

/*
 * Each of these appends a message. 0, -ENOMEM, or -EINVAL for what no message can say (a name too
 * long, families mixed). The result may be ignored: a batch with a failed message sends nothing,
 * its commit returns that error.
 */
int pl_nl_add_veth(struct pl_nl_batch *b, const struct pl_nl_pair *pair);
/*
 * @l2: mode L2, else L3. What the pod sends is lost until a program takes it (policy blackhole);
 * what the host sends to the pod passes, since no program sits on that side. A zero MAC in L2: the
 * kernel's choice; without d6fe532b7499 (6.10, stable 6.8 and 6.9) it refuses any other with
 * -EOPNOTSUPP.
 */
int pl_nl_add_netkit(struct pl_nl_batch *b, const struct pl_nl_pair *pair, bool l2);
/* VXLAN to one remote. @mtu 0: the kernel's choice. */
int pl_nl_add_vxlan(struct pl_nl_batch *b, const char *name, uint32_t vni,
		    const struct pl_ip *remote, const struct pl_ip *local, uint16_t port,
		    uint32_t mtu);
/*
 * @key 0: no key. @mtu 0: the kernel's choice. kind: "gretap", "erspan", "ip6gretap", "ip6erspan".
 */
int pl_nl_add_gre(struct pl_nl_batch *b, const char *name, const char *kind,
		  const struct pl_ip *remote, const struct pl_ip *local, uint32_t key,
		  uint32_t mtu);
/*
 * Reads a link within the batch: *ret is filled as soon as everything sent together with it
 * succeeded, even if a later part fails. After the making of a link: its index, and the peer's,
 * in the same round trip; an index that is set tells that there is something to undo.
 */
int pl_nl_read_link(struct pl_nl_batch *b, const char *name, uint32_t ifindex,
		    struct pl_nl_link *ret);
int pl_nl_set_up(struct pl_nl_batch *b, uint32_t ifindex, bool up);
int pl_nl_set_mtu(struct pl_nl_batch *b, uint32_t ifindex, uint32_t mtu);
/*
 * No IPv6 link-local address of the kernel's own (IFLA_INET6_ADDR_GEN_MODE none). Before
 * pl_nl_set_up(): an address that is there stays. Success where IPv6 is off.
 */
int pl_nl_set_no_ll(struct pl_nl_batch *b, uint32_t ifindex);
int pl_nl_del_link(struct pl_nl_batch *b, const char *name, uint32_t ifindex);
int pl_nl_set_group(struct pl_nl_batch *b, uint32_t ifindex, uint32_t group);
/* Every link of the group at once, for the wait of one alone. -ENODEV: none is in it. */
int pl_nl_del_group(struct pl_nl_batch *b, uint32_t group);
/* What was appended last may find nothing to delete. */
void pl_nl_allow_missing(struct pl_nl_batch *b);
/* @flags: IFA_F_NODAD, IFA_F_NOPREFIXROUTE ... An address that is there takes the new flags. */
int pl_nl_add_addr(struct pl_nl_batch *b, uint32_t ifindex, const struct pl_prefix *ip,
		   uint8_t scope, uint32_t flags);
int pl_nl_del_addr(struct pl_nl_batch *b, uint32_t ifindex, const struct pl_prefix *ip);
/* -EEXIST where one with this destination, table and priority is there. Table 0: main. */
int pl_nl_add_route(struct pl_nl_batch *b, const struct pl_nl_route *route);
/* Takes the place of such a one, whoever made it. */
int pl_nl_replace_route(struct pl_nl_batch *b, const struct pl_nl_route *route);
int pl_nl_del_route(struct pl_nl_batch *b, const struct pl_nl_route *route);
/* NUD_PERMANENT; takes the place of what is there for @ip. */
int pl_nl_add_neigh(struct pl_nl_batch *b, uint32_t ifindex, const struct pl_ip *ip,
		    const struct pl_mac *mac);

/* Events. */
struct pl_nl_monitor;
/*
 * Subscribes (links, addresses, default routes, own routes, routes to single addresses that go,
 * neighbours that go or become permanent, qdiscs) in the current netns; non-blocking. Open it
 * before the first dump, and read it after: then nothing falls in between. IPv4 routes that vanish
 * because their device went down or lost its address have no event: the link's or the address's
 * stands for them.
 */
int pl_nl_monitor_open(struct pl_nl_monitor **ret, struct pl_error *err);
/* The same with a receive buffer of @rcvbuf bytes: a small one loses events, for tests. */
int pl_nl_monitor_open_sized(int rcvbuf, struct pl_nl_monitor **ret, struct pl_error *err);
/*
 * Only new and changed links, but in every netns that this one has a number for, which the event
 * tells (nsid): for the pod ends of links. -EPERM without CAP_NET_BROADCAST. A pod can make any
 * number of these events, so the buffer is small and losing some is the rule then.
 */
int pl_nl_monitor_open_pods(struct pl_nl_monitor **ret, struct pl_error *err);
void pl_nl_monitor_closep(struct pl_nl_monitor **mon);
int pl_nl_monitor_fd(const struct pl_nl_monitor *mon);
/*
 * Reads what is there, at most @budget datagrams. 0 or -errno. Once events were lost, what is left
 * in the buffer is thrown away, since the kernel queues nothing new before it is empty; then comes
 * one PL_NL_LOST, and whatever changes after that is told again.
 */
int pl_nl_monitor_read(struct pl_nl_monitor *mon, unsigned int budget,
		       void (*fn)(const struct pl_nl_event *event, void *arg), void *arg);

/*
 * Pure decoders, for tests and fuzzing: @buf holds one whole netlink message, aligned to 4 bytes.
 * 0 or -EBADMSG (also for a message of another kind); *ret untouched on failure.
 */
int pl_nl_decode_link(const void *buf, size_t len, struct pl_nl_link *ret);
int pl_nl_decode_addr(const void *buf, size_t len, struct pl_nl_addr *ret);
/* The first next hop. */
int pl_nl_decode_route(const void *buf, size_t len, struct pl_nl_route *ret);
/* Next hop number @hop, -ENOENT behind the last. */
int pl_nl_decode_route_hop(const void *buf, size_t len, unsigned int hop, struct pl_nl_route *ret);
int pl_nl_decode_neigh(const void *buf, size_t len, struct pl_nl_neigh *ret);
int pl_nl_decode_event(const void *buf, size_t len, struct pl_nl_event *ret); /* 1: not ours */
/* NLMSG_ERROR: *ret_code 0 or -errno; the kernel's own words in @text, "" where it has none. */
int pl_nl_decode_ack(const void *buf, size_t len, int *ret_code, char *text, size_t size);
/* What a request asks for: "add route default via 10.0.0.1 on device 7". */
void pl_nl_describe(const void *buf, size_t len, char *text, size_t size);

#endif
