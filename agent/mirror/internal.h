/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of the mirror sessions share: the table of sessions and the steps between what an
 * operator wants and what the datapath holds. For agent/mirror/ alone.
 */
#ifndef PODLANE_MIRROR_INTERNAL_H
#define PODLANE_MIRROR_INTERNAL_H

#include "filter/filter.h"
#include "mirror/compile.h"
#include "mirror/device.h"
#include "mirror/mirrors.h"
#include "mirror/spec.h"
#include "reconcile/reconcile.h"

struct pl_session {
	struct pl_mirror_spec spec;
	struct pl_filter *filter; /* NULL: every packet, unless it is yet to be compiled */
	struct pl_compilation *compilation;
	char uncompiled[256]; /* why the filter is not compiled, for people; "": it is */
	uint32_t id;
	uint64_t expires_ns; /* CLOCK_MONOTONIC; 0: never */
	bool declared;	     /* by the daemon's configuration */
	bool expired;
	uint32_t target; /* ifindex; 0: away, the session pauses */
	bool tunnel;	 /* the target wraps packets: copies take the stage */
	uint32_t fits;	 /* bytes of a copy that the target takes; 0: any */
	char why[256];	 /* paused or expired: the reason, for people */
};

struct pl_mirrors {
	struct pl_mirrors_opts opts;
	struct pl_session *slots[PL_MIRRORS_MAX];
	struct pl_mirror said[PL_MIRRORS_MAX]; /* what pl_mirrors[] is to hold */
	/* Facts: the slots; programs to copy with; on the stage; on each tunnel. */
	struct pl_fact_owner sessions, programs, drain_facts, sinks[PL_MIRRORS_MAX];
	int match_fd; /* the match program; -1: none */
	bool started; /* what is wanted is reached at once, and no longer by the first resync */
	struct event *timer;
	uint32_t next_id;
	unsigned int next_slot;		   /* slots are reused as late as can be */
	uint32_t stage;			   /* ifindex; 0: none */
	uint32_t drain;			   /* its far end, where the program is */
	const struct pl_endpoint *leaving; /* in the table still, but no target any more */
};

/* ---- session.c ---- */

void pl_session_freep(struct pl_session **s);
/* Do its copies take the way through the stage? */
bool pl_session_needs_stage(const struct pl_session *s);
bool pl_session_is_running(const struct pl_mirrors *m, const struct pl_session *s);
bool pl_session_is_tunnel(const struct pl_session *s);
/* Bytes that copies are cut to, by its own snap length or the target's; 0: none. */
uint32_t pl_session_snaplen(const struct pl_session *s);

/* ---- stage.c ---- */

bool pl_mirrors_stage_needed(const struct pl_mirrors *m);
/* Makes or removes the stage, as the sessions need it. */
int pl_mirrors_fit_stage(struct pl_mirrors *m, struct pl_error *err);
/* The program of @hook on a device, and nowhere else; @ifindex 0: nowhere. */
int pl_mirrors_attach(struct pl_mirrors *m, struct pl_fact_owner *owner, enum pl_hook hook,
		      uint32_t ifindex, struct pl_error *err);
void pl_session_remove_tunnel(struct pl_mirrors *m, unsigned int slot);
/* What an earlier run left behind, and no session needs. */
void pl_mirrors_sweep_devices(struct pl_mirrors *m);

/* ---- target.c ---- */

/* Finds or makes the target. False: it is away, why says so. */
bool pl_session_resolve(struct pl_mirrors *m, unsigned int slot);
/* The pod whose host end is the target now, or NULL. */
const struct pl_endpoint *pl_session_target_endpoint(const struct pl_mirrors *m,
						     const struct pl_session *s);

/* ---- facts.c ---- */

void pl_mirrors_session_views(const struct pl_mirrors *m,
			      struct pl_mirror_view views[PL_MIRRORS_MAX]);
void pl_mirrors_want_masks(const struct pl_mirrors *m, const struct pl_mirror_view *views,
			   const struct pl_endpoint *pod);
/*
 * Says the facts of what the sessions are now. No packet is matched by halves: a slot that
 * changes is off first, masks follow, then it is on.
 */
void pl_mirrors_converge(struct pl_mirrors *m);
/* The stage too: there before any session points to it, and gone only after the last one. */
void pl_mirrors_sync(struct pl_mirrors *m);
/* Makes the match program of all filters and puts it in place. The old one stays on failure. */
int pl_mirrors_renew_program(struct pl_mirrors *m, struct pl_error *err);
void pl_mirrors_renew_program_or_log(struct pl_mirrors *m);

/* ---- lifecycle.c ---- */

/*
 * A session of @spec (taken over, also on failure) in a free slot, not yet running. -EINVAL: the
 * filter's program; -ENOSPC: every slot is taken. A filter of the configuration is compiled by a
 * child, and the session pauses until then.
 */
int pl_session_new(struct pl_mirrors *m, struct pl_mirror_spec *spec, bool declared,
		   unsigned int *ret_slot, struct pl_error *err);
/* Has a filter compiled of which the program is not known. */
void pl_session_compile(struct pl_mirrors *m, unsigned int slot);
/* Runs again in a second, if a session has a deadline. */
void pl_mirrors_arm_timer(struct pl_mirrors *m);
void pl_mirrors_on_timer(int fd, short what, void *mirrors);

/* ---- declared.c ---- */

/* The configuration's sessions: those that are recorded as they stand go on, others begin. */
void pl_mirrors_take_declared(struct pl_mirrors *m);

/* ---- record.c ---- */

/* RUN_DIR/mirrors/NAME.json, atomic. 0 or -errno. */
int pl_session_save(const struct pl_mirrors *m, unsigned int slot);
void pl_session_forget(const struct pl_mirrors *m, const char *name);
/* Sessions of earlier runs into the table; files that do not parse are set aside as *.bad. */
void pl_sessions_load(struct pl_mirrors *m);

#endif
