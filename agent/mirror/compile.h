/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Filters of the configuration are words, and the daemon has no compiler for them: it asks the
 * installed command, "podlane mirror compile", as a child that has ten seconds for it. The loop
 * goes on meanwhile.
 */
#ifndef PODLANE_MIRROR_COMPILE_H
#define PODLANE_MIRROR_COMPILE_H

#include "common/util.h"

struct event_base;
struct pl_compilation;

/*
 * @done is called later and once, with the program as text or with what failed; @slot is passed on.
 * It frees the compilation.
 */
int pl_compilation_start(struct event_base *base, const char *expr,
			 void (*done)(void *arg, unsigned int slot, const char *program,
				      const struct pl_error *failed),
			 void *arg, unsigned int slot, struct pl_compilation **ret,
			 struct pl_error *err);
/*
 * The same at once, for who has no loop to keep: waits a second at most. The caller frees *ret.
 * -EINVAL: the filter is wrong; -ETIMEDOUT, -ENOENT (no such command) and the like: nobody knows.
 */
int pl_compile_now(const char *expr, char **ret, struct pl_error *err);
/* Ends the child, where it is still at it; @done is not called then. */
void pl_compilation_freep(struct pl_compilation **c);

#endif
