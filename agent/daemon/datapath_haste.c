// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Grace periods in haste. The kernel waits for one, with the RTNL lock held, whenever a tcx or
 * netkit program is attached or detached (tcx_entry_sync): 8 to 20 ms, twice for every pod, and
 * nobody's netlink goes on meanwhile. With rcu_expedited set it is 0.05 ms. So it is set for just
 * these calls and put back, never where the administrator has set it or cannot be written; a
 * kernel that must not be hurried (rcu_normal, real-time) takes no notice.
 */
#include <fcntl.h>
#include "datapath_internal.h"
#include "log.h"

#define RCU_EXPEDITED "/sys/kernel/rcu_expedited"

int dp_haste_open(void)
{
	int fd = open(RCU_EXPEDITED, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		pl_info("tcx programs will be slow to attach: cannot open path=%s reason=\"%s\"",
			RCU_EXPEDITED, strerror(errno));
	return fd;
}

struct dp_haste dp_haste_begin(int fd)
{
	char now[2] = "";

	if (fd < 0 || pread(fd, now, 1, 0) != 1 || now[0] != '0' || pwrite(fd, "1", 1, 0) != 1)
		return (struct dp_haste){-1};
	return (struct dp_haste){fd};
}

void dp_haste_end(struct dp_haste *haste)
{
	if (haste->fd >= 0 && pwrite(haste->fd, "0", 1, 0) != 1)
		pl_warn("cannot put back path=%s reason=\"%s\"", RCU_EXPEDITED, strerror(errno));
	haste->fd = -1;
}
