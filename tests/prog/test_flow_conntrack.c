/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What conntrack knows, the stack must have: an opener asks, and so does an answer that may be one
 * to a connection of the stack's with the same tuple. Cells of the table at the head of
 * bpf/lib/flows.h, as in test_flows.
 */
#include "flow_bed.h"

/* A's connection to a service, whose backend is @backend. */
static void ct_service(uint8_t protocol, enum actor backend)
{
	ct_add(protocol, (struct ct_tuple){POD_A, SERVICE, 5, 443},
	       (struct ct_tuple){backend, POD_A, 80, 5});
}

/* A's connection to @peer, masqueraded. */
static void ct_masqueraded(uint8_t protocol, enum actor peer)
{
	ct_add(protocol, (struct ct_tuple){POD_A, peer, 5, 80},
	       (struct ct_tuple){peer, HOST, 80, 5005});
}

static void test_conntrack_knows_openers(void **state)
{
	static const struct {
		const char *name;
		struct step step;
	} openers[] = {
		{"SYN to a pod", {FROM_POD, SYN_TO_B(5), PL_FORWARD_LOCAL}},
		{"SYN to a native network", {FROM_POD, SYN_TO_NATIVE(5), PL_FORWARD_NATIVE}},
		{"SYN of an uplink",
		 {FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_SYN, 80, 5)}, PL_FORWARD_LOCAL}},
		{"UDP to a pod", {FROM_POD, {POD_A, POD_B, UDP(5, 80)}, PL_FORWARD_LOCAL}},
		{"UDP of the other pod", {FROM_POD, {POD_B, POD_A, UDP(80, 5)}, PL_FORWARD_LOCAL}},
		{"UDP to a native network",
		 {FROM_POD, {POD_A, NATIVE, UDP(5, 80)}, PL_FORWARD_NATIVE}},
		{"UDP of an uplink", {FROM_UPLINK, {NATIVE, POD_A, UDP(80, 5)}, PL_FORWARD_LOCAL}},
		{"a first fragment",
		 {FROM_POD,
		  {POD_A, POD_B, UDP(5, 80), .fragment = FIRST_FRAGMENT, .id = 3},
		  PL_FORWARD_LOCAL}},
	};

	for (size_t i = 0; i < PL_ARRAY_SIZE(openers); i++) {
		const struct packet *p = &openers[i].step.packet;
		enum actor peer = p->from == NATIVE || p->to == NATIVE ? NATIVE : POD_B;
		struct step refused = openers[i].step;

		refused.reason = PL_PASS_STACK_FLOW;
		refused.entry = GONE;
		refused.fragments = GONE;
		EACH_FAMILY
		{
			uint8_t other = protocol_of(p) == IP_TCP ? IP_UDP : IP_TCP;

			fresh();
			ct_service(other, peer);
			run_steps(openers[i].name, &openers[i].step, 1);
			fresh();
			ct_service(protocol_of(p), peer);
			run_steps(openers[i].name, &refused, 1);
			fresh();
			ct_masqueraded(protocol_of(p), peer);
			run_steps(openers[i].name, &refused, 1);
			ct_flush();
			run_steps(openers[i].name, &openers[i].step, 1);
		}
	}
}

/* A pod's proposal is not what an uplink's SYN goes by, where that is of the stack's connection. */
static void test_conntrack_knows_syns(void **state)
{
	EACH_FAMILY
	{
		fresh();
		THEN("on a proposal", {FROM_POD, SYN_TO_NATIVE(5), PL_FORWARD_NATIVE});
		ct_add(IP_TCP, (struct ct_tuple){NATIVE, POD_A, 80, 5},
		       (struct ct_tuple){POD_A, NATIVE, 5, 80});
		THEN("on a proposal",
		     {FROM_UPLINK,
		      {NATIVE, POD_A, TCP(TCP_SYN, 80, 5)},
		      PL_PASS_TUPLE_CLASH,
		      PL_FLOW_PROPOSED},
		     {TO_POD, {NATIVE, POD_A, TCP(TCP_SYN, 80, 5)}, PL_PASS_FROM_STACK, GONE});
		fresh();
		THEN("answered", {FROM_POD, SYN_TO_NATIVE(5), PL_FORWARD_NATIVE});
		ct_add(IP_TCP, (struct ct_tuple){NATIVE, HOST, 80, 5},
		       (struct ct_tuple){POD_A, NATIVE, 5, 80});
		THEN("answered", {FROM_POD,
				  {POD_A, NATIVE, TCP(SYN_ACK, 5, 80)},
				  PL_PASS_TUPLE_CLASH,
				  PL_FLOW_PROPOSED});
	}
}

