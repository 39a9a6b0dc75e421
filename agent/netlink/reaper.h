/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Deletes links off the loop. The kernel answers a deletion 16 ms after the link has left, when
 * RCU has called back everything; links that are deleted at once share that time. A thread that
 * lives for one deletion waits for the answer. It touches nothing but its own netlink socket.
 */
#ifndef PODLANE_NETLINK_REAPER_H
#define PODLANE_NETLINK_REAPER_H

#include "netlink/identity.h"

enum { PL_REAPER_MAX = 64 }; /* links at once: the RTNL lock is held for a millisecond each */

struct pl_reaper;

/* Opened in the current netns. 0 or -errno. */
int pl_reaper_new(struct pl_reaper **ret, struct pl_error *err);
/* Waits for a deletion that is under way. */
void pl_reaper_freep(struct pl_reaper **reaper);

/*
 * Begins a deletion of 1 to PL_REAPER_MAX links; no other before pl_reaper_end(). They are put into
 * @group on the way, and with it goes every other link that is in it: a number that nobody uses. A
 * link that has its index alone in common with what is named here is left, and told as gone.
 */
void pl_reaper_start(struct pl_reaper *reaper, const struct pl_identity *links, size_t n,
		     uint32_t group);
/* Readable when the deletion has ended. */
int pl_reaper_fd(const struct pl_reaper *reaper);
/* Waits for the end, and tells of each link: 0 (also where there was none) or -errno. */
void pl_reaper_end(struct pl_reaper *reaper, void (*fn)(uint32_t ifindex, int code, void *arg),
		   void *arg);

#endif
