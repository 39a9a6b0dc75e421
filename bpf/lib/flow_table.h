/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The flow table: keys, entries, who pays for them, and how they end. bpf/lib/flows.h decides;
 * podlane/flow.h has the layout, which the daemon's sweep shares.
 */
#ifndef PODLANE_BPF_FLOW_TABLE_H
#define PODLANE_BPF_FLOW_TABLE_H

#include "lookup.h"
#include "packet.h"

/* The kernel's tick, from clock_getres(CLOCK_MONOTONIC_COARSE). Set at load. */
const volatile __u32 pl_hz = 250;

/*
 * What the rare cases need of a packet, read once and kept in pl_scratch for the functions that
 * follow: to the verifier all of it is plain numbers, so that it follows each function but once.
 */
struct pl_conn {
	struct pl_flow_key key;
	__u32 side;    /* which end of the key the sender is: 0, 1 */
	__u32 family;  /* 4, 6; 0: not readable */
	__u32 headers; /* pl_l4.headers */
	__u8 kind;     /* enum pl_l4_kind */
	__u8 protocol;
	__u8 flags;	      /* enum pl_l4_flag */
	__u8 fragment;	      /* part of a fragmented packet */
	__u8 last;	      /* of its fragments */
	__u8 error_to;	      /* an ICMP error goes to the end whose packet it quotes */
	__u8 error_from;      /* and comes from the other end */
	__u8 key_kind;	      /* enum pl_flow_key_kind */
	__u16 fragment_id[2]; /* as it lies in the packet */
	__be16 dport;
};

/* One a CPU; a program runs to its end before another begins there. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pl_conn);
} pl_scratch SEC(".maps");

PL_INLINE struct pl_conn *pl_conn_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&pl_scratch, &zero);
}

/* ---- keys ---- */

/*
 * The key of a connection, the same for both directions: the lesser end comes first. Computed
 * without branches, each of which the verifier would follow to the end of the program. Returns
 * which end the sender is.
 */
PL_INLINE __u32 pl_flow4_key(const struct pl_l4 *l4, struct pl_flow4_key *k)
{
	const __u32 *addrs = l4->addrs;
	__u64 from = (__u64)addrs[0] << 16 | l4->source;
	__u64 to = (__u64)addrs[1] << 16 | l4->destination;
	__u32 side = (to - from) >> 63, swap = 0 - side;
	__u32 differs = (addrs[0] ^ addrs[1]) & swap;
	__u16 ports = (l4->source ^ l4->destination) & swap;

	*(__u32 *)k->addr[0] = addrs[0] ^ differs;
	*(__u32 *)k->addr[1] = addrs[1] ^ differs;
	k->port[0] = l4->source ^ ports;
	k->port[1] = l4->destination ^ ports;
	*(__u32 *)&k->protocol = l4->protocol;
	return side;
}

PL_INLINE __u64 pl_flow6_rank(const __u32 *addr, __be16 port)
{
	const __u64 odd = 0x9e3779b97f4a7c15ULL;

	return (((__u64)addr[1] << 32 | addr[0]) * odd + ((__u64)addr[3] << 32 | addr[2])) * odd +
	       port;
}

PL_INLINE __u32 pl_flow6_key(const struct pl_l4 *l4, struct pl_flow6_key *k)
{
	const __u32 *addrs = l4->addrs;
	__u64 from = pl_flow6_rank(addrs, l4->source);
	__u64 to = pl_flow6_rank(addrs + 4, l4->destination);
	__u32 side = ((to >> 1) - (from >> 1)) >> 63, swap = 0 - side;
	__u32 *first = (__u32 *)k->addr[0], *second = (__u32 *)k->addr[1];
	__u16 ports = (l4->source ^ l4->destination) & swap;

	for (int i = 0; i < 4; i++) {
		__u32 differs = (addrs[i] ^ addrs[i + 4]) & swap;

		first[i] = addrs[i] ^ differs;
		second[i] = addrs[i + 4] ^ differs;
	}
	k->port[0] = l4->source ^ ports;
	k->port[1] = l4->destination ^ ports;
	*(__u32 *)&k->protocol = l4->protocol;
	return side;
}

/* The one lookup of a packet on the fast path. Needs l4 of a kind that has ports. */
PL_INLINE void pl_flow_lookup(struct pl_packet *p)
{
	if (p->family == 4) {
		struct pl_flow4_key k;

		p->side = pl_flow4_key(&p->l4, &k);
		p->flow = bpf_map_lookup_elem(&pl_flows4, &k);
	} else if (p->family == 6) {
		struct pl_flow6_key k;

		p->side = pl_flow6_key(&p->l4, &k);
		p->flow = bpf_map_lookup_elem(&pl_flows6, &k);
	}
}

