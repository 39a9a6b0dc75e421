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
 * Links but a bridge's notes on its ports; addresses; of the main table default routes, and routes
 * to one address that are deleted or replaced; neighbours that are deleted or become permanent, not
 * what ARP finds all day; qdiscs: of tc also filters, classes and chains come in the same group.
 * Types, flags and states are in host order.
 */
static void attach_filter(int fd)
{
	enum {
		TYPE = offsetof(struct nlmsghdr, nlmsg_type),
		FLAGS = offsetof(struct nlmsghdr, nlmsg_flags),
		FAMILY = NLMSG_HDRLEN + offsetof(struct ifinfomsg, ifi_family), /* of all */
		DST_LEN = NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_dst_len),
		TABLE = NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_table),
		PROTOCOL = NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_protocol),
		STATE = NLMSG_HDRLEN + offsetof(struct ndmsg, ndm_state),
	};
	/* Where each part begins. */
	enum {
		LINK = 11,
		NEW_ROUTE = 13,
		OLD_ROUTE = 17,
		MAIN = 23,
		NEW_NEIGH = 25,
		OLD_NEIGH = 27,
		PASS = 30,
		DROP = 31,
	};
#define IS(at, value, yes, no)                                                                     \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, (yes) - (at)-1, (no) - (at)-1)
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, TYPE),
		IS(1, htons(RTM_NEWLINK), LINK, 2),
		IS(2, htons(RTM_DELLINK), LINK, 3),
		IS(3, htons(RTM_NEWADDR), PASS, 4),
		IS(4, htons(RTM_DELADDR), PASS, 5),
		IS(5, htons(RTM_NEWQDISC), PASS, 6),
		IS(6, htons(RTM_DELQDISC), PASS, 7),
		IS(7, htons(RTM_NEWROUTE), NEW_ROUTE, 8),
		IS(8, htons(RTM_DELROUTE), OLD_ROUTE, 9),
		IS(9, htons(RTM_NEWNEIGH), NEW_NEIGH, 10),
		IS(10, htons(RTM_DELNEIGH), OLD_NEIGH, DROP),
		/* LINK */
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FAMILY),
		IS(12, AF_UNSPEC, PASS, DROP),
		/* NEW_ROUTE */
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, FLAGS),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, htons(NLM_F_REPLACE), OLD_ROUTE - 15, 0),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, DST_LEN),
		IS(16, 0, MAIN, DROP),
		/* OLD_ROUTE */
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, PROTOCOL),
		IS(18, PL_NL_PROTOCOL, PASS, 19),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, DST_LEN),
		IS(20, 0, MAIN, 21),
		IS(21, 32, MAIN, 22),
		IS(22, 128, MAIN, DROP),
		/* MAIN */
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, TABLE),
		IS(24, RT_TABLE_MAIN, PASS, DROP),
		/* NEW_NEIGH */
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, STATE),
		IS(26, htons(NUD_PERMANENT), OLD_NEIGH, DROP),
		/* OLD_NEIGH: not a bridge's */
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FAMILY),
		IS(28, AF_INET, PASS, 29),
		IS(29, AF_INET6, PASS, DROP),
		/* PASS, DROP */
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
#undef IS
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
			     RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_NEIGH | RTMGRP_TC,
	};
	int r = set_rcvbuf(fd, rcvbuf);

	if (r < 0)
		return r;
	attach_filter(fd);
	return bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
}

static void attach_pods_filter(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWLINK), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {.len = PL_ARRAY_SIZE(code), .filter = code};

	(void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int subscribe_pods(int fd, int rcvbuf)
{
	struct sockaddr_nl addr = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	int on = 1, r = set_rcvbuf(fd, rcvbuf);

	if (r < 0)
		return r;
	attach_pods_filter(fd);
	if (setsockopt(fd, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return 0;
}

static int open_with(int (*subscribe_to)(int fd, int rcvbuf), int rcvbuf,
		     struct pl_nl_monitor **ret, struct pl_error *err)
{
	pl_autoclose int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	struct pl_nl_monitor *mon;
	int r;

	if (fd < 0)
		return pl_fail(err, -errno, "cannot open a netlink socket for events: %s",
			       strerror(errno));
	r = subscribe_to(fd, rcvbuf);
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

int pl_nl_monitor_open_sized(int rcvbuf, struct pl_nl_monitor **ret, struct pl_error *err)
{
	return open_with(subscribe, rcvbuf, ret, err);
}

int pl_nl_monitor_open_pods(struct pl_nl_monitor **ret, struct pl_error *err)
{
	return open_with(subscribe_pods, 256 << 10, ret, err);
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

static void tell_datagram(const char *buf, size_t len, int32_t nsid,
			  void (*fn)(const struct pl_nl_event *event, void *arg), void *arg)
{
	int left = (int)len;

	for (const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf; mnl_nlmsg_ok(nlh, left);
	     nlh = mnl_nlmsg_next(nlh, &left)) {
		struct pl_nl_event event;

		if (pl_nl_decode_event(nlh, nlh->nlmsg_len, &event) != 0)
			continue;
		event.nsid = nsid;
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
	const struct pl_nl_event event = {.type = PL_NL_LOST, .nsid = PL_NL_NSID_HERE};
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
		int32_t nsid;
		int r = pl_nl_recv_from(mon->fd, mon->buf, sizeof(mon->buf), &len, &nsid);

		if (r == -EAGAIN)
			return 0;
		if (r == -ENOBUFS || r == -EMSGSIZE)
			mon->lost = true;
		else if (r < 0)
			return r;
		else
			tell_datagram(mon->buf, len, nsid, fn, arg);
	}
	return mon->lost ? tell_loss(mon, fn, arg) : 0;
}
