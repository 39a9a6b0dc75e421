/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keeps the datapath at what its owners want. An owner says what must be; what could not be done is
 * tried again by a timer; a resync compares everything with what the kernel really holds.
 */
#ifndef PODLANE_RECONCILE_H
#define PODLANE_RECONCILE_H

#include "reconcile/facts.h"

struct event_base;
struct pl_reconcile;

/* Who wants facts: part of an endpoint or of the host. Zeroed at first. */
struct pl_fact_owner {
	struct pl_facts applied; /* what the datapath holds for it */
	struct pl_facts desired; /* where that differs: what it must come to */
	bool dirty;		 /* it differs */
	char *why;		 /* the last try failed with it; NULL: it did not */
	bool suspect;		 /* repair.c found the datapath without some of it */
	uint8_t repairs;	 /* in a row: somebody else may want it otherwise */
	uint64_t quiet_ns;	 /* until then it is left so */
	struct pl_fact_owner *next, *prev;
};

struct pl_reconcile_watcher {
	void (*retry)(void *arg); /* called before what failed is tried again */
	/* Four times a second: at what is nobody's fact. False: nothing can be repaired now. */
	bool (*look)(void *arg);
	void *arg;
};

int pl_reconcile_new(struct event_base *base, struct pl_datapath *dp,
		     const struct pl_reconcile_watcher *watcher, struct pl_reconcile **ret,
		     struct pl_error *err);
void pl_reconcile_freep(struct pl_reconcile **rec);

/*
 * From now on the owner wants @desired (consumed) and nothing else. Nothing is done yet. Of facts
 * with the same key that two owners want, that of the one which wanted first counts.
 */
void pl_reconcile_want(struct pl_reconcile *rec, struct pl_fact_owner *owner,
		       struct pl_facts *desired);
/*
 * Does what its owner wants. 0 or the first error; the rest is done all the same, and what failed
 * is tried again by the timer.
 */
int pl_reconcile_reach(struct pl_reconcile *rec, struct pl_fact_owner *owner, struct pl_error *err);
/*
 * One of the owner's facts has another value from now on, and gets it at once. A fact that it does
 * not want is no matter: it says so anew when it wants it.
 */
int pl_reconcile_amend(struct pl_reconcile *rec, struct pl_fact_owner *owner,
		       const struct pl_fact *fact, struct pl_error *err);
/*
 * NULL: the datapath holds all that the owner wants. Else why it does not, in words that live until
 * the next call.
 */
const char *pl_reconcile_lacks(struct pl_reconcile *rec, const struct pl_fact_owner *owner);
/* The owner goes: the datapath holds nothing for it, or an error says what it still holds. */
int pl_reconcile_withdraw(struct pl_reconcile *rec, struct pl_fact_owner *owner,
			  struct pl_error *err);
/* The owner goes, but the datapath keeps what it holds. */
void pl_reconcile_drop(struct pl_reconcile *rec, struct pl_fact_owner *owner);
/* The owner's device has gone, and taken along what was attached: only notes of it are left. */
void pl_reconcile_device_gone(struct pl_reconcile *rec, struct pl_fact_owner *owner);

/* Compares what all owners want with what is in the maps and at the hooks, and makes it so. */
int pl_reconcile_all(struct pl_reconcile *rec, struct pl_error *err);

/*
 * From now on, looks four times a second whether the datapath still holds what was applied, and
 * repairs what a program of others, or a hand, has changed; at most 2.5 ms each time.
 */
void pl_reconcile_watch(struct pl_reconcile *rec);

/*
 * What is attached for @owner, or for anybody, as far as is known: it was put there, and was found
 * there when it was last looked at. To ask the kernel would be to wait for the RTNL lock, which a
 * deletion of links may hold for a second.
 */
enum pl_attach_kind pl_reconcile_attached(struct pl_reconcile *rec,
					  const struct pl_fact_owner *owner, enum pl_hook hook,
					  uint32_t ifindex);
void pl_reconcile_each_attachment(struct pl_reconcile *rec,
				  void (*fn)(const struct pl_fact *attachment, void *arg),
				  void *arg);

/* Arms the timer that tries again. */
void pl_reconcile_retry_later(struct pl_reconcile *rec);

#endif
