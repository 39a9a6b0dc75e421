/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The flow table that BPF and user space share: keys, entries, life times, budgets. bpf/lib/flows.h
 * says which packet looks up, writes or ends an entry; the agent only sweeps what has ended.
 * Part of the ABI: included by podlane/abi.h alone.
 */
#ifndef PODLANE_FLOW_H
#define PODLANE_FLOW_H

#include <linux/types.h>

/*
 * Keys of pl_flows4 and pl_flows6: hashes without preallocation. An IPv4 key of its own costs 13 ns
 * a lookup where one of 40 bytes costs 23.
 *   CONNECTION  both ends in a fixed order (pl_flow_key() in bpf/lib/flows.h), so that both
 *               directions find one entry; ICMP echo has its identifier as the port of who asks
 *   FRAGMENTS   the fragments of one packet: sender, receiver; the identification in the ports
 *   PORT        end 0 alone, end 1 is zero: a pod's port that spoke through the stack
 */
enum pl_flow_key_kind {
	PL_KEY_CONNECTION = 0,
	PL_KEY_FRAGMENTS = 1,
	PL_KEY_PORT = 2,
};

struct pl_flow4_key {
	__u8 addr[2][4];
	__be16 port[2];
	__u8 protocol; /* IPPROTO_* */
	__u8 kind;     /* enum pl_flow_key_kind */
	__u8 pad[2];
};

struct pl_flow6_key {
	__u8 addr[2][16];
	__be16 port[2];
	__u8 protocol;
	__u8 kind;
	__u8 pad[2];
};

/* Either of them, by the packet's family. */
struct pl_flow_key {
	union {
		struct pl_flow4_key v4;
		struct pl_flow6_key v6;
	};
};

enum pl_flow_state {
	PL_FLOW_PROPOSED = 1, /* opened by a SYN, an INIT or an uplink's UDP, not answered yet */
	PL_FLOW_FAST = 2,     /* the proof: its packets take the fast path */
	PL_FLOW_CLOSED = 3,   /* over: kept for late packets, nobody pays for it */
	PL_FLOW_STACK = 4,    /* a note where conntrack cannot be asked: the stack has it */
};

/* pl_flow.flags, fixed when the entry is made. Ends are numbered as in the key. */
enum pl_flow_flag {
	PL_FLOW_OPENER1 = 1 << 0, /* end 1 opened it, else end 0 */
	PL_FLOW_PAYER1 = 1 << 1,  /* the endpoint at end 1 pays, else that at end 0 */
	PL_FLOW_INBOUND = 1 << 2, /* from its budget for what others open to it */
};

/* pl_flow.sent[end]: what that end has sent. A byte for each, so that CPUs write apart. */
enum pl_flow_sent {
	PL_SENT_ANY = 1 << 0,
	PL_SENT_FIN = 1 << 1,
	PL_SENT_RESET = 1 << 2, /* by an uplink: it may be forged, and ends nothing at once */
};

/* pl_endpoints[endpoint] at the use of the slot that generation counts; PL_NODE: an uplink. */
struct pl_flow_end {
	__u32 endpoint;
	__u32 generation;
};

/* One connection, as long as its entry lives: all that its packets need to take the fast path. */
struct pl_flow {
	PL_TRIAL_FIELD
	__u32 seen;   /* jiffies, lower half: the last packet, coarse to a second */
	__u8 state;   /* enum pl_flow_state */
	__u8 flags;   /* enum pl_flow_flag */
	__u8 sent[2]; /* enum pl_flow_sent, by end */
	struct pl_flow_end end[2];
	__u32 policy[2];	  /* of each local end: not used yet, 0 */
	__u8 translated_addr[16]; /* not used yet, 0 */
	__be16 translated_port;
	__u8 translated_pad[2];
};

/*
 * pl_budgets[endpoint]: mmapable array; [0] pays for what the endpoint opens, [1] for what is
 * opened to it from an uplink. The programs charge, who ends an entry refunds.
 */
