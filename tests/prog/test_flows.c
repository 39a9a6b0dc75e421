/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table at the head of bpf/lib/flows.h, cell by cell: which packet takes the fast path by which
 * entry, and what becomes of the entry. Whatever it is that tells translated connections from
 * others, all of it holds: each test runs in each conntrack mode. test_flow_openers and
 * test_flow_conntrack have what differs.
 */
#include "flow_bed.h"

/* --- TCP --- */

static void test_tcp_between_pods(void **state)
{
	STEPS("a connection between pods",
	      {FROM_POD, {POD_A, POD_B, TCP(TCP_SYN, 5, 80)}, PL_FORWARD_LOCAL, PL_FLOW_PROPOSED},
	      /* sent again */
	      {FROM_POD, {POD_A, POD_B, TCP(TCP_SYN, 5, 80)}, PL_FORWARD_LOCAL, PL_FLOW_PROPOSED},
	      /* Nothing but the answer proves that the other end agrees. */
	      {FROM_POD, {POD_A, POD_B, TCP(TCP_ACK, 5, 80)}, PL_PASS_NO_FLOW, PL_FLOW_PROPOSED},
	      {FROM_POD, {POD_A, POD_B, TCP(SYN_ACK, 5, 80)}, PL_PASS_NO_FLOW, PL_FLOW_PROPOSED},
	      {FROM_POD, {POD_A, POD_B, TCP(TCP_RST, 5, 80)}, PL_PASS_NO_FLOW, PL_FLOW_PROPOSED},
	      {FROM_POD, {POD_B, POD_A, TCP(TCP_ACK, 80, 5)}, PL_PASS_NO_FLOW, PL_FLOW_PROPOSED},
	      {FROM_POD,
	       {POD_B, POD_A, TCP(TCP_FIN | TCP_ACK, 80, 5)},
	       PL_PASS_NO_FLOW,
	       PL_FLOW_PROPOSED},
	      {FROM_POD, {POD_B, POD_A, TCP(SYN_ACK, 80, 5)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      {FROM_POD, {POD_A, POD_B, TCP(TCP_ACK, 5, 80)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      {FROM_POD, {POD_B, POD_A, TCP(TCP_ACK, 80, 5)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      /* a SYN on an open connection: the end answers it, the entry stays */
	      {FROM_POD, {POD_A, POD_B, TCP(TCP_SYN, 5, 80)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      {FROM_POD, {POD_A, POD_B, TCP(TCP_ACK, 5, 80)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      /* other ports are another connection */
	      {FROM_POD, {POD_A, POD_B, TCP(TCP_ACK, 6, 80)}, PL_PASS_NO_FLOW, GONE},
	      {FROM_POD, {POD_A, POD_B, TCP(TCP_ACK, 80, 5)}, PL_PASS_NO_FLOW, GONE});
	EACH_FAMILY
	{
		bed_reset();
		THEN("one entry", {FROM_POD, {POD_A, POD_B, TCP(TCP_SYN, 5, 80)}, PL_FORWARD_LOCAL},
		     {FROM_POD, {POD_A, POD_B, TCP(TCP_SYN, 5, 80)}, PL_FORWARD_LOCAL},
		     {FROM_POD, {POD_B, POD_A, TCP(SYN_ACK, 80, 5)}, PL_FORWARD_LOCAL});
		assert_int_equal(count_flows(), 1);
		assert_int_equal(budget_of(ID_A, OPENS).used, 1);
		assert_int_equal(budget_of(ID_A, INBOUND).used, 0);
		assert_int_equal(budget_of(ID_B, OPENS).used, 0);
		assert_int_equal(budget_of(ID_B, INBOUND).used, 0);
	}
}

static void test_tcp_ends(void **state)
{
	STEPS("both say that they are done", OPEN_BETWEEN_PODS,
	      {FROM_POD,
	       {POD_A, POD_B, TCP(TCP_FIN | TCP_ACK, 5, 80)},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_FAST},
	      {FROM_POD, {POD_B, POD_A, TCP(TCP_ACK, 80, 5)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      {FROM_POD,
	       {POD_A, POD_B, TCP(TCP_FIN | TCP_ACK, 5, 80)},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_FAST}, /* again: one end alone */
	      {FROM_POD,
	       {POD_B, POD_A, TCP(TCP_FIN | TCP_ACK, 80, 5)},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_CLOSED},
	      {FROM_POD, {POD_A, POD_B, TCP(TCP_ACK, 5, 80)}, PL_FORWARD_LOCAL, PL_FLOW_CLOSED},
	      {FROM_POD,
	       {POD_B, POD_A, TCP(TCP_FIN | TCP_ACK, 80, 5)},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_CLOSED},
	      /* the stack's: nothing of it may be taken for late */
	      {FROM_POD, {POD_B, POD_A, TCP(SYN_ACK, 80, 5)}, PL_PASS_NO_FLOW, GONE},
	      {FROM_POD, {POD_B, POD_A, TCP(TCP_ACK, 80, 5)}, PL_PASS_NO_FLOW, GONE},
	      {FROM_POD, {POD_A, POD_B, TCP(TCP_SYN, 5, 80)}, PL_FORWARD_LOCAL, PL_FLOW_PROPOSED});
	STEPS("the opener resets", OPEN_BETWEEN_PODS,
	      {FROM_POD, {POD_A, POD_B, TCP(TCP_RST, 5, 80)}, PL_FORWARD_LOCAL, PL_FLOW_CLOSED},
	      {FROM_POD, {POD_B, POD_A, TCP(TCP_ACK, 80, 5)}, PL_FORWARD_LOCAL, PL_FLOW_CLOSED},
	      {FROM_POD, {POD_B, POD_A, TCP(TCP_SYN, 80, 5)}, PL_FORWARD_LOCAL, PL_FLOW_PROPOSED},
	      {FROM_POD, {POD_A, POD_B, TCP(SYN_ACK, 5, 80)}, PL_FORWARD_LOCAL, PL_FLOW_FAST});
	STEPS("the other end resets", OPEN_BETWEEN_PODS,
	      {FROM_POD,
	       {POD_B, POD_A, TCP(TCP_RST | TCP_ACK, 80, 5)},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_CLOSED});
	STEPS("refused",
	      {FROM_POD, {POD_A, POD_B, TCP(TCP_SYN, 5, 80)}, PL_FORWARD_LOCAL, PL_FLOW_PROPOSED},
	      {FROM_POD,
	       {POD_B, POD_A, TCP(TCP_RST | TCP_ACK, 80, 5)},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_CLOSED});
	STEPS("refused by a native network",
	      {FROM_POD, {POD_A, NATIVE, TCP(TCP_SYN, 5, 80)}, PL_FORWARD_NATIVE},
	      {FROM_UPLINK,
	       {NATIVE, POD_A, TCP(TCP_RST | TCP_ACK, 80, 5)},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_PROPOSED},
	      {FROM_POD,
	       {POD_A, NATIVE, TCP(TCP_SYN, 5, 80)},
	       PL_FORWARD_NATIVE,
	       PL_FLOW_PROPOSED});
	EACH_FAMILY
	{
		const struct packet a_to_b = {POD_A, POD_B, TCP(TCP_ACK, 5, 80)};

		bed_reset();
		THEN("an old end", OPEN_BETWEEN_PODS,
		     {FROM_POD,
		      {POD_A, POD_B, TCP(TCP_RST, 5, 80)},
		      PL_FORWARD_LOCAL,
		      PL_FLOW_CLOSED});
		assert_int_equal(budget_of(ID_A, OPENS).used, 0);
		age_flow(&a_to_b, false, PL_LIFE_CLOSED - 1);
		THEN("an old end",
		     {FROM_POD, {POD_A, POD_B, TCP(TCP_ACK, 5, 80)}, PL_FORWARD_LOCAL});
		age_flow(&a_to_b, false, PL_LIFE_CLOSED + 2);
		THEN("an old end",
		     {FROM_POD, {POD_A, POD_B, TCP(TCP_ACK, 5, 80)}, PL_PASS_NO_FLOW});
	}
}

/* What an uplink brings may be forged: it marks, and ends nothing. */
static void test_tcp_resets_of_uplinks(void **state)
{
	STEPS("reset by a native network", OPEN_TO_NATIVE,
	      {FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_RST, 80, 5)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      {FROM_POD, {POD_A, NATIVE, TCP(TCP_ACK, 5, 80)}, PL_FORWARD_NATIVE, PL_FLOW_FAST},
	      {FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_ACK, 80, 5)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      {FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_SYN, 80, 5)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      /* The pod itself believes that it is over. */
	      {FROM_POD, {POD_A, NATIVE, TCP(TCP_SYN, 5, 80)}, PL_FORWARD_NATIVE, PL_FLOW_PROPOSED},
	      {FROM_UPLINK, {NATIVE, POD_A, TCP(SYN_ACK, 80, 5)}, PL_FORWARD_LOCAL, PL_FLOW_FAST});
	STEPS("a pod resets", OPEN_TO_NATIVE,
	      {FROM_POD, {POD_A, NATIVE, TCP(TCP_RST, 5, 80)}, PL_FORWARD_NATIVE, PL_FLOW_CLOSED},
	      {FROM_UPLINK,
	       {NATIVE, POD_A, TCP(TCP_ACK, 80, 5)},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_CLOSED});
	STEPS("an answer after a reset: open again", OPEN_FROM_OUTSIDE,
	      {FROM_UPLINK, {OUTSIDE, POD_A, TCP(TCP_RST, 5, 80)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      {FROM_UPLINK, {OUTSIDE, POD_A, TCP(TCP_SYN, 5, 80)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      {FROM_POD, {POD_A, OUTSIDE, TCP(SYN_ACK, 80, 5)}, PL_FORWARD_NATIVE, PL_FLOW_FAST},
	      {TO_POD, {OUTSIDE, POD_A, TCP(TCP_SYN, 5, 80)}, PL_PASS_TUPLE_CLASH, PL_FLOW_FAST});
	EACH_FAMILY
	{
		const struct packet p = {POD_A, NATIVE, TCP(TCP_ACK, 5, 80)};

		bed_reset();
		THEN("a marked one ends sooner", OPEN_TO_NATIVE);
		age_flow(&p, false, PL_LIFE_TCP_RESET + 2);
		THEN("a marked one ends sooner",
		     {FROM_POD, {POD_A, NATIVE, TCP(TCP_ACK, 5, 80)}, PL_FORWARD_NATIVE},
		     {FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_RST, 80, 5)}, PL_FORWARD_LOCAL});
		age_flow(&p, false, PL_LIFE_TCP_RESET + 2);
		THEN("a marked one ends sooner",
		     {FROM_POD, {POD_A, NATIVE, TCP(TCP_ACK, 5, 80)}, PL_PASS_NO_FLOW});
	}
}

static void test_tcp_forged_syn(void **state)
{
	STEPS("a SYN from outside on an open connection", OPEN_FROM_OUTSIDE,
	      {FROM_UPLINK, {OUTSIDE, POD_A, TCP(TCP_SYN, 5, 80)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      {FROM_POD, {POD_A, OUTSIDE, TCP(TCP_ACK, 80, 5)}, PL_FORWARD_NATIVE, PL_FLOW_FAST});
	STEPS("on one of the pod's", OPEN_TO_NATIVE,
	      {FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_SYN, 80, 5)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      {FROM_POD, {POD_A, NATIVE, TCP(TCP_ACK, 5, 80)}, PL_FORWARD_NATIVE, PL_FLOW_FAST});
	/* A proposal of the pod's is not answered by it, and waits for who answers. */
	STEPS("on what the pod opens",
	      {FROM_POD, SYN_TO_NATIVE(5), PL_FORWARD_NATIVE, PL_FLOW_PROPOSED},
	      {FROM_UPLINK,
	       {NATIVE, POD_A, TCP(TCP_SYN, 80, 5)},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_PROPOSED},
	      {FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_ACK, 80, 5)}, PL_PASS_NO_FLOW},
	      {FROM_UPLINK, {NATIVE, POD_A, TCP(SYN_ACK, 80, 5)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      {FROM_POD, ACK_TO_NATIVE(5), PL_FORWARD_NATIVE, PL_FLOW_FAST});
	EACH_FAMILY
	{
		bed_reset();
		THEN("both open at once",
		     {FROM_POD, SYN_TO_NATIVE(5), PL_FORWARD_NATIVE, PL_FLOW_PROPOSED},
		     {FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_SYN, 80, 5)}, PL_FORWARD_LOCAL},
		     {FROM_POD,
		      {POD_A, NATIVE, TCP(SYN_ACK, 5, 80)},
		      PL_FORWARD_NATIVE,
		      PL_FLOW_FAST},
		     {FROM_UPLINK, {NATIVE, POD_A, TCP(SYN_ACK, 80, 5)}, PL_FORWARD_LOCAL},
		     {FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_ACK, 80, 5)}, PL_FORWARD_LOCAL},
		     {FROM_POD, ACK_TO_NATIVE(5), PL_FORWARD_NATIVE, PL_FLOW_FAST});
		assert_int_equal(budget_of(ID_A, OPENS).used, 1);
		assert_int_equal(budget_of(ID_A, INBOUND).used, 0);
		/* Who forges lets none of the pod's proposals grow old later. */
		bed_reset();
		THEN("kept alive", {FROM_POD, SYN_TO_NATIVE(5), PL_FORWARD_NATIVE});
		age_flow(&(struct packet)SYN_TO_NATIVE(5), false, PL_LIFE_PROPOSED - 2);
		THEN("kept alive", {FROM_UPLINK,
				    {NATIVE, POD_A, TCP(TCP_SYN, 80, 5)},
				    PL_FORWARD_LOCAL,
				    PL_FLOW_PROPOSED});
		age_is(&(struct packet)SYN_TO_NATIVE(5), PL_LIFE_PROPOSED - 2);
	}
	/* It proposes, and the pod's packets of a connection that the stack has do not answer it.
	 */
	STEPS("on a connection of the stack's",
	      {FROM_UPLINK,
	       {OUTSIDE, POD_A, TCP(TCP_SYN, 80, 5)},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_PROPOSED},
	      {FROM_POD, {POD_A, OUTSIDE, TCP(TCP_ACK, 5, 80)}, PL_PASS_NOT_POD, PL_FLOW_PROPOSED});
	/* Of a connection between two pods no uplink knows anything. */
	STEPS("with a pod's address", OPEN_BETWEEN_PODS,
	      {FROM_UPLINK, {POD_A, POD_B, TCP(TCP_SYN, 5, 80)}, PL_PASS_MARTIAN, PL_FLOW_FAST},
	      {FROM_UPLINK, {POD_A, POD_B, TCP(TCP_RST, 5, 80)}, PL_PASS_MARTIAN, PL_FLOW_FAST},
	      {FROM_UPLINK, {POD_A, POD_B, TCP(TCP_ACK, 5, 80)}, PL_PASS_MARTIAN, PL_FLOW_FAST});
}

static void test_tcp_ages(void **state)
{
	EACH_FAMILY
	{
		const struct packet p = {POD_A, POD_B, TCP(TCP_ACK, 5, 80)};

		bed_reset();
		THEN("idle", OPEN_BETWEEN_PODS);
		age_flow(&p, false, PL_LIFE_TCP - 10);
		THEN("idle", {FROM_POD, {POD_A, POD_B, TCP(TCP_ACK, 5, 80)}, PL_FORWARD_LOCAL});
		age_flow(&p, false, PL_LIFE_TCP + 2);
		THEN("idle", {FROM_POD, {POD_A, POD_B, TCP(TCP_ACK, 5, 80)}, PL_PASS_NO_FLOW},
		     {FROM_POD,
		      {POD_A, POD_B, TCP(TCP_SYN, 5, 80)},
		      PL_FORWARD_LOCAL,
		      PL_FLOW_PROPOSED});
		assert_int_equal(budget_of(ID_A, OPENS).used, 1);
		age_flow(&p, false, PL_LIFE_PROPOSED + 2);
		THEN("not answered",
		     {FROM_POD, {POD_B, POD_A, TCP(SYN_ACK, 80, 5)}, PL_PASS_NO_FLOW});
	}
}

static void outside_by_udp(void)
{
	STEPS("from outside by UDP",
	      {FROM_UPLINK, {OUTSIDE, POD_A, UDP(6000, 53)}, PL_FORWARD_LOCAL, PL_FLOW_PROPOSED},
	      {FROM_UPLINK, {OUTSIDE, POD_A, UDP(6000, 53)}, PL_FORWARD_LOCAL, PL_FLOW_PROPOSED},
	      {FROM_POD, {POD_A, OUTSIDE, UDP(53, 6000)}, PL_FORWARD_NATIVE, PL_FLOW_FAST},
	      {FROM_UPLINK, {OUTSIDE, POD_A, UDP(6000, 53)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      {FROM_POD, {POD_A, OUTSIDE, UDP(54, 6000)}, PL_PASS_NOT_POD, GONE});
}

/* Outside, not native: only what an uplink opened may leave without the stack. */
static void test_outside(void **state)
{
	STEPS("from outside", OPEN_FROM_OUTSIDE,
	      {FROM_UPLINK, {OUTSIDE, POD_A, TCP(TCP_ACK, 5, 80)}, PL_FORWARD_LOCAL},
	      {FROM_POD, {POD_A, OUTSIDE, TCP(TCP_ACK, 80, 5)}, PL_FORWARD_NATIVE},
	      {FROM_POD, {POD_A, OUTSIDE, TCP(TCP_ACK, 80, 6)}, PL_PASS_NOT_POD, GONE},
	      {FROM_POD, {POD_A, OUTSIDE, TCP(TCP_FIN, 80, 5)}, PL_FORWARD_NATIVE, PL_FLOW_FAST},
	      {FROM_UPLINK,
	       {OUTSIDE, POD_A, TCP(TCP_FIN, 5, 80)},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_CLOSED},
	      {FROM_POD, {POD_A, OUTSIDE, TCP(TCP_ACK, 80, 5)}, PL_FORWARD_NATIVE, PL_FLOW_CLOSED});
	if (uplink_opens_udp())
		outside_by_udp();
	else
		STEPS("from outside by UDP",
		      {FROM_UPLINK, {OUTSIDE, POD_A, UDP(6000, 53)}, PL_PASS_NO_FLOW, GONE},
		      {FROM_POD, {POD_A, OUTSIDE, UDP(53, 6000)}, PL_PASS_NOT_POD, GONE});
	STEPS("ping from outside",
	      {FROM_UPLINK,
	       {OUTSIDE, POD_A, .ping = true, .sport = 9},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_FAST},
	      {FROM_POD, {POD_A, OUTSIDE, .pong = true, .sport = 9}, PL_FORWARD_NATIVE},
	      {FROM_POD, {POD_A, OUTSIDE, .pong = true, .sport = 8}, PL_PASS_NOT_POD});
	STEPS("to outside",
	      {FROM_POD, {POD_A, OUTSIDE, TCP(TCP_SYN, 5, 80)}, PL_PASS_NOT_POD, GONE},
	      {FROM_UPLINK, {OUTSIDE, POD_A, TCP(SYN_ACK, 80, 5)}, PL_PASS_NO_FLOW, GONE},
	      {FROM_POD, {POD_A, OUTSIDE, TCP(TCP_ACK, 5, 80)}, PL_PASS_NOT_POD, GONE});
}

/* --- UDP, ICMP echo, SCTP --- */

static void test_udp(void **state)
{
	STEPS("between pods",
	      {FROM_POD, {POD_A, POD_B, UDP(5, 53)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      {FROM_POD, {POD_B, POD_A, UDP(53, 5)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      {FROM_POD, {POD_A, POD_B, UDP(5, 53)}, PL_FORWARD_LOCAL, PL_FLOW_FAST});
	STEPS("to a native network",
	      {FROM_POD, {POD_A, NATIVE, UDP(5, 53)}, PL_FORWARD_NATIVE, PL_FLOW_FAST},
	      {FROM_UPLINK, {NATIVE, POD_A, UDP(53, 5)}, PL_FORWARD_LOCAL, PL_FLOW_FAST});
}

/* What the opening end pays for ends, and the other end may open the next one. */
static void test_udp_of_uplinks(void **state)
{
	if (!uplink_opens_udp())
		return;
	EACH_FAMILY
	{
		const struct packet p = {POD_A, NATIVE, UDP(53, 5)};
		struct pl_flow flow;
		uint8_t key[64];
		int end;

		bed_reset();
		THEN("idle", {FROM_UPLINK, {NATIVE, POD_A, UDP(5, 53)}, PL_FORWARD_LOCAL});
		assert_int_equal(budget_of(ID_A, INBOUND).used, 1);
		age_flow(&p, false, PL_LIFE_UDP - 2);
		THEN("idle", {FROM_POD, {POD_A, NATIVE, UDP(53, 5)}, PL_FORWARD_NATIVE});
		assert_int_equal(budget_of(ID_A, INBOUND).used, 1);
		age_flow(&p, false, PL_LIFE_UDP_ANSWERED - 10);
		THEN("idle, answered", {FROM_POD, {POD_A, NATIVE, UDP(53, 5)}, PL_FORWARD_NATIVE});
		assert_int_equal(budget_of(ID_A, INBOUND).used, 1);
		age_flow(&p, false, PL_LIFE_UDP_ANSWERED + 2);
		/* The answer opens a connection of its own, and its sender pays. */
		THEN("too old", {FROM_POD, {POD_A, NATIVE, UDP(53, 5)}, PL_FORWARD_NATIVE});
		assert_int_equal(budget_of(ID_A, INBOUND).used, 0);
		assert_int_equal(budget_of(ID_A, OPENS).used, 1);
		assert_true(find_flow(&p, false, key, &flow, &end));
		assert_int_equal(!!(flow.flags & PL_FLOW_OPENER1), end);
		assert_false(flow.flags & PL_FLOW_INBOUND);
		age_flow(&p, false, PL_LIFE_UDP + 2); /* has had no answer */
		THEN("too old", {FROM_UPLINK, {NATIVE, POD_A, UDP(5, 53)}, PL_FORWARD_LOCAL});
		assert_int_equal(budget_of(ID_A, INBOUND).used, 1);
		assert_int_equal(budget_of(ID_A, OPENS).used, 0);
	}
}

static void test_echo(void **state)
{
	STEPS("ping between pods",
	      {FROM_POD, {POD_B, POD_A, .pong = true, .sport = 7}, PL_PASS_NO_FLOW, GONE},
	      {FROM_POD, {POD_A, POD_B, .ping = true, .sport = 7}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      {FROM_POD, {POD_B, POD_A, .pong = true, .sport = 7}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      {FROM_POD, {POD_B, POD_A, .pong = true, .sport = 8}, PL_PASS_NO_FLOW, GONE});
	STEPS("ping to a native network",
	      {FROM_POD, {POD_A, NATIVE, .ping = true, .sport = 7}, PL_FORWARD_NATIVE},
	      {FROM_UPLINK, {NATIVE, POD_A, .pong = true, .sport = 7}, PL_FORWARD_LOCAL},
	      {FROM_UPLINK, {NATIVE, POD_A, .pong = true, .sport = 8}, PL_PASS_NO_FLOW});
	STEPS("both ends ask with one identifier",
	      {FROM_UPLINK, {NATIVE, POD_A, .ping = true, .sport = 7}, PL_FORWARD_LOCAL},
	      {FROM_UPLINK, {NATIVE, POD_A, .pong = true, .sport = 7}, PL_PASS_NO_FLOW, GONE},
	      {FROM_POD, {POD_A, NATIVE, .pong = true, .sport = 7}, PL_FORWARD_NATIVE},
	      {FROM_POD, {POD_A, NATIVE, .ping = true, .sport = 7}, PL_FORWARD_NATIVE},
	      {FROM_UPLINK, {NATIVE, POD_A, .pong = true, .sport = 7}, PL_FORWARD_LOCAL});
}

#define CHUNK(type, source, target)                                                                \
	.protocol = SCTP, .chunk = (type), .sport = (source), .dport = (target)

static void test_sctp(void **state)
{
	enum { DATA = 0, SHUTDOWN_COMPLETE = 14 };

	STEPS("SCTP", {FROM_POD, {POD_A, POD_B, CHUNK(DATA, 5, 80)}, PL_PASS_NO_FLOW, GONE},
	      {FROM_POD,
	       {POD_A, POD_B, CHUNK(SCTP_INIT, 5, 80)},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_PROPOSED},
	      {FROM_POD, {POD_A, POD_B, CHUNK(DATA, 5, 80)}, PL_PASS_NO_FLOW, PL_FLOW_PROPOSED},
	      {FROM_POD,
	       {POD_B, POD_A, CHUNK(SCTP_INIT_ACK, 80, 5)},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_FAST},
	      {FROM_POD, {POD_A, POD_B, CHUNK(DATA, 5, 80)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      {FROM_POD,
	       {POD_B, POD_A, CHUNK(SCTP_ABORT, 80, 5)},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_CLOSED},
	      {FROM_POD, {POD_A, POD_B, CHUNK(DATA, 5, 80)}, PL_FORWARD_LOCAL, PL_FLOW_CLOSED},
	      {FROM_POD,
	       {POD_A, POD_B, CHUNK(SCTP_INIT, 5, 80)},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_PROPOSED},
	      {FROM_POD, {POD_B, POD_A, CHUNK(SCTP_INIT_ACK, 80, 5)}, PL_FORWARD_LOCAL},
	      {FROM_POD,
	       {POD_A, POD_B, CHUNK(SHUTDOWN_COMPLETE, 5, 80)},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_CLOSED});
	STEPS("SCTP with a native network",
	      {FROM_UPLINK,
	       {NATIVE, POD_A, CHUNK(SCTP_INIT, 5, 80)},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_PROPOSED},
	      {FROM_POD,
	       {POD_A, NATIVE, CHUNK(SCTP_INIT_ACK, 80, 5)},
	       PL_FORWARD_NATIVE,
	       PL_FLOW_FAST},
	      {FROM_UPLINK,
	       {NATIVE, POD_A, CHUNK(SCTP_ABORT, 5, 80)},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_FAST});
}

/* --- what the stack delivers --- */

static void test_stack_delivers(void **state)
{
	STEPS("a datagram", {FROM_POD, {POD_A, POD_B, UDP(5, 53)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      {TO_POD, {POD_A, POD_B, UDP(6, 53)}, PL_PASS_FROM_STACK},
	      {FROM_POD, {POD_A, POD_B, UDP(5, 53)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      {TO_POD, {POD_A, POD_B, UDP(5, 53)}, PL_PASS_FROM_STACK});
	STEPS("a ping",
	      {FROM_POD, {POD_A, POD_B, .ping = true, .sport = 7}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      {TO_POD, {POD_B, POD_A, .pong = true, .sport = 7}, PL_PASS_FROM_STACK, PL_FLOW_FAST},
	      {TO_POD, {POD_A, POD_B, .ping = true, .sport = 7}, PL_PASS_FROM_STACK});
	STEPS("a SYN of an open connection", OPEN_BETWEEN_PODS,
	      {TO_POD, {POD_A, POD_B, TCP(TCP_SYN, 5, 80)}, PL_PASS_TUPLE_CLASH, PL_FLOW_FAST},
	      {TO_POD, {POD_A, POD_B, TCP(TCP_ACK, 5, 80)}, PL_PASS_FROM_STACK, PL_FLOW_FAST},
	      {TO_POD, {POD_A, POD_B, TCP(TCP_RST, 5, 80)}, PL_PASS_FROM_STACK, PL_FLOW_FAST},
	      {TO_POD, {POD_A, POD_B, TCP(SYN_ACK, 5, 80)}, PL_PASS_FROM_STACK, PL_FLOW_FAST},
	      {FROM_POD, {POD_A, POD_B, TCP(TCP_ACK, 5, 80)}, PL_FORWARD_LOCAL, PL_FLOW_FAST});
	STEPS("a SYN of one that may be over", OPEN_TO_NATIVE,
	      {FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_RST, 80, 5)}, PL_FORWARD_LOCAL},
	      /* The pod's answer tells, where conntrack can be asked of it. */
	      {TO_POD,
	       {NATIVE, POD_A, TCP(TCP_SYN, 80, 5)},
	       PL_PASS_FROM_STACK,
	       skel->rodata->pl_conntrack_mode == PL_CT_REMEMBER ? PL_FLOW_STACK : PL_FLOW_FAST});
	EACH_FAMILY
	{
		const struct packet p = {POD_A, POD_B, TCP(TCP_SYN, 5, 80)},
				    udp = {POD_A, POD_B, UDP(5, 53)};

		bed_reset();
		THEN("a SYN of a proposal", {FROM_POD, p, PL_FORWARD_LOCAL, PL_FLOW_PROPOSED},
		     {TO_POD, p, PL_PASS_FROM_STACK});
		assert_int_not_equal(flow_state(&p, false), PL_FLOW_PROPOSED);
		assert_int_equal(budget_of(ID_A, OPENS).used, 0);
		bed_reset();
		THEN("a SYN-ACK of a proposal", {FROM_POD, p, PL_FORWARD_LOCAL, PL_FLOW_PROPOSED},
		     {TO_POD, {POD_B, POD_A, TCP(SYN_ACK, 80, 5)}, PL_PASS_FROM_STACK});
		assert_int_not_equal(flow_state(&p, false), PL_FLOW_PROPOSED);
		bed_reset();
		THEN("a SYN of what is over", OPEN_BETWEEN_PODS,
		     {FROM_POD,
		      {POD_A, POD_B, TCP(TCP_RST, 5, 80)},
		      PL_FORWARD_LOCAL,
		      PL_FLOW_CLOSED},
		     {TO_POD, p, PL_PASS_FROM_STACK});
		assert_int_not_equal(flow_state(&p, false), PL_FLOW_CLOSED);
		bed_reset();
		THEN("a datagram", {FROM_POD, udp, PL_FORWARD_LOCAL, PL_FLOW_FAST},
		     {TO_POD, udp, PL_PASS_FROM_STACK});
		assert_int_not_equal(flow_state(&udp, false), PL_FLOW_FAST);
		assert_int_equal(budget_of(ID_A, OPENS).used, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_between_pods),
		cmocka_unit_test(test_tcp_ends),
		cmocka_unit_test(test_tcp_resets_of_uplinks),
		cmocka_unit_test(test_tcp_forged_syn),
		cmocka_unit_test(test_tcp_ages),
		cmocka_unit_test(test_outside),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_udp_of_uplinks),
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_sctp),
		cmocka_unit_test(test_stack_delivers),
	};
	int failed = cmocka_run_group_tests_name("nobody translates", tests, up_none, bed_down);

	failed += cmocka_run_group_tests_name("remembered", tests, up_remember, bed_down);
	return failed +
	       (conntrack_can_be_asked()
			? cmocka_run_group_tests_name("conntrack asked", tests, up_ask, bed_down)
			: skip_asking());
}
