/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One datagram of a netlink socket: of requests, or of events.
 */
#include <sys/socket.h>

#include "netlink/internal.h"

static int32_t nsid_of(struct msghdr *msg)
{
	int32_t nsid = PL_NL_NSID_HERE;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == SOL_NETLINK && c->cmsg_type == NETLINK_LISTEN_ALL_NSID)
			memcpy(&nsid, CMSG_DATA(c), sizeof(nsid));
	return nsid;
}

int pl_nl_recv_from(int fd, void *buf, size_t size, size_t *ret_len, int32_t *ret_nsid)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int32_t))];
	struct sockaddr_nl from;
	struct iovec iov = {.iov_base = buf, .iov_len = size};
	struct msghdr msg;
	ssize_t n;

	do {
		msg = (struct msghdr){
			.msg_name = &from,
			.msg_namelen = sizeof(from),
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};
		n = recvmsg(fd, &msg, MSG_DONTWAIT);
		/* A process may write to our port; only port 0 is the kernel. */
	} while ((n < 0 && errno == EINTR) || (n >= 0 && from.nl_pid != 0));
	if (n < 0)
		return -errno;
	if (msg.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	*ret_len = (size_t)n;
	*ret_nsid = nsid_of(&msg);
	return 0;
}

int pl_nl_recv(int fd, void *buf, size_t size, size_t *ret_len)
{
	int32_t ignored;

	return pl_nl_recv_from(fd, buf, size, ret_len, &ignored);
}
