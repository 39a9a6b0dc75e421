/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prints what the running kernel's verifier thinks of each program, as lines of
 * tests/prog/verifier-baseline: `compiler kernel program instructions-followed`, then, behind a #,
 * the program's length. With -v the whole log of a program that is refused.
 */
#include "../prog/verifier.h"

static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return 0;
}

int main(int argc, char **argv)
{
	struct podlane_bpf *skel;
	struct bpf_program *prog;
	char conditions[64];
	int r;

	libbpf_set_print(quiet);
	skel = dp_skel_open(true);
	if (!skel) {
		fprintf(stderr, "open the BPF object: %s\n", strerror(errno));
		return 1;
	}
	r = verifier_load(skel, argc > 1 && !strcmp(argv[1], "-v"));
	verifier_conditions(skel, conditions, sizeof(conditions));
	bpf_object__for_each_program(prog, skel->obj)
	{
		struct verdict v;

		if (r || (r = verifier_verdict(prog, &v)))
			break;
		printf("%s %s %lu # %lu\n", conditions, v.program, v.verified, v.length);
	}
	verifier_close(skel);
	return !!r;
}