PL_INLINE void pl_swap_ends4(struct pl_flow4_key *k)
{
	__u32 *first = (__u32 *)k->addr[0], *second = (__u32 *)k->addr[1], addr = *first;
	__be16 port = k->port[0];

	*first = *second;
	*second = addr;
	k->port[0] = k->port[1];
	k->port[1] = port;
}

PL_INLINE void pl_swap_ends6(struct pl_flow6_key *k)
{
	__u8 addr[16];
	__be16 port = k->port[0];

	pl_copy6(addr, k->addr[0]);
	pl_copy6(k->addr[0], k->addr[1]);
	pl_copy6(k->addr[1], addr);
	k->port[0] = k->port[1];
	k->port[1] = port;
}

/* From a connection's key: the sender's end comes first, or, with @receiver, the other one. */
PL_INLINE void pl_conn_turn(struct pl_conn *c, int receiver)
{
	if (!!(c->side & 1) != !!receiver) {
		if (c->family == 4)
			pl_swap_ends4(&c->key.v4);
		else
			pl_swap_ends6(&c->key.v6);
	}
	c->side = receiver;
}

/* From a connection's key to that of this packet's fragments: sender, receiver, identification. */
PL_INLINE void pl_conn_to_fragments(struct pl_conn *c)
{
	pl_conn_turn(c, 0);
	c->key_kind = PL_KEY_FRAGMENTS;
	if (c->family == 4) {
		c->key.v4.port[0] = c->fragment_id[0];
		c->key.v4.port[1] = c->fragment_id[1];
		c->key.v4.kind = PL_KEY_FRAGMENTS;
	} else {
		c->key.v6.port[0] = c->fragment_id[0];
		c->key.v6.port[1] = c->fragment_id[1];
		c->key.v6.protocol = 0; /* the first fragment alone knows it for sure */
		c->key.v6.kind = PL_KEY_FRAGMENTS;
	}
}

/* From a connection's key to that of one end's port. */
PL_INLINE void pl_conn_to_port(struct pl_conn *c, int receiver)
{
	const __u32 nobody[4] = {};

	pl_conn_turn(c, receiver);
	c->side = 0;
	c->key_kind = PL_KEY_PORT;
	if (c->family == 4) {
		*(__u32 *)c->key.v4.addr[1] = 0;
		c->key.v4.port[1] = 0;
		c->key.v4.kind = PL_KEY_PORT;
	} else {
		pl_copy6(c->key.v6.addr[1], nobody);
		c->key.v6.port[1] = 0;
		c->key.v6.kind = PL_KEY_PORT;
	}
}

/* ---- entries ---- */

PL_INLINE struct pl_flow *pl_flow_find(const struct pl_conn *c)
{
	return c->family == 4 ? bpf_map_lookup_elem(&pl_flows4, &c->key.v4)
			      : bpf_map_lookup_elem(&pl_flows6, &c->key.v6);
}

PL_INLINE long pl_flow_delete(const struct pl_conn *c)
{
	return c->family == 4 ? bpf_map_delete_elem(&pl_flows4, &c->key.v4)
			      : bpf_map_delete_elem(&pl_flows6, &c->key.v6);
}

PL_INLINE long pl_flow_insert(const struct pl_conn *c, const struct pl_flow *flow)
{
	return c->family == 4 ? bpf_map_update_elem(&pl_flows4, &c->key.v4, flow, BPF_NOEXIST)
			      : bpf_map_update_elem(&pl_flows6, &c->key.v6, flow, BPF_NOEXIST);
}

PL_INLINE __u32 pl_jiffies(void)
{
	return (__u32)bpf_jiffies64();
}

PL_INLINE int pl_flow_is_old(const struct pl_conn *c, const struct pl_flow *flow)
{
	__u32 age = pl_jiffies() - flow->seen;

	return unlikely(age > PL_LIFE_CLOSED * pl_hz) &&
	       age > pl_flow_life(c->protocol, c->key_kind, flow) * pl_hz;
}

/* ---- budgets ---- */

/* 1: the endpoint pays for an entry more. @rated: new entries per second count, too. */
PL_INLINE int pl_flow_charge(__u32 endpoint, __u32 inbound, int rated)
{
	struct pl_budgets *budgets = bpf_map_lookup_elem(&pl_budgets, &endpoint);
	struct pl_config *config = pl_config_of_node();
	__u32 second = pl_jiffies() / pl_hz;
	struct pl_budget *b;

	if (!budgets || !config)
		return 0;
	b = &budgets->budget[inbound & 1];
	if (b->used >= config->flow_budget)
		return 0;
	if (b->second != second) {
		b->second = second;
		b->opened = 0;
	}
	if (rated && b->opened >= config->flow_rate)
		return 0;
	b->opened++;
	__sync_fetch_and_add(&b->used, 1);
	return 1;
}

