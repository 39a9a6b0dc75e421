/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Masquerading of pods whose network asks for it ("ipMasq"): a table of our own in nftables, sets
 * of pod addresses, removed with the last user. No rule of anybody else is read or touched.
 */
#ifndef PODLANE_HOST_MASQ_H
#define PODLANE_HOST_MASQ_H

#include "common/prefixes.h"
#include "common/record.h"

struct pl_masq;

/* Pods reach the @native networks with their own address. What @native points to must live as long.
 */
int pl_masq_new(const struct pl_network_rule *native, size_t n_native, struct pl_masq **ret,
		struct pl_error *err);
void pl_masq_freep(struct pl_masq **masq);

/* For pl_masq_resync() and later changes; nothing is done yet. 0 or -ENOMEM. */
int pl_masq_note(struct pl_masq *masq, const struct pl_record *rec);
/* The inverse, for an endpoint whose ADD is undone. */
void pl_masq_forget(struct pl_masq *masq, const struct pl_record *rec);
/* Nothing to do for a pod without ip_masq. 0, or -errno with what nftables said. */
int pl_masq_add(struct pl_masq *masq, const struct pl_record *rec, struct pl_error *err);
/*
 * Of pods that leave, in one transaction: each waits for a grace period. Failure is logged: the
 * pods go all the same, and the next resync mends the rest.
 */
void pl_masq_del(struct pl_masq *masq, const struct pl_record *const *recs, size_t n);
/* Makes the table what the pods need, whatever it was: at start. */
void pl_masq_resync(struct pl_masq *masq);
/* To be called some times a second: puts back what somebody has changed in our table. */
void pl_masq_look(struct pl_masq *masq);
/* Addresses that are masqueraded. */
size_t pl_masq_count(const struct pl_masq *masq);
/* Would and do the rules work? 0, or -ENETDOWN with what is wrong. */
int pl_masq_check(struct pl_masq *masq, struct pl_error *err);
/* Other native networks, and what they point to: see pl_masq_new(). */
int pl_masq_set_native(struct pl_masq *masq, const struct pl_network_rule *native, size_t n_native,
		       struct pl_error *err);

#endif
