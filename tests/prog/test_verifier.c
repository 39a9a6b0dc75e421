/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Holds every program to tests/prog/verifier-baseline, kernel by kernel: what the verifier has to
 * follow must not grow by more than a tenth unnoticed, or one day some kernel refuses us. A change
 * that has a reason puts new lines there: make verifier-baseline.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "conntrack.h"
#include "verifier.h"

enum { VERIFIER_LIMIT = 1000000 }; /* BPF_COMPLEXITY_LIMIT_INSNS since Linux 5.2 */

static struct podlane_bpf *skel;

static int load(void **state)
{
	skel = dp_skel_open(true);
	return !skel || verifier_load(skel, false) ? -1 : 0;
}

static int unload(void **state)
{
	verifier_close(skel);
	return 0;
}

/* 0 where the baseline has no such line. */
static unsigned long baseline_of(const char *conditions, const char *program)
{
	FILE *f = fopen("tests/prog/verifier-baseline", "r");
	char line[256], key[128];
	unsigned long found = 0;

	if (!f)
		fail_msg("open tests/prog/verifier-baseline: %s", strerror(errno));
	snprintf(key, sizeof(key), "%s %s ", conditions, program);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			found = strtoul(line + strlen(key), NULL, 10);
	fclose(f);
	return found;
}

static void test_far_from_the_limit(void **state)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, skel->obj)
	{
		struct verdict v;

		assert_int_equal(verifier_verdict(prog, &v), 0);
		assert_in_range(v.verified, 1, VERIFIER_LIMIT / 3);
	}
}

/* Every switch off, each value of each alone, all of them on. */
static void test_every_switch(void **state)
{
	static const struct verifier_switches cases[] = {
		{0},
		{.layout = true},
		{.conntrack = PL_CT_ASK},
		{.conntrack = PL_CT_REMEMBER},
		{.layout = true, .conntrack = PL_CT_ASK},
		{.layout = true, .conntrack = PL_CT_REMEMBER},
		{.no_kfuncs = true},
		{.no_kfuncs = true, .layout = true, .conntrack = PL_CT_REMEMBER},
	};

	for (size_t i = 0; i < PL_ARRAY_SIZE(cases); i++) {
		struct podlane_bpf *with;
		struct bpf_program *prog;

		if (cases[i].conntrack == PL_CT_ASK && !conntrack_can_be_asked())
			continue;
		with = dp_skel_open(!cases[i].no_kfuncs);
		assert_non_null(with);
		if (verifier_load_with(with, &cases[i], false))
			fail_msg("case %zu is refused: layout %d, conntrack %d, kfuncs %d", i,
				 cases[i].layout, cases[i].conntrack, !cases[i].no_kfuncs);
		bpf_object__for_each_program(prog, with->obj)
		{
			struct verdict v;

			assert_int_equal(verifier_verdict(prog, &v), 0);
			assert_in_range(v.verified, 1, VERIFIER_LIMIT / 3);
		}
		verifier_close(with);
	}
}

static void test_baseline(void **state)
{
	struct bpf_program *prog;
	char conditions[64];
	int known = 0, bad = 0;

	verifier_conditions(skel, conditions, sizeof(conditions));
	bpf_object__for_each_program(prog, skel->obj)
	{
		struct verdict v;
		unsigned long was;

		assert_int_equal(verifier_verdict(prog, &v), 0);
		was = baseline_of(conditions, v.program);
		known += !!was;
		if (!was || v.verified <= was + was / 10)
			continue;
		print_error("%s %s: %lu instructions to follow, %lu in the baseline\n", conditions,
			    v.program, v.verified, was);
		bad++;
	}
	assert_int_equal(bad, 0);
	if (!known) {
		print_message("# skip: no baseline for %s\n", conditions);
		skip();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_far_from_the_limit),
		cmocka_unit_test(test_baseline),
		cmocka_unit_test(test_every_switch),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
