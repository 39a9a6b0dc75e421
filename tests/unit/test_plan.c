/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * plan = desired - actual: what is set, what is deleted, and in which order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reconcile/plan.h"

static void add_addr(struct pl_facts *f, uint8_t last, uint32_t endpoint)
{
	struct pl_fact *fact = pl_facts_add(f, PL_FACT_ADDR);

	assert_non_null(fact);
	fact->ip = (struct pl_ip){AF_INET, {10, 0, 0, last}};
	fact->addr = (struct pl_addr){.endpoint = endpoint, .kind = PL_ADDR_POD};
}

static void add_link(struct pl_facts *f, uint32_t ifindex, uint32_t endpoint)
{
	struct pl_fact *fact = pl_facts_add(f, PL_FACT_LINK);

	assert_non_null(fact);
	fact->index = ifindex;
	fact->link = (struct pl_device){.endpoint = endpoint, .role = PL_ROLE_ENDPOINT};
}

static void add_attach(struct pl_facts *f, uint32_t ifindex, enum pl_hook hook)
{
	struct pl_fact *fact = pl_facts_add(f, PL_FACT_ATTACH);

	assert_non_null(fact);
	fact->index = ifindex;
	fact->hook = hook;
}

static void add_endpoint(struct pl_facts *f, uint32_t id, uint32_t ifindex, uint16_t flags)
{
	struct pl_fact *fact = pl_facts_add(f, PL_FACT_ENDPOINT);

	assert_non_null(fact);
	fact->index = id;
	fact->endpoint.ifindex = ifindex;
	fact->endpoint.flags = flags;
}

static void add_pod(struct pl_facts *f, uint32_t id, uint32_t ifindex, uint8_t last)
{
	add_addr(f, last, id);
	add_attach(f, ifindex, PL_HOOK_FROM_POD);
	add_endpoint(f, id, ifindex, PL_EP_READY);
	add_attach(f, ifindex, PL_HOOK_TO_POD);
	add_link(f, ifindex, id);
}

struct sets {
	struct pl_facts desired, actual;
	struct pl_plan plan;
};

static void make(struct sets *s)
{
	assert_int_equal(pl_plan_make(&s->desired, &s->actual, &s->plan), 0);
}

static void clear(struct sets *s)
{
	pl_facts_clear(&s->desired);
	pl_facts_clear(&s->actual);
	pl_plan_clear(&s->plan);
}

static void test_nothing(void **state)
{
	struct sets s = {0};

	make(&s);
	assert_int_equal(s.plan.n, 0);
	clear(&s);
}

static void test_same_in_any_order(void **state)
{
	struct sets s = {0};

	add_pod(&s.desired, 1, 7, 2);
	add_pod(&s.desired, 2, 9, 3);
	add_pod(&s.actual, 2, 9, 3);
	add_pod(&s.actual, 1, 7, 2);
	make(&s);
	assert_int_equal(s.plan.n, 0);
	clear(&s);
}

/* The address, by which packets find the endpoint, comes when all else is there. */
static void test_add_order(void **state)
{
	static const enum pl_fact_kind order[] = {PL_FACT_ENDPOINT, PL_FACT_LINK, PL_FACT_ATTACH,
						  PL_FACT_ATTACH, PL_FACT_ADDR};
	struct sets s = {0};

	add_pod(&s.desired, 1, 7, 2);
	make(&s);
	assert_int_equal(s.plan.n, PL_ARRAY_SIZE(order));
	for (size_t i = 0; i < s.plan.n; i++) {
		assert_false(s.plan.v[i].del);
		assert_int_equal(s.plan.v[i].fact.kind, order[i]);
	}
	clear(&s);
}

/* And goes first. */
static void test_delete_order(void **state)
{
	static const enum pl_fact_kind order[] = {PL_FACT_ADDR, PL_FACT_ATTACH, PL_FACT_ATTACH,
						  PL_FACT_LINK, PL_FACT_ENDPOINT};
	struct sets s = {0};

	add_pod(&s.actual, 1, 7, 2);
	make(&s);
	assert_int_equal(s.plan.n, PL_ARRAY_SIZE(order));
	for (size_t i = 0; i < s.plan.n; i++) {
		assert_true(s.plan.v[i].del);
		assert_int_equal(s.plan.v[i].fact.kind, order[i]);
	}
	clear(&s);
}

static void test_deletions_before_sets(void **state)
{
	struct sets s = {0};
	bool set_seen = false;

	add_pod(&s.desired, 1, 7, 2);
	add_pod(&s.actual, 2, 9, 3);
	make(&s);
	assert_int_equal(s.plan.n, 10);
	for (size_t i = 0; i < s.plan.n; i++) {
		set_seen |= !s.plan.v[i].del;
		assert_true(set_seen == !s.plan.v[i].del);
	}
	clear(&s);
}

