/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What goes by another packet's entry: fragments, ICMP errors; and who must not: a sender that is
 * not the end that it claims to be, and an endpoint that has only the slot of the one that opened.
 * Cells of the table at the head of bpf/lib/flows.h, as in test_flows.
 */
#include "flow_bed.h"

/* --- whose entry it is --- */

static void next_use(uint32_t endpoint)
{
	endpoints[endpoint].generation++;
}

/* An endpoint was deleted, and its address and slot have come to another pod. */
static void test_generations(void **state)
{
	for (uint32_t changed = ID_A; changed <= ID_B; changed++) {
		EACH_FAMILY
		{
			bed_reset();
			THEN("slot used again", OPEN_BETWEEN_PODS,
			     {FROM_POD, {POD_A, POD_B, UDP(5, 53)}, PL_FORWARD_LOCAL});
			next_use(changed);
			zero_slots("pl_budgets", ID_B + 1, sizeof(struct pl_budgets));
			THEN("slot used again",
			     {FROM_POD, {POD_A, POD_B, TCP(TCP_ACK, 5, 80)}, PL_PASS_NO_FLOW},
			     {FROM_POD, {POD_B, POD_A, TCP(TCP_ACK, 80, 5)}, PL_PASS_NO_FLOW},
			     {FROM_POD, {POD_B, POD_A, UDP(53, 5)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
			     {FROM_POD,
			      {POD_A, POD_B, UDP(5, 53)},
			      PL_FORWARD_LOCAL,
			      PL_FLOW_FAST});
			/* B opened that one. Nobody got back what the slot's former user paid. */
			assert_int_equal(budget_of(ID_B, OPENS).used, 1);
			assert_int_equal(budget_of(ID_A, OPENS).used, 0);
		}
	}
	EACH_FAMILY /* An error about the former pod's connection is not the next one's. */
	{
		const struct packet a_to_b = {POD_A, POD_B, TCP(TCP_ACK, 5, 80)},
				    a_to_native = {POD_A, NATIVE, TCP(TCP_ACK, 5, 80)},
				    native_to_a = {NATIVE, POD_A, TCP(TCP_ACK, 80, 5)};

		bed_reset();
		THEN("an error", OPEN_BETWEEN_PODS, OPEN_TO_NATIVE,
		     {FROM_POD, {POD_B, POD_A}, PL_FORWARD_LOCAL, .quoted = &a_to_b},
		     {FROM_UPLINK, {NATIVE, POD_A}, PL_FORWARD_LOCAL, .quoted = &a_to_native},
		     {FROM_POD, {POD_A, NATIVE}, PL_FORWARD_NATIVE, .quoted = &native_to_a});
		next_use(ID_A);
		THEN("an error", {FROM_POD, {POD_B, POD_A}, PL_PASS_NO_FLOW, .quoted = &a_to_b},
		     {FROM_UPLINK, {NATIVE, POD_A}, PL_PASS_NO_FLOW, .quoted = &a_to_native},
		     {FROM_POD, {POD_A, NATIVE}, PL_PASS_NO_FLOW, .quoted = &native_to_a});
		bed_reset();
		THEN("an error", OPEN_BETWEEN_PODS);
		next_use(ID_B);
		THEN("an error", {FROM_POD, {POD_B, POD_A}, PL_PASS_NO_FLOW, .quoted = &a_to_b});
	}
	EACH_FAMILY
	{
		bed_reset();
		THEN("by an uplink", OPEN_FROM_OUTSIDE);
		next_use(ID_A);
		THEN("by an uplink",
		     {FROM_UPLINK, {OUTSIDE, POD_A, TCP(TCP_ACK, 5, 80)}, PL_PASS_NO_FLOW},
		     {FROM_POD, {POD_A, OUTSIDE, TCP(TCP_ACK, 80, 5)}, PL_PASS_NOT_POD},
		     {FROM_UPLINK,
		      {OUTSIDE, POD_A, TCP(TCP_SYN, 5, 80)},
		      PL_FORWARD_LOCAL,
		      PL_FLOW_PROPOSED});
	}
}

static void test_foreign_senders(void **state)
{
	STEPS("by another pod", OPEN_TO_NATIVE,
	      {FROM_POD, {POD_A, NATIVE, UDP(5, 53)}, PL_FORWARD_NATIVE},
	      {FROM_POD,
	       {POD_A, NATIVE, TCP(TCP_ACK, 5, 80)},
	       PL_DROP_SPOOFED_IP,
	       PL_FLOW_FAST,
	       .by = ID_B},
	      {FROM_POD,
	       {POD_A, NATIVE, TCP(TCP_RST, 5, 80)},
	       PL_DROP_SPOOFED_IP,
	       PL_FLOW_FAST,
	       .by = ID_B},
	      {FROM_POD, {POD_A, NATIVE, UDP(5, 53)}, PL_DROP_SPOOFED_IP, PL_FLOW_FAST, .by = ID_B},
	      {FROM_POD,
	       {NATIVE, POD_A, TCP(TCP_RST, 80, 5)},
	       PL_DROP_SPOOFED_IP,
	       PL_FLOW_FAST,
	       .by = ID_B},
	      {FROM_POD, {POD_A, NATIVE, TCP(TCP_ACK, 5, 80)}, PL_FORWARD_NATIVE});
	STEPS("by an uplink", OPEN_BETWEEN_PODS,
	      {FROM_POD, {POD_A, POD_B, UDP(5, 53)}, PL_FORWARD_LOCAL},
	      {FROM_UPLINK, {POD_A, POD_B, TCP(TCP_ACK, 5, 80)}, PL_PASS_MARTIAN, PL_FLOW_FAST},
	      {FROM_UPLINK, {POD_A, POD_B, UDP(5, 53)}, PL_PASS_MARTIAN, PL_FLOW_FAST},
	      {FROM_UPLINK, {HOST, POD_B, UDP(5, 53)}, PL_PASS_MARTIAN, GONE});
	EACH_FAMILY
	{
		bed_reset();
		/* It may have any address, but not any entry, nor the answers to another of ours.
		 */
		endpoints[ID_B].flags |= PL_EP_TRUSTED;
		THEN("by a trusted pod", OPEN_TO_NATIVE,
		     {FROM_POD, {POD_A, NATIVE, UDP(5, 53)}, PL_FORWARD_NATIVE, PL_FLOW_FAST},
		     {FROM_POD,
		      {POD_A, NATIVE, TCP(TCP_ACK, 5, 80)},
		      PL_PASS_MARTIAN,
		      PL_FLOW_FAST,
		      .by = ID_B},
		     {FROM_POD,
		      {POD_A, NATIVE, TCP(TCP_RST, 5, 80)},
		      PL_PASS_MARTIAN,
		      PL_FLOW_FAST,
		      .by = ID_B},
		     {FROM_POD,
		      {POD_A, NATIVE, UDP(5, 53)},
		      PL_PASS_MARTIAN,
		      PL_FLOW_FAST,
		      .by = ID_B},
		     {FROM_UPLINK, {NATIVE, POD_A, UDP(53, 5)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
		     {FROM_POD, {POD_A, NATIVE, UDP(6, 53)}, PL_PASS_MARTIAN, GONE, .by = ID_B},
		     {FROM_POD,
		      {A_SECOND, NATIVE, TCP(TCP_SYN, 5, 80)},
		      PL_PASS_MARTIAN,
		      GONE,
		      .by = ID_B},
		     {FROM_POD, {HOST, NATIVE, UDP(6, 53)}, PL_PASS_MARTIAN, GONE, .by = ID_B},
		     {FROM_POD,
		      {OUTSIDE, NATIVE, UDP(6, 53)},
		      PL_FORWARD_NATIVE,
		      PL_FLOW_FAST,
		      .by = ID_B},
		     {FROM_POD, {POD_B, NATIVE, UDP(6, 53)}, PL_FORWARD_NATIVE, PL_FLOW_FAST});
	}
}

/* --- fragments --- */

static void fragments_with_outside(void)
{
	STEPS("with outside",
	      {FROM_UPLINK,
	       {OUTSIDE, POD_A, UDP(5, 53), .fragment = FIRST_FRAGMENT, .id = 7},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_PROPOSED,
	       .fragments = PL_FLOW_FAST},
	      {FROM_UPLINK,
	       {OUTSIDE, POD_A, .fragment = LATER_FRAGMENT, .id = 7},
	       PL_FORWARD_LOCAL},
	      {FROM_POD, {POD_A, OUTSIDE, .fragment = MIDDLE_FRAGMENT, .id = 9}, PL_PASS_NOT_POD},
	      {FROM_POD,
	       {POD_A, OUTSIDE, UDP(53, 5), .fragment = FIRST_FRAGMENT, .id = 9},
	       PL_FORWARD_NATIVE,
	       PL_FLOW_FAST,
	       .fragments = PL_FLOW_FAST},
	      {FROM_POD, {POD_A, OUTSIDE, .fragment = LATER_FRAGMENT, .id = 9}, PL_FORWARD_NATIVE},
	      {FROM_POD,
	       {POD_A, OUTSIDE, UDP(54, 5), .fragment = FIRST_FRAGMENT, .id = 10},
	       PL_PASS_NOT_POD,
	       .fragments = GONE});
}

static void test_fragments(void **state)
{
	const struct packet paid = {POD_A, POD_B, UDP(5, 53), .fragment = FIRST_FRAGMENT, .id = 7};

	STEPS("of a flow",
	      {FROM_POD,
	       {POD_A, POD_B, .fragment = MIDDLE_FRAGMENT, .id = 7},
	       PL_PASS_FRAGMENT,
	       .fragments = GONE},
	      {FROM_POD, {POD_A, POD_B, UDP(5, 53)}, PL_FORWARD_LOCAL},
	      {FROM_POD, {POD_A, POD_B, .fragment = MIDDLE_FRAGMENT, .id = 7}, PL_PASS_FRAGMENT},
	      {FROM_POD,
	       {POD_A, POD_B, UDP(5, 53), .fragment = FIRST_FRAGMENT, .id = 7},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_FAST,
	       .fragments = PL_FLOW_FAST},
	      {FROM_POD, {POD_A, POD_B, .fragment = MIDDLE_FRAGMENT, .id = 7}, PL_FORWARD_LOCAL},
	      {FROM_POD, {POD_A, POD_B, .fragment = MIDDLE_FRAGMENT, .id = 8}, PL_PASS_FRAGMENT},
	      {FROM_POD, {POD_B, POD_A, .fragment = MIDDLE_FRAGMENT, .id = 7}, PL_PASS_FRAGMENT},
	      {FROM_POD,
	       {POD_A, POD_B, .fragment = LATER_FRAGMENT, .id = 7},
	       PL_FORWARD_LOCAL,
	       .fragments = PL_FLOW_CLOSED},
	      {FROM_POD, {POD_A, POD_B, .fragment = MIDDLE_FRAGMENT, .id = 7}, PL_PASS_FRAGMENT},
	      {FROM_POD,
	       {POD_A, POD_B, UDP(5, 53), .fragment = FIRST_FRAGMENT, .id = 7},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_FAST,
	       .fragments = PL_FLOW_FAST});
	STEPS("that open a flow",
	      {FROM_POD,
	       {POD_A, POD_B, UDP(5, 53), .fragment = FIRST_FRAGMENT, .id = 7},
	       PL_FORWARD_LOCAL,
	       PL_FLOW_FAST,
	       .fragments = PL_FLOW_FAST},
	      {FROM_POD, {POD_A, POD_B, .fragment = LATER_FRAGMENT, .id = 7}, PL_FORWARD_LOCAL},
	      {FROM_POD, {POD_B, POD_A, UDP(53, 5)}, PL_FORWARD_LOCAL});
	STEPS("of no flow",
	      {FROM_POD,
	       {POD_A, POD_B, TCP(TCP_ACK, 5, 80), .fragment = FIRST_FRAGMENT, .id = 7},
	       PL_PASS_FRAGMENT,
	       GONE,
	       .fragments = GONE},
	      {FROM_POD, {POD_A, POD_B, .fragment = LATER_FRAGMENT, .id = 7}, PL_PASS_FRAGMENT},
	      {FROM_UPLINK,
	       {NATIVE, POD_A, .fragment = LATER_FRAGMENT, .id = 7},
	       PL_PASS_FRAGMENT});
	if (uplink_opens_udp())
		fragments_with_outside();
	EACH_FAMILY
	{
		bed_reset();
		THEN("beyond the budget", {FROM_POD, {POD_A, POD_B, UDP(5, 53)}, PL_FORWARD_LOCAL});
		use_budget(ID_A, OPENS, BUDGET);
		THEN("beyond the budget",
		     {FROM_POD,
		      {POD_A, POD_B, UDP(5, 53), .fragment = FIRST_FRAGMENT, .id = 7},
		      PL_PASS_BUDGET,
		      PL_FLOW_FAST,
		      .fragments = GONE},
		     {FROM_POD,
		      {POD_A, POD_B, .fragment = LATER_FRAGMENT, .id = 7},
		      PL_PASS_FRAGMENT},
		     {FROM_POD, {POD_A, POD_B, UDP(5, 53)}, PL_FORWARD_LOCAL});
		bed_reset();
		THEN("too old", {FROM_POD, paid, PL_FORWARD_LOCAL});
		assert_int_equal(budget_of(ID_A, OPENS).used, 2);
		age_flow(&paid, true, PL_LIFE_FRAGMENTS + 2);
		THEN("too old", {FROM_POD,
				 {POD_A, POD_B, .fragment = LATER_FRAGMENT, .id = 7},
				 PL_PASS_FRAGMENT});
	}
}

/* --- ICMP errors --- */

static void test_icmp_errors(void **state)
{
	const struct packet a_to_b = {POD_A, POD_B, TCP(TCP_ACK, 5, 80), .payload = 8},
			    b_to_a = {POD_B, POD_A, TCP(TCP_ACK, 80, 5), .payload = 8},
			    a_to_native = {POD_A, NATIVE, TCP(TCP_ACK, 5, 80)},
			    native_to_a = {NATIVE, POD_A, TCP(TCP_ACK, 80, 5)},
			    outside_to_a = {OUTSIDE, POD_A, TCP(TCP_ACK, 5, 80)},
			    unknown = {POD_A, POD_B, TCP(TCP_ACK, 6, 80)};

	STEPS("between pods", {FROM_POD, {POD_B, POD_A}, PL_PASS_NO_FLOW, .quoted = &a_to_b},
	      {FROM_POD, {POD_A, POD_B, TCP(TCP_SYN, 5, 80)}, PL_FORWARD_LOCAL, PL_FLOW_PROPOSED},
	      {FROM_POD, {POD_B, POD_A}, PL_FORWARD_LOCAL, .quoted = &a_to_b},
	      {FROM_POD, {POD_B, POD_A, TCP(SYN_ACK, 80, 5)}, PL_FORWARD_LOCAL, PL_FLOW_FAST},
	      {FROM_POD, {POD_B, POD_A}, PL_FORWARD_LOCAL, .quoted = &a_to_b},
	      {FROM_POD, {POD_A, POD_B}, PL_FORWARD_LOCAL, .quoted = &b_to_a},
	      {FROM_POD, {POD_A, POD_B}, PL_PASS_NO_FLOW, .quoted = &a_to_b}, /* its own packet */
	      {FROM_POD, {POD_B, POD_A}, PL_PASS_NO_FLOW, .quoted = &unknown},
	      {FROM_POD, {POD_A, POD_B, TCP(TCP_RST, 5, 80)}, PL_FORWARD_LOCAL, PL_FLOW_CLOSED},
	      {FROM_POD, {POD_B, POD_A}, PL_PASS_NO_FLOW, .quoted = &a_to_b});
	STEPS("of a native network", OPEN_TO_NATIVE,
	      {FROM_UPLINK, {NATIVE, POD_A}, PL_FORWARD_LOCAL, .quoted = &a_to_native},
	      /* a router on the way */
	      {FROM_UPLINK, {OUTSIDE, POD_A}, PL_FORWARD_LOCAL, .quoted = &a_to_native},
	      {FROM_UPLINK, {NATIVE, POD_B}, PL_PASS_NO_FLOW, .quoted = &a_to_native},
	      {FROM_UPLINK, {NATIVE, POD_A}, PL_PASS_NO_FLOW, .quoted = &native_to_a},
	      {FROM_POD, {POD_A, NATIVE}, PL_FORWARD_NATIVE, .quoted = &native_to_a},
	      /* Of a connection between pods no router outside has seen anything. */
	      OPEN_BETWEEN_PODS,
	      {FROM_UPLINK, {OUTSIDE, POD_A}, PL_PASS_NO_FLOW, .quoted = &a_to_b},
	      /* a third pod, that is neither end */
	      {FROM_POD, {POD_B, POD_A}, PL_PASS_NO_FLOW, .quoted = &a_to_native},
	      {FROM_POD, {NATIVE, POD_A}, PL_DROP_SPOOFED_IP, .by = ID_B, .quoted = &a_to_native});
	STEPS("of the pod, to outside",
	      {FROM_POD, {POD_A, OUTSIDE}, PL_PASS_NOT_POD, .quoted = &outside_to_a},
	      {FROM_UPLINK, {OUTSIDE, POD_A, TCP(TCP_SYN, 5, 80)}, PL_FORWARD_LOCAL},
	      {FROM_POD, {POD_A, OUTSIDE}, PL_FORWARD_NATIVE, .quoted = &outside_to_a});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generations),
		cmocka_unit_test(test_foreign_senders),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_icmp_errors),
	};
	int failed = cmocka_run_group_tests_name("nobody translates", tests, up_none, bed_down);

	failed += cmocka_run_group_tests_name("remembered", tests, up_remember, bed_down);
	return failed +
	       (conntrack_can_be_asked()
			? cmocka_run_group_tests_name("conntrack asked", tests, up_ask, bed_down)
			: skip_asking());
}
