/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The fast path needs a proof: an entry of the flow table. The host's stack may translate addresses
 * (services, hostPorts, masquerading), and its conntrack must then see both directions. So a
 * connection takes the fast path only where its entry says so, and an entry is made only by the
 * packet that opens the connection, after conntrack was asked for both of its tuples. Everything
 * else goes to the stack: slower, never broken. Nothing notes what the stack does.
 *
 *   hook         packet                       entry       what happens
 *   -----------  ---------------------------  ----------  ---------------------------------------
 *   from-pod,    any of the connection        FAST        fast: the entry names the receiver, and
 *   from-uplink                                           proves the source address
 *                SYN of the local end         FAST, over  opens, as with no entry
 *                SYN-ACK of an uplink, or on  FAST        fast, unless conntrack knows its tuple:
 *                an entry that is over; reset             stack, PASS_TUPLE_CLASH; an entry that is
 *                on the latter                            over ends then
 *                reset of a local end, or     FAST        fast; the entry is then CLOSED
 *                second FIN
 *                SYN-ACK, reset of the other  PROPOSED    fast; the SYN-ACK makes it FAST, unless
 *                end                                      conntrack knows its tuple: stack
 *                SYN of an uplink; SYN-ACK    PROPOSED,   fast, unless conntrack knows its tuple:
 *                of the pod                   by the pod  stack; the SYN-ACK makes it FAST
 *                UDP of either end            PROPOSED    fast, unless conntrack knows its tuple;
 *                                                         the pod's makes it FAST
 *                others                       PROPOSED    as with no entry
 *                late (no SYN)                CLOSED      fast; a reset, unless conntrack knows its
 *                                                         tuple: stack
 *                SYN-ACK                      CLOSED      the entry ends; as with no entry
 *                opener: SYN, INIT, UDP,      none,       conntrack knows one of its tuples, or a
 *                echo request                 CLOSED,     note says so: stack, PASS_STACK_FLOW;
 *                                             PROPOSED,   beyond the budget: stack, PASS_BUDGET;
 *                                             too old     else fast; SYN, INIT and an uplink's UDP
 *                                                         make a PROPOSED entry, others a FAST one
 *                first fragment               FAST        fast, and its identification is entered
 *                later fragment               FRAGMENTS   fast; the last one ends that entry
 *                ICMP error                   FAST or     fast, from one end to the one whose
 *                                             PROPOSED    packet it quotes; from an uplink a
 *                                             (quoted)    router may have sent it
 *                others                       none        stack, PASS_NO_FLOW or PASS_FRAGMENT
 *   to-pod       UDP, echo request            FAST        the entry ends: the stack has it now
 *                SYN, SYN-ACK                 PROPOSED,   the entry ends
 *                                             CLOSED
 *                SYN                          FAST        stays, PASS_TUPLE_CLASH; ends if over,
 *                                                         where conntrack cannot be asked
 *                others                       any         nothing
 *
 * From an uplink only what goes to a pod opens; from a pod, what goes to a pod or a native network.
 * Where conntrack cannot be asked (ICMP; kernels before 5.18), to-pod notes each connection that
 * the stack delivers (STACK), and from-pod each port that speaks to neither a pod nor a native
 * network (PORT; a service may have any address): an opener that meets such a note goes to the
 * stack. On those kernels so does each datagram of an uplink that opens: the stack may have chosen
 * another port for what a pod sent, and no note knows of that.
 *
 * A trusted pod may send with any address; with one that another of this node has it opens nothing,
 * and goes to the stack (PASS_MARTIAN).
 *
 * Who opens pays: an endpoint has a budget for what it opens, and one for what is opened to it from
 * uplinks. Nothing displaces another's entry. The table never evicts: a full one refuses openers.
 *
 * What remains, and why:
 *   - A SYN of an uplink that the stack must have (with IP options) is of a connection of its own
 *     there: the answer that the pod waits for goes to the stack, which may drop it. The pod's
 *     next SYN goes the same way, and that opens.
 *   - A forged SYN-ACK makes a proposal FAST. Linux refuses it by a reset, which ends the entry,
 *     and sends its SYN again at once.
 *   - The slot of an endpoint may be used again. A link's deletion waits for the programs that run
 *     (RCU) before the slot is free; where the link vanished by itself, a program would have to
 *     stand still while a new link is made, and one packet would reach a pod without its address.
 *   - IPv6 options before the transport header, other than a jumbo payload's length, and all of
 *     IPv4 go to the stack, amid a connection, too: routers must look into them.
 */
