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
#include "lib/lookup.h"
#include "lib/antispoof.h"
#include "lib/tunnel.h"
#include "lib/destination.h"
#include "lib/conntrack.h"
#include "lib/flows.h"
#include "lib/fib.h"
#include "lib/verdict.h"
#include "lib/mirror.h"

/*
 * Whether the packet may take the fast path, and to whom: by its connection's entry, or as a packet
 * that opens one. @common: l4 is read. PL_CONTINUE: *ret_answer says which (enum pl_flow_answer),
 * and dst is set (NULL: out of the node).
 */
static __always_inline int admit(struct pl_packet *p, int common, __u32 *ret_answer)
{
	__u32 answer = 0, reason;

	if (likely(common))
		pl_flow_lookup(p);
	*ret_answer = PL_ANSWER_KNOWN;
	if (likely(common) && likely(pl_flow_is_plain(p)))
		return PL_CONTINUE;
	pl_conn_read(p->skb);
	p->l4.headers = (__u32)pl_conn_headers(p->skb);
	if (p->flow || !common)
		answer = pl_flow_judge(p->src_id);
	if (!answer)
		answer = pl_flow_destination(p->skb, p->src_id);
	p->dst_id = answer >> PL_ANSWER_DST_SHIFT;
	p->dst = pl_endpoint_of(p->dst_id);
	reason = answer & PL_ANSWER_REASON;
	if (reason == PL_ANSWER_CONTINUE && !(answer & PL_ANSWER_KNOWN)) {
		answer = pl_flow_may_open(p->src_id, p->dst_id);
		reason = answer & PL_ANSWER_REASON;
	}
	if (pl_conntrack_mode != PL_CT_NONE && reason != PL_ANSWER_CONTINUE && p->src)
		pl_flow_note_port(p->src_id, reason);
	if (pl_conntrack_mode == PL_CT_ASK && answer & PL_ANSWER_ASK &&
	    pl_ct_knows(p->skb, !(answer & PL_ANSWER_KNOWN))) {
		if (!(answer & PL_ANSWER_KNOWN))
			return PL_PASS_STACK_FLOW;
		pl_flow_yield();
		return PL_PASS_TUPLE_CLASH;
	}
	*ret_answer = answer;
	if (reason == PL_ANSWER_CONTINUE)
		return PL_CONTINUE;
	return reason <= PL_FORWARD_NATIVE ? PL_PASS_NO_FLOW : (int)reason; /* never */
}

/* Reads anew, as another key may have been left; from here, for calls in calls take stack. */
static __always_inline int open_flow(struct pl_packet *p, __u32 fragments)
{
	if (!pl_conn_read(p->skb))
		return PL_PASS_MALFORMED;
	return pl_flow_open(p->src_id, p->dst_id, fragments);
}

/* The last to decide: the connection's entry is kept true, or made. */
static __always_inline int commit(struct pl_packet *p, int common, __u32 answer)
{
	int reason = PL_CONTINUE;

	if (likely(answer & PL_ANSWER_KNOWN)) {
		if (likely(common) && p->flow && likely(!(answer & PL_ANSWER_ASK)) &&
		    likely(!(p->l4.flags & (PL_L4_FIN | PL_L4_RST | PL_L4_SYN))))
			pl_flow_touch(p->flow, p->side);
		else
			pl_flow_track(p->skb, p->src_id);
		return PL_CONTINUE;
	}
	if (answer & PL_ANSWER_ASK)
		reason = open_flow(p, 0);
	if (reason == PL_CONTINUE && answer & PL_ANSWER_FRAGMENT)
		reason = open_flow(p, 1);
	return reason == PL_CONTINUE || reason > PL_FORWARD_NATIVE ? reason : PL_PASS_NO_FLOW;
}

