/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Mirror sessions: what the operator asked for, kept in RUN_DIR/mirrors/NAME.json and the daemon's
 * configuration; turned into pl_mirrors slots, the match program and the masks of the endpoints.
 * Nothing here may touch how an original packet is forwarded.
 */
#ifndef PODLANE_MIRROR_MIRRORS_H
#define PODLANE_MIRROR_MIRRORS_H

#include <jansson.h>
#include "endpoint/table.h"

struct pl_mirrors;

/* What sessions work on; all of it must live as long. */
struct pl_mirrors_opts {
	struct event_base *base;
	struct pl_nl *nl;
	struct pl_datapath *dp;
	struct pl_reconcile *reconcile;
	struct pl_host *host;
	struct pl_endpoints *endpoints;
	const char *run_dir;
	const json_t *declared; /* array: the configuration's sessions */
};

/*
 * Says the facts of the sessions of earlier runs and of the settings, for the first resync; bad
 * ones are logged.
 */
int pl_mirrors_new(const struct pl_mirrors_opts *opts, struct pl_mirrors **ret,
		   struct pl_error *err);
void pl_mirrors_freep(struct pl_mirrors **mirrors);
/* Tunnels and stage, when podlane leaves the node; without a daemon. */
int pl_mirrors_remove_devices(struct pl_error *err);

/*
 * Adds a session. @declared: of the configuration; then a target may be away. All or nothing.
 */
int pl_mirrors_add(struct pl_mirrors *mirrors, const json_t *j, bool declared,
		   unsigned int *ret_slot, struct pl_error *err);
/* The slot of the session called @name, PL_MIRRORS_MAX where there is none. */
unsigned int pl_mirrors_find(const struct pl_mirrors *mirrors, const char *name);
/*
 * Its slot is free after it; devices and record go too. @ret_counters: what came until the very
 * end, caller owns; NULL: nobody asks.
 */
void pl_session_remove(struct pl_mirrors *mirrors, unsigned int slot, json_t **ret_counters);
/* The session in @slot as a reply gives it, and its counters alone; caller owns. */
json_t *pl_session_json(const struct pl_mirrors *mirrors, unsigned int slot);
json_t *pl_session_counters_json(const struct pl_mirrors *mirrors, unsigned int slot);

/* Writes the records that are not there any more. How many. */
size_t pl_mirrors_keep_records(const struct pl_mirrors *mirrors);

/* All sessions with their counters, as "mirror.list" gives them; caller owns. */
json_t *pl_mirrors_list(struct pl_mirrors *mirrors);
size_t pl_mirrors_count(const struct pl_mirrors *mirrors);
/* Names of the sessions that concern @pod; caller owns. */
json_t *pl_mirrors_of_endpoint(struct pl_mirrors *mirrors, const struct pl_endpoint *pod);

/* Other sessions of the configuration than those at open: the difference begins and ends. */
void pl_mirrors_set_declared(struct pl_mirrors *mirrors, const json_t *declared);

/* A pod came or its record changed: its masks are stored. Its slot is set already. */
void pl_mirrors_pod_changed(struct pl_mirrors *mirrors, const struct pl_endpoint *pod);
/* A pod is about to go: sessions that use it as a target pause. */
void pl_mirrors_pod_gone(struct pl_mirrors *mirrors, const struct pl_endpoint *pod);
/* A link came, changed or (@gone) went: targets pause and resume. */
void pl_mirrors_link_event(struct pl_mirrors *mirrors, const struct pl_nl_link *link, bool gone);
/* The link cache was filled anew: every target and mask is checked again. */
void pl_mirrors_resync(struct pl_mirrors *mirrors);

#endif
