/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long the daemon's loop is busy. A turn is all that is done between two waits for events: what
 * becomes due meanwhile waits until its end, so the length of a turn is the delay that a turn
 * causes. Each callback names its part of the turn, in nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef PODLANE_TURN_H
#define PODLANE_TURN_H

#include "common/util.h"

enum {
	PL_TURN_SLOW_MS = 20,  /* a turn that took longer is counted */
	PL_TURN_LOG_MS = 200,  /* a turn that took longer is logged */
	PL_TURN_RECENT_S = 60, /* what counts as recent, to ten seconds */
};

/* The length of a turn, and the part that took most of it: a string that lives forever, or "". */
struct pl_turn_length {
	uint64_t ns;
	const char *most;
};

struct pl_turns {
	struct pl_turn_length longest; /* since the start */
	struct pl_turn_length recent;  /* within PL_TURN_RECENT_S */
	uint64_t slow;		       /* turns of more than PL_TURN_SLOW_MS */
};

/* The rest of the scope is the part @what, a string that lives forever, of this turn. */
#define PL_TURN(what)                                                                              \
	pl_cleanup(pl_turn_leave) const char *pl_turn_outer_ __attribute__((unused)) =             \
		pl_turn_enter(what)

/* For PL_TURN alone. A part within another one is taken off that one. */
const char *pl_turn_enter(const char *what);
void pl_turn_leave(const char **outer);

/* The loop is about to wait again. Logs a turn that took too long. */
void pl_turn_end(void);
/* What was measured; the turn under way is not part of it. */
void pl_turns_get(struct pl_turns *ret);

#endif
