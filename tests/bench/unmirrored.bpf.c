/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * podlane's programs without the code of mirror sessions in the packet's path: what that code costs
 * where no session is. A contender, not a variant: nothing but the bench builds it.
 */
#define pl_mirror_copy	 pl_mirror_copy_of_podlane
#define pl_mirror_packet pl_mirrors_of_podlane
#define pl_conclude	 pl_conclude_of_podlane
#include "lib/mirror.h"
#undef pl_mirror_copy
#undef pl_mirror_packet
#undef pl_conclude

#define pl_mirror_copy(skb, at)	    (PL_CONTINUE)
#define pl_mirror_packet(p, reason) ((void)0)

PL_INLINE int pl_conclude(struct pl_packet *p, int reason)
{
	return pl_verdict(p, reason, 0);
}

#include "podlane.bpf.c"