/* A fragment of a datagram follows the entry of those ends that it has, and of no former ones. */
static void test_conntrack_knows_fragments(void **state)
{
	const struct packet first = {POD_A, POD_B, UDP(5, 80), .fragment = FIRST_FRAGMENT, .id = 3};

	EACH_FAMILY
	{
		fresh();
		THEN("of an open one", {FROM_POD, {POD_A, POD_B, UDP(5, 80)}, PL_FORWARD_LOCAL});
		ct_service(IP_UDP, POD_B);
		THEN("of an open one", {FROM_POD, first, PL_FORWARD_LOCAL});
		endpoints[ID_B].generation++;
		THEN("of a former pod's", {FROM_POD, first, PL_PASS_STACK_FLOW});
	}
}

/* Only an opener asks: what has its entry does not, whatever conntrack has learnt since. */
static void test_conntrack_is_asked_once(void **state)
{
	EACH_FAMILY
	{
		fresh();
		THEN("open", {FROM_POD, SYN_TO_B(5), PL_FORWARD_LOCAL},
		     {FROM_POD, SYN_ACK_OF_B(5), PL_FORWARD_LOCAL, PL_FLOW_FAST},
		     {FROM_POD, {POD_A, POD_B, UDP(5, 80)}, PL_FORWARD_LOCAL});
		ct_service(IP_TCP, POD_B);
		ct_service(IP_UDP, POD_B);
		THEN("open", {FROM_POD, {POD_A, POD_B, TCP(TCP_ACK, 5, 80)}, PL_FORWARD_LOCAL},
		     {FROM_POD, {POD_B, POD_A, TCP(TCP_ACK, 80, 5)}, PL_FORWARD_LOCAL},
		     {FROM_POD, {POD_A, POD_B, UDP(5, 80)}, PL_FORWARD_LOCAL},
		     {FROM_POD,
		      {POD_A, POD_B, TCP(TCP_RST, 5, 80)},
		      PL_FORWARD_LOCAL,
		      PL_FLOW_CLOSED},
		     {FROM_POD, {POD_B, POD_A, TCP(TCP_ACK, 80, 5)}, PL_FORWARD_LOCAL},
		     /* opens anew, and asks */
		     {FROM_POD, SYN_TO_B(5), PL_PASS_STACK_FLOW, PL_FLOW_CLOSED});
		age_flow(&(struct packet){POD_A, POD_B, UDP(5, 80)}, false, PL_LIFE_UDP + 2);
		THEN("too old", {FROM_POD, {POD_A, POD_B, UDP(5, 80)}, PL_PASS_STACK_FLOW});
	}
	EACH_FAMILY
	{
		fresh();
		THEN("over, for the pod", {FROM_POD, SYN_TO_NATIVE(5), PL_FORWARD_NATIVE},
		     {FROM_UPLINK, {NATIVE, POD_A, TCP(SYN_ACK, 80, 5)}, PL_FORWARD_LOCAL},
		     {FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_RST, 80, 5)}, PL_FORWARD_LOCAL});
		ct_service(IP_TCP, NATIVE);
		THEN("over, for the pod",
		     {FROM_POD, SYN_TO_NATIVE(5), PL_PASS_STACK_FLOW, PL_FLOW_FAST});
	}
}

