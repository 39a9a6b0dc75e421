/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of the mirror sessions share: the table of sessions and the steps between what an
 * operator wants and what the datapath holds. For agent/mirror/ alone.
 */
#ifndef PODLANE_MIRROR_INTERNAL_H
#define PODLANE_MIRROR_INTERNAL_H

#include "filter/filter.h"
#include "mirror/device.h"
#include "mirror/mirrors.h"
#include "mirror/spec.h"

struct pl_session {
	struct pl_mirror_spec spec;
	struct pl_filter *filter; /* NULL: every packet */
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
	struct pl_daemon *d;
	struct pl_session *slots[PL_MIRRORS_MAX];
	struct pl_mirror applied[PL_MIRRORS_MAX]; /* what pl_mirrors[] holds */
	struct event *timer;
	uint32_t next_id;
	unsigned int next_slot;		   /* slots are reused as late as can be */
	uint32_t stage;			   /* ifindex; 0: none */
	uint32_t drain;			   /* its far end, where the program is */
	const struct pl_endpoint *leaving; /* in the table still, but no target any more */
};

/* ---- mirrors.c ---- */

void pl_session_freep(struct pl_session **s);
/*
 * A session of @spec (taken over, also on failure) in a free slot, not yet running. -EINVAL: the
 * filter; -ENOSPC: every slot is taken.
 */
int pl_session_new(struct pl_mirrors *m, struct pl_mirror_spec *spec, unsigned int *ret_slot,
		   struct pl_error *err);
/* Do its copies take the way through the stage? */
bool pl_session_needs_stage(const struct pl_session *s);
/* Bytes that copies are cut to, by its own snap length or the target's; 0: none. */
uint32_t pl_session_snaplen(const struct pl_session *s);
/* Finds or makes the target. False: it is away, why says so. */
bool pl_session_resolve(struct pl_mirrors *m, unsigned int slot);
/* Its slot is free after it; devices and record go too. */
void pl_session_remove(struct pl_mirrors *m, unsigned int slot);
/* Makes the match program of all filters and puts it in place. The old one stays on failure. */
int pl_mirrors_renew_program(struct pl_mirrors *m, struct pl_error *err);
/*
 * Brings the datapath to what the sessions are now. No packet is matched by halves: a slot that
 * changes is off first, masks follow, then it is on.
 */
void pl_mirrors_converge(struct pl_mirrors *m);
/* Makes or removes the stage, as the sessions need it. */
int pl_mirrors_fit_stage(struct pl_mirrors *m, struct pl_error *err);
/* The slot of the session called @name, PL_MIRRORS_MAX where there is none. */
unsigned int pl_mirrors_find(const struct pl_mirrors *m, const char *name);
/* The pod whose host end is the target now, or NULL. */
const struct pl_endpoint *pl_session_target_endpoint(const struct pl_mirrors *m,
						     const struct pl_session *s);

/* ---- admit.c ---- */

/*
 * Adds a session. @declared: of the configuration; then a target may be away. All or nothing.
 */
int pl_mirrors_add(struct pl_mirrors *m, const json_t *j, bool declared, unsigned int *ret_slot,
		   struct pl_error *err);

/* ---- record.c ---- */

/* RUN_DIR/mirrors/NAME.json, atomic. 0 or -errno. */
int pl_session_save(const struct pl_mirrors *m, unsigned int slot);
void pl_session_forget(const struct pl_mirrors *m, const char *name);
/* Sessions of earlier runs into the table; files that do not parse are set aside as *.bad. */
void pl_sessions_load(struct pl_mirrors *m);

#endif
