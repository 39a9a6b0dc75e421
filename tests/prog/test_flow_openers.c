/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who may open a connection on the fast path: not, where conntrack cannot be asked, what podlane
 * has noted, nor who has used up its budget. And what becomes of entries that have ended. Cells of
 * the table at the head of bpf/lib/flows.h, as in test_flows.
 */
#include <sched.h>

#include "flow_bed.h"

#define CHUNK(type, source, target)                                                                \
	.protocol = SCTP, .chunk = (type), .sport = (source), .dport = (target)

/* --- notes, for what conntrack is not asked --- */

static void test_echo_and_sctp_are_noted(void **state)
{
	STEPS("ping that the stack delivers",
	      {TO_POD,
	       {NATIVE, POD_A, .ping = true, .sport = 7},
	       PL_PASS_FROM_STACK,
	       PL_FLOW_STACK},
	      {FROM_POD, {POD_A, NATIVE, .pong = true, .sport = 7}, PL_PASS_NO_FLOW},
	      {FROM_POD, {POD_A, NATIVE, .ping = true, .sport = 7}, PL_FORWARD_NATIVE},
	      {FROM_UPLINK, {NATIVE, POD_A, .ping = true, .sport = 7}, PL_PASS_STACK_FLOW},
	      {FROM_UPLINK, {NATIVE, POD_A, .ping = true, .sport = 8}, PL_FORWARD_LOCAL});
	STEPS("ping to a service",
	      {FROM_POD, {POD_A, SERVICE, .ping = true, .sport = 7}, PL_PASS_NOT_POD},
	      {FROM_POD, {POD_A, POD_B, .ping = true, .sport = 7}, PL_PASS_STACK_FLOW},
	      {FROM_POD, {POD_A, POD_B, .ping = true, .sport = 8}, PL_FORWARD_LOCAL});
	STEPS("SCTP that the stack delivers",
	      {TO_POD, {POD_B, POD_A, CHUNK(SCTP_INIT, 80, 5)}, PL_PASS_FROM_STACK, PL_FLOW_STACK},
	      {FROM_POD, {POD_A, POD_B, CHUNK(SCTP_INIT, 5, 80)}, PL_PASS_STACK_FLOW},
	      {FROM_POD, {POD_A, POD_B, CHUNK(SCTP_INIT_ACK, 5, 80)}, PL_PASS_NO_FLOW});
	STEPS("SCTP to a service",
	      {FROM_POD, {POD_A, SERVICE, CHUNK(SCTP_INIT, 5, 80)}, PL_PASS_NOT_POD},
	      {FROM_UPLINK, {NATIVE, POD_A, CHUNK(SCTP_INIT, 80, 5)}, PL_PASS_STACK_FLOW},
	      {FROM_UPLINK, {NATIVE, POD_A, CHUNK(SCTP_INIT, 80, 6)}, PL_FORWARD_LOCAL});
}

/* Where conntrack can be asked, or is not there, no TCP or UDP makes a note. */
static void test_tcp_and_udp_are_not_noted(void **state)
{
	EACH_FAMILY
	{
		fresh();
		THEN("no note", {TO_POD, {NATIVE, POD_A, UDP(53, 5)}, PL_PASS_FROM_STACK},
		     {TO_POD, {NATIVE, POD_A, TCP(TCP_SYN, 80, 5)}, PL_PASS_FROM_STACK},
		     {FROM_POD, {POD_A, SERVICE, UDP(5, 53)}, PL_PASS_NOT_POD},
		     {FROM_POD, {POD_A, SERVICE, TCP(TCP_SYN, 5, 80)}, PL_PASS_NOT_POD});
		assert_int_equal(count_flows(), 0);
	}
}

