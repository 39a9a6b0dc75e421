/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The devices that mirror sessions need and podlane owns: tunnels to remote collectors, named
 * "plm-SLOT", and the stage, a veth pair that copies pass where they are to be cut, or to lose
 * their route. Whoever else has a device of such a name loses it.
 */
#ifndef PODLANE_MIRROR_DEVICE_H
#define PODLANE_MIRROR_DEVICE_H

#include "mirror/spec.h"
#include "netlink/netlink.h"

#define PL_STAGE_DEVICE PL_MIRROR_DEVICES "stage"

/* "plm-7" */
void pl_mirror_tunnel_name(unsigned int slot, char ret[IFNAMSIZ]);
/* The kind that the kernel calls it by: "vxlan", "ip6gretap" ... NULL: @t is no tunnel. */
const char *pl_mirror_tunnel_kind(const struct pl_mirror_target *t);
/*
 * Makes the tunnel device of @slot and takes it up; one of that name that is there goes first.
 * -ENOTSUP: the kernel has no such tunnels. -ENETUNREACH and the like: there is no route to it yet.
 */
int pl_mirror_tunnel_make(struct pl_nl *nl, unsigned int slot, const struct pl_mirror_target *t,
			  struct pl_nl_link *ret, struct pl_error *err);
/*
 * Makes the stage, or finds it; up, without addresses, and without our program. That belongs on
 * ret->peer_ifindex.
 */
int pl_mirror_stage_make(struct pl_nl *nl, struct pl_nl_link *ret, struct pl_error *err);
/* Gone already is success. */
int pl_mirror_device_delete(struct pl_nl *nl, const char *name, struct pl_error *err);
/*
 * Does a device wrap packets into others? Such a one has two ways to do harm with a copy: it notes
 * its MTU in the route that the packet brings along, and to one that is too large it answers the
 * sender, which is a pod. *ret_fits: bytes from the Ethernet header that are never too large; 0:
 * any number.
 */
bool pl_mirror_device_wraps(const struct pl_nl_link *link, uint32_t *ret_fits);
/* Has the name of one of ours. */
bool pl_mirror_device_is_ours(const char *name);

#endif
