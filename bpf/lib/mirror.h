/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Copies. A packet that no session concerns pays for a test of two words. For the others the way is
 *   entry program -> PL_PROG_MATCH (generated, where filters are set) -> pl_mirror -> verdict
 * by tail calls, with the state in skb->cb. A tail call that fails costs the copies, never the
 * packet. OUT copies are taken before the packet is rewritten, IN copies after: what the pod really
 * sent, what it really gets. Every packet is copied once at most per session: sessions at the
 * sender come first, and those at the receiver are offered only what these did not take.
 */
#ifndef PODLANE_BPF_MIRROR_H
#define PODLANE_BPF_MIRROR_H

#include "packet.h"
#include "tunnel.h"
#include "verdict.h"

/* skb->cb[PL_CB_STATE]; the reason lies in the bits above. */
enum pl_mirror_stage {
	PL_STATE_HOOK = 0x03,	 /* enum pl_hook */
	PL_STATE_DROPPED = 0x04, /* the verdict is a drop; the bit of PL_MIRROR_DROPS */
	PL_STATE_IN = 0x10,	 /* copies of what the pod gets; else of what it sent */
	PL_STATE_REWRITTEN = 0x20,
	PL_STATE_UNFILTERED =
		0x40, /* PL_PROG_MATCH is not there: no session with a filter matches */
	PL_STATE_CONTINUED = 0x80, /* not the first call for these sessions */
	PL_STATE_REASON_SHIFT = 8,
};

_Static_assert((int)PL_STATE_DROPPED == (int)PL_MIRROR_DROPS &&
		       (int)PL_STATE_UNFILTERED >> 5 == (int)PL_MIRROR_FILTER,
	       "pl_mirror_prepare() makes the one of the other");

enum {
	PL_SEEN_VALID = 0x8000, /* in skb->tc_index */
	PL_SEEN_RANKS = 15,
	PL_MIRRORS_PER_CALL = 4, /* 64 sessions take 16 of the 32 tail calls that are allowed */
	PL_NS_PER_MS = 1000000,
	PL_NS_PER_S = 1000000000,
};

PL_INLINE int pl_is_drop(enum pl_reason reason)
{
	return pl_effect(reason) == PL_EFFECT_DROP;
}

PL_INLINE int pl_is_pass(enum pl_reason reason)
{
	return pl_effect(reason) == PL_EFFECT_PASS;
}

/* By name, as each is carried out in a way of its own: and so that the verifier can follow. */
PL_INLINE int pl_is_forward(enum pl_reason reason)
{
	return reason == PL_FORWARD_LOCAL || reason == PL_FORWARD_NATIVE;
}

/* Tail-calls: returns where no copy can be made. */
PL_INLINE void pl_mirror_tail_call(const struct pl_packet *p, __u32 state, __u64 sessions)
{
	struct __sk_buff *skb = p->skb;

	state &= ~(__u32)(PL_STATE_UNFILTERED | PL_STATE_CONTINUED);
	skb->cb[PL_CB_STATE] = state;
	skb->cb[PL_CB_SRC] = p->src_id;
	skb->cb[PL_CB_DST] = p->dst_id;
	skb->cb[PL_CB_MASK_LO] = (__u32)sessions;
	skb->cb[PL_CB_MASK_HI] = (__u32)(sessions >> 32);
	bpf_tail_call(skb, &pl_programs, PL_PROG_MATCH);
	skb->cb[PL_CB_STATE] = state | PL_STATE_UNFILTERED;
	bpf_tail_call(skb, &pl_programs, PL_PROG_MIRROR);
}

/*
 * From a pod through the stack to a pod: which sessions took the packet at its sender travels in
 * skb->tc_index, a bit for each of the sender's first 15 sessions. A filter may take a packet
 * only after the stack has translated it, so that "was offered" is not enough. tc_index survives
 * the stack's forwarding, and fragmentation; a filter of others that ends with TC_ACT_OK clears
 * it: then, and for further sessions, offered counts as taken.
 */
PL_INLINE __u32 pl_seen_pack(__u64 offered, __u64 taken)
{
	__u32 seen = PL_SEEN_VALID;

	for (int rank = 0; rank < PL_SEEN_RANKS; rank++) {
		__u64 lowest = offered & -offered;

		offered ^= lowest;
		if (taken & lowest)
			seen |= 1u << rank;
	}
	return seen;
}

