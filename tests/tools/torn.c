/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * torn: the daemon with its default settings, on a host where links come and go so fast that its
 * dumps of them number A to B are torn. $TORN is "A-B"; the first is 1.
 */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "common/log.h"
#include "daemon/daemon.h"

static bool is_torn(unsigned int number)
{
	static unsigned int first, last;

	if (!last && sscanf(getenv("TORN"), "%u-%u", &first, &last) != 2)
		abort();
	return number >= first && number <= last;
}

/* As the kernel marks what it tells after something has changed. */
static void tear(void *data, size_t len)
{
	static unsigned int number = 1;
	static bool dumping;
	struct nlmsghdr *m = data;

	for (; NLMSG_OK(m, len); m = NLMSG_NEXT(m, len)) {
		if (!(m->nlmsg_flags & NLM_F_MULTI))
			return;
		if (m->nlmsg_type == RTM_NEWLINK) {
			dumping = true;
			if (is_torn(number))
				m->nlmsg_flags |= NLM_F_DUMP_INTR;
		} else if (m->nlmsg_type == NLMSG_DONE && dumping) {
			dumping = false;
			number++;
		}
	}
}

/* That of libc comes after this. */
ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	ssize_t n = syscall(SYS_recvmsg, fd, m, flags);
	socklen_t len = sizeof(int);
	int protocol = -1, domain = 0;

	if (n > 0 && !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) &&
	    domain == AF_NETLINK && !getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) &&
	    protocol == NETLINK_ROUTE)
		tear(m->msg_iov->iov_base, (size_t)n);
	return n;
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
		pl_error_log("torn: %s", err.text);
	return r < 0;
}
