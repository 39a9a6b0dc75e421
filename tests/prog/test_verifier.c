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

#include "verifier.h"

enum { VERIFIER_LIMIT = 1000000 }; /* BPF_COMPLEXITY_LIMIT_INSNS since Linux 5.2 */

static struct podlane_bpf *skel;

static int load(void **state)
{
	skel = podlane_bpf__open();
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
	};

	return cmocka_run_group_tests(tests, load, unload);
}
