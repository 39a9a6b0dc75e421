/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A flow stays on the way that it came. The stack may translate addresses (services, hostPorts,
 * masquerading), and its conntrack must then see both directions. The rule that packets go by
 * destination alone has these exceptions, each kept as flows of one endpoint, and looked for only
 * where the endpoint's flag says that there are any:
 *
 *   STACK   The stack delivered X's packet to pod A, where A's answer to X would take the fast
 *           path: X is a pod of this node, or native. A's packets to X go to the stack. Written
 *           by to-pod.
 *   OPENED  Pod A spoke through the stack to what may be a service, from this port. Whoever
 *           answers to that port from the wire is left to the stack, since it may be a backend
 *           that hides behind the service. Written by from-pod.
 *   WIRE    X, outside the native networks, reached pod A from the wire by the fast path. A's
 *           answers leave by FIB, for the stack knows nothing of the flow: it would take a UDP
 *           answer for a new flow and masquerade it, and call TCP's SYN-ACK invalid. Written by
 *           from-uplink.
 *
 * Every translation, and why it is right:
 *   pod A -> service -> pod B here. A to VIP: no pod, to the stack. to-pod(B) sees A: STACK at B.
 *     B's answer goes to the stack, which gives it the VIP's address. A gets it from the VIP, which
 *     is no pod, and keeps on sending to the VIP.
 *   pod A -> service -> B elsewhere, source kept. OPENED at A's port. B's answer comes from the
 *     wire, addressed to A, from B: from-uplink leaves it to the stack, which gives it the VIP's.
 *   pod A -> service -> A itself. The stack masquerades, or A would answer itself: A's peer is
 *     the host, and packets to the host always go to the stack.
 *   kube-proxy or a masquerading rule on the way in. The peer is the host: as above.
 *   outside X -> hostPort or node port -> pod A, source kept. X's packets go to a host's address,
 *     so to the stack. A's answer to X: not native, so to the stack; native, then STACK at A.
 *   pod A -> outside, masqueraded. A's packets are not for a native network, so to the stack.
 *     Answers go to a host's address, so to the stack.
 *   pod A -> outside, routed as it is. To the stack both ways: OPENED at A's port.
 *   outside -> pod A, routed as it is. Fast both ways: native, or WIRE.
 *   host -> pod A (probes), and pod A -> host. The peer is a host's address: the stack, both ways.
 *   ICMP errors speak of another packet, that the stack may have to translate inside: they go
 *     there where the pod has any flow of the stack.
 *   Fragments have no ports but in the first: they go to the stack, all of them, where the pod
 *     has any flow of the stack; the first makes the flow known all the same. Fragments of an
 *     answer to the wire follow their first.
 * A flow that is in doubt goes to the stack. Once there it stays there: slower, never broken.
 */
#ifndef PODLANE_BPF_FLOWS_H
#define PODLANE_BPF_FLOWS_H

#include "destination.h"
#include "packet.h"

enum { PL_FLOW_REFRESH_NS = 1000000000 };

/* @by_pod: the packet is the pod's own; else it goes to the pod. */
PL_INLINE void pl_flow_of(const struct pl_packet *p, int by_pod, struct pl_flow *flow)
{
	const struct pl_l4 *l4 = &p->l4;

	*flow = (struct pl_flow){.protocol = l4->protocol};
	if (p->family == 4) {
		pl_mapped4(flow->pod, by_pod ? p->ip4->saddr : p->ip4->daddr);
		pl_mapped4(flow->peer, by_pod ? p->ip4->daddr : p->ip4->saddr);
	} else {
		pl_copy6(flow->pod, by_pod ? &p->ip6->saddr : &p->ip6->daddr);
		pl_copy6(flow->peer, by_pod ? &p->ip6->daddr : &p->ip6->saddr);
	}
	flow->pod_port = by_pod ? l4->source : l4->destination;
	flow->peer_port = by_pod ? l4->destination : l4->source;
}

/* The pod's side alone. */
PL_INLINE void pl_flow_any_peer(struct pl_flow *flow)
{
	const __u32 nobody[4] = {};

	pl_copy6(flow->peer, nobody);
	flow->peer_port = 0;
}

/* The flow of this one packet's fragments, for those that have no ports. */
PL_INLINE void pl_flow_of_fragments(const struct pl_packet *p, struct pl_flow *flow)
{
	__be32 id = p->l4.fragment_id;

	flow->pod_port = (__be16)id;
	flow->peer_port = (__be16)(id >> 16);
	flow->fragments = 1;
}

/* The flag comes before its flow: it may say too much, never too little. */
PL_INLINE void pl_flow_flag(__u8 *flag)
{
	if (!*flag)
		*flag = 1;
}

/* Notes the flow; one that is known costs a lookup, and a store once a second. */
PL_INLINE void pl_flow_note(void *map, const struct pl_flow *flow, __u32 endpoint, __u32 kind)
{
	struct pl_flow_value *known = bpf_map_lookup_elem(map, flow);
	struct pl_flow_value value = {
		.endpoint = endpoint, .kind = kind, .seen_ns = bpf_ktime_get_ns()};

	if (!known || known->kind != kind || known->endpoint != endpoint)
		bpf_map_update_elem(map, flow, &value, BPF_ANY);
	else if (value.seen_ns - known->seen_ns > PL_FLOW_REFRESH_NS)
		known->seen_ns = value.seen_ns;
}

PL_INLINE int pl_has_flows(const struct pl_endpoint_info *ep)
{
	return ep->stack_flows | ep->opened_flows;
}

