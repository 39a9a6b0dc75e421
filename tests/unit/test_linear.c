/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reconcile at 1,000 and at 10,000 endpoints: a start, a resync of which nothing differs, an
 * upgrade of every program, and tries that fail. What counts is how often facts are compared and
 * written, not the time: ten times as many may take no more than so much sorting costs. The kernel
 * is a set of facts here (the linker puts the functions below in its place).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>

#include "common/log.h"
#include "reconcile/actual.h"
#include "reconcile/reconcile.h"
#include "reconcile/write.h"

enum {
	FEW = 1000,
	MANY = 10 * FEW,
	/* n log n: 10 * log(10000) / log(1000) = 13.3, and quadratic is 100. */
	FACTOR_MAX = 16,
	FAILS_EVERY = 5,
};

static struct {
	uint64_t compared, written, collected;
	struct pl_facts kernel; /* sorted by nothing */
	uint32_t program;	/* what attachments should run */
	bool fails;
} world;

int __real_pl_fact_compare(const struct pl_fact *a, const struct pl_fact *b);
int __wrap_pl_fact_compare(const struct pl_fact *a, const struct pl_fact *b);
int __wrap_pl_write_set(struct pl_datapath *dp, const struct pl_fact *f, struct pl_error *err);
int __wrap_pl_write_del(struct pl_datapath *dp, const struct pl_fact *f, struct pl_error *err);
int __wrap_pl_write_settle(struct pl_datapath *dp);
int __wrap_pl_actual_collect(struct pl_datapath *dp, struct pl_facts *ret,
			     const struct pl_facts *desired);
void __wrap_pl_datapath_wanted(const struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
			       struct pl_attachment *ret);

int __wrap_pl_fact_compare(const struct pl_fact *a, const struct pl_fact *b)
{
	world.compared++;
	return __real_pl_fact_compare(a, b);
}

int __wrap_pl_write_set(struct pl_datapath *dp, const struct pl_fact *f, struct pl_error *err)
{
	world.written++;
	return world.fails && f->kind == PL_FACT_ATTACH && f->index % FAILS_EVERY == 0
		       ? pl_fail(err, -EBUSY, "device %u is busy", f->index)
		       : 0;
}

int __wrap_pl_write_del(struct pl_datapath *dp, const struct pl_fact *f, struct pl_error *err)
{
	world.written++;
	return 0;
}

int __wrap_pl_write_settle(struct pl_datapath *dp)
{
	return 0;
}

int __wrap_pl_actual_collect(struct pl_datapath *dp, struct pl_facts *ret,
			     const struct pl_facts *desired)
{
	for (size_t i = 0; i < world.kernel.n; i++)
		*pl_facts_add(ret, world.kernel.v[i].kind) = world.kernel.v[i];
	world.collected++;
	return 0;
}

void __wrap_pl_datapath_wanted(const struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
			       struct pl_attachment *ret)
{
	*ret = (struct pl_attachment){
		.kind = PL_ATTACHED_TCX, .abi = PL_ABI, .program = world.program};
}

/* What an endpoint wants: six facts. */
static void add_pod(struct pl_facts *facts, uint32_t id)
{
	static const enum pl_hook hooks[] = {PL_HOOK_TO_POD, PL_HOOK_FROM_POD};
	struct pl_fact *f = pl_facts_add(facts, PL_FACT_ENDPOINT);

	f->index = id;
	f->endpoint.ifindex = id + 100;
	f = pl_facts_add(facts, PL_FACT_LINK);
	f->index = id + 100;
	f->link = (struct pl_device){.endpoint = id, .role = PL_ROLE_ENDPOINT};
	for (size_t i = 0; i < PL_ARRAY_SIZE(hooks); i++) {
		f = pl_facts_add(facts, PL_FACT_ATTACH);
		f->index = id + 100;
		f->hook = hooks[i];
		f->attach.kind = PL_ATTACHED_TCX;
		f->attach.abi = PL_ABI;
		f->attach.program = world.program;
	}
	for (int family = 0; family < 2; family++) {
		f = pl_facts_add(facts, PL_FACT_ADDR);
		f->ip.family = family ? AF_INET6 : AF_INET;
		memcpy(f->ip.bytes, &id, sizeof(id));
		f->addr = (struct pl_addr){.endpoint = id, .kind = PL_ADDR_POD};
	}
}

static void no_retry(void *arg)
{
}

static bool no_look(void *arg)
{
	return false;
}

struct counts {
	uint64_t start, same, upgrade, failing, again;
};

static uint64_t steps_of_all(struct pl_reconcile *rec, uint64_t expected_writes, int expected)
{
	struct pl_error err = {0};

	world.compared = world.written = 0;
	assert_int_equal(pl_reconcile_all(rec, &err), expected);
	assert_int_equal(world.written, expected_writes);
	return world.compared + world.written;
}

/* The timer's tries, one for each owner that lacks something. */
static uint64_t steps_of_tries(struct pl_reconcile *rec, struct pl_fact_owner *owners, uint32_t n)
{
	world.compared = world.written = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct pl_error err = {0};

		(void)pl_reconcile_reach(rec, &owners[i], &err);
		assert_int_equal(pl_reconcile_lacks(rec, &owners[i]) != NULL,
				 (i + 101) % FAILS_EVERY == 0);
	}
	return world.compared + world.written;
}

static struct counts count(uint32_t n)
{
	static const struct pl_reconcile_watcher watcher = {no_retry, no_look, NULL};
	struct pl_fact_owner *owners = calloc(n, sizeof(*owners));
	struct event_base *base = event_base_new();
	struct pl_reconcile *rec = NULL;
	struct counts c = {0};

	pl_log_set_level(PL_LOG_ERROR);
	world.program = 1;
	assert_int_equal(pl_reconcile_new(base, NULL, &watcher, &rec, NULL), 0);
	for (uint32_t i = 0; i < n; i++) {
		struct pl_facts want = {0};

		add_pod(&want, 1 + i);
		pl_reconcile_want(rec, &owners[i], &want);
	}
	c.start = steps_of_all(rec, 6 * n, 0);
	for (uint32_t i = n; i-- > 0;) /* in another order than they are wanted */
		add_pod(&world.kernel, 1 + i);
	c.same = steps_of_all(rec, 0, 0);
	world.program = 2;
	c.upgrade = steps_of_all(rec, 2 * n, 0);
	world.fails = true;
	world.program = 3;
	c.failing = steps_of_all(rec, 2 * n, -EBUSY);
	c.again = steps_of_tries(rec, owners, n);
	world.fails = false;
	for (uint32_t i = 0; i < n; i++)
		pl_reconcile_drop(rec, &owners[i]);
	pl_facts_clear(&world.kernel);
	pl_reconcile_freep(&rec);
	event_base_free(base);
	free(owners);
	return c;
}

static void test_steps(void **state)
{
	struct counts few = count(FEW), many = count(MANY);

	print_message(
		"start %lu, same %lu, upgrade %lu, failing %lu, tried again %lu steps for %d\n",
		(unsigned long)many.start, (unsigned long)many.same, (unsigned long)many.upgrade,
		(unsigned long)many.failing, (unsigned long)many.again, MANY);
	assert_in_range(many.start, MANY, few.start * FACTOR_MAX);
	assert_in_range(many.same, MANY, few.same * FACTOR_MAX);
	assert_in_range(many.upgrade, MANY, few.upgrade * FACTOR_MAX);
	assert_in_range(many.failing, MANY, few.failing * FACTOR_MAX);
	assert_in_range(many.again, MANY, few.again * FACTOR_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
