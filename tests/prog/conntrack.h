/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Does the kernel let a program ask conntrack? Since Linux 5.18 it does, where nf_conntrack is
 * there with its BTF; a module's is a file of its own. Not found by loading the programs: that they
 * are refused must fail a test, not skip it.
 */
#ifndef PODLANE_TESTS_PROG_CONNTRACK_H
#define PODLANE_TESTS_PROG_CONNTRACK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static inline bool conntrack_can_be_asked(void)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	bool found = false, module = false;
	char line[512];

	if (!f)
		fail_msg("open /proc/kallsyms: %s", strerror(errno));
	while (!found && fgets(line, sizeof(line), f)) {
		found = strstr(line, " bpf_skb_ct_lookup") != NULL;
		module = found && strchr(line, '[');
	}
	fclose(f);
	return found &&
	       !access(module ? "/sys/kernel/btf/nf_conntrack" : "/sys/kernel/btf/vmlinux", R_OK);
}

#endif
