/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rtnetlink events. A socket filter keeps from us what nobody here asks for, so that a router
 * with a million routes neither wakes the daemon nor fills its buffer. That events were lost is
 * always told, and told only when the kernel queues new ones again.
 */
#include <arpa/inet.h>
#include <linux/filter.h>
#include <sys/socket.h>
#include "netlink/internal.h"

struct pl_nl_monitor {
	int fd;
	bool lost; /* told once the buffer is empty */
	_Alignas(struct nlmsghdr) char buf[PL_NL_RECV_BYTES];
};

/*
 * Links but a bridge's notes on its ports, addresses, default routes of the main table, qdiscs:
 * of tc also filters, classes and chains come in the same group. The type is in host order.
 */
static void attach_filter(int fd)
{
	enum {
		TYPE = offsetof(struct nlmsghdr, nlmsg_type),
		FAMILY = NLMSG_HDRLEN + offsetof(struct ifinfomsg, ifi_family),
		DST_LEN = NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_dst_len),
		TABLE = NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_table),
		PROTOCOL = NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_protocol),
	};
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, TYPE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWLINK), 9, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELLINK), 8, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWROUTE), 9, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELROUTE), 8, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWADDR), 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELADDR), 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWQDISC), 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELQDISC), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
		/* link */
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FAMILY),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNSPEC, 6, 7),
		/* route */
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, PROTOCOL),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PL_NL_PROTOCOL, 4, 0),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, DST_LEN),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, TABLE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RT_TABLE_MAIN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {.len = PL_ARRAY_SIZE(code), .filter = code};

	/* A failure costs wake-ups alone: the decoder sorts out the same messages. */
	(void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* Beyond net.core.rmem_max where permitted. */
static int set_rcvbuf(int fd, int rcvbuf)
{
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf)) == 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)) == 0)
		return 0;
	return -errno;
}

static int subscribe(int fd, int rcvbuf)
{
	struct sockaddr_nl addr = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
			     RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_TC,
	};
	int r = set_rcvbuf(fd, rcvbuf);

	if (r < 0)
		return r;
	attach_filter(fd);
	return bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
}

int pl_nl_monitor_open_sized(int rcvbuf, struct pl_nl_monitor **ret, struct pl_error *err)
{
	pl_autoclose int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	struct pl_nl_monitor *mon;
	int r;

	if (fd < 0)
		return pl_fail(err, -errno, "cannot open a netlink socket for events: %s",
			       strerror(errno));
	r = subscribe(fd, rcvbuf);
	if (r < 0)
		return pl_fail(err, r, "cannot subscribe to netlink events: %s", strerror(-r));
	mon = malloc(sizeof(*mon));
	if (!mon)
		return pl_fail(err, -ENOMEM, "cannot watch netlink events: out of memory");
	mon->fd = TAKE_FD(fd);
	mon->lost = false;
	*ret = mon;
	return 0;
}

int pl_nl_monitor_open(struct pl_nl_monitor **ret, struct pl_error *err)
{
	/* Some 5,000 links at once; the kernel takes memory only as events wait. */
	return pl_nl_monitor_open_sized(8 << 20, ret, err);
}

void pl_nl_monitor_closep(struct pl_nl_monitor **mon)
{
	if (!*mon)
		return;
	close((*mon)->fd);
	free(*mon);
}

int pl_nl_monitor_fd(const struct pl_nl_monitor *mon)
{
	return mon->fd;
}

static void tell_datagram(const char *buf, size_t len,
			  void (*fn)(const struct pl_nl_event *event, void *arg), void *arg)
{
	int left = (int)len;

	for (const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf; mnl_nlmsg_ok(nlh, left);
	     nlh = mnl_nlmsg_next(nlh, &left)) {
		struct pl_nl_event event;

		if (pl_nl_decode_event(nlh, nlh->nlmsg_len, &event) == 0)
			fn(&event, arg);
	}
}

/*
 * From the first loss until its queue is empty a netlink socket takes no event and reports no
 * second loss: to tell before would leave a gap after the reader's dump.
 */
static int discard(struct pl_nl_monitor *mon)
{
	enum { AT_MOST = 1 << 16 }; /* more than fit the buffer */
	int r = 0;

	for (int i = 0; i < AT_MOST; i++) {
		size_t len;

		r = pl_nl_recv(mon->fd, mon->buf, sizeof(mon->buf), &len);
		if (r < 0 && r != -ENOBUFS && r != -EMSGSIZE)
			break;
	}
	return r;
}

static int tell_loss(struct pl_nl_monitor *mon,
		     void (*fn)(const struct pl_nl_event *event, void *arg), void *arg)
{
	const struct pl_nl_event event = {.type = PL_NL_LOST};
	int r = discard(mon);

	if (r != -EAGAIN)
		return r == -ENOBUFS || r == -EMSGSIZE ? 0 : r;
	mon->lost = false;
	fn(&event, arg);
	return 0;
}

int pl_nl_monitor_read(struct pl_nl_monitor *mon, unsigned int budget,
		       void (*fn)(const struct pl_nl_event *event, void *arg), void *arg)
{
	for (unsigned int i = 0; i < budget && !mon->lost; i++) {
		size_t len;
		int r = pl_nl_recv(mon->fd, mon->buf, sizeof(mon->buf), &len);

		if (r == -EAGAIN)
			return 0;
		if (r == -ENOBUFS || r == -EMSGSIZE)
			mon->lost = true;
		else if (r < 0)
			return r;
		else
			tell_datagram(mon->buf, len, fn, arg);
	}
	return mon->lost ? tell_loss(mon, fn, arg) : 0;
}
