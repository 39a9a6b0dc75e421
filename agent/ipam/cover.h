/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which addresses of a network are this node's to give out, as prefixes: where a route stands for
 * all of them, whoever has one or none. Pure.
 */
#ifndef PODLANE_IPAM_COVER_H
#define PODLANE_IPAM_COVER_H

#include "common/netconf.h"
#include "common/prefixes.h"

/*
 * Appends what covers the ranges of @conf exactly, without what it excludes; a range over a whole
 * subnet takes the network's and the broadcast address along. Nothing where another plugin manages
 * the addresses. 0 or -ENOMEM.
 */
int pl_ipam_cover(const struct pl_netconf *conf, struct pl_prefixes *ret);

#endif