static void test_nothing_is_noted(void **state)
{
	EACH_FAMILY
	{
		bed_reset();
		THEN("no note",
		     {TO_POD, {NATIVE, POD_A, .ping = true, .sport = 7}, PL_PASS_FROM_STACK},
		     {TO_POD, {NATIVE, POD_A, UDP(53, 5)}, PL_PASS_FROM_STACK},
		     {TO_POD, {NATIVE, POD_A, CHUNK(SCTP_INIT, 80, 5)}, PL_PASS_FROM_STACK},
		     {FROM_POD, {POD_A, SERVICE, .ping = true, .sport = 7}, PL_PASS_NOT_POD},
		     {FROM_POD, {POD_A, SERVICE, UDP(5, 53)}, PL_PASS_NOT_POD});
		assert_int_equal(count_flows(), 0);
	}
}

static void test_remembers_what_the_stack_delivers(void **state)
{
	STEPS("TCP",
	      {TO_POD, {POD_A, POD_B, TCP(TCP_SYN, 5, 80)}, PL_PASS_FROM_STACK, PL_FLOW_STACK},
	      {FROM_POD, SYN_ACK_OF_B(5), PL_PASS_NO_FLOW, PL_FLOW_STACK},
	      {FROM_POD, SYN_TO_B(5), PL_PASS_STACK_FLOW, PL_FLOW_STACK},
	      {FROM_POD, SYN_TO_B(6), PL_FORWARD_LOCAL, PL_FLOW_PROPOSED});
	STEPS("the middle of TCP",
	      {TO_POD, {NATIVE, POD_A, TCP(TCP_ACK, 80, 5)}, PL_PASS_FROM_STACK, PL_FLOW_STACK},
	      {FROM_POD, SYN_TO_NATIVE(5), PL_PASS_STACK_FLOW});
	STEPS("UDP", {TO_POD, {POD_A, POD_B, UDP(5, 53)}, PL_PASS_FROM_STACK, PL_FLOW_STACK},
	      {FROM_POD, {POD_B, POD_A, UDP(53, 5)}, PL_PASS_STACK_FLOW},
	      {FROM_POD, {POD_B, POD_A, UDP(53, 6)}, PL_FORWARD_LOCAL});
	STEPS("a datagram of a fast flow",
	      {FROM_POD, {POD_A, POD_B, UDP(5, 53)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      {TO_POD, {POD_A, POD_B, UDP(5, 53)}, PL_PASS_FROM_STACK, PL_FLOW_STACK},
	      {FROM_POD, {POD_A, POD_B, UDP(5, 53)}, PL_PASS_STACK_FLOW});
	STEPS("an open connection is none of the stack's",
	      {FROM_POD, SYN_TO_B(5), PL_FORWARD_LOCAL},
	      {FROM_POD, SYN_ACK_OF_B(5), PL_FORWARD_LOCAL},
	      {TO_POD, {POD_A, POD_B, TCP(TCP_ACK, 5, 80)}, PL_PASS_FROM_STACK, PL_FLOW_FAST});
	EACH_FAMILY
	{
		const struct packet udp = {POD_A, POD_B, UDP(5, 53)},
				    tcp = {POD_A, POD_B, TCP(TCP_ACK, 5, 80)};

		bed_reset();
		THEN("of the host", {TO_POD, {HOST, POD_B, UDP(5, 53)}, PL_PASS_FROM_STACK},
		     {TO_POD, {HOST, POD_B, TCP(TCP_SYN, 5, 53)}, PL_PASS_FROM_STACK});
		assert_int_equal(count_flows(), 0);
		THEN("old", {TO_POD, udp, PL_PASS_FROM_STACK, PL_FLOW_STACK},
		     {TO_POD, tcp, PL_PASS_FROM_STACK, PL_FLOW_STACK});
		assert_int_equal(budget_of(ID_B, INBOUND).used, 2);
		age_flow(&udp, false, PL_LIFE_UDP + 2);
		age_flow(&tcp, false, PL_LIFE_TCP_CLOSING + 2);
		THEN("old", {FROM_POD, {POD_B, POD_A, UDP(53, 5)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
		     {FROM_POD, SYN_TO_B(5), PL_PASS_STACK_FLOW},
		     {TO_POD, {POD_A, POD_B, TCP(TCP_FIN, 5, 80)}, PL_PASS_FROM_STACK});
		assert_int_equal(budget_of(ID_B, INBOUND).used, 1);
		age_flow(&tcp, false, PL_LIFE_TCP_CLOSING + 2);
		THEN("old", {FROM_POD, SYN_TO_B(5), PL_FORWARD_LOCAL, PL_FLOW_PROPOSED});
		assert_int_equal(budget_of(ID_B, INBOUND).used, 0);
	}
}

static void test_remembers_ports(void **state)
{
	STEPS("UDP to a service", {FROM_POD, {POD_A, SERVICE, UDP(5, 53)}, PL_PASS_NOT_POD},
	      {FROM_UPLINK, {NATIVE, POD_A, UDP(5353, 5)}, PL_PASS_STACK_FLOW},
	      {FROM_UPLINK, {OUTSIDE, POD_A, UDP(5353, 5)}, PL_PASS_STACK_FLOW},
	      {FROM_POD, {POD_A, NATIVE, UDP(5, 5353)}, PL_PASS_STACK_FLOW},
	      {FROM_POD, {POD_A, POD_B, UDP(5, 5353)}, PL_PASS_STACK_FLOW},
	      {FROM_UPLINK, {NATIVE, POD_A, UDP(5353, 6)}, PL_PASS_NO_FLOW, GONE},
	      {FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_SYN, 5353, 5)}, PL_FORWARD_LOCAL},
	      {FROM_POD, {POD_B, POD_A, UDP(5353, 5)}, PL_FORWARD_LOCAL});
	STEPS("TCP to a service",
	      {FROM_POD, {POD_A, SERVICE, TCP(TCP_SYN, 5, 80)}, PL_PASS_NOT_POD},
	      {FROM_UPLINK, {NATIVE, POD_A, TCP(SYN_ACK, 8080, 5)}, PL_PASS_NO_FLOW},
	      {FROM_POD, {POD_A, NATIVE, TCP(TCP_SYN, 5, 8080)}, PL_PASS_STACK_FLOW},
	      {FROM_POD, {POD_A, NATIVE, TCP(TCP_SYN, 6, 8080)}, PL_FORWARD_NATIVE});
	/* A service may have an address of the host's, or a link-local one. */
	STEPS("to the host", {FROM_POD, {POD_A, HOST, TCP(TCP_SYN, 5, 80)}, PL_PASS_HOST},
	      {FROM_POD, {POD_A, LINK_LOCAL, TCP(TCP_SYN, 6, 80)}, PL_PASS_LINK_LOCAL},
	      {FROM_POD, {POD_A, NATIVE, TCP(TCP_SYN, 5, 8080)}, PL_PASS_STACK_FLOW},
	      {FROM_POD, {POD_A, POD_B, TCP(TCP_SYN, 6, 8080)}, PL_PASS_STACK_FLOW},
	      {FROM_POD, {POD_A, NATIVE, TCP(TCP_SYN, 7, 8080)}, PL_FORWARD_NATIVE});
	/* B's own calls do not make its answers to A the stack's. */
	STEPS("a port that also serves",
	      {FROM_POD, {POD_B, SERVICE, TCP(TCP_SYN, 80, 443)}, PL_PASS_NOT_POD},
	      {FROM_POD, SYN_TO_B(5), PL_FORWARD_LOCAL, PL_FLOW_PROPOSED},
	      {FROM_POD, SYN_ACK_OF_B(5), PL_FORWARD_LOCAL, PL_FLOW_FAST});
	EACH_FAMILY /* An answer opens nothing: its port may serve others on the fast path. */
	{
		bed_reset();
		THEN("an answer",
		     {FROM_POD, {POD_A, OUTSIDE, TCP(SYN_ACK, 80, 5)}, PL_PASS_NOT_POD},
		     {FROM_POD, {POD_A, OUTSIDE, TCP(TCP_ACK, 80, 5)}, PL_PASS_NOT_POD},
		     {FROM_POD, {POD_A, OUTSIDE, .pong = true, .sport = 5}, PL_PASS_NOT_POD});
		assert_int_equal(count_flows(), 0);
	}
}

/* A note that finds no room: nothing that the endpoint opens can be told from the stack's. */
static void test_lost_notes_bar(void **state)
{
	EACH_FAMILY
	{
		bed_reset();
		THEN("before", {FROM_POD, {POD_B, POD_A, UDP(9, 9)}, PL_FORWARD_LOCAL});
		use_budget(ID_B, INBOUND, BUDGET);
		THEN("delivered", {TO_POD, {NATIVE, POD_B, UDP(53, 5)}, PL_PASS_FROM_STACK});
		assert_int_equal(endpoints[ID_B].stack_only, 1);
		assert_int_equal(endpoints[ID_A].stack_only, 0);
		THEN("delivered", {FROM_POD, {POD_B, POD_A, UDP(53, 5)}, PL_PASS_BUDGET},
		     {FROM_POD, {POD_A, POD_B, UDP(53, 5)}, PL_PASS_BUDGET},
		     {FROM_UPLINK, {NATIVE, POD_B, UDP(53, 6)}, PL_PASS_BUDGET},
		     {FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_SYN, 53, 6)}, PL_FORWARD_LOCAL},
		     {FROM_POD, {POD_B, POD_A, UDP(9, 9)}, PL_FORWARD_LOCAL});
		endpoints[ID_B].stack_only = 0;
		bed_reset();
		use_budget(ID_A, OPENS, BUDGET);
		THEN("sent", {FROM_POD, {POD_A, SERVICE, UDP(5, 53)}, PL_PASS_NOT_POD});
		assert_int_equal(endpoints[ID_A].stack_only, 1);
		endpoints[ID_A].stack_only = 0;
	}
}

