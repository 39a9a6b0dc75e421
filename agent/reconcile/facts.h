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
 * when a packet can find the endpoint, the rest of it is in place. A mirror session is set after
 * the masks of the endpoints, the programs that copy and those on its devices. But a program that
 * takes the place of another at a hook is set last: it must find the maps as full as the other had
 * them.
 */
enum pl_fact_kind {
	PL_FACT_NETWORKS, /* all of pl_networks4/6, and what pl_config says of them */
	PL_FACT_ENDPOINT, /* slot of pl_endpoints, with its masks of mirror sessions */
	PL_FACT_LINK,	  /* entry of pl_devices */
	PL_FACT_TUNNEL,	  /* entry of pl_tunnel_ports */
	PL_FACT_PROGRAM,  /* slot of pl_programs */
	PL_FACT_ATTACH,	  /* program at a hook */
	PL_FACT_MIRROR,	  /* a session in its slot of pl_mirrors */
	PL_FACT_ADDR,	  /* entry of pl_addrs4/6 */
};

struct pl_fact {
	enum pl_fact_kind kind;
	/* key */
	uint32_t index; /* endpoint id; ifindex of a link or attachment; a tunnel's port; a slot */
	enum pl_hook hook;
	struct pl_ip ip;
	union { /* value */
		/* Borrowed: they live as long as they are wanted. */
		struct {
			const struct pl_network_rule *rules;
			size_t n;
		} networks;
		struct pl_endpoint_info endpoint; /* *_flows and generation do not take part */
		struct pl_device link;
		struct pl_tunnel tunnel;
		struct pl_addr addr;
		/* kind, abi and program take part; reconcile.c fills it in. */
		struct pl_attachment attach;
		/* id takes part; reconcile.c fills it in where the program is the datapath's. */
		struct {
			uint32_t id; /* the kernel's */
			int fd;	     /* borrowed, as long as it is wanted; -1: the datapath's */
		} program;
		struct pl_mirror mirror; /* its id belongs to the key: another is another session */
	};
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