#ifndef PODLANE_BPF_FLOWS_H
#define PODLANE_BPF_FLOWS_H

#include "antispoof.h"
#include "conntrack.h"
#include "destination.h"
#include "flow_table.h"
#include "lookup.h"
#include "packet.h"
#include "tunnel.h"

/* ---- the common case, in the programs themselves ---- */

PL_INLINE int pl_flow_is_from(const struct pl_flow_end *end, __u32 id,
			      const struct pl_endpoint_info *ep)
{
	return end->endpoint == id && (!ep || end->generation == ep->generation);
}

/*
 * The receiver that an entry names, where the packet's sender is the end that it claims to be. 0:
 * it is not, or the entry is of an earlier endpoint. *ret_dst NULL: out of the node.
 */
PL_INLINE int pl_flow_receiver(const struct pl_flow *flow, __u32 side, __u32 src_id,
			       const struct pl_endpoint_info *src, __u32 *ret_id,
			       struct pl_endpoint_info **ret_dst)
{
	const struct pl_flow_end *to = &flow->end[~side & 1];
	struct pl_endpoint_info *dst;

	if (!pl_flow_is_from(&flow->end[side & 1], src_id, src))
		return 0;
	if (to->endpoint == PL_NODE) {
		*ret_dst = NULL;
		*ret_id = PL_NODE;
		return src != NULL;
	}
	dst = pl_endpoint_of(to->endpoint);
	if (!dst || dst->generation != to->generation)
		return 0;
	*ret_dst = dst;
	*ret_id = to->endpoint;
	return 1;
}

/* Needs pl_flow_lookup(). 1: the packet takes the fast path, and dst is set. */
PL_INLINE int pl_flow_is_plain(struct pl_packet *p)
{
	struct pl_flow *flow = p->flow;

	return likely(flow) && likely(flow->state == PL_FLOW_FAST) &&
	       likely(!(p->l4.flags & (PL_L4_SYN | PL_L4_RST))) &&
	       pl_jiffies() - flow->seen <= PL_LIFE_CLOSED * pl_hz &&
	       pl_flow_receiver(flow, p->side, p->src_id, p->src, &p->dst_id, &p->dst);
}

/* A packet that took the fast path by its entry, and says nothing about its connection's end. */
PL_INLINE void pl_flow_touch(struct pl_flow *flow, __u32 side)
{
	__u32 now = pl_jiffies();
	__u8 *sent = &flow->sent[side & 1];

	if (now - flow->seen >= pl_hz && flow->state != PL_FLOW_CLOSED)
		flow->seen = now;
	if (!*sent)
		*sent = PL_SENT_ANY;
}

/* ---- the rare cases: functions of their own, which the verifier follows once each ---- */

/* The sender of what an ICMP error quotes is the error's receiver; and the other way round. */
PL_INLINE void pl_conn_error(const struct pl_packet *p, struct pl_conn *c)
{
	const __u32 *quoted = p->l4.addrs;

	if (p->family == 4) {
		c->error_to = quoted[0] == p->ip4->daddr;
		c->error_from = quoted[1] == p->ip4->saddr;
	} else {
		c->error_to = pl_equal6(quoted, &p->ip6->daddr);
		c->error_from = pl_equal6(quoted + 4, &p->ip6->saddr);
	}
}

