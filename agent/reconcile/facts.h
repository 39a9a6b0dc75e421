/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the datapath must hold, as a set of facts: every kind once, with its key, its order and its
 * value. Pure: no system call, no clock, no global.
 */
#ifndef PODLANE_RECONCILE_FACTS_H
#define PODLANE_RECONCILE_FACTS_H

#include "common/addr.h"
#include "datapath/datapath.h"
#include "podlane/abi.h"

/*
 * In the order in which they are set; they are deleted in the reverse. An address comes last:
 * when a packet can find the endpoint, the rest of it is in place. But a program that takes the
 * place of another is set after the addresses: it must find the maps as full as the other had them.
 */
enum pl_fact_kind {
	PL_FACT_ENDPOINT, /* slot of pl_endpoints */
	PL_FACT_LINK,	  /* entry of pl_devices */
	PL_FACT_TUNNEL,	  /* entry of pl_tunnel_ports */
	PL_FACT_ATTACH,	  /* program at a hook */
	PL_FACT_ADDR,	  /* entry of pl_addrs4/6 */
};

struct pl_fact {
	enum pl_fact_kind kind;
	/* key */
	uint32_t index; /* endpoint id; ifindex of a link or attachment; a tunnel's port */
	enum pl_hook hook;
	struct pl_ip ip;
	/* value */
	struct pl_endpoint_info endpoint; /* *_flows, generation and mirror_* do not take part */
	struct pl_device link;
	struct pl_tunnel tunnel;
	struct pl_addr addr;
	struct pl_attachment attach; /* kind, abi and program take part; reconcile.c fills it in */
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

/* The order of keys: by kind, then by what names one of its kind. */
int pl_fact_compare(const struct pl_fact *a, const struct pl_fact *b);

#endif
