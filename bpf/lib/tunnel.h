/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * from-pod, what the stack gets: a tunnel of this node takes a packet that is addressed to the node
 * for one of its peer's, and what is inside comes in under anybody's name. So a pod sends none
 * there. To pods, and to wherever the FIB forwards it, it may.
 */
#ifndef PODLANE_BPF_TUNNEL_H
#define PODLANE_BPF_TUNNEL_H

#include "antispoof.h"
#include "fib.h"

/* Would a tunnel, if the node has one of the kind, unpack the packet? */
PL_INLINE int pl_is_tunnelled(__u8 protocol, __u8 l4_kind, __be16 destination)
{
	struct pl_tunnel_port key = {.port = bpf_ntohs(destination)};

	if (unlikely(pl_tunnel_protocols[protocol]))
		return 1;
	if (protocol != IPPROTO_UDP || l4_kind != PL_L4_PORTS)
		return 0;
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
__attribute__((noinline)) int pl_is_forwarded(struct __sk_buff *skb)
{
	struct pl_packet p = {.skb = skb};
	struct bpf_fib_lookup fib = {};
	struct pl_route_key key;

	if (pl_read_headers(&p, 1) != PL_CONTINUE)
		return 0;
	pl_route_key(&p, &key);
	switch (pl_fib_ask(&p, &key, 0, &fib)) {
	case BPF_FIB_LKUP_RET_SUCCESS:
	case BPF_FIB_LKUP_RET_UNSUPP_LWT:
	case BPF_FIB_LKUP_RET_NO_NEIGH:
		return 1;
	default:
		return 0;
	}
}

/* @reason: why no pod of this node gets the packet, or why it is dropped already. */
PL_INLINE int pl_check_tunnel(struct __sk_buff *skb, const struct pl_endpoint_info *src, int reason,
			      __u8 protocol, __u8 l4_kind, __be16 destination)
{
	int received = reason == PL_PASS_HOST || reason == PL_PASS_MULTICAST ||
		       reason == PL_PASS_LINK_LOCAL;

	if ((!received && reason != PL_PASS_NOT_POD) || src->flags & PL_EP_TRUSTED ||
	    likely(!pl_is_tunnelled(protocol, l4_kind, destination)))
		return reason;
	return received || !pl_is_forwarded(skb) ? PL_DROP_ENCAPSULATED : reason;
}

/*
 * A pod's packet that is not common: a function of its own, as the verifier follows it once.
 * PL_CONTINUE: it is an IP packet whose source is still to be checked, and packet pointers of
 * before are void; else the reason to pass or drop it.
 */
__attribute__((noinline)) int pl_examine(struct __sk_buff *skb, __u32 src_id)
{
	struct pl_packet p = {.skb = skb, .src_id = src_id};
	int reason, pkt_type, source;

	p.src = pl_endpoint_of(src_id);
	if (!p.src)
		return PL_PASS_NO_ENDPOINT;
	reason = pl_antispoof(&p, pl_parse_headers(&p, pl_is_l3_device(p.src)));
	if (reason != PL_CONTINUE)
		return reason;
	pkt_type = pl_check_pkt_type(&p, pl_is_l3_device(p.src));
	if (pkt_type == PL_CONTINUE)
		return PL_CONTINUE;
	source = pl_check_source(&p);
	return source == PL_CONTINUE ? pl_check_tunnel(skb, p.src, pkt_type, p.l4.protocol,
						       p.l4.kind, p.l4.destination)
				     : source;
}

#endif
