/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * stubborn: the daemon with its default settings, on a kernel that deletes no link while the file
 * $STUBBORN exists: what is sent to netlink with an RTM_DELLINK in it is refused with EPERM, as a
 * security module would.
 */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "common/log.h"
#include "daemon/daemon.h"

static bool deletes_a_link(const struct iovec *iov)
{
	const struct nlmsghdr *m = iov->iov_base;
	size_t left = iov->iov_len;

	for (; left >= sizeof(*m) && m->nlmsg_len >= sizeof(*m) && m->nlmsg_len <= left;
	     m = (const void *)((const char *)m + NLMSG_ALIGN(m->nlmsg_len))) {
		if (m->nlmsg_type == RTM_DELLINK)
			return true;
		left -= NLMSG_ALIGN(m->nlmsg_len) < left ? NLMSG_ALIGN(m->nlmsg_len) : left;
	}
	return false;
}

static bool is_refused(int fd, const struct iovec *iov)
{
	const char *path = getenv("STUBBORN");
	socklen_t len = sizeof(int);
	int domain = 0;

	return !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) && domain == AF_NETLINK &&
	       path && !access(path, F_OK) && deletes_a_link(iov);
}

/* Those of libc come after these. */
ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	if (m->msg_iovlen && is_refused(fd, m->msg_iov)) {
		errno = EPERM;
		return -1;
	}
	return syscall(SYS_sendmsg, fd, m, flags);
}

ssize_t sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *to,
	       socklen_t to_len)
{
	const struct iovec iov = {(void *)data, len};

	if (is_refused(fd, &iov)) {
		errno = EPERM;
		return -1;
	}
	return syscall(SYS_sendto, fd, data, len, flags, to, to_len);
}

int main(void)
{
	struct pl_daemon d = {.run_dir.lock_fd = -1, .parts.started_ns = pl_now_ns()};
	struct pl_error err = {0};
	int r;

	pl_settings_init(&d.settings);
	r = pl_daemon_run(&d, &err);
	pl_settings_clear(&d.settings);
	if (r < 0)
		pl_error_log("stubborn: %s", err.text);
	return r < 0;
}
