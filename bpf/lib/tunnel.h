/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * from-pod, what the stack gets: a tunnel of this node takes a packet that is addressed to the node
 * for one of its peer's, and what is inside comes in under anybody's name. So a pod sends none
 * there. To pods, and to wherever the FIB forwards it, it may.
 */
#ifndef PODLANE_BPF_TUNNEL_H
#define PODLANE_BPF_TUNNEL_H

#include "routes.h"

/* Would a tunnel, if the node has one of the kind, unpack the packet? Needs pl_antispoof(). */
PL_INLINE int pl_is_tunnelled(const struct pl_packet *p)
{
	struct pl_tunnel_port key;
	__be16 port;

	if (unlikely(pl_tunnel_protocols[p->l4_protocol]))
		return 1;
	if (p->l4_protocol != IPPROTO_UDP || p->no_l4)
		return 0;
	/* Cut short: the stack cannot read it either. */
	if (bpf_skb_load_bytes(p->skb, p->l4_offset + 2, &port, sizeof(port)))
		return 0;
	key.port = bpf_ntohs(port);
	switch (key.port) {
#define PL_TUNNEL_CASE(port, name) case port:
		PL_TUNNEL_PORTS(PL_TUNNEL_CASE)
#undef PL_TUNNEL_CASE
		return 1;
	default:
		return bpf_map_lookup_elem(&pl_tunnel_ports, &key) != NULL;
	}
}

/*
 * Not the node's addresses alone, which podlane knows: broadcast and anycast addresses are local to
 * it, too, and whatever routes of the table "local" say.
 */
PL_INLINE int pl_is_forwarded(const struct pl_packet *p)
{
	struct bpf_fib_lookup fib = {};
	struct pl_route_key question;

	pl_route_key(p, &question);
	switch (pl_fib_ask(p, &question, 0, &fib)) {
	case BPF_FIB_LKUP_RET_SUCCESS:
	case BPF_FIB_LKUP_RET_UNSUPP_LWT:
	case BPF_FIB_LKUP_RET_NO_NEIGH:
		return 1;
	default:
		return 0;
	}
}

/* @reason: why no pod of this node gets the packet, or why it is dropped already. */
PL_INLINE int pl_check_tunnel(const struct pl_packet *p, int reason)
{
	int received = reason == PL_PASS_HOST || reason == PL_PASS_MULTICAST ||
		       reason == PL_PASS_LINK_LOCAL;

	/* A way out that is remembered is one by an uplink. */
	if ((!received && (reason != PL_PASS_NOT_POD || p->route)) ||
	    p->src->flags & PL_EP_TRUSTED || likely(!pl_is_tunnelled(p)))
		return reason;
	return received || !pl_is_forwarded(p) ? PL_DROP_ENCAPSULATED : reason;
}

#endif
