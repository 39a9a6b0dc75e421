// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Grace periods in expedite. The kernel waits for one, with the RTNL lock held, whenever a tcx or
 * netkit program is attached or detached (tcx_entry_sync): 8 to 20 ms, twice for every pod, and
 * nobody's netlink goes on meanwhile. With rcu_expedited set it is 0.05 ms. So it is set for just
 * these calls and put back, by the next start at the latest; never where the administrator has
 * set it, or it cannot be written. A kernel that must not be hurried (rcu_normal, real-time)
 * takes no notice.
 */
#include <fcntl.h>
#include "common/log.h"
#include "datapath/internal.h"

static void put_back(const struct dp_expedite *expedite)
{
	if (pwrite(expedite->fd, "0", 1, 0) != 1)
		pl_warn("cannot put back path=%s reason=\"%s\"", DP_RCU_EXPEDITED, strerror(errno));
	unlink(expedite->note);
}

void dp_expedite_open(struct dp_expedite *expedite, const char *root, const char *knob)
{
	*expedite = (struct dp_expedite){.fd = open(knob, O_RDWR | O_CLOEXEC)};
	if ((size_t)snprintf(expedite->note, sizeof(expedite->note), "%s/rcu_expedited", root) >=
	    sizeof(expedite->note))
		dp_expedite_close(expedite);
	if (expedite->fd < 0) {
		pl_info("tcx programs will be slow to attach: cannot open path=%s", knob);
		return;
	}
	if (!access(expedite->note, F_OK) || errno != ENOENT)
		put_back(expedite);
}

void dp_expedite_close(struct dp_expedite *expedite)
{
	pl_closep(&expedite->fd);
	expedite->fd = -1;
}

void dp_expedite_begin(struct dp_expedite *expedite)
{
	char now;

	if (expedite->depth++ || expedite->fd < 0 || pread(expedite->fd, &now, 1, 0) != 1 ||
	    now != '0')
		return;
	/* The note first: who dies in between is known to have set it. */
	if (symlink(DP_RCU_EXPEDITED, expedite->note) && errno != EEXIST)
		return;
	expedite->on = pwrite(expedite->fd, "1", 1, 0) == 1;
	if (!expedite->on)
		unlink(expedite->note);
}

void dp_expedite_end(struct dp_expedite *expedite)
{
	if (--expedite->depth || !expedite->on)
		return;
	expedite->on = false;
	put_back(expedite);
}

void pl_datapath_expedite_begin(struct pl_datapath *dp)
{
	dp_expedite_begin(&dp->expedite);
}

void pl_datapath_expedite_end(struct pl_datapath *dp)
{
	dp_expedite_end(&dp->expedite);
}

bool pl_datapath_expediting(const struct pl_datapath *dp)
{
	return dp->expedite.depth > 0;
}
