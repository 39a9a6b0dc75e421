/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is known of a classic program before it runs: that it is one, which instructions can be
 * reached, how far into the packet it looks. Pure; the base of every translation.
 */
#ifndef PODLANE_FILTER_CBPF_H
#define PODLANE_FILTER_CBPF_H

#include <linux/filter.h>

#include "common/util.h"

/*
 * 0, or -EINVAL: unknown opcode, jump or scratch cell out of range, constant division by zero or
 * shift by 32 and more, no RET at the end, a load from the kernel's ancillary data. JA may go
 * backwards (protochain); other jumps cannot.
 */
int pl_cbpf_check(const struct sock_filter *insns, size_t n);

/* True where a JA goes backwards. */
bool pl_cbpf_loops(const struct sock_filter *insns, size_t n);

/*
 * Of a checked program laid out @copies times, where a jump backwards goes to the next copy, and
 * from the last one nowhere: ret[copy * n + i] is true where instruction i can be reached.
 */
void pl_cbpf_reachable(const struct sock_filter *insns, size_t n, size_t copies, bool *ret);

/* Bytes that a load or LDX MSH takes from the packet; 0 for any other instruction. */
unsigned int pl_cbpf_load_size(const struct sock_filter *insn);

/* Where a JA leads, may be before it. */
static inline size_t pl_cbpf_ja_target(size_t at, const struct sock_filter *insn)
{
	return (size_t)((int64_t)at + 1 + (int32_t)insn->k);
}

#endif