PL_INLINE __u64 pl_seen_unpack(__u64 offered, __u32 seen)
{
	__u64 taken = 0;

	if (!(seen & PL_SEEN_VALID))
		return offered;
	for (int rank = 0; rank < PL_SEEN_RANKS; rank++) {
		__u64 lowest = offered & -offered;

		offered ^= lowest;
		if (seen & (1u << rank))
			taken |= lowest;
	}
	return taken | offered;
}

/* to-pod: sessions that the packet's sender, a pod of this node, has served. */
PL_INLINE __u64 pl_mirror_seen(struct __sk_buff *skb)
{
	struct pl_endpoint_info *sender;
	__u32 id = PL_NODE;

	sender = pl_endpoint_at(skb->ingress_ifindex, &id);
	return sender && sender->mirror_out ? pl_seen_unpack(sender->mirror_out, skb->tc_index) : 0;
}

enum pl_mirrored {
	PL_NOT_MIRRORED,
	/* No copy could be made, and the packet pointers are void: tail calls take them. */
	PL_MIRROR_FAILED,
	PL_MIRROR_FAILED_REWRITTEN, /* pl_rewrite_local() is behind the packet */
};

/*
 * Every program, before its verdict. Where copies are wanted it does not return, as pl_mirror gives
 * the verdict; unless a tail call fails.
 */
PL_INLINE enum pl_mirrored pl_mirror_packet(struct pl_packet *p, enum pl_reason reason)
{
	__u32 state = p->hook | (__u32)reason << PL_STATE_REASON_SHIFT |
		      (pl_is_drop(reason) ? PL_STATE_DROPPED : 0);
	__u64 out = p->src ? p->src->mirror_out : 0;
	__u64 in = 0;

	/* Old verifiers do not know that what is forwarded to a pod has one. */
	if (p->dst && (p->hook == PL_HOOK_TO_POD || reason == PL_FORWARD_LOCAL))
		in = p->dst->mirror_in;
	if (unlikely(out)) {
		pl_mirror_tail_call(p, state, out);
		return PL_MIRROR_FAILED;
	}
	if (likely(!in))
		return PL_NOT_MIRRORED;
	if (p->hook == PL_HOOK_TO_POD) {
		in &= ~pl_mirror_seen(p->skb);
		p->skb->tc_index = 0; /* a pod must not learn of a mirror */
		if (in)
			pl_mirror_tail_call(p, state | PL_STATE_IN, in);
		return PL_MIRROR_FAILED;
	}
	pl_rewrite_local(p);
	pl_mirror_tail_call(p, state | PL_STATE_IN | PL_STATE_REWRITTEN, in);
	return PL_MIRROR_FAILED_REWRITTEN;
}

/* The end of what is passed on, or dropped. */
PL_INLINE int pl_conclude_unforwarded(struct pl_packet *p, enum pl_reason reason)
{
	reason = pl_scalar_unknown(reason, p->skb);
	if (pl_is_forward(reason)) /* never: the verifier has forgotten */
		return TC_ACT_UNSPEC;
	pl_mirror_packet(p, reason);
	return pl_verdict_unforwarded(p, reason);
}

/* The end of the programs that forward: copies, then the verdict. */
PL_INLINE int pl_conclude(struct pl_packet *p, int reason)
{
	enum pl_mirrored mirrored;

	if (!pl_is_forward(reason))
		return pl_conclude_unforwarded(p, reason);
	mirrored = pl_mirror_packet(p, reason);
	if (mirrored == PL_MIRROR_FAILED_REWRITTEN)
		return pl_verdict(p, reason, 1);
	if (mirrored == PL_MIRROR_FAILED &&
	    pl_parse_headers(p, pl_is_l3_device(p->src)) != PL_CONTINUE)
		reason = PL_PASS_MALFORMED;
	return pl_verdict(p, reason, 0);
}

/*
 * A tunnel's packet bears the mark of the copy inside. A function of its own: it is rare, and the
 * verifier follows it once.
 */
__attribute__((noinline)) int pl_is_tunnel_packet(struct __sk_buff *skb)
{
	struct pl_packet p = {.skb = skb};

	if (pl_read_headers(&p, 1) != PL_CONTINUE)
		return 0;
	pl_parse_l4(&p);
	return pl_is_tunnelled(p.l4.protocol, p.l4.kind, p.l4.destination);
}

/* May a copy of the session reach the pod at whose link it meets us? As its target, or its
 * collector. */
PL_INLINE int pl_mirror_arrives(struct __sk_buff *skb, const struct pl_mirror *session)
{
	if (session->target == skb->ifindex)
		return 1;
	return session->flags & PL_MIRROR_WRAPS && pl_is_tunnel_packet(skb);
}