/* --- budgets --- */

static void open_many(uint16_t n)
{
	for (uint16_t port = 1; port <= n; port++) {
		struct packet p = {POD_A, NATIVE, UDP(port, 53)};

		run_packet(FROM_POD, &p);
	}
}

static void test_budget(void **state)
{
	EACH_FAMILY
	{
		const struct packet kept = {POD_B, NATIVE, UDP(1, 53)};

		bed_reset();
		THEN("B's", {FROM_POD, kept, PL_FORWARD_NATIVE},
		     {FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_SYN, 5, 80)}, PL_FORWARD_LOCAL});
		open_many(BUDGET - 1);
		assert_int_equal(budget_of(ID_A, OPENS).used, BUDGET - 1);
		THEN("the last", {FROM_POD, SYN_TO_B(5), PL_FORWARD_LOCAL, PL_FLOW_PROPOSED},
		     {FROM_POD, SYN_TO_B(6), PL_PASS_BUDGET, GONE},
		     {FROM_POD, {POD_A, POD_B, .ping = true, .sport = 7}, PL_PASS_BUDGET, GONE},
		     {FROM_POD, {POD_A, POD_B, UDP(5000, 53)}, PL_PASS_BUDGET, GONE},
		     /* in the place of its own */
		     {FROM_POD, SYN_TO_B(5), PL_FORWARD_LOCAL, PL_FLOW_PROPOSED},
		     /* What is open is paid for, and others pay for theirs. */
		     {FROM_POD, {POD_A, NATIVE, UDP(1, 53)}, PL_FORWARD_NATIVE},
		     {FROM_UPLINK, {NATIVE, POD_A, UDP(53, 1)}, PL_FORWARD_LOCAL},
		     {FROM_POD, kept, PL_FORWARD_NATIVE, PL_FLOW_FAST},
		     {FROM_POD, {POD_B, NATIVE, UDP(2, 53)}, PL_FORWARD_NATIVE, PL_FLOW_FAST},
		     {FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_SYN, 6, 80)}, PL_FORWARD_LOCAL});
		assert_int_equal(budget_of(ID_A, OPENS).used, BUDGET);
		assert_int_equal(budget_of(ID_A, INBOUND).used, 2);
		THEN("closing pays back", {FROM_POD,
					   {POD_B, POD_A, TCP(TCP_RST | TCP_ACK, 80, 5)},
					   PL_FORWARD_LOCAL,
					   PL_FLOW_CLOSED});
		assert_int_equal(budget_of(ID_A, OPENS).used, BUDGET - 1);
		THEN("closing pays back", {FROM_POD, SYN_TO_B(6), PL_FORWARD_LOCAL},
		     {FROM_POD, SYN_TO_B(7), PL_PASS_BUDGET});
		use_budget(ID_A, INBOUND, BUDGET);
		use_budget(ID_A, OPENS, 0);
		THEN("from uplinks",
		     {FROM_UPLINK, {NATIVE, POD_A, TCP(TCP_SYN, 7, 80)}, PL_PASS_BUDGET, GONE},
		     {FROM_UPLINK,
		      {OUTSIDE, POD_A, UDP(7, 80)},
		      uplink_opens_udp() ? PL_PASS_BUDGET : PL_PASS_NO_FLOW,
		      GONE},
		     {FROM_UPLINK, {NATIVE, POD_A, UDP(53, 1)}, PL_FORWARD_LOCAL},
		     {FROM_UPLINK, {NATIVE, POD_B, TCP(TCP_SYN, 7, 80)}, PL_FORWARD_LOCAL},
		     {FROM_POD, SYN_TO_B(8), PL_FORWARD_LOCAL});
	}
}

