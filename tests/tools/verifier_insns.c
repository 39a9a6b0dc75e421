/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Loads the BPF object, as embedded in the daemon, and prints what the running kernel's verifier
 * thinks of each program: `program verified-instructions instructions`, the latter after the
 * kernel's own rewriting. Nothing is pinned or attached. With -v the verifier's log of a program
 * that it refuses.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "podlane.skel.h"

enum { LOG_STATS = 4, LOG_BRANCHES = 1, LOG_SIZE = 16 << 20 };

static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return 0;
}

static unsigned long verified(const char *log)
{
	const char *at = log ? strstr(log, "processed ") : NULL;

	return at ? strtoul(at + strlen("processed "), NULL, 10) : 0;
}

static int print_program(const struct bpf_program *prog)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);
	size_t size;
	int r = bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len);

	if (r) {
		fprintf(stderr, "read the info of program %s: %s\n", bpf_program__name(prog),
			strerror(-r));
		return r;
	}
	printf("%s %lu %zu\n", bpf_program__name(prog), verified(bpf_program__log_buf(prog, &size)),
	       info.xlated_prog_len / sizeof(struct bpf_insn));
	return 0;
}

static int load(struct podlane_bpf *skel, bool verbose)
{
	struct bpf_program *prog;
	int r;

	bpf_object__for_each_program(prog, skel->obj)
	{
		char *log = calloc(1, LOG_SIZE);

		if (!log)
			return -ENOMEM;
		bpf_program__set_log_buf(prog, log, LOG_SIZE);
		bpf_program__set_log_level(prog, LOG_STATS | (verbose ? LOG_BRANCHES : 0));
	}
	r = podlane_bpf__load(skel);
	if (!r)
		return 0;
	fprintf(stderr, "load the BPF object: %s\n", strerror(-r));
	bpf_object__for_each_program(prog, skel->obj)
	{
		size_t size;
		const char *log = bpf_program__log_buf(prog, &size);
		size_t n = log ? strlen(log) : 0;

		if (n && bpf_program__fd(prog) < 0)
			fprintf(stderr, "%s: %s\n", bpf_program__name(prog),
				verbose || n < 3000 ? log : log + n - 3000);
	}
	return r;
}

int main(int argc, char **argv)
{
	struct podlane_bpf *skel;
	struct bpf_program *prog;
	int r;

	libbpf_set_print(quiet);
	skel = podlane_bpf__open();
	if (!skel) {
		fprintf(stderr, "open the BPF object: %s\n", strerror(errno));
		return 1;
	}
	r = load(skel, argc > 1 && !strcmp(argv[1], "-v"));
	bpf_object__for_each_program(prog, skel->obj) if (!r) r = print_program(prog);
	bpf_object__for_each_program(prog, skel->obj)
	{
		size_t size;

		free((void *)bpf_program__log_buf(prog, &size));
	}
	podlane_bpf__destroy(skel);
	return !!r;
}