/* A copy that meets us again. PL_CONTINUE: it is none. */
PL_INLINE int pl_mirror_copy(struct __sk_buff *skb, enum pl_hook hook)
{
	__u32 mark = skb->mark;
	__u32 slot = mark & ~PL_MARK_MASK;
	struct pl_mirror_stats *stats;
	struct pl_mirror *session;

	if (likely((mark & PL_MARK_MASK) != PL_MARK_MIRROR))
		return PL_CONTINUE;
	session = bpf_map_lookup_elem(&pl_mirrors, &slot);
	if (hook == PL_HOOK_TO_POD && session && pl_mirror_arrives(skb, session))
		return PL_PASS_MIRROR_COPY;
	stats = bpf_map_lookup_elem(&pl_mirror_stats, &slot);
	if (stats)
		stats->looped++;
	return PL_DROP_MIRROR_LOOP;
}

/* De Bruijn's sequence: BPF has no instruction for the number of the lowest bit set. */
static const __u8 pl_bit_numbers[PL_MIRRORS_MAX] = {
	0,  1,	48, 2,	57, 49, 28, 3,	61, 58, 50, 42, 38, 29, 17, 4,	62, 55, 59, 36, 53, 51,
	43, 22, 45, 39, 33, 30, 24, 18, 12, 5,	63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21,
	44, 32, 23, 11, 46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9,	13, 8,	7,  6,
};

/* @bits is not 0. */
PL_INLINE __u32 pl_lowest_bit(__u64 bits)
{
	return pl_bit_numbers[(bits & -bits) * 0x03f79d71b4cb0a89ULL >> 58];
}

PL_INLINE __u32 pl_mix(__u32 h)
{
	h ^= h >> 16;
	h *= 0x85ebca6b;
	h ^= h >> 13;
	h *= 0xc2b2ae35;
	return h ^ h >> 16;
}

PL_INLINE __u32 pl_fold6(const void *addr)
{
	const __u32 *word = addr;

	return pl_mix(pl_mix(pl_mix(word[0]) ^ word[1]) ^ word[2]) ^ word[3];
}

/* Alike for both directions of a flow. Fragments have no ports, so that none is used for them.
 * Needs l4. */
PL_INLINE __u32 pl_flow_hash(const struct pl_packet *p)
{
	__u32 source, destination;

	if (!p->family)
		return 0;
	source = p->family == 4 ? p->ip4->saddr : pl_fold6(&p->ip6->saddr);
	destination = p->family == 4 ? p->ip4->daddr : pl_fold6(&p->ip6->daddr);
	if (!p->l4.fragment) {
		source ^= pl_mix(p->l4.source);
		destination ^= pl_mix(p->l4.destination);
	}
	return pl_mix(source) + pl_mix(destination) + p->l4.protocol;
}

struct pl_copy {
	struct pl_mirror *session;
	struct pl_mirror_state *state;
	struct pl_mirror_stats *stats;
	__u32 slot;
};

PL_INLINE int pl_mirror_sampled(const struct pl_mirror *session, __u32 flow_hash)
{
	__u32 n = session->sample;

	if (n <= 1)
		return 1;
	/* The session's number spreads the choice: sessions do not all watch the same flows. */
	if (session->flags & PL_MIRROR_FLOWS)
		return pl_mix(flow_hash + session->id) % n == 0;
	return bpf_get_prandom_u32() % n == 0;
}

/* Buckets of one second, filled in whole milliseconds: at these, 1/1000 tokens come out even. */
PL_INLINE void pl_mirror_refill(const struct pl_mirror *session, struct pl_mirror_state *state,
				__u64 now)
{
	__u64 passed = now - state->refilled_ns;
	__s64 bytes_full = session->bps * 1000;
	__u64 ms = passed / PL_NS_PER_MS;

	if (!state->refilled_ns || passed >= PL_NS_PER_S) {
		state->tokens_packets = session->pps * 1000;
		state->tokens_bytes = bytes_full;
		state->refilled_ns = now;
		return;
	}
	state->refilled_ns += ms * PL_NS_PER_MS;
	state->tokens_packets += ms * session->pps;
	if (state->tokens_packets > session->pps * 1000)
		state->tokens_packets = session->pps * 1000;
	state->tokens_bytes += ms * session->bps;
	if (state->tokens_bytes > bytes_full)
		state->tokens_bytes = bytes_full;
}

enum pl_admission { PL_COPY_IT, PL_LIMITED, PL_SPENT };

