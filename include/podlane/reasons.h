/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every way that a packet can leave podlane, named once. The prefix states the effect:
 * FORWARD_ the fast path took it, PASS_ the kernel's stack handles it, DROP_ it ends here.
 * The list gives the BPF index, the C enum, the CLI text, the JSON key and the man page.
 */
#ifndef PODLANE_REASONS_H
#define PODLANE_REASONS_H

/* Append only: the number is part of the key of a pinned counter map. */
/* clang-format off */
#define PL_REASONS(X)                                                                          \
	X(FORWARD_LOCAL,     "handed to a pod of this node")                                   \
	X(FORWARD_NATIVE,    "sent out of an uplink to a native network")                      \
	X(PASS_NOT_POD,      "destination is no pod of this node")                             \
	X(PASS_HOST,         "destination is an address of the host")                          \
	X(PASS_SELF,         "destination is the sender itself")                               \
	X(PASS_NOT_READY,    "destination pod's link is not ready")                            \
	X(PASS_SHAPED,       "a queueing discipline shapes the pod's traffic")                 \
	X(PASS_STACK_FLOW,   "answers a flow that came through the stack")                     \
	X(PASS_FROM_STACK,   "delivered to the pod by the stack")                              \
	X(PASS_MIRROR_COPY,  "copy made by a mirror session")                                  \
	X(PASS_TTL,          "TTL or hop limit ends here: the stack answers")                  \
	X(PASS_TOO_BIG,      "larger than the target's MTU: the stack answers")                \
	X(PASS_FRAGMENT,     "fragment that may belong to a flow of the stack")                \
	X(PASS_IP_OPTIONS,   "IPv4 options or IPv6 hop-by-hop header")                         \
	X(PASS_MULTICAST,    "multicast or broadcast")                                         \
	X(PASS_LINK_LOCAL,   "link-local scope")                                               \
	X(PASS_ARP,          "ARP")                                                            \
	X(PASS_ND,           "IPv6 neighbour discovery")                                       \
	X(PASS_VLAN,         "VLAN-tagged")                                                    \
	X(PASS_NOT_IP,       "neither IP nor ARP")                                             \
	X(PASS_MALFORMED,    "header cut short or malformed")                                  \
	X(PASS_NO_ENDPOINT,  "device belongs to no endpoint")                                  \
	X(PASS_NO_ROUTE,     "native network, but the FIB forwards it nowhere")                \
	X(PASS_OTHER_HOST,   "frame is addressed to another MAC")                              \
	X(PASS_UNSUPPORTED,  "this kernel lacks the helper for it")                            \
	X(DROP_SPOOFED_MAC,  "source MAC is not the pod's")                                    \
	X(DROP_SPOOFED_IP,   "source address is not the pod's")                                \
	X(DROP_SPOOFED_ARP,  "ARP sender is not the pod")                                      \
	X(DROP_SPOOFED_ND,   "neighbour discovery claims what the pod is not")                 \
	X(DROP_MIRROR_LOOP,  "a mirror's copy that came back")

enum pl_reason {
#define PL_REASON_ENUM(name, text) PL_##name,
	PL_REASONS(PL_REASON_ENUM)
#undef PL_REASON_ENUM
	PL_REASON_COUNT
};
/* clang-format on */

#endif