/* Who deleted an entry gives back what it was charged for, unless the slot has a new owner. */
PL_INLINE void pl_flow_refund(__u32 flags, const struct pl_flow_end *payer)
{
	__u32 endpoint = payer->endpoint;
	struct pl_budgets *budgets = bpf_map_lookup_elem(&pl_budgets, &endpoint);
	struct pl_endpoint_info *ep = bpf_map_lookup_elem(&pl_endpoints, &endpoint);
	struct pl_budget *b;

	if (!budgets || !ep || ep->generation != payer->generation)
		return;
	b = &budgets->budget[!!(flags & PL_FLOW_INBOUND)];
	if (b->used)
		__sync_fetch_and_add(&b->used, -1);
}

/* ---- the end of an entry ---- */

/* Removes the entry that the key has. One of several CPUs succeeds, and refunds. */
PL_INLINE void pl_flow_end_entry(const struct pl_conn *c, const struct pl_flow *flow)
{
	struct pl_flow_end payer = flow->end[!!(flow->flags & PL_FLOW_PAYER1)];
	__u32 state = flow->state, flags = flow->flags;

	if (!pl_flow_delete(c) && state != PL_FLOW_CLOSED)
		pl_flow_refund(flags, &payer);
}

/* Makes room in the list of what has ended: its oldest entry goes, if it is not in use again. */
PL_INLINE void pl_closed_add(const struct pl_conn *c)
{
	struct pl_closed_key *slot;
	struct pl_closed *closed;
	struct pl_flow *oldest;
	__u32 zero = 0;

	closed = bpf_map_lookup_elem(&pl_closed, &zero);
	if (!closed)
		return;
	slot = &closed->keys[closed->next++ & (PL_CLOSED_SLOTS - 1)];
	if (slot->family == 4) {
		oldest = bpf_map_lookup_elem(&pl_flows4, &slot->key.v4);
		if (oldest && oldest->state == PL_FLOW_CLOSED)
			bpf_map_delete_elem(&pl_flows4, &slot->key.v4);
	} else if (slot->family == 6) {
		oldest = bpf_map_lookup_elem(&pl_flows6, &slot->key.v6);
		if (oldest && oldest->state == PL_FLOW_CLOSED)
			bpf_map_delete_elem(&pl_flows6, &slot->key.v6);
	}
	slot->family = c->family;
	slot->key = c->key;
}

/* The connection is over: nobody pays any more, and late packets still find the entry. */
PL_INLINE void pl_flow_close(const struct pl_conn *c, const struct pl_flow *flow)
{
	struct pl_flow_end payer = flow->end[!!(flow->flags & PL_FLOW_PAYER1)];
	struct pl_flow closed = *flow;

	if (pl_flow_delete(c))
		return; /* another CPU's packet did it */
	pl_flow_refund(closed.flags, &payer);
	closed.state = PL_FLOW_CLOSED;
	closed.seen = pl_jiffies();
	if (!pl_flow_insert(c, &closed))
		pl_closed_add(c);
}

/* ---- the start of an entry ---- */

/*
 * Enters what the key names, in the place of @old, which it has or not. The sender is an endpoint,
 * or NULL: an uplink, or the stack; so is the receiver. @inbound: the receiver pays. 0: its budget
 * is used up, or the table is full; there is no entry then. Selects by masks: Linux 5.10 refuses a
 * variable index into the stack.
 */
PL_INLINE int pl_flow_enter(const struct pl_conn *c, const struct pl_flow *old,
			    enum pl_flow_state state, __u32 src_id, __u32 dst_id, int inbound)
{
	struct pl_endpoint_info *src = pl_endpoint_of(src_id), *dst = pl_endpoint_of(dst_id);
	__u32 src_generation = src ? src->generation : 0;
	__u32 dst_generation = dst ? dst->generation : 0;
	__u32 side = c->side & 1, swap = 0 - side;
	__u32 ids = (src_id ^ dst_id) & swap;
	__u32 generations = (src_generation ^ dst_generation) & swap;
	struct pl_flow_end payer = {
		.endpoint = inbound ? dst_id : src_id,
		.generation = inbound ? dst_generation : src_generation,
	};
	struct pl_flow flow = {
		.seen = pl_jiffies(),
		.state = state,
		.flags = side | (side ^ !!inbound) << 1 | !!inbound << 2,
		.sent = {PL_SENT_ANY & ~swap, PL_SENT_ANY & swap},
		.end = {{src_id ^ ids, src_generation ^ generations},
			{dst_id ^ ids, dst_generation ^ generations}},
	};

	_Static_assert(PL_FLOW_OPENER1 == 1 && PL_FLOW_PAYER1 == 2 && PL_FLOW_INBOUND == 4,
		       "the flags above");
	if (old)
		pl_flow_end_entry(c, old);
	if (!pl_flow_charge(payer.endpoint, inbound, state != PL_FLOW_STACK))
		return 0;
	if (!pl_flow_insert(c, &flow))
		return 1;
	pl_flow_refund(flow.flags, &payer);
	return 0;
}

#endif