/* Two seconds at most go by here, each with its allowance, or the machine stands still. */
static void test_rate(void **state)
{
	enum { RATE = 5, TRIED = 100 };
	uint32_t zero = 0, first, last, used;
	struct pl_config config;

	EACH_FAMILY
	{
		bed_reset();
		assert_int_equal(bpf_map_lookup_elem(map_fd("pl_config"), &zero, &config), 0);
		config.flow_rate = RATE;
		map_put("pl_config", &zero, &config);
		first = jiffies_now() / skel->rodata->pl_hz;
		open_many(TRIED);
		last = jiffies_now() / skel->rodata->pl_hz;
		used = budget_of(ID_A, OPENS).used;
		assert_in_range(used, RATE, RATE * (last - first + 1));
		assert_int_equal(count_of(ID_A, PL_PASS_BUDGET, PL_OUT), TRIED - used);
		THEN("others", {FROM_POD, {POD_B, NATIVE, UDP(5, 53)}, PL_FORWARD_NATIVE},
		     {FROM_UPLINK, {NATIVE, POD_A, UDP(5, 530)}, PL_FORWARD_LOCAL});
	}
	set_config(1, 1);
}

/* --- entries that have ended --- */

static void open_and_close(uint16_t port)
{
	const struct step both[] = {
		{FROM_POD, SYN_TO_B(port), PL_FORWARD_LOCAL},
		{FROM_POD, {POD_B, POD_A, TCP(TCP_RST | TCP_ACK, 80, port)}, PL_FORWARD_LOCAL},
	};
	struct packet p = both[1].packet;
	struct frame frame;

	run_packet(FROM_POD, &both[0].packet);
	p.src_mac = mac_pod_b;
	p.dst_mac = mac_host_b;
	make_frame(FROM_POD, &p, &frame);
	run_frame_at(FROM_POD, if_host_b, &p, &frame);
	assert_int_equal(flow_state(&p, false), PL_FLOW_CLOSED);
}

