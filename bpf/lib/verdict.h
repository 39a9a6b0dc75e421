/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The end of a packet's way, and the only place that counts it, changes it, redirects it and says
 * TC_ACT_*. What is passed on leaves as it came: TC_ACT_UNSPEC lets others on the hook see it too.
 */
#ifndef PODLANE_BPF_VERDICT_H
#define PODLANE_BPF_VERDICT_H

#include "count.h"
#include "destination.h"
#include "fib.h"

/* One hop less. Needs a TTL above 1. */
PL_INLINE void pl_dec_ttl(struct pl_packet *p)
{
	if (p->family == 4) {
		struct iphdr *ip = p->ip4;
		__u32 check = ip->check;

		check += bpf_htons(0x0100);
		ip->check = (__u16)(check + (check >= 0xffff));
		ip->ttl--;
	} else if (p->family == 6) {
		p->ip6->hop_limit--;
		/*
		 * IPv6 has no checksum of its own to absorb the change, so that where the NIC
		 * summed the whole packet (CHECKSUM_COMPLETE) its sum must follow. Void otherwise.
		 */
		bpf_csum_update(p->skb, (__be16)~bpf_htons(1));
	}
}

/* The frame as dst's own link would carry it. Each packet passes here once at most. */
PL_INLINE void pl_rewrite_local(struct pl_packet *p)
{
	const __u32 *macs = (const __u32 *)p->dst->pod_mac; /* and host_mac behind it */
	__u32 *frame = (__u32 *)p->eth;

	frame[0] = macs[0];
	frame[1] = macs[1];
	frame[2] = macs[2];
	if (p->hook == PL_HOOK_FROM_NETKIT)
		p->eth->h_proto = (__be16)p->skb->protocol;
	pl_dec_ttl(p);
}

/*
 * bpf_redirect_peer works at tc ingress alone. From netkit's transmission the packet goes through
 * the target's own transmission, where the mark tells to-pod that all is done.
 */
PL_INLINE int pl_deliver(struct pl_packet *p)
{
	/* One store: of two the compiler may share the address, which the verifier refuses. */
	p->skb->mark = p->hook == PL_HOOK_FROM_NETKIT ? PL_MARK_HANDLED : 0;
	if (p->hook == PL_HOOK_FROM_NETKIT)
		return bpf_redirect(p->dst->ifindex, 0);
	return bpf_redirect_peer(p->dst->ifindex, 0);
}

PL_INLINE int pl_send_native(struct pl_packet *p)
{
	if (!p->route) /* never: for the verifier */
		return TC_ACT_UNSPEC;
	pl_dec_ttl(p);
	p->skb->mark = 0;
	return bpf_redirect_neigh(p->route->ifindex, &p->route->next, sizeof(p->route->next), 0);
}

/* What podlane does not forward: the effect of the reason decides, whichever reason it is. */
PL_INLINE int pl_action(enum pl_reason reason)
{
	return pl_effect(reason) == PL_EFFECT_DROP ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

PL_INLINE int pl_verdict_unforwarded(const struct pl_packet *p, enum pl_reason reason)
{
	pl_count(p, reason);
	return pl_action(reason);
}

/* @rewritten: pl_rewrite_local() is behind us. FORWARD_NATIVE: p->route is set. */
PL_INLINE int pl_verdict(struct pl_packet *p, enum pl_reason reason, int rewritten)
{
	pl_count(p, reason);
	switch (reason) {
	case PL_FORWARD_LOCAL:
		if (!pl_receiver_of(p)) /* never */
			return TC_ACT_UNSPEC;
		if (!rewritten)
			pl_rewrite_local(p);
		return pl_deliver(p);
	case PL_FORWARD_NATIVE:
		return pl_send_native(p);
	default:
		return pl_action(reason);
	}
}

#endif