/* The rest of the way, once the sender is known to be who it says. */
static __always_inline int forward(struct pl_packet *p, int common)
{
	__u32 answer;
	int reason = admit(p, common, &answer);

	if (reason == PL_CONTINUE)
		reason = pl_forwardable(p);
	if (reason == PL_CONTINUE) {
		if (p->dst)
			reason = pl_deliverable(p);
		else
			reason = p->src ? pl_route(p, pl_l3_size(p)) : PL_PASS_NOT_POD;
	}
	if (reason == PL_CONTINUE)
		reason = commit(p, common, answer);
	if (reason != PL_CONTINUE)
		return reason;
	return p->dst ? PL_FORWARD_LOCAL : PL_FORWARD_NATIVE;
}

/* *ret_common 1: nothing is left to look into, and l4 is read. Else pl_examine() has looked. */
static __always_inline int check_sender(struct pl_packet *p, int headers, int *ret_common)
{
	int reason;

	*ret_common = headers == PL_CONTINUE && pl_is_common(p) && pl_parse_common_l4(p);
	if (likely(*ret_common))
		return p->src->flags & PL_EP_TRUSTED
			       ? PL_CONTINUE
			       : pl_check_offload(p, p->l4.protocol, ETH_HLEN + p->l4.offset, 0);
	reason = pl_examine(p->skb, p->src_id);
	if (reason != PL_CONTINUE)
		return reason > PL_FORWARD_NATIVE ? reason
						  : PL_PASS_MALFORMED; /* never the latter */
	return pl_read_headers(p, pl_is_l3_device(p->src));
}

static __always_inline int decide_from_pod(struct pl_packet *p)
{
	int reason = pl_lookup_src(p);
	int common;

	if (reason != PL_CONTINUE)
		return reason;
	reason = check_sender(p, pl_parse_headers(p, pl_is_l3_device(p->src)), &common);
	return reason == PL_CONTINUE ? forward(p, common) : reason;
}

static __always_inline int from_pod(struct pl_packet *p)
{
	int reason = pl_mirror_copy(p->skb, p->hook);

	if (reason == PL_CONTINUE)
		reason = decide_from_pod(p);
	return pl_conclude(p, reason);
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

	if (reason == PL_CONTINUE)
		reason = pl_parse_headers(p, 0);
	if (reason == PL_CONTINUE)
		reason = pl_check_pkt_type(p, 0);
	return reason == PL_CONTINUE ? forward(p, pl_parse_common_l4(p)) : reason;
}

SEC("tc")
int pl_from_uplink(struct __sk_buff *skb)
{
	struct pl_packet p = {.skb = skb, .hook = PL_HOOK_FROM_UPLINK};

	return pl_conclude(&p, decide_from_uplink(&p));
}

static __always_inline int decide_to_pod(struct pl_packet *p)
{
	int reason = pl_lookup_dst(p);
	int copy = pl_mirror_copy(p->skb, p->hook);

	if (copy != PL_CONTINUE)
		return copy;
	if (reason != PL_CONTINUE)
		return reason;
	pl_linearize(p->skb);
	reason = pl_flow_delivered(p->skb, p->dst_id);
	return reason == PL_PASS_TUPLE_CLASH ? reason : PL_PASS_FROM_STACK;
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
	if (reason == PL_PASS_FROM_STACK || reason == PL_PASS_TUPLE_CLASH)
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
	__u32 state = skb->cb[PL_CB_STATE];
	__u64 sessions = (__u64)skb->cb[PL_CB_MASK_HI] << 32 | skb->cb[PL_CB_MASK_LO];
	int rewritten = !!(state & PL_STATE_REWRITTEN);
	int reason = state >> PL_STATE_REASON_SHIFT;
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
	if (reason == PL_FORWARD_NATIVE && pl_route(&p, offer.l3_size) != PL_CONTINUE)
		reason = PL_PASS_NO_ROUTE;
	return pl_verdict(&p, reason, rewritten);
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

/* Attached nowhere: the daemon runs it to read the clock that the flow table's ages are in. */
SEC("tc")
int pl_clock(struct __sk_buff *skb)
{
	return (int)bpf_jiffies64();
}

/* Which compiler made the programs: the verifier's work depends on it. */
const volatile __u32 pl_clang = __clang_major__;

char LICENSE[] SEC("license") = "Dual BSD/GPL";
