/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The path of a packet: one program per hook, each a list of stages. A stage returns a reason, or
 * PL_CONTINUE where the next one decides; nothing is changed until all have decided. Then come the
 * copies of mirror sessions, then the verdict. What is not ours is passed on (TC_ACT_UNSPEC), and
 * so is what is in doubt: the stack's way is slower, and right.
 *
 *   pod  --- pl_from_pod (tc ingress of the host end), pl_from_netkit (the pod's transmission)
 *   wire --- pl_from_uplink (tc ingress of an uplink)
 *   host --- pl_to_pod (tc egress of the host end): what the stack delivers
 */
#include "lib/packet.h"
#include "lib/antispoof.h"
#include "lib/routes.h"
#include "lib/tunnel.h"
#include "lib/destination.h"
#include "lib/flows.h"
#include "lib/verdict.h"
#include "lib/mirror.h"

/* Out of the node without the stack: to a native network, or in answer to the wire. */
static __always_inline int leave(struct pl_packet *p, struct pl_nexthop *way)
{
	__u32 native = p->route ? p->route->native : pl_is_native(p, 0);
	int reason = native ? pl_flow_answer(p) : pl_flow_outward(p);

	if (reason == PL_CONTINUE)
		reason = pl_forwardable(p);
	if (reason == PL_CONTINUE)
		reason = pl_route(p, pl_l3_size(p), native, way);
	return reason == PL_CONTINUE ? PL_FORWARD_NATIVE : reason;
}

static __always_inline int decide_from_pod(struct pl_packet *p, struct pl_nexthop *way)
{
	int reason = pl_lookup_src(p);

	if (reason != PL_CONTINUE)
		return reason;
	reason = pl_antispoof(p, pl_parse_headers(p, pl_is_l3_device(p->src)));
	if (reason == PL_CONTINUE)
		reason = pl_check_source(p);
	if (reason == PL_CONTINUE)
		reason = pl_check_pkt_type(p, pl_is_l3_device(p->src));
	if (reason == PL_CONTINUE)
		reason = pl_destination(p);
	if (reason != PL_CONTINUE)
		reason = pl_check_tunnel(p, reason);
	if (reason != PL_CONTINUE && reason != PL_PASS_NOT_POD)
		return reason;
	if ((reason == PL_PASS_NOT_POD && !pl_is_known_native(p)) || p->src->stack_flows ||
	    pl_is_segmented(p))
		pl_parse_l4(p);
	if (reason == PL_PASS_NOT_POD)
		return leave(p, way);
	reason = pl_forwardable(p);
	if (reason == PL_CONTINUE)
		reason = pl_deliverable(p);
	if (reason == PL_CONTINUE)
		reason = pl_flow_answer(p);
	return reason == PL_CONTINUE ? PL_FORWARD_LOCAL : reason;
}

static __always_inline int from_pod(struct pl_packet *p)
{
	struct pl_nexthop way = {};
	int reason = pl_mirror_copy(p->skb, p->hook);

	if (reason == PL_CONTINUE)
		reason = decide_from_pod(p, &way);
	return pl_conclude(p, reason, &way);
}

SEC("tc")
int pl_from_pod(struct __sk_buff *skb)
{
	struct pl_packet p = {.skb = skb, .hook = PL_HOOK_FROM_POD};

	return from_pod(&p);
}

SEC("tc")
int pl_from_netkit(struct __sk_buff *skb)
{
	struct pl_packet p = {.skb = skb, .hook = PL_HOOK_FROM_NETKIT};

	/* A netkit without the scrub lets the pod set marks: ours, kube-proxy's, a routing rule's.
	 */
	if (unlikely(skb->mark) && !pl_may_mark(skb))
		skb->mark = 0;
	return from_pod(&p);
}

static __always_inline int decide_from_uplink(struct pl_packet *p)
{
	int reason = pl_mirror_copy(p->skb, p->hook);
	int native;

	if (reason == PL_CONTINUE)
		reason = pl_parse_headers(p, 0);
	if (reason == PL_CONTINUE)
		reason = pl_check_pkt_type(p, 0);
	if (reason == PL_CONTINUE)
		reason = pl_destination(p);
	if (reason == PL_CONTINUE)
		reason = pl_check_uplink_source(p);
	if (reason == PL_CONTINUE)
		reason = pl_forwardable(p);
	if (reason != PL_CONTINUE)
		return reason;
	native = pl_is_native(p, 1);
	if (!native || pl_has_flows(p->dst) || pl_is_segmented(p))
		pl_parse_l4(p);
	reason = pl_deliverable(p);
	if (reason == PL_CONTINUE)
		reason = pl_flow_inward(p, native);
	return reason == PL_CONTINUE ? PL_FORWARD_LOCAL : reason;
}

SEC("tc")
int pl_from_uplink(struct __sk_buff *skb)
{
	struct pl_packet p = {.skb = skb, .hook = PL_HOOK_FROM_UPLINK};

	return pl_conclude(&p, decide_from_uplink(&p), NULL);
}

static __always_inline int decide_to_pod(struct pl_packet *p)
{
	int reason = pl_lookup_dst(p);
	int copy = pl_mirror_copy(p->skb, p->hook);

	if (copy != PL_CONTINUE)
		return copy;
	if (reason != PL_CONTINUE)
		return reason;
	if (pl_parse_headers(p, pl_is_l3_device(p->dst)) == PL_CONTINUE &&
	    pl_flow_answer_is_fast(p)) {
		pl_parse_l4(p);
		pl_flow_from_stack(p);
	}
	return PL_PASS_FROM_STACK;
}

SEC("tc")
int pl_to_pod(struct __sk_buff *skb)
{
	struct pl_packet p = {.skb = skb, .hook = PL_HOOK_TO_POD};
	int reason;

	if (skb->mark == PL_MARK_HANDLED) {
		skb->mark = 0;
		return TC_ACT_UNSPEC;
	}
	reason = decide_to_pod(&p);
	if (reason == PL_PASS_FROM_STACK)
		pl_mirror_packet(&p, reason);
	if (reason == PL_PASS_MIRROR_COPY)
		skb->mark = 0;
	if (skb->tc_index & PL_SEEN_VALID) /* a pod must not learn of a mirror at the sender */
		skb->tc_index = 0;
	return pl_verdict_unforwarded(&p, reason);
}

/* Tail-called: makes the copies that skb->cb asks for, then ends the packet's way. */
SEC("tc")
int pl_mirror(struct __sk_buff *skb)
{
	struct pl_packet p = {.skb = skb};
	struct pl_nexthop way = {};
	__u32 state = skb->cb[PL_CB_STATE];
	__u64 sessions = (__u64)skb->cb[PL_CB_MASK_HI] << 32 | skb->cb[PL_CB_MASK_LO];
	int rewritten = !!(state & PL_STATE_REWRITTEN);
	int reason = state >> PL_STATE_REASON_SHIFT;
	struct pl_route_key question;
	struct pl_mirror_ctx offer;

	barrier_var(reason);
	pl_mirror_prepare(&p, state, sessions, &offer);
	sessions = pl_mirror_some(skb, &offer, sessions);
	if (sessions)
		pl_mirror_continue(skb, state, sessions);
	pl_mirror_resume(&p, state);
	if (reason == PL_FORWARD_LOCAL) {
		/* Only where memory ran out in between. */
		if (!p.dst || !p.eth)
			return pl_verdict_unforwarded(&p, PL_DROP_MIRROR_LOST);
		if (!(state & PL_STATE_IN) && pl_mirror_rest(&p)) {
			pl_rewrite_local(&p);
			rewritten = 1;
			pl_mirror_tail_call(&p, state | PL_STATE_IN | PL_STATE_REWRITTEN,
					    pl_mirror_rest(&p));
		}
	}
	if (reason == PL_FORWARD_NATIVE) {
		pl_route_key(&p, &question);
		if (pl_fib_route(&p, &question, offer.l3_size, &way) != PL_CONTINUE)
			reason = PL_PASS_NO_ROUTE;
	}
	return pl_verdict(&p, reason, &way, rewritten);
}

/*
 * 1 if it was cut. The kernel cuts no packet inside of headers whose checksum is still to be made:
 * then a little more is left, or, of a short packet, all.
 */
static __always_inline int pl_cut(struct __sk_buff *skb, __u32 length)
{
	enum { BEHIND_HEADERS = 128 };

	if (!bpf_skb_change_tail(skb, length, 0))
		return 1;
	return length < BEHIND_HEADERS && skb->len > BEHIND_HEADERS &&
	       !bpf_skb_change_tail(skb, BEHIND_HEADERS, 0);
}

/*
 * tc ingress of the stage's far end: what was cloned to the stage arrives here, and nothing goes
 * further but to the target. Copies are cut here, where cutting touches nothing but the copy. And
 * on their way here they have lost the route that a packet from the stack brings along: a tunnel
 * would note its own MTU there, and the originals would have to be smaller from then on.
 */
SEC("tc")
int pl_stage(struct __sk_buff *skb)
{
	struct pl_copy copy;
	__u32 mark = skb->mark;
	long result;

	if ((mark & PL_MARK_MASK) != PL_MARK_STAGED || !pl_copy_open(&copy, mark & ~PL_MARK_MASK))
		return TC_ACT_SHOT;
	skb->mark = PL_MARK_MIRROR | copy.slot;
	if (copy.session->snaplen && skb->len > copy.session->snaplen)
		copy.stats->truncated += pl_cut(skb, copy.session->snaplen);
	result = bpf_clone_redirect(skb, copy.session->target, 0);
	pl_mirror_account(&copy, result, skb->len);
	return TC_ACT_SHOT;
}

/* Which compiler made the programs: the verifier's work depends on it. */
const volatile __u32 pl_clang = __clang_major__;

char LICENSE[] SEC("license") = "Dual BSD/GPL";