/* Reads a packet into pl_scratch. 0: it is of no connection, or cannot be read. */
__attribute__((noinline)) int pl_conn_read(struct __sk_buff *skb)
{
	struct pl_conn *c = pl_conn_get();
	struct pl_packet p = {.skb = skb};

	if (!c)
		return 0;
	c->family = 0;
	if (pl_read_headers(&p, 1) != PL_CONTINUE)
		return 0;
	pl_parse_l4(&p);
	c->headers = p.l4.headers;
	c->kind = p.l4.kind;
	c->protocol = p.l4.protocol;
	c->flags = p.l4.flags;
	c->fragment = !!p.l4.fragment;
	c->last = p.l4.last_fragment;
	c->fragment_id[0] = (__u16)p.l4.fragment_id;
	c->fragment_id[1] = (__u16)(p.l4.fragment_id >> 16);
	c->dport = p.l4.destination;
	c->key_kind = PL_KEY_CONNECTION;
	c->error_to = c->error_from = 0;
	if (!p.l4.addrs)
		return 0;
	c->side = p.family == 4 ? pl_flow4_key(&p.l4, &c->key.v4) : pl_flow6_key(&p.l4, &c->key.v6);
	if (c->kind == PL_L4_ICMP_ERROR)
		pl_conn_error(&p, c);
	c->family = p.family;
	if (c->kind == PL_L4_LATER_FRAGMENT)
		pl_conn_to_fragments(c);
	return c->kind != PL_L4_OTHER && c->kind != PL_L4_UNREADABLE;
}

/* After pl_conn_read(): pl_l4.headers; 0: options stand there that a router must look into. */
__attribute__((noinline)) int pl_conn_headers(struct __sk_buff *skb)
{
	struct pl_packet p = {.skb = skb};
	struct pl_conn *c = pl_conn_get();

	if (!c || pl_read_headers(&p, 1) != PL_CONTINUE)
		return 0;
	if (p.options && (p.family != 6 || !pl_is_segmented(&p) || !pl_is_jumbo(p.ip6, p.end)))
		return 0;
	return (int)c->headers;
}

PL_INLINE int pl_is_syn(const struct pl_conn *c)
{
	return (c->flags & (PL_L4_SYN | PL_L4_ACK | PL_L4_RST | PL_L4_FIN)) == PL_L4_SYN;
}

PL_INLINE int pl_is_syn_ack(const struct pl_conn *c)
{
	return (c->flags & (PL_L4_SYN | PL_L4_ACK | PL_L4_RST)) == (PL_L4_SYN | PL_L4_ACK);
}

/* Does the packet open a connection? The first fragment of a datagram may. */
PL_INLINE int pl_is_opener(const struct pl_conn *c)
{
	if (c->kind == PL_L4_ECHO_REQUEST)
		return 1;
	return c->kind == PL_L4_PORTS && (c->protocol == IPPROTO_UDP || pl_is_syn(c));
}

/* Is it a packet of a connection, whole and with ports? */
PL_INLINE int pl_conn_is_whole(const struct pl_conn *c)
{
	return !c->fragment && c->kind != PL_L4_OTHER && c->kind <= PL_L4_ECHO_REPLY;
}

/* Does conntrack answer for this protocol? */
PL_INLINE int pl_ct_answers(const struct pl_conn *c)
{
	return pl_conntrack_mode == PL_CT_ASK &&
	       (c->protocol == IPPROTO_TCP || c->protocol == IPPROTO_UDP);
}

/* Must podlane remember itself what the stack has of this protocol? */
PL_INLINE int pl_ct_remembers(const struct pl_conn *c)
{
	return pl_conntrack_mode != PL_CT_NONE && !pl_ct_answers(c);
}

/* What these functions say: a reason in the low byte, then what follows. */
enum pl_flow_answer {
	PL_ANSWER_REASON = 0xff,
	PL_ANSWER_CONTINUE = 0xff,    /* as a reason */
	PL_ANSWER_KNOWN = 1 << 8,     /* by an entry that is there; else the packet opens one */
	PL_ANSWER_ASK = 1 << 9,	      /* unless conntrack knows it: it opens, or answers that */
	PL_ANSWER_FRAGMENT = 1 << 10, /* it is one */
	PL_ANSWER_DST_SHIFT = 11,     /* the receiver's endpoint; PL_NODE: out of the node */
};

PL_INLINE int pl_flow_is_over(const struct pl_flow *flow)
{
	return (flow->sent[0] | flow->sent[1]) & PL_SENT_RESET ||
	       flow->sent[0] & flow->sent[1] & PL_SENT_FIN;
}