/* The answer of a backend to a service connection, from the port of a direct one to the same. */
static void test_conntrack_knows_answers(void **state)
{
	EACH_FAMILY
	{
		fresh();
		THEN("of a proposal", {FROM_POD, SYN_TO_NATIVE(5), PL_FORWARD_NATIVE},
		     {FROM_POD, SYN_TO_B(5), PL_FORWARD_LOCAL});
		ct_service(IP_TCP, NATIVE);
		ct_add(IP_TCP, (struct ct_tuple){POD_A, SERVICE, 5, 444},
		       (struct ct_tuple){POD_B, POD_A, 80, 5});
		THEN("of a proposal",
		     {FROM_UPLINK,
		      {NATIVE, POD_A, TCP(SYN_ACK, 80, 5)},
		      PL_PASS_TUPLE_CLASH,
		      PL_FLOW_PROPOSED},
		     {FROM_POD, SYN_ACK_OF_B(5), PL_PASS_TUPLE_CLASH, PL_FLOW_PROPOSED});
		fresh();
		THEN("of an open one", {FROM_POD, SYN_TO_NATIVE(5), PL_FORWARD_NATIVE},
		     {FROM_UPLINK, {NATIVE, POD_A, TCP(SYN_ACK, 80, 5)}, PL_FORWARD_LOCAL},
		     {FROM_UPLINK, {NATIVE, POD_A, TCP(SYN_ACK, 80, 5)}, PL_FORWARD_LOCAL});
		ct_service(IP_TCP, NATIVE);
		THEN("of an open one",
		     {FROM_UPLINK,
		      {NATIVE, POD_A, TCP(SYN_ACK, 80, 5)},
		      PL_PASS_TUPLE_CLASH,
		      PL_FLOW_FAST},
		     {FROM_UPLINK,
		      {NATIVE, POD_A, TCP(TCP_ACK, 80, 5)},
		      PL_FORWARD_LOCAL,
		      PL_FLOW_FAST},
		     {FROM_POD, {POD_A, NATIVE, TCP(TCP_ACK, 5, 80)}, PL_FORWARD_NATIVE});
	}
	EACH_FAMILY /* One that an uplink has reset is the pod's no longer. */
	{
		fresh();
		THEN("of one that may be over", {FROM_POD, SYN_TO_NATIVE(5), PL_FORWARD_NATIVE},
		     {FROM_UPLINK, {NATIVE, POD_A, TCP(SYN_ACK, 80, 5)}, PL_FORWARD_LOCAL},
		     {FROM_UPLINK,
		      {NATIVE, POD_A, TCP(TCP_RST, 80, 5)},
		      PL_FORWARD_LOCAL,
		      PL_FLOW_FAST});
		ct_service(IP_TCP, NATIVE);
		THEN("of one that may be over",
		     {FROM_UPLINK, {NATIVE, POD_A, TCP(SYN_ACK, 80, 5)}, PL_PASS_TUPLE_CLASH, GONE},
		     {FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_ACK, 80, 5)}, PL_PASS_NO_FLOW, GONE});
		assert_int_equal(budget_of(ID_A, OPENS).used, 0);
		fresh(); /* the answer of a pod, to what the stack delivered */
		THEN("of one to a pod", OPEN_FROM_OUTSIDE,
		     {FROM_UPLINK,
		      {OUTSIDE, POD_A, TCP(TCP_RST, 5, 80)},
		      PL_FORWARD_LOCAL,
		      PL_FLOW_FAST});
		ct_add(IP_TCP, (struct ct_tuple){OUTSIDE, HOST, 5, 8080},
		       (struct ct_tuple){POD_A, OUTSIDE, 80, 5});
		THEN("of one to a pod",
		     {TO_POD,
		      {OUTSIDE, POD_A, TCP(TCP_SYN, 5, 80)},
		      PL_PASS_FROM_STACK,
		      PL_FLOW_FAST},
		     /* a forged reset and SYN: the open one answers the latter */
		     {FROM_POD,
		      {POD_A, OUTSIDE, TCP(TCP_ACK, 80, 5)},
		      PL_FORWARD_NATIVE,
		      PL_FLOW_FAST},
		     {FROM_POD, {POD_A, OUTSIDE, TCP(SYN_ACK, 80, 5)}, PL_PASS_TUPLE_CLASH, GONE});
	}
	EACH_FAMILY
	{
		fresh(); /* Nothing is known in another direction than the answer's. */
		THEN("masqueraded", {FROM_POD, SYN_TO_NATIVE(5), PL_FORWARD_NATIVE});
		ct_masqueraded(IP_TCP, NATIVE);
		THEN("masqueraded", {FROM_UPLINK,
				     {NATIVE, POD_A, TCP(SYN_ACK, 80, 5)},
				     PL_FORWARD_LOCAL,
				     PL_FLOW_FAST});
	}
}