/* An address that changes hands is replaced, never missing. */
static void test_moved_address(void **state)
{
	struct sets s = {0};

	add_addr(&s.desired, 2, 5);
	add_addr(&s.actual, 2, 4);
	make(&s);
	assert_int_equal(s.plan.n, 1);
	assert_false(s.plan.v[0].del);
	assert_int_equal(s.plan.v[0].fact.addr.endpoint, 5);
	clear(&s);
}

static void test_flag_change(void **state)
{
	struct sets s = {0};

	add_endpoint(&s.desired, 1, 7, 0);
	add_endpoint(&s.actual, 1, 7, PL_EP_READY);
	make(&s);
	assert_int_equal(s.plan.n, 1);
	assert_int_equal(s.plan.v[0].fact.endpoint.flags, 0);
	clear(&s);
}

/* What programs write into a slot is none of the plan's business. */
static void test_foreign_fields(void **state)
{
	struct sets s = {0};

	add_endpoint(&s.desired, 1, 7, PL_EP_READY);
	add_endpoint(&s.actual, 1, 7, PL_EP_READY);
	s.actual.v[0].endpoint.stack_only = 1;
	s.actual.v[0].endpoint.generation = 9;
	make(&s);
	assert_int_equal(s.plan.n, 0);
	clear(&s);
}

/* The masks are podlane's own. */
static void test_masks(void **state)
{
	struct sets s = {0};

	add_endpoint(&s.desired, 1, 7, PL_EP_READY);
	add_endpoint(&s.actual, 1, 7, PL_EP_READY);
	s.actual.v[0].endpoint.mirror_in = 3;
	make(&s);
	assert_int_equal(s.plan.n, 1);
	assert_int_equal(s.plan.v[0].fact.endpoint.mirror_in, 0);
	clear(&s);
}

static struct pl_fact *add_session(struct pl_facts *f, uint32_t slot, uint32_t id, uint32_t target)
{
	struct pl_fact *fact = pl_facts_add(f, PL_FACT_MIRROR);

	assert_non_null(fact);
	fact->index = slot;
	fact->mirror = (struct pl_mirror){
		.id = id, .target = target, .flags = PL_MIRROR_ACTIVE, .sample = 1};
	return fact;
}

/*
 * A session that gets another target is off before masks change, and on after them; what copies is
 * attached before it, and a new session in a used slot begins after the old one is deleted.
 */
static void test_mirror_order(void **state)
{
	struct sets s = {0};

	add_session(&s.actual, 0, 1, 7);
	add_session(&s.actual, 1, 2, 7);
	add_session(&s.actual, 2, 3, 7);
	add_endpoint(&s.actual, 1, 7, PL_EP_READY);
	add_session(&s.desired, 0, 1, 9);
	add_session(&s.desired, 1, 4, 7);
	add_session(&s.desired, 2, 3, 7);
	add_endpoint(&s.desired, 1, 7, PL_EP_READY);
	s.desired.v[3].endpoint.mirror_out = 1;
	add_attach(&s.desired, 5, PL_HOOK_STAGE);
	make(&s);
	assert_int_equal(s.plan.n, 6);
	assert_true(s.plan.v[0].del && s.plan.v[0].fact.mirror.id == 2);
	assert_true(s.plan.v[1].pauses && s.plan.v[1].fact.mirror.target == 7 &&
		    !s.plan.v[1].fact.mirror.flags);
	assert_int_equal(s.plan.v[2].fact.kind, PL_FACT_ENDPOINT);
	assert_int_equal(s.plan.v[3].fact.kind, PL_FACT_ATTACH);
	assert_true(s.plan.v[4].fact.mirror.id == 1 && s.plan.v[4].fact.mirror.target == 9 &&
		    s.plan.v[4].fact.mirror.flags == PL_MIRROR_ACTIVE);
	assert_true(s.plan.v[5].fact.mirror.id == 4 && !s.plan.v[5].del);
	clear(&s);
}

static void test_networks(void **state)
{
	const struct pl_network_rule a[] = {{{{AF_INET, {10}}, 8}, false},
					    {{{AF_INET, {10, 1}}, 16}, true}};
	const struct pl_network_rule b[] = {{{{AF_INET, {10}}, 8}, false},
					    {{{AF_INET, {10, 1}}, 16}, false}};
	struct pl_fact x = {.kind = PL_FACT_NETWORKS}, y = x;

	x.networks.rules = a;
	x.networks.n = 2;
	y.networks.rules = b;
	y.networks.n = 2;
	assert_int_equal(pl_fact_compare(&x, &y), 0);
	assert_false(pl_fact_same(&x, &y));
	y.networks.rules = a;
	assert_true(pl_fact_same(&x, &y));
	y.networks.n = 1;
	assert_false(pl_fact_same(&x, &y));
}