/* 0: nothing; else PL_ANSWER_KNOWN, and PL_ANSWER_ASK. @local: the sender is a pod. */
PL_INLINE __u32 pl_flow_judge_entry(const struct pl_conn *c, const struct pl_flow *flow, int local)
{
	__u32 state = flow->state, reset = c->flags & PL_L4_RST;
	int over, ask;

	if (pl_flow_is_old(c, flow))
		return 0;
	if (state == PL_FLOW_FAST) {
		over = pl_flow_is_over(flow);
		if (pl_is_syn(c) && local && over)
			return 0;
		ask = pl_is_syn_ack(c) ? !local || over : reset && over;
		return PL_ANSWER_KNOWN | (ask ? PL_ANSWER_ASK : 0);
	}
	/* A reset may refuse a connection of the stack's with the same tuple. */
	if (state == PL_FLOW_CLOSED)
		return c->flags & PL_L4_SYN ? 0 : PL_ANSWER_KNOWN | (reset ? PL_ANSWER_ASK : 0);
	/* An uplink's may be forged: the stack's answers to the pod must not follow it. */
	if (state == PL_FLOW_PROPOSED && c->protocol == IPPROTO_UDP)
		return PL_ANSWER_KNOWN | PL_ANSWER_ASK;
	if (state != PL_FLOW_PROPOSED)
		return 0;
	/*
	 * A pod's proposal outlasts a SYN of an uplink, which may be forged. Both may have opened
	 * at once: the pod answers that SYN by its own proposal.
	 */
	if ((c->side & 1) == (flow->flags & PL_FLOW_OPENER1))
		return local && pl_is_syn_ack(c) && flow->end[~c->side & 1].endpoint == PL_NODE
			       ? PL_ANSWER_KNOWN | PL_ANSWER_ASK
			       : 0;
	return reset || pl_is_syn_ack(c) || (pl_is_syn(c) && !local)
		       ? PL_ANSWER_KNOWN | PL_ANSWER_ASK
		       : 0;
}

/*
 * Where conntrack cannot be asked: does the port of the pod that the packet may answer speak
 * through the stack? Of a datagram, its sender's. An entry that is over then ends for it.
 */
PL_INLINE int pl_flow_yields(struct pl_conn *c, const struct pl_flow *flow, int local)
{
	struct pl_conn whole = *c;
	const struct pl_flow *port;

	pl_conn_to_port(c, !(local && c->protocol == IPPROTO_UDP));
	port = pl_flow_find(c);
	*c = whole;
	if (!port || pl_flow_is_old(c, port))
		return 0;
	if (pl_flow_is_over(flow))
		pl_flow_end_entry(c, flow);
	return 1;
}

/* After pl_conn_read(): a packet whose entry is not the common case. 0: it says nothing of it. */
__attribute__((noinline)) int pl_flow_judge(__u32 src_id)
{
	struct pl_endpoint_info *src = pl_endpoint_of(src_id), *dst = NULL;
	struct pl_conn *c = pl_conn_get();
	__u32 answer, dst_id = PL_NODE;
	struct pl_flow *flow;

	if (!c || !c->family || !pl_conn_is_whole(c))
		return 0;
	flow = pl_flow_find(c);
	if (!flow)
		return 0;
	answer = pl_flow_judge_entry(c, flow, src != NULL);
	/* A connection of the stack's begins with this tuple: nothing of it may be taken for late.
	 */
	if (!answer && flow->state == PL_FLOW_CLOSED && pl_is_syn_ack(c))
		pl_flow_end_entry(c, flow);
	if (!answer || !pl_flow_receiver(flow, c->side, src_id, src, &dst_id, &dst))
		return 0;
	if (answer & PL_ANSWER_ASK && pl_ct_remembers(c) && pl_flow_yields(c, flow, src != NULL))
		return PL_PASS_TUPLE_CLASH;
	return answer | PL_ANSWER_CONTINUE | dst_id << PL_ANSWER_DST_SHIFT;
}

