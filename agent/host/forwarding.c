/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * IP forwarding of the host.
 */
#include <fcntl.h>
#include <unistd.h>

#include "common/log.h"
#include "host/host.h"

static void switch_on(const char *path)
{
	pl_autoclose int fd = open(path, O_RDWR | O_CLOEXEC);
	char now = '0';

	if (fd < 0) {
		if (errno != ENOENT) /* a kernel without IPv6 */
			pl_warn("forwarding not switched on path=%s error=\"%s\"", path,
				strerror(errno));
		return;
	}
	if (read(fd, &now, 1) == 1 && now == '1')
		return;
	if (pwrite(fd, "1\n", 2, 0) != 2)
		pl_warn("forwarding not switched on path=%s error=\"%s\"; pods reach only pods of this "
			"node until it is on",
			path, strerror(errno));
}

void pl_node_enable_forwarding(void)
{
	switch_on("/proc/sys/net/ipv4/ip_forward");
	switch_on("/proc/sys/net/ipv6/conf/all/forwarding");
}