/* What an uplink sends may be forged, in the name of a service's backend. */
static void test_datagrams_of_uplinks(void **state)
{
	EACH_FAMILY
	{
		fresh();
		THEN("forged",
		     {FROM_UPLINK, {NATIVE, POD_A, UDP(80, 5)}, PL_FORWARD_LOCAL, PL_FLOW_PROPOSED},
		     {FROM_UPLINK,
		      {NATIVE, POD_A, UDP(80, 5)},
		      PL_FORWARD_LOCAL,
		      PL_FLOW_PROPOSED});
		assert_int_equal(budget_of(ID_A, INBOUND).used, 1);
		assert_int_equal(budget_of(ID_A, INBOUND).opened, 1);
		ct_service(IP_UDP, NATIVE);
		THEN("forged", {FROM_UPLINK,
				{NATIVE, POD_A, UDP(80, 5)},
				PL_PASS_TUPLE_CLASH,
				PL_FLOW_PROPOSED});
		fresh();
		THEN("answered", {FROM_UPLINK, {NATIVE, POD_A, UDP(80, 5)}, PL_FORWARD_LOCAL},
		     {FROM_POD, {POD_A, NATIVE, UDP(5, 80)}, PL_FORWARD_NATIVE, PL_FLOW_FAST});
		ct_service(IP_UDP, NATIVE);
		THEN("answered",
		     {FROM_UPLINK, {NATIVE, POD_A, UDP(80, 5)}, PL_FORWARD_LOCAL, PL_FLOW_FAST});
	}
}

/* A reset may refuse a connection to the service, from the port of a direct one that is over. */
static void test_resets(void **state)
{
	const struct step refused = {
		FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_RST | TCP_ACK, 80, 5)}, PL_PASS_TUPLE_CLASH};

	EACH_FAMILY
	{
		fresh();
		THEN("of a proposal", {FROM_POD, SYN_TO_NATIVE(5), PL_FORWARD_NATIVE},
		     {FROM_UPLINK,
		      {NATIVE, POD_A, TCP(TCP_RST | TCP_ACK, 80, 5)},
		      PL_FORWARD_LOCAL,
		      PL_FLOW_PROPOSED});
		ct_service(IP_TCP, NATIVE);
		THEN("of a proposal", refused);
		fresh();
		THEN("of one that may be over", OPEN_TO_NATIVE,
		     {FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_RST, 80, 5)}, PL_FORWARD_LOCAL},
		     {FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_RST, 80, 5)}, PL_FORWARD_LOCAL});
		ct_service(IP_TCP, NATIVE);
		THEN("of one that may be over", refused,
		     {FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_ACK, 80, 5)}, PL_PASS_NO_FLOW, GONE});
		fresh();
		THEN("of one that is over", OPEN_TO_NATIVE,
		     {FROM_POD,
		      {POD_A, NATIVE, TCP(TCP_RST, 5, 80)},
		      PL_FORWARD_NATIVE,
		      PL_FLOW_CLOSED},
		     {FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_RST, 80, 5)}, PL_FORWARD_LOCAL});
		ct_service(IP_TCP, NATIVE);
		THEN("of one that is over", refused);
		fresh();
		THEN("of an open one", OPEN_TO_NATIVE);
		ct_service(IP_TCP, NATIVE);
		THEN("of an open one",
		     {FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_RST, 80, 5)}, PL_FORWARD_LOCAL});
	}
}

int main(void)
{
	const struct CMUnitTest ask[] = {
		cmocka_unit_test(test_conntrack_knows_openers),
		cmocka_unit_test(test_conntrack_knows_syns),
		cmocka_unit_test(test_conntrack_knows_fragments),
		cmocka_unit_test(test_conntrack_is_asked_once),
		cmocka_unit_test(test_conntrack_knows_answers),
		cmocka_unit_test(test_datagrams_of_uplinks),
		cmocka_unit_test(test_resets),
	};

	return conntrack_can_be_asked()
		       ? cmocka_run_group_tests_name("conntrack asked", ask, up_ask, bed_down)
		       : skip_asking();
}