/* Conntrack has the connection whose entry the packet goes by: one that is over ends for it. */
__attribute__((noinline)) int pl_flow_yield(void)
{
	struct pl_conn *c = pl_conn_get();
	struct pl_flow *flow;

	if (!c || !c->family)
		return 0;
	flow = pl_flow_find(c);
	if (flow && pl_flow_is_over(flow))
		pl_flow_end_entry(c, flow);
	return 0;
}

/*
 * Where it goes, for what no entry lets pass; its source is checked here, as an entry proves it
 * otherwise. @src_id: PL_NODE, and nothing else, from an uplink. The answer is a reason and dst.
 */
__attribute__((noinline)) int pl_flow_destination(struct __sk_buff *skb, __u32 src_id)
{
	struct pl_packet p = {.skb = skb, .src_id = src_id};
	struct pl_conn *c = pl_conn_get();
	int reason;

	p.src = pl_endpoint_of(src_id);
	if (!c || pl_read_headers(&p, 1) != PL_CONTINUE)
		return PL_PASS_MALFORMED;
	reason = p.src ? pl_check_source(&p) : PL_CONTINUE;
	if (reason == PL_CONTINUE)
		reason = pl_destination(&p);
	if (!p.src && reason == PL_CONTINUE)
		reason = pl_check_uplink_source(&p);
	if (!p.src)
		return (reason & PL_ANSWER_REASON) | p.dst_id << PL_ANSWER_DST_SHIFT;
	reason = pl_check_tunnel(skb, p.src, reason, c->protocol, c->kind, c->dport);
	/* What follows a connection that an uplink opened leaves by FIB, too. */
	if (reason == PL_PASS_NOT_POD &&
	    (pl_is_native(&p) || (c->family && !pl_conn_is_whole(c) && pl_flow_find(c))))
		reason = PL_CONTINUE;
	if (reason == PL_CONTINUE)
		reason = pl_check_trusted_source(&p);
	return (reason & PL_ANSWER_REASON) | p.dst_id << PL_ANSWER_DST_SHIFT;
}

/*
 * Fragments and ICMP errors: does the entry that they go by say FAST, between these two? An error
 * goes to the end that sent what it quotes, from the other one, or from a router outside.
 */
PL_INLINE int pl_flow_covers(const struct pl_conn *c, const struct pl_flow *flow, __u32 src_id,
			     const struct pl_endpoint_info *src, __u32 dst_id,
			     const struct pl_endpoint_info *dst)
{
	__u32 error = c->kind == PL_L4_ICMP_ERROR, side = c->side ^ error;

	if (!flow || pl_flow_is_old(c, flow) ||
	    !pl_flow_is_from(&flow->end[side & 1], src_id, src) ||
	    !pl_flow_is_from(&flow->end[~side & 1], dst_id, dst))
		return 0;
	if (!error)
		return flow->state == PL_FLOW_FAST;
	return (flow->state == PL_FLOW_FAST || flow->state == PL_FLOW_PROPOSED) && c->error_to &&
	       (!src || c->error_from);
}

/* A note that the stack has the connection, or that the pod's port has spoken through it. */
PL_INLINE int pl_flow_is_noted(struct pl_conn *c, const struct pl_flow *flow, int local)
{
	const struct pl_flow *port;

	if (flow && flow->state == PL_FLOW_STACK && !pl_flow_is_old(c, flow))
		return 1;
	if (!pl_ct_remembers(c))
		return 0;
	pl_conn_to_port(c, !local);
	port = pl_flow_find(c);
	return port && !pl_flow_is_old(c, port);
}

