/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a network lets its pods send although it cannot be verified: names in JSON and on the
 * command line, enum pl_endpoint_flag in the maps.
 */
#ifndef PODLANE_ALLOW_H
#define PODLANE_ALLOW_H

#include <jansson.h>
#include "common/util.h"
#include "podlane/abi.h"

#define PL_ALLOW(X)                                                                                \
	X(PL_EP_ALLOW_VLAN, "vlan")                                                                \
	X(PL_EP_ALLOW_NON_IP, "non-ip")                                                            \
	X(PL_EP_ALLOW_LINK_LOCAL, "link-local")

/* A list of names. -EINVAL with the place of what is none, and the nearest that is one. */
int pl_allow_read(const json_t *value, const char *path, uint16_t *ret, struct pl_error *err);
/* The list. Caller owns. */
json_t *pl_allow_json(uint16_t allow);

#endif