struct pl_budget {
	__u32 used;   /* entries that are paid for: at most pl_config.flow_budget */
	__u32 second; /* jiffies / HZ that opened counts */
	__u32 opened; /* entries made in that second: at most pl_config.flow_rate */
	__u32 pad;
};

struct pl_budgets {
	struct pl_budget budget[2];
};

/*
 * pl_closed[0]: per-CPU array: the keys of the flows that ended last on this CPU. Whoever ends a
 * flow takes the oldest one's place and removes that entry: late packets of a connection still
 * find it, and nothing has to sweep.
 */
enum { PL_CLOSED_SLOTS = 256 };

struct pl_closed_key {
	struct pl_flow_key key;
	__u32 family; /* 4, 6; 0: free */
};

struct pl_closed {
	__u32 next;
	__u32 pad;
	struct pl_closed_key keys[PL_CLOSED_SLOTS];
};

/* How connections that the stack translates are told from others: pl_conntrack_mode, set at load.
 */
enum pl_conntrack_mode {
	PL_CT_NONE = 0,	    /* nf_conntrack is not loaded: nobody translates */
	PL_CT_ASK = 1,	    /* ask it, and remember for the protocols that it does not answer for */
	PL_CT_REMEMBER = 2, /* no such function: remember what the stack delivered */
};

/* Seconds without a packet after which an entry has ended: those of nf_conntrack. */
enum pl_flow_life {
	PL_LIFE_PROPOSED = 30,
	PL_LIFE_TCP = 432000,
	PL_LIFE_TCP_RESET = 3600, /* the reset may be forged: the connection may still live */
	PL_LIFE_TCP_CLOSING = 120,
	PL_LIFE_CLOSED = 10,
	PL_LIFE_FRAGMENTS = 30,
	PL_LIFE_UDP = 30,
	PL_LIFE_UDP_ANSWERED = 120,
	PL_LIFE_ECHO = 30,
};

#define PL_IPPROTO_TCP	6
#define PL_IPPROTO_UDP	17
#define PL_IPPROTO_SCTP 132

/* Seconds that an entry lives without a packet. */
static inline __attribute__((always_inline, unused)) __u32 pl_flow_life(__u8 protocol, __u8 kind,
									const struct pl_flow *flow)
{
	__u8 sent = flow->sent[0] | flow->sent[1];

	if (flow->state == PL_FLOW_CLOSED)
		return PL_LIFE_CLOSED;
	if (kind == PL_KEY_FRAGMENTS)
		return PL_LIFE_FRAGMENTS;
	if (flow->state == PL_FLOW_PROPOSED)
		return PL_LIFE_PROPOSED;
	if (protocol == PL_IPPROTO_TCP || protocol == PL_IPPROTO_SCTP) {
		if (flow->state == PL_FLOW_STACK && sent & (PL_SENT_FIN | PL_SENT_RESET))
			return PL_LIFE_TCP_CLOSING;
		return sent & PL_SENT_RESET ? PL_LIFE_TCP_RESET : PL_LIFE_TCP;
	}
	if (protocol == PL_IPPROTO_UDP)
		return flow->sent[0] & flow->sent[1] & PL_SENT_ANY ? PL_LIFE_UDP_ANSWERED
								   : PL_LIFE_UDP;
	return PL_LIFE_ECHO;
}

_Static_assert(sizeof(struct pl_flow4_key) == 16, "pl_flow4_key is ABI");
_Static_assert(sizeof(struct pl_flow6_key) == 40, "pl_flow6_key is ABI");
#ifndef PL_ABI_TRIAL
_Static_assert(sizeof(struct pl_flow) == 52, "pl_flow is ABI");
#endif
_Static_assert(sizeof(struct pl_budgets) == 32, "pl_budgets is ABI");
_Static_assert(sizeof(struct pl_closed) == 8 + PL_CLOSED_SLOTS * 44, "pl_closed is ABI");

#endif
