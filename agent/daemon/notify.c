/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libsystemd would bring a megabyte for these lines; the protocol is documented as stable.
 */
#include <stddef.h>
#include <inttypes.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/util.h"
#include "daemon/notify.h"

void pl_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	pl_autoclose int fd = -1;
	size_t len;

	if (!path || (path[0] != '/' && path[0] != '@') || !path[1])
		return;
	len = strlen(path);
	if (len >= sizeof(addr.sun_path))
		return;
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@')
		addr.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&addr,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
}

void pl_notify_reloading(void)
{
	char state[64];

	/* The time is what Type=notify-reload tells this reload from an earlier one by. */
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, pl_now_ns() / 1000);
	pl_notify(state);
}

uint64_t pl_notify_watchdog_us(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t n, who;

	if (!usec || pl_parse_u64(usec, 1, INT64_MAX, &n))
		return 0;
	if (pid && (pl_parse_u64(pid, 1, INT32_MAX, &who) || who != (uint64_t)getpid()))
		return 0;
	return n;
}
