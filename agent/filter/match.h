/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Many filters in the one program of the tail-call slot PL_PROG_MATCH, between the programs that
 * know a packet's endpoints and the one that makes the copies.
 */
#ifndef PODLANE_FILTER_MATCH_H
#define PODLANE_FILTER_MATCH_H

#include <linux/bpf.h>

#include "filter/filter.h"
#include "podlane/abi.h"

/* Verifying so many takes the kernel up to a second, in which the daemon does nothing else. */
#define PL_MATCH_INSNS_MAX 65536

/*
 * The match program for PL_PROG_MATCH: for each slot with a filter, its bit in
 * skb->cb[PL_CB_MASK_LO/HI] is cleared where the filter rejects; slots without one stay as they
 * are. Then it tail-calls pl_programs[PL_PROG_MIRROR], and returns TC_ACT_UNSPEC if that fails.
 * A VLAN tag that the NIC or the kernel took out of the frame is seen where it was.
 * Equal filters are evaluated once. Pure; the caller frees *ret. -E2BIG: a filter, or all of them,
 * are too large.
 */
int pl_match_build(const struct pl_filter *const filters[PL_MIRRORS_MAX], struct bpf_insn **ret,
		   size_t *ret_n, struct pl_error *err);
/* Loads it for the prog_array @programs_fd. Returns a program fd (CLOEXEC) or -errno. */
int pl_match_load(const struct bpf_insn *insns, size_t n, int programs_fd, struct pl_error *err);

#endif
