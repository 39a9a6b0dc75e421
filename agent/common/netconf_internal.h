/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What netconf.c and netconf_ipam.c share. Nobody else includes it.
 */
#ifndef PODLANE_NETCONF_INTERNAL_H
#define PODLANE_NETCONF_INTERNAL_H

#include "common/netconf.h"

#define PL_NETCONF_BUILT_IN "podlane"
#define PL_MTU_MAX	    65535

int pl_netconf_read_ipam(const json_t *ipam, const char *path, void *to, struct pl_error *err);

#endif
