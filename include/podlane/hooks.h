/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every hook that podlane attaches a program to, named once: the list gives the enum, the names of
 * pins (name) and the program (pl_ and the program's name). BPF and user space share it; the first
 * four fit the two bits that skb->cb keeps between tail calls.
 *   attach: which attach type the hook has, of user space's enum
 */
#ifndef PODLANE_HOOKS_H
#define PODLANE_HOOKS_H

/* clang-format off */
#define PL_HOOKS(X)                                                                                     \
	X(FROM_POD,    from_pod,    pl_from_pod,    TC_INGRESS,  "tc ingress of a host end: what the pod sends") \
	X(FROM_NETKIT, from_netkit, pl_from_netkit, NETKIT_PEER, "BPF_NETKIT_PEER: what the pod sends")           \
	X(FROM_UPLINK, from_uplink, pl_from_uplink, TC_INGRESS,  "tc ingress of an uplink")                       \
	X(TO_POD,      to_pod,      pl_to_pod,      TC_EGRESS,   "tc egress of a host end: what the stack sends") \
	X(STAGE,       stage,       pl_stage,       TC_INGRESS,  "tc ingress of the mirror veth's far end")       \
	X(SINK,        sink,        pl_stage,       TC_INGRESS,  "tc ingress of mirrors' tunnels: drops all")
/* clang-format on */

enum pl_hook {
#define PL_HOOK_ENUM(id, name, program, attach, text) PL_HOOK_##id,
	PL_HOOKS(PL_HOOK_ENUM)
#undef PL_HOOK_ENUM
		PL_HOOK_COUNT
};

_Static_assert(PL_HOOK_TO_POD < 4, "PL_STATE_HOOK has two bits");

#endif
