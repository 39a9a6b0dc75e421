/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared by socket.c, batch*.c, decode.c, describe.c and monitor.c, and by nobody else: the request
 * socket, one exchange on it, and UAPI constants that are younger than the headers of Debian 12.
 */
#ifndef PODLANE_NETLINK_INTERNAL_H
#define PODLANE_NETLINK_INTERNAL_H

#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include "netlink/netlink.h"

enum {
	PL_NL_RECV_BYTES = 32768, /* the largest dump chunk that the kernel makes */
	PL_NL_SEND_BYTES = 32768, /* far below the default send buffer, which bounds a sendmsg */
	PL_NL_SEND_MESSAGES = 32, /* their answers fit the default receive buffer */
};

/* IFLA_INFO_DATA of kind "netkit" (Linux 6.7). */
enum {
	PL_IFLA_NETKIT_PEER_INFO = 1,
	PL_IFLA_NETKIT_PRIMARY = 2,
	PL_IFLA_NETKIT_POLICY = 3,
	PL_IFLA_NETKIT_PEER_POLICY = 4,
	PL_IFLA_NETKIT_MODE = 5,
};

enum {
	PL_NETKIT_PASS = 0,
	PL_NETKIT_DROP = 2,
};

enum {
	PL_NETKIT_L2 = 0,
	PL_NETKIT_L3 = 1,
};

/* libmnl's own iterators over a message round its length up, past the end of a foreign buffer. */
#define pl_nl_for_each_attr(attr, payload, len)                                                    \
	for ((attr) = (const void *)(payload);                                                     \
	     mnl_attr_ok((attr), (int)((const char *)(payload) + (len) - (const char *)(attr)));   \
	     (attr) = mnl_attr_next(attr))

struct pl_nl {
	int fd;
	uint32_t seq; /* last one used */
	_Alignas(struct nlmsghdr) char buf[PL_NL_RECV_BYTES];
};

/*
 * Sends the messages in @buf, one after the other, and tells @fn each answer but plain ACKs, with
 * the number of the message it answers. 0, -errno of the sending or receiving, or @fn's non-zero,
 * with which the rest of the answers is still read.
 */
int pl_nl_exchange(struct pl_nl *nl, void *buf, size_t len,
		   int (*fn)(unsigned int index, const struct nlmsghdr *nlh, void *arg), void *arg);

/* One datagram from the kernel; -EAGAIN, -ENOBUFS, -EMSGSIZE (cut), -errno. Never blocks. */
int pl_nl_recv(int fd, void *buf, size_t size, size_t *ret_len);
/* The same; *ret_nsid: the netns that a message of NETLINK_LISTEN_ALL_NSID comes from. */
int pl_nl_recv_from(int fd, void *buf, size_t size, size_t *ret_len, int32_t *ret_nsid);

/* IFLA_IFNAME or the index into a request for one link; the name must fit. */
int pl_nl_put_link_id(struct nlmsghdr *nlh, const char *name, uint32_t ifindex);

int pl_nl_send_all(int fd, const void *buf, size_t len);
/* What an NLMSG_ERROR says: 0 for an ACK, -errno. */
int pl_nl_error_of(const struct nlmsghdr *nlh);

/* decode.c: the same of a request, whatever its type. 0 or -EBADMSG. */
int pl_nl_parse_link(const void *buf, size_t len, struct pl_nl_link *ret);
int pl_nl_parse_route(const void *buf, size_t len, unsigned int hop, struct pl_nl_route *ret);

#endif
