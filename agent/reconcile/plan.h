/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Desired minus actual. What the datapath must hold is a set of facts; plan compares two sets and
 * says what to set and what to delete, in an order in which no packet meets a half of it. Pure:
 * no system call, no clock, no global.
 */
#ifndef PODLANE_RECONCILE_PLAN_H
#define PODLANE_RECONCILE_PLAN_H

#include "common/addr.h"
#include "datapath/datapath.h"
#include "podlane/abi.h"

/*
 * In the order in which they are set; they are deleted in the reverse. An address comes last:
 * when a packet can find the endpoint, the rest of it is in place.
 */
enum pl_fact_kind {
	PL_FACT_ENDPOINT, /* slot of pl_endpoints */
	PL_FACT_LINK,	  /* entry of pl_devices */
	PL_FACT_ATTACH,	  /* program at a hook */
	PL_FACT_ADDR,	  /* entry of pl_addrs4/6 */
};

struct pl_fact {
	enum pl_fact_kind kind;
	/* key */
	uint32_t index; /* endpoint id; ifindex of a link or attachment */
	enum pl_hook hook;
	struct pl_ip ip;
	/* value */
	struct pl_endpoint_info endpoint; /* *_flows, generation and mirror_* do not take part */
	struct pl_device link;
	struct pl_addr addr;
};

struct pl_facts {
	struct pl_fact *v;
	size_t n;
	size_t size;
};

void pl_facts_clear(struct pl_facts *f);
/* Appends a zeroed fact of @kind; NULL without memory. The pointer lives until the next call. */
struct pl_fact *pl_facts_add(struct pl_facts *f, enum pl_fact_kind kind);

/* Whether two facts of the same key have the same value. */
bool pl_fact_same(const struct pl_fact *a, const struct pl_fact *b);

struct pl_op {
	bool del;	     /* else set */
	struct pl_fact fact; /* del: the actual one, set: the desired one */
};

struct pl_plan {
	struct pl_op *v;
	size_t n;
};

void pl_plan_clear(struct pl_plan *p);
/*
 * Both sets are sorted in place. Deletions come first, sets after them. Of desired facts with the
 * same key the first added counts. 0 or -ENOMEM, *ret untouched then.
 */
int pl_plan_make(struct pl_facts *desired, struct pl_facts *actual, struct pl_plan *ret);

#endif
