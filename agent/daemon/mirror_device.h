/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The devices that mirror sessions need and podlane owns: tunnels to remote collectors, named
 * "plm-SLOT", and the stage, where copies are cut to the snap length. Whoever else has a device of
 * such a name loses it.
 */
#ifndef PODLANE_MIRROR_DEVICE_H
#define PODLANE_MIRROR_DEVICE_H

#include "mirror_spec.h"
#include "nl.h"

#define PL_STAGE_DEVICE PL_MIRROR_DEVICES "stage"

/* "plm-7" */
void pl_mirror_tunnel_name(unsigned int slot, char ret[IFNAMSIZ]);
/* The kind that the kernel calls it by: "vxlan", "ip6gretap" ... NULL: @t is no tunnel. */
const char *pl_mirror_tunnel_kind(const struct pl_mirror_target *t);
/*
 * Makes the tunnel device of @slot and takes it up; one of that name that is there goes first.
 * -ENOTSUP: the kernel has no such tunnels.
 */
int pl_mirror_tunnel_make(struct pl_nl *nl, unsigned int slot, const struct pl_mirror_target *t,
			  struct pl_nl_link *ret, struct pl_error *err);
/* Makes the stage, or finds it; up, without addresses, and without our program. */
int pl_mirror_stage_make(struct pl_nl *nl, struct pl_nl_link *ret, struct pl_error *err);
/* Gone already is success. */
int pl_mirror_device_delete(struct pl_nl *nl, const char *name, struct pl_error *err);
/* Has the name of one of ours. */
bool pl_mirror_device_is_ours(const char *name);

#endif
