/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Version numbers lie (backports, CONFIG_NETKIT unset), so one pair is made and removed. Both ends
 * have names that no pod uses.
 */
#include "common/log.h"
#include "netlink/netkit_probe.h"

#define PROBE "plprobe0"

bool pl_netkit_probe(struct pl_nl *host)
{
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *b = NULL;
	struct pl_nl_pair pair = {.name = PROBE, .peer_name = "plprobe1", .peer_netns_fd = -1};
	struct pl_error err = {0};

	if (pl_nl_batch_new(host, &b))
		return false;
	/* What an earlier probe left when it was killed. */
	pl_nl_del_link(b, PROBE, 0);
	pl_nl_allow_missing(b);
	pl_nl_add_netkit(b, &pair, false);
	pl_nl_del_link(b, PROBE, 0);
	if (pl_nl_batch_commit(b, &err)) {
		pl_debug("no netkit links error=\"%s\"", err.text);
		return false;
	}
	return true;
}