/* from-pod, to a pod of this node or a native network: PL_CONTINUE where the fast path may answer.
 */
PL_INLINE int pl_flow_answer(const struct pl_packet *p)
{
	struct pl_flow flow;

	if (likely(!p->src->stack_flows))
		return PL_CONTINUE;
	if (p->l4.fragment)
		return PL_PASS_FRAGMENT;
	if (p->l4.kind == PL_L4_UNREADABLE)
		return PL_PASS_MALFORMED;
	if (p->l4.kind == PL_L4_ICMP_ERROR)
		return PL_PASS_STACK_FLOW;
	pl_flow_of(p, 1, &flow);
	return bpf_map_lookup_elem(&pl_flows, &flow) ? PL_PASS_STACK_FLOW : PL_CONTINUE;
}

/*
 * from-pod, to neither: PL_CONTINUE where it answers a flow that came by the fast path, else it is
 * the stack's, and so will be what comes back.
 */
PL_INLINE int pl_flow_outward(const struct pl_packet *p)
{
	struct pl_endpoint_info *ep = p->src;
	struct pl_flow flow;

	pl_flow_of(p, 1, &flow);
	if (p->l4.kind == PL_L4_LATER_FRAGMENT && ep->wire_flows) {
		pl_flow_of_fragments(p, &flow);
		return bpf_map_lookup_elem(&pl_wire_flows, &flow) ? PL_CONTINUE : PL_PASS_FRAGMENT;
	}
	if (p->l4.kind >= PL_L4_ICMP_ERROR)
		return PL_PASS_NOT_POD;
	if (ep->wire_flows && bpf_map_lookup_elem(&pl_wire_flows, &flow)) {
		if (p->l4.fragment) {
			pl_flow_of_fragments(p, &flow);
			pl_flow_note(&pl_wire_flows, &flow, p->src_id, PL_FLOW_WIRE);
		}
		return PL_CONTINUE;
	}
	/* What answers does not open: its port may serve others, who came by the fast path. */
	if (p->l4.tcp_answer || p->l4.kind == PL_L4_ECHO_REPLY)
		return PL_PASS_NOT_POD;
	pl_flow_any_peer(&flow);
	pl_flow_flag(&ep->opened_flows);
	pl_flow_note(&pl_flows, &flow, p->src_id, PL_FLOW_OPENED);
	return PL_PASS_NOT_POD;
}

/* from-uplink, to a pod: PL_CONTINUE where the fast path may have it. @native: so is the source. */
PL_INLINE int pl_flow_inward(const struct pl_packet *p, int native)
{
	struct pl_endpoint_info *ep = p->dst;
	int stack = pl_has_flows(ep);
	struct pl_flow flow, opened;

	if (likely(native && !stack))
		return PL_CONTINUE;
	if (p->l4.kind == PL_L4_UNREADABLE)
		return PL_PASS_MALFORMED;
	if (p->l4.fragment && stack)
		return PL_PASS_FRAGMENT;
	if (p->l4.kind == PL_L4_LATER_FRAGMENT)
		return PL_CONTINUE;
	if (p->l4.kind == PL_L4_ICMP_ERROR)
		return stack ? PL_PASS_STACK_FLOW : PL_CONTINUE;
	pl_flow_of(p, 0, &flow);
	if (ep->wire_flows && bpf_map_lookup_elem(&pl_wire_flows, &flow))
		return PL_CONTINUE;
	/* Who opens a connection does not answer one. */
	if (stack && !p->l4.tcp_syn) {
		opened = flow;
		pl_flow_any_peer(&opened);
		if (bpf_map_lookup_elem(&pl_flows, &flow) ||
		    bpf_map_lookup_elem(&pl_flows, &opened))
			return PL_PASS_STACK_FLOW;
	}
	/* The middle of a connection whose start was not seen here: the stack may know it. */
	if (!native && p->l4.protocol == IPPROTO_TCP && !p->l4.tcp_syn)
		return PL_PASS_STACK_FLOW;
	if ((native && !p->l4.tcp_syn) || p->l4.kind == PL_L4_ECHO_REPLY)
		return PL_CONTINUE;
	if (ep->stack_flows)
		bpf_map_delete_elem(&pl_flows, &flow);
	pl_flow_flag(&ep->wire_flows);
	pl_flow_note(&pl_wire_flows, &flow, p->dst_id, PL_FLOW_WIRE);
	return PL_CONTINUE;
}

/* to-pod: would the fast path take the answer? */
PL_INLINE int pl_flow_answer_is_fast(const struct pl_packet *p)
{
	struct pl_addr *addr;

	addr = p->family == 4 ? bpf_map_lookup_elem(&pl_addrs4, &p->ip4->saddr)
			      : bpf_map_lookup_elem(&pl_addrs6, &p->ip6->saddr);
	return addr ? addr->kind == PL_ADDR_POD : pl_is_native(p, 1);
}

/* to-pod: the stack delivers what the fast path would answer. */
PL_INLINE void pl_flow_from_stack(const struct pl_packet *p)
{
	struct pl_flow flow;

	/* Errors and later fragments have no flow of their own, but keep the pod's to the stack. */
	pl_flow_flag(&p->dst->stack_flows);
	if (p->l4.kind >= PL_L4_ICMP_ERROR)
		return;
	pl_flow_of(p, 0, &flow);
	pl_flow_note(&pl_flows, &flow, p->dst_id, PL_FLOW_STACK);
}

#endif