/* PL_COPY_IT: the copy is accounted for; pl_mirror_refund() where it fails. */
PL_INLINE enum pl_admission pl_mirror_admit(const struct pl_copy *copy, __u64 now, __u32 bytes)
{
	const struct pl_mirror *session = copy->session;
	struct pl_mirror_state *state = copy->state;
	enum pl_admission ruling = PL_COPY_IT;
	__u64 pps = session->pps, bps = session->bps, max = session->max_packets;

	if (!(pps | bps | max))
		return PL_COPY_IT;
	bpf_spin_lock(&state->lock);
	pl_mirror_refill(session, state, now);
	if (max && state->sent >= max)
		ruling = PL_SPENT;
	else if ((pps && state->tokens_packets < 1000) || (bps && state->tokens_bytes <= 0))
		ruling = PL_LIMITED;
	if (ruling == PL_COPY_IT) {
		state->sent++;
		if (pps)
			state->tokens_packets -= 1000;
		if (bps)
			state->tokens_bytes -= bytes * 1000ULL;
	}
	bpf_spin_unlock(&state->lock);
	return ruling;
}

PL_INLINE void pl_mirror_refund(const struct pl_copy *copy)
{
	struct pl_mirror_state *state = copy->state;

	if (!copy->session->max_packets)
		return;
	bpf_spin_lock(&state->lock);
	if (state->sent)
		state->sent--;
	bpf_spin_unlock(&state->lock);
}

/* @result: of bpf_clone_redirect. Every non-zero is a loss. */
PL_INLINE void pl_mirror_account(const struct pl_copy *copy, long result, __u32 bytes)
{
	if (!result) {
		copy->stats->sent++;
		copy->stats->sent_bytes += bytes;
		return;
	}
	if (result > 0) {
		copy->stats->congested++;
	} else {
		copy->stats->failed++;
		copy->stats->last_error = result;
	}
	pl_mirror_refund(copy);
}

/* Ends with the packet's mark as it was. Every packet pointer is void after it. */
PL_INLINE void pl_mirror_clone(struct __sk_buff *skb, const struct pl_copy *copy, __u32 bytes)
{
	const struct pl_mirror *session = copy->session;
	__u32 staged = session->flags & PL_MIRROR_STAGE;
	__u32 mark = skb->mark;
	long result;

	skb->mark = (staged ? PL_MARK_STAGED : PL_MARK_MIRROR) | copy->slot;
	result = bpf_clone_redirect(skb, staged ? session->stage : session->target, 0);
	skb->mark = mark;
	/* It is on its way to pl_stage, which counts what becomes of it. */
	if (staged && !result)
		return;
	pl_mirror_account(copy, result, bytes);
}

/* The packet as a session sees it. Values alone: they outlive the packet pointers. */
struct pl_mirror_ctx {
	__u32 flow_hash;
	__u32 bytes;
	__u32 l3_size;	       /* pl_l3_size() */
	__u32 needs;	       /* enum pl_mirror_flag that a session must have */
	__u32 forbidden_flags; /* and must not have */
	__u64 now;
};

PL_INLINE int pl_copy_open(struct pl_copy *copy, __u32 slot)
{
	copy->slot = slot;
	copy->session = bpf_map_lookup_elem(&pl_mirrors, &slot);
	copy->state = bpf_map_lookup_elem(&pl_mirror_state, &slot);
	copy->stats = bpf_map_lookup_elem(&pl_mirror_stats, &slot);
	return copy->session && copy->state && copy->stats;
}

PL_INLINE void pl_mirror_one(struct __sk_buff *skb, const struct pl_mirror_ctx *offer, __u32 slot)
{
	struct pl_copy copy;
	__u32 flags;

	if (!pl_copy_open(&copy, slot))
		return;
	flags = copy.session->flags;
	if ((flags & (offer->needs | offer->forbidden_flags)) != offer->needs ||
	    (copy.session->expires_ns && offer->now >= copy.session->expires_ns))
		return;
	copy.stats->matched++;
	if (!pl_mirror_sampled(copy.session, offer->flow_hash)) {
		copy.stats->sampled_out++;
		return;
	}
	switch (pl_mirror_admit(&copy, offer->now, offer->bytes)) {
	case PL_COPY_IT:
		pl_mirror_clone(skb, &copy, offer->bytes);
		break;
	case PL_LIMITED:
		copy.stats->rate_limited++;
		break;
	case PL_SPENT:
		break;
	}
}

/*
 * Cost follows the bits set. Takes a few sessions a call, so that the verifier has few rounds to
 * follow; returns those that are left. Every packet pointer is void after it.
 */