/* May it open a connection, or follow one? The answer is a reason and flags. */
__attribute__((noinline)) int pl_flow_may_open(__u32 src_id, __u32 dst_id)
{
	struct pl_endpoint_info *src = pl_endpoint_of(src_id), *dst = pl_endpoint_of(dst_id);
	struct pl_conn *c = pl_conn_get();
	__u32 fragment;
	struct pl_flow *flow;

	if (!c || !c->family || c->kind == PL_L4_OTHER || c->kind == PL_L4_UNREADABLE)
		return PL_PASS_NO_FLOW;
	flow = pl_flow_find(c);
	fragment = c->fragment ? PL_ANSWER_FRAGMENT : 0;
	if (c->kind == PL_L4_ICMP_ERROR)
		return pl_flow_covers(c, flow, src_id, src, dst_id, dst) ? PL_ANSWER_CONTINUE
									 : PL_PASS_NO_FLOW;
	if (fragment && pl_flow_covers(c, flow, src_id, src, dst_id, dst))
		return PL_ANSWER_CONTINUE | fragment;
	if (!pl_is_opener(c))
		return fragment ? PL_PASS_FRAGMENT : PL_PASS_NO_FLOW;
	if ((src && src->stack_only) || (dst && dst->stack_only))
		return PL_PASS_BUDGET;
	if (pl_flow_is_noted(c, flow, src != NULL))
		return PL_PASS_STACK_FLOW;
	/* The answer to what the stack sent from a port that it chose itself looks like this, too.
	 */
	if (pl_conntrack_mode == PL_CT_REMEMBER && !src && c->protocol == IPPROTO_UDP)
		return PL_PASS_NO_FLOW;
	return PL_ANSWER_CONTINUE | PL_ANSWER_ASK | fragment;
}

/*
 * Where conntrack cannot be asked: what the key names is the stack's. A note that finds no room
 * bars its endpoint from opening anything.
 */
PL_INLINE void pl_flow_note(struct pl_conn *c, __u32 src_id, __u32 dst_id, int inbound)
{
	struct pl_endpoint_info *payer = pl_endpoint_of(inbound ? dst_id : src_id);
	struct pl_flow *flow = pl_flow_find(c);

	if (flow && flow->state == PL_FLOW_STACK) {
		flow->seen = pl_jiffies();
		flow->sent[c->side & 1] |= PL_SENT_ANY | (c->flags & PL_L4_FIN ? PL_SENT_FIN : 0) |
					   (c->flags & PL_L4_RST ? PL_SENT_RESET : 0);
		return;
	}
	if (flow && flow->state == PL_FLOW_FAST && !pl_flow_is_old(c, flow))
		return;
	if (!pl_flow_enter(c, flow, PL_FLOW_STACK, src_id, dst_id, inbound) && payer)
		payer->stack_only = 1;
}

/*
 * Where conntrack cannot be asked: a pod's port speaks through the stack to neither a pod nor a
 * native network, and the answer may come from either. @reason: of pl_flow_destination().
 */
__attribute__((noinline)) int pl_flow_note_port(__u32 src_id, __u32 reason)
{
	struct pl_conn *c = pl_conn_get();

	if (reason != PL_PASS_NOT_POD && reason != PL_PASS_HOST && reason != PL_PASS_LINK_LOCAL)
		return 0;
	if (!c || !c->family || !pl_ct_remembers(c) || !pl_is_opener(c))
		return 0;
	pl_conn_to_port(c, 0);
	pl_flow_note(c, src_id, PL_NODE, 0);
	return 0;
}

/*
 * After pl_conn_read(), and after all else has decided for the fast path. @fragments 0: enters the
 * connection that the packet opens; 1: the packet is a fragment: the first one enters the
 * identification, the last one ends it. PL_CONTINUE, or the reason why the stack must have the
 * packet.
 */
__attribute__((noinline)) int pl_flow_open(__u32 src_id, __u32 dst_id, __u32 fragments)
{
	struct pl_conn *c = pl_conn_get();
	__u32 state = PL_FLOW_FAST;
	struct pl_flow *flow;

	if (!c || !c->family)
		return PL_PASS_MALFORMED;
	if (fragments && c->kind != PL_L4_LATER_FRAGMENT)
		pl_conn_to_fragments(c);
	flow = pl_flow_find(c);
	if (c->kind == PL_L4_LATER_FRAGMENT) {
		if (c->last && flow)
			pl_flow_close(c, flow);
		return PL_CONTINUE;
	}
	if (!fragments && (c->protocol == IPPROTO_TCP || c->protocol == PL_PROTO_SCTP ||
			   (c->protocol == IPPROTO_UDP && src_id == PL_NODE)))
		state = PL_FLOW_PROPOSED;
	return pl_flow_enter(c, flow, state, src_id, dst_id, src_id == PL_NODE) ? PL_CONTINUE
										: PL_PASS_BUDGET;
}