static void test_first_of_equal_keys(void **state)
{
	struct sets s = {0};

	add_addr(&s.desired, 2, 1);
	add_addr(&s.desired, 2, 2);
	make(&s);
	assert_int_equal(s.plan.n, 1);
	assert_int_equal(s.plan.v[0].fact.addr.endpoint, 1);
	clear(&s);
}

static void test_hooks_of_one_device_are_apart(void **state)
{
	struct sets s = {0};

	add_attach(&s.desired, 7, PL_HOOK_FROM_POD);
	add_attach(&s.actual, 7, PL_HOOK_TO_POD);
	make(&s);
	assert_int_equal(s.plan.n, 2);
	assert_true(s.plan.v[0].del);
	assert_int_equal(s.plan.v[0].fact.hook, PL_HOOK_TO_POD);
	assert_int_equal(s.plan.v[1].fact.hook, PL_HOOK_FROM_POD);
	clear(&s);
}

/* Another program, set or way to attach is a difference; the same is none. */
static void test_other_program(void **state)
{
	static const struct pl_attachment ours = {.kind = PL_ATTACHED_TCX, .abi = 4, .program = 10};
	struct pl_attachment others[] = {ours, ours, ours};

	others[0].kind = PL_ATTACHED_CLSACT;
	others[1].abi = 3;
	others[2].program = 9;
	for (size_t i = 0; i <= PL_ARRAY_SIZE(others); i++) {
		struct sets s = {0};

		add_attach(&s.desired, 7, PL_HOOK_FROM_POD);
		add_attach(&s.actual, 7, PL_HOOK_FROM_POD);
		s.desired.v[0].attach = ours;
		s.actual.v[0].attach = i < PL_ARRAY_SIZE(others) ? others[i] : ours;
		make(&s);
		assert_int_equal(s.plan.n, i < PL_ARRAY_SIZE(others));
		if (s.plan.n) {
			assert_false(s.plan.v[0].del);
			assert_int_equal(s.plan.v[0].fact.attach.program, ours.program);
		}
		clear(&s);
	}
}

/* A program takes another's place when the maps that it reads are as full as the other's were. */
static void test_swapped_programs_come_last(void **state)
{
	struct sets s = {0};

	add_pod(&s.desired, 1, 7, 2);
	add_attach(&s.actual, 7, PL_HOOK_FROM_POD);
	s.actual.v[0].attach.program = 9;
	make(&s);
	assert_int_equal(s.plan.n, 5);
	assert_int_equal(s.plan.v[3].fact.kind, PL_FACT_ADDR);
	assert_int_equal(s.plan.v[4].fact.kind, PL_FACT_ATTACH);
	assert_int_equal(s.plan.v[4].fact.hook, PL_HOOK_FROM_POD);
	clear(&s);
}

/* Carrying a plan out on the actual set gives the desired one: random sets, fixed seed. */
static void apply(const struct pl_plan *plan, bool present[2][64], uint32_t owner[64])
{
	for (size_t i = 0; i < plan->n; i++) {
		uint8_t last = plan->v[i].fact.ip.bytes[3];

		present[1][last] = !plan->v[i].del;
		owner[last] = plan->v[i].fact.addr.endpoint;
	}
}

static void test_property(void **state)
{
	uint32_t seed = 1;

	for (int round = 0; round < 500; round++) {
		bool present[2][64] = {0};
		uint32_t want[64] = {0}, owner[64] = {0};
		struct sets s = {0};

		for (uint8_t i = 0; i < 64; i++) {
			seed = seed * 1664525 + 1013904223;
			present[0][i] = seed >> 31;
			present[1][i] = (seed >> 30) & 1;
			want[i] = (seed >> 28) & 3;
			owner[i] = (seed >> 26) & 3;
			if (present[0][i])
				add_addr(&s.desired, i, want[i]);
			if (present[1][i])
				add_addr(&s.actual, i, owner[i]);
		}
		make(&s);
		apply(&s.plan, present, owner);
		for (uint8_t i = 0; i < 64; i++) {
			assert_int_equal(present[0][i], present[1][i]);
			if (present[0][i])
				assert_int_equal(want[i], owner[i]);
		}
		clear(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_same_in_any_order),
		cmocka_unit_test(test_add_order),
		cmocka_unit_test(test_delete_order),
		cmocka_unit_test(test_deletions_before_sets),
		cmocka_unit_test(test_moved_address),
		cmocka_unit_test(test_flag_change),
		cmocka_unit_test(test_foreign_fields),
		cmocka_unit_test(test_masks),
		cmocka_unit_test(test_mirror_order),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_first_of_equal_keys),
		cmocka_unit_test(test_hooks_of_one_device_are_apart),
		cmocka_unit_test(test_other_program),
		cmocka_unit_test(test_swapped_programs_come_last),
		cmocka_unit_test(test_property),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
