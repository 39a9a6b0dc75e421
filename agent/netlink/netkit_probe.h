/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether this kernel makes netkit links: found by making one.
 */
#ifndef PODLANE_NETLINK_NETKIT_PROBE_H
#define PODLANE_NETLINK_NETKIT_PROBE_H

#include "netlink/netlink.h"

/* Makes and removes a pair, "plprobe0" and "plprobe1". */
bool pl_netkit_probe(struct pl_nl *host);

#endif
