// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Grace periods in haste. The kernel waits for one, with the RTNL lock held, whenever a tcx or
 * netkit program is attached or detached (tcx_entry_sync): 8 to 20 ms, twice for every pod, and
 * nobody's netlink goes on meanwhile. With rcu_expedited set it is 0.05 ms. So it is set for just
 * these calls and put back, by the next start at the latest; never where the administrator has
 * set it, or it cannot be written. A kernel that must not be hurried (rcu_normal, real-time)
 * takes no notice.
 */
#include <fcntl.h>
#include "common/log.h"
#include "datapath/internal.h"

static void put_back(const struct dp_haste *haste)
{
	if (pwrite(haste->fd, "0", 1, 0) != 1)
		pl_warn("cannot put back path=%s reason=\"%s\"", DP_RCU_EXPEDITED, strerror(errno));
	unlink(haste->note);
}

void dp_haste_open(struct dp_haste *haste, const char *root, const char *knob)
{
	*haste = (struct dp_haste){.fd = open(knob, O_RDWR | O_CLOEXEC)};
	if ((size_t)snprintf(haste->note, sizeof(haste->note), "%s/rcu_expedited", root) >=
	    sizeof(haste->note))
		dp_haste_close(haste);
	if (haste->fd < 0) {
		pl_info("tcx programs will be slow to attach: cannot open path=%s", knob);
		return;
	}
	if (!access(haste->note, F_OK) || errno != ENOENT)
		put_back(haste);
}

void dp_haste_close(struct dp_haste *haste)
{
	pl_closep(&haste->fd);
	haste->fd = -1;
}

void dp_haste_begin(struct dp_haste *haste)
{
	char now;

	if (haste->depth++ || haste->fd < 0 || pread(haste->fd, &now, 1, 0) != 1 || now != '0')
		return;
	/* The note first: who dies in between is known to have set it. */
	if (symlink(DP_RCU_EXPEDITED, haste->note) && errno != EEXIST)
		return;
	haste->on = pwrite(haste->fd, "1", 1, 0) == 1;
	if (!haste->on)
		unlink(haste->note);
}

void dp_haste_end(struct dp_haste *haste)
{
	if (--haste->depth || !haste->on)
		return;
	haste->on = false;
	put_back(haste);
}
