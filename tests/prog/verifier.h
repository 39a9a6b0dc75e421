/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the running kernel's verifier thinks of the programs, for the test that holds them to
 * tests/prog/verifier-baseline and the tool that prints its lines. Nothing is pinned or attached.
 */
#ifndef PODLANE_TESTS_PROG_VERIFIER_H
#define PODLANE_TESTS_PROG_VERIFIER_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "datapath/internal.h"
#include "podlane.skel.h"

enum { VERIFIER_LOG_BRANCHES = 1, VERIFIER_LOG_STATS = 4, VERIFIER_LOG_SIZE = 16 << 20 };

struct verdict {
	char program[32];
	unsigned long verified; /* instructions that the verifier followed */
	unsigned long length;	/* of the program, as the kernel rewrote it */
};

static inline unsigned long verifier_processed(const char *log)
{
	const char *at = log ? strstr(log, "processed ") : NULL;

	return at ? strtoul(at + strlen("processed "), NULL, 10) : 0;
}

static inline void verifier_print_refusals(struct podlane_bpf *skel, bool verbose)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, skel->obj)
	{
		size_t size;
		const char *log = bpf_program__log_buf(prog, &size);
		size_t n = log ? strlen(log) : 0;

		if (n && bpf_program__fd(prog) < 0)
			fprintf(stderr, "%s: %s\n", bpf_program__name(prog),
				verbose || n < 3000 ? log : log + n - 3000);
	}
}

/* What the daemon sets between open and load, as it finds the kernel. */
struct verifier_switches {
	bool no_kfuncs; /* the object for kernels without BTF */
	bool layout;	/* of the kernel's struct sk_buff is known */
	enum pl_conntrack_mode conntrack;
};

static inline int verifier_load_with(struct podlane_bpf *skel, const struct verifier_switches *with,
				     bool verbose)
{
	struct bpf_program *prog;
	int r;

	bpf_object__for_each_program(prog, skel->obj)
	{
		char *log = calloc(1, VERIFIER_LOG_SIZE);

		if (!log)
			return -ENOMEM;
		bpf_program__set_log_buf(prog, log, VERIFIER_LOG_SIZE);
		bpf_program__set_log_level(prog, VERIFIER_LOG_STATS |
							 (verbose ? VERIFIER_LOG_BRANCHES : 0));
	}
	if (with->layout)
		dp_skb_layout(&skel->rodata->pl_skb_layout);
	skel->rodata->pl_conntrack_mode = with->conntrack;
	r = podlane_bpf__load(skel);
	if (r) {
		fprintf(stderr, "load the BPF object: %s\n", strerror(-r));
		verifier_print_refusals(skel, verbose);
	}
	return r;
}

static inline int verifier_load(struct podlane_bpf *skel, bool verbose)
{
	const struct verifier_switches usual = {.layout = true};

	return verifier_load_with(skel, &usual, verbose);
}

static inline int verifier_verdict(const struct bpf_program *prog, struct verdict *ret)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);
	size_t size;
	int r = bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len);

	if (r)
		return r;
	*ret = (struct verdict){.verified = verifier_processed(bpf_program__log_buf(prog, &size)),
				.length = info.xlated_prog_len / sizeof(struct bpf_insn)};
	snprintf(ret->program, sizeof(ret->program), "%s", bpf_program__name(prog));
	return 0;
}

static inline void verifier_close(struct podlane_bpf *skel)
{
	struct bpf_program *prog;

	if (!skel)
		return;
	bpf_object__for_each_program(prog, skel->obj)
	{
		size_t size;

		free((void *)bpf_program__log_buf(prog, &size));
	}
	podlane_bpf__destroy(skel);
}

/* "clang14 6.1": what the counts depend on beside the source. */
static inline void verifier_conditions(const struct podlane_bpf *skel, char *ret, size_t size)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	if (!uname(&name))
		sscanf(name.release, "%u.%u", &major, &minor);
	snprintf(ret, size, "clang%u %u.%u", skel->rodata->pl_clang, major, minor);
}

#endif