static void test_closed_entries_go(void **state)
{
	const struct packet first = SYN_TO_B(1), second = SYN_TO_B(2), third = SYN_TO_B(3);
	cpu_set_t one, all;

	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE && !CPU_COUNT(&one); cpu++)
		if (CPU_ISSET(cpu, &all))
			CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	EACH_FAMILY
	{
		bed_reset();
		for (uint16_t port = 1; port <= PL_CLOSED_SLOTS; port++)
			open_and_close(port);
		assert_int_equal(flow_state(&first, false), PL_FLOW_CLOSED);
		assert_int_equal(count_flows(), PL_CLOSED_SLOTS);
		THEN("opened again", {FROM_POD, second, PL_FORWARD_LOCAL, PL_FLOW_PROPOSED});
		open_and_close(1000);
		assert_int_equal(flow_state(&first, false), GONE);
		open_and_close(1001);
		assert_int_equal(flow_state(&second, false), PL_FLOW_PROPOSED);
		assert_int_equal(flow_state(&third, false), PL_FLOW_CLOSED);
		open_and_close(1002);
		assert_int_equal(flow_state(&third, false), GONE);
		assert_int_equal(budget_of(ID_A, OPENS).used, 1);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

/* --- a table that is full --- */

enum { SMALL_TABLE = 64 }; /* so small that the kernel counts its entries exactly */

static int up_small(void **state)
{
	int r;

	table_size = SMALL_TABLE;
	r = mode_up(PL_CT_NONE);
	table_size = 0;
	return r;
}

static void test_full_table(void **state)
{
	EACH_FAMILY
	{
		bed_reset();
		THEN("B's", {FROM_POD, {POD_B, NATIVE, UDP(1, 53)}, PL_FORWARD_NATIVE});
		open_many(SMALL_TABLE + 20);
		assert_int_equal(count_flows(), SMALL_TABLE);
		assert_int_equal(budget_of(ID_A, OPENS).used, SMALL_TABLE - 1);
		assert_int_equal(count_of(ID_A, PL_PASS_BUDGET, PL_OUT), 21);
		THEN("full",
		     {FROM_POD, {POD_B, NATIVE, UDP(1, 53)}, PL_FORWARD_NATIVE, PL_FLOW_FAST},
		     {FROM_POD, {POD_A, NATIVE, UDP(1, 53)}, PL_FORWARD_NATIVE, PL_FLOW_FAST},
		     {FROM_POD, {POD_B, NATIVE, UDP(2, 53)}, PL_PASS_BUDGET, GONE},
		     {FROM_UPLINK, {NATIVE, POD_B, TCP(TCP_SYN, 5, 80)}, PL_PASS_BUDGET, GONE});
		assert_int_equal(budget_of(ID_B, OPENS).used, 1);
		assert_int_equal(budget_of(ID_B, INBOUND).used, 0);
	}
}

int main(void)
{
	const struct CMUnitTest none[] = {
		cmocka_unit_test(test_nothing_is_noted),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_closed_entries_go),
	};
	const struct CMUnitTest small[] = {
		cmocka_unit_test(test_full_table),
	};
	const struct CMUnitTest remember[] = {
		cmocka_unit_test(test_echo_and_sctp_are_noted),
		cmocka_unit_test(test_remembers_what_the_stack_delivers),
		cmocka_unit_test(test_remembers_ports),
		cmocka_unit_test(test_lost_notes_bar),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_closed_entries_go),
	};
	const struct CMUnitTest ask[] = {
		cmocka_unit_test(test_echo_and_sctp_are_noted),
		cmocka_unit_test(test_tcp_and_udp_are_not_noted),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_closed_entries_go),
	};
	int failed = cmocka_run_group_tests_name("nobody translates", none, up_none, bed_down);

	failed += cmocka_run_group_tests_name("a small table", small, up_small, bed_down);
	failed += cmocka_run_group_tests_name("remembered", remember, up_remember, bed_down);
	return failed +
	       (conntrack_can_be_asked()
			? cmocka_run_group_tests_name("conntrack asked", ask, up_ask, bed_down)
			: skip_asking());
}