/*
 * Keeps an entry true: the answer to a SYN, a FIN, a reset. What an uplink brings may be forged,
 * and ends nothing by itself. @src_id: PL_NODE from an uplink.
 */
__attribute__((noinline)) int pl_flow_track(struct __sk_buff *skb, __u32 src_id)
{
	struct pl_conn *c = pl_conn_get();
	struct pl_flow *flow;
	__u8 *sent;

	if (!c || !pl_conn_read(skb))
		return 0;
	flow = pl_flow_find(c);
	if (!flow || (flow->state == PL_FLOW_PROPOSED && pl_is_syn(c)))
		return 0;
	pl_flow_touch(flow, c->side);
	sent = &flow->sent[c->side & 1];
	if (flow->state == PL_FLOW_PROPOSED) {
		if (pl_is_syn_ack(c) || (c->protocol == IPPROTO_UDP && src_id != PL_NODE))
			flow->state = PL_FLOW_FAST;
		else if (c->protocol != IPPROTO_UDP && src_id != PL_NODE)
			pl_flow_close(c, flow);
		return 0;
	}
	if (flow->state != PL_FLOW_FAST)
		return 0;
	if (pl_is_syn_ack(c) && src_id != PL_NODE) { /* opened anew: what was over is not */
		flow->sent[0] = PL_SENT_ANY;
		flow->sent[1] = PL_SENT_ANY;
	}
	if (c->flags & PL_L4_RST && src_id == PL_NODE)
		*sent |= PL_SENT_RESET;
	else if (c->flags & PL_L4_FIN)
		*sent |= PL_SENT_FIN;
	if ((c->flags & PL_L4_RST && src_id != PL_NODE) ||
	    flow->sent[0] & flow->sent[1] & PL_SENT_FIN)
		pl_flow_close(c, flow);
	return 0;
}

/* Is the sender the host itself? What answers it always goes to the stack. */
PL_INLINE int pl_is_from_host(const struct pl_conn *c)
{
	struct pl_addr *addr =
		c->family == 4 ? bpf_map_lookup_elem(&pl_addrs4, c->key.v4.addr[c->side & 1])
			       : bpf_map_lookup_elem(&pl_addrs6, c->key.v6.addr[c->side & 1]);

	return addr && addr->kind == PL_ADDR_HOST;
}

/* to-pod: what the stack delivers. The reason to count it under. */
__attribute__((noinline)) int pl_flow_delivered(struct __sk_buff *skb, __u32 dst_id)
{
	struct pl_conn *c = pl_conn_get();
	struct pl_flow *flow;
	int udp;

	if (!c || !pl_conn_read(skb) || c->kind > PL_L4_ECHO_REQUEST)
		return PL_PASS_FROM_STACK;
	udp = c->kind == PL_L4_ECHO_REQUEST || c->protocol == IPPROTO_UDP;
	if (!udp && !(c->flags & PL_L4_SYN) && !pl_ct_remembers(c))
		return PL_PASS_FROM_STACK;
	flow = pl_flow_find(c);
	/* Is one that may be over? The pod's answer tells. Where nobody can be asked then: it is.
	 */
	if (flow && !udp && flow->state == PL_FLOW_FAST &&
	    !(pl_is_syn(c) && pl_flow_is_over(flow) && pl_ct_remembers(c)))
		return pl_is_syn(c) && !pl_flow_is_over(flow) ? PL_PASS_TUPLE_CLASH
							      : PL_PASS_FROM_STACK;
	if (flow && flow->state != PL_FLOW_STACK && (udp || c->flags & PL_L4_SYN))
		pl_flow_end_entry(c, flow);
	if (pl_ct_remembers(c) && !pl_is_from_host(c))
		pl_flow_note(c, PL_NODE, dst_id, 1);
	return PL_PASS_FROM_STACK;
}

#endif
