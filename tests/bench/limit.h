/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The constants of the do-nothing programs: the only data of limit.bpf.c, set by bpf.c before the
 * verifier sees it.
 */
#ifndef PODLANE_BENCH_LIMIT_H
#define PODLANE_BENCH_LIMIT_H

#include <linux/types.h>

struct limit {
	__u32 target; /* ifindex: the host end of a pod's veth, or the uplink */
	__be32 next4; /* who takes it at the uplink's other end */
	__be32 next6[4];
};

#endif