PL_INLINE __u64 pl_mirror_some(struct __sk_buff *skb, const struct pl_mirror_ctx *offer,
			       __u64 sessions)
{
	for (int i = 0; i < PL_MIRRORS_PER_CALL && sessions; i++) {
		pl_mirror_one(skb, offer, pl_lowest_bit(sessions));
		sessions &= sessions - 1;
	}
	return sessions;
}

/* An L3 netkit's frames have no addresses, or protocol: a copy needs a whole Ethernet header. */
PL_INLINE void pl_frame_make(struct pl_packet *p, __u32 endpoint, int out)
{
	/* Locally administered; the last two bytes of the pod's are its endpoint. */
	const __u8 host[6] = {0x02, 0x70, 0x6c, 0xff, 0xff, 0xfe};
	__u8 pod[6] = {0x02, 0x70, 0x6c, 0x00, endpoint >> 8, endpoint};

	__builtin_memcpy(p->eth->h_dest, out ? host : pod, 6);
	__builtin_memcpy(p->eth->h_source, out ? pod : host, 6);
	p->eth->h_proto = (__be16)p->skb->protocol;
}

/* The context anew after tail calls. */
PL_INLINE void pl_mirror_context(struct pl_packet *p, __u32 state)
{
	p->hook = state & PL_STATE_HOOK;
	p->src_id = p->skb->cb[PL_CB_SRC];
	p->dst_id = p->skb->cb[PL_CB_DST];
	p->src = pl_endpoint_of(p->src_id);
	p->dst = pl_endpoint_of(p->dst_id);
}

/* The endpoint whose frames are copied, where they have no Ethernet header of their own. */
PL_INLINE int pl_mirror_is_l3(const struct pl_packet *p, __u32 state)
{
	return pl_is_l3_device(state & PL_STATE_IN ? p->dst : p->src);
}

/* Its devices' address is all zero, and what is not addressed to it would not be received. */
PL_INLINE void pl_frame_unmake(struct pl_packet *p)
{
	__builtin_memset(p->eth, 0, 2 * ETH_ALEN);
}

/* Before the copies: all that is asked of the packet while its pointers are good. */
PL_INLINE void pl_mirror_prepare(struct pl_packet *p, __u32 state, __u64 sessions,
				 struct pl_mirror_ctx *offer)
{
	int headless, out = !(state & PL_STATE_IN);

	pl_mirror_context(p, state);
	headless = pl_mirror_is_l3(p, state);
	if (out && !(state & PL_STATE_CONTINUED) && p->src &&
	    pl_is_pass(state >> PL_STATE_REASON_SHIFT))
		p->skb->tc_index = pl_seen_pack(p->src->mirror_out, sessions);
	pl_parse_headers(p, headless);
	pl_parse_l4(p);
	*offer = (struct pl_mirror_ctx){
		.flow_hash = pl_flow_hash(p),
		.bytes = p->skb->len,
		.l3_size = pl_l3_size(p),
		.needs = PL_MIRROR_ACTIVE | (state & PL_STATE_DROPPED),
		.forbidden_flags = (state & PL_STATE_UNFILTERED) >> 5,
		.now = bpf_ktime_get_ns(),
	};
	if (headless && p->eth)
		pl_frame_make(p, out ? p->src_id : p->dst_id, out);
}

/* After them: the packet as it was, and the context anew. */
PL_INLINE void pl_mirror_resume(struct pl_packet *p, __u32 state)
{
	int headless;

	pl_mirror_context(p, state);
	headless = pl_mirror_is_l3(p, state);
	pl_parse_headers(p, headless);
	if (headless && p->eth)
		pl_frame_unmake(p);
}

/* The sessions that are left: a further call. Where that is not to be had they get no copy. */
PL_INLINE void pl_mirror_continue(struct __sk_buff *skb, __u32 state, __u64 sessions)
{
	skb->cb[PL_CB_STATE] = state | PL_STATE_CONTINUED;
	skb->cb[PL_CB_MASK_LO] = (__u32)sessions;
	skb->cb[PL_CB_MASK_HI] = (__u32)(sessions >> 32);
	bpf_tail_call(skb, &pl_programs, PL_PROG_MIRROR);
}

/* Sessions that want what the receiver gets, and were not offered it as the sender's. */
PL_INLINE __u64 pl_mirror_rest(const struct pl_packet *p)
{
	return p->src && p->dst ? p->dst->mirror_in & ~p->src->mirror_out : 0;
}

#endif
