/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tricks for the verifier and the compiler, in one place: each says what it is good for. None of
 * them changes what a program computes.
 */
#ifndef PODLANE_BPF_VERIFIER_H
#define PODLANE_BPF_VERIFIER_H

#include <linux/types.h>

#define PL_INLINE static inline __attribute__((always_inline, unused))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/*
 * Hides from the compiler where a value comes from. It would test two facts out of one word as one,
 * or keep half of a pointer that it saw loaded from 32 bits: the verifier follows neither.
 */
#ifndef barrier_var
#define barrier_var(var) asm volatile("" : "=r"(var) : "0"(var))
#endif

/*
 * The same value, of which the verifier knows its type alone: to it, a pointer less itself is any
 * number. Where many ways meet, each with a constant of its own, it would else follow what comes
 * behind once for every constant.
 */
PL_INLINE __u32 pl_scalar_unknown(__u32 value, const void *pointer)
{
	const char *same = pointer;

	barrier_var(same);
	return value + (__u32)(same - (const char *)pointer);
}

#endif
