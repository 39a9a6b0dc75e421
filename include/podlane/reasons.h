/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every way that a packet can leave podlane, named once, with its effect: FORWARD: the fast path
 * takes the packet; PASS: the kernel's stack handles it; DROP: it ends here. An entry X(DROP, NAME,
 * "text") is PL_DROP_NAME. The list gives the BPF index, the verdict, the C enum, the CLI text, the
 * JSON key and the man page.
 */
#ifndef PODLANE_REASONS_H
#define PODLANE_REASONS_H

/* Append only, whatever the effect: the number is part of the key of a pinned counter map. */
/* clang-format off */
#define PL_REASONS(X)                                                                            \
	X(FORWARD, LOCAL,        "handed to a pod of this node")                                 \
	X(FORWARD, NATIVE,       "sent out of an uplink to a native network")                    \
	X(PASS,    NOT_POD,      "destination is no pod of this node")                           \
	X(PASS,    HOST,         "destination is an address of the host")                        \
	X(PASS,    SELF,         "destination is the sender itself")                             \
	X(PASS,    NOT_READY,    "destination pod's link is not ready")                          \
	X(PASS,    SHAPED,       "a queueing discipline shapes the pod's traffic")               \
	X(PASS,    STACK_FLOW,   "the stack has this connection, or one like it")                \
	X(PASS,    NO_FLOW,      "of no connection that was opened on the fast path")            \
	X(PASS,    BUDGET,       "the budget of new connections is used up")                     \
	X(PASS,    TUPLE_CLASH,  "same addresses and ports as an open fast connection")          \
	X(PASS,    FROM_STACK,   "delivered to the pod by the stack")                            \
	X(PASS,    MIRROR_COPY,  "copy made by a mirror session")                                \
	X(PASS,    TTL,          "TTL or hop limit ends here: the stack answers")                \
	X(PASS,    TOO_BIG,      "larger than the target's MTU: the stack answers")              \
	X(PASS,    FRAGMENT,     "fragment of no packet that took the fast path")                \
	X(PASS,    IP_OPTIONS,   "IPv4 options or IPv6 hop-by-hop header")                       \
	X(PASS,    MULTICAST,    "multicast or broadcast")                                       \
	X(PASS,    LINK_LOCAL,   "link-local scope")                                             \
	X(PASS,    ARP,          "ARP")                                                          \
	X(PASS,    ND,           "IPv6 neighbour discovery")                                     \
	X(PASS,    VLAN,         "VLAN-tagged")                                                  \
	X(PASS,    NOT_IP,       "neither IP nor ARP")                                           \
	X(PASS,    MALFORMED,    "header cut short or malformed")                                \
	X(PASS,    NO_ENDPOINT,  "device belongs to no endpoint")                                \
	X(PASS,    NO_ROUTE,     "native network, but the FIB forwards it nowhere")              \
	X(PASS,    OTHER_HOST,   "frame is addressed to another MAC")                            \
	X(PASS,    UNSUPPORTED,  "this kernel lacks the helper for it")                          \
	X(PASS,    MARTIAN,      "source is this node's, or no unicast address")                 \
	X(DROP,    SPOOFED_MAC,  "source MAC is not the pod's")                                  \
	X(DROP,    SPOOFED_IP,   "source address is not the pod's")                              \
	X(DROP,    SPOOFED_ARP,  "ARP sender is not the pod")                                    \
	X(DROP,    SPOOFED_ND,   "ND advertises an address that is not the pod's")               \
	X(DROP,    VLAN,         "VLAN-tagged, which the network does not allow")                \
	X(DROP,    NOT_IP,       "neither IP nor ARP, which the network does not allow")         \
	X(DROP,    MISMATCH,     "frame's type is not what the kernel reads it as")              \
	X(DROP,    MALFORMED,    "header cut short or malformed")                                \
	X(DROP,    EXTENSIONS,   "IPv6 extension headers that cannot be followed")               \
	X(DROP,    ENCAPSULATED, "tunnel packet addressed to this node")                         \
	X(DROP,    CHECKSUM,     "checksum to be made in place of other headers")                \
	X(DROP,    MIRROR_LOOP,  "a mirror's copy that came back")                               \
	X(DROP,    MIRROR_LOST,  "lost with its mirror copies: no memory to read it again")      \
	X(PASS,    NO_NEIGHBOUR, "next hop in a native network does not answer yet")

enum pl_reason {
#define PL_REASON_ENUM(effect, name, text) PL_##effect##_##name,
	PL_REASONS(PL_REASON_ENUM)
#undef PL_REASON_ENUM
	PL_REASON_COUNT
};
/* clang-format on */

enum pl_effect {
	PL_EFFECT_PASS, /* also of what is no reason */
	PL_EFFECT_FORWARD,
	PL_EFFECT_DROP,
};

/* A table without a bound to check: each comparison doubles what the verifier has to follow. */
enum { PL_REASON_MAX = 128 };
_Static_assert((int)PL_REASON_COUNT <= (int)PL_REASON_MAX, "the table of effects has no room");

static inline __attribute__((always_inline, unused)) enum pl_effect pl_effect(unsigned int reason)
{
	static const unsigned char effects[PL_REASON_MAX] = {
#define PL_REASON_EFFECT(effect, name, text) [PL_##effect##_##name] = PL_EFFECT_##effect,
		PL_REASONS(PL_REASON_EFFECT)
#undef PL_REASON_EFFECT
	};

	return (enum pl_effect)effects[reason % PL_REASON_MAX];
}

#endif
