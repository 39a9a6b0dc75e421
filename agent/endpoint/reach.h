/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the host's own stack needs to reach a pod: the gateway's address on the host end, a route to
 * each of the pod's addresses, a permanent neighbour for each. Made by ADD, and made again where
 * it is missing: the kernel drops all of it when a link goes down, and moves to another network
 * namespace lose it, too.
 */
#ifndef PODLANE_ENDPOINT_REACH_H
#define PODLANE_ENDPOINT_REACH_H

#include "common/record.h"
#include "host/host.h"
#include "netlink/netlink.h"

enum pl_reach_kind {
	PL_REACH_ADDRESS,
	PL_REACH_ROUTE,
	PL_REACH_NEIGHBOUR,
};

struct pl_reach_fact {
	enum pl_reach_kind kind;
	struct pl_ip ip;
	struct pl_mac mac; /* of a neighbour */
};

struct pl_reach {
	struct pl_reach_fact v[3 * PL_RECORD_ADDRS_MAX];
	size_t n;
};

/* "address", "route", "neighbour" */
const char *pl_reach_name(enum pl_reach_kind kind);

/* The gateway of one of the pod's addresses. */
const struct pl_ip *pl_reach_gateway(const struct pl_record_addr *addr);
/* Whether an earlier address has the same gateway as address number @i. */
bool pl_reach_gateway_seen(const struct pl_record *rec, size_t i);

/* On the host end, in the order in which it is made; nothing for a link that another made. Pure. */
void pl_reach_want(const struct pl_record *rec, struct pl_reach *ret);
/* On the pod's end: the gateway's neighbours. Pure. */
void pl_reach_want_in_pod(const struct pl_record *rec, struct pl_reach *ret);

/* Appends the making of one. */
void pl_reach_make(struct pl_nl_batch *b, uint32_t ifindex, const struct pl_reach_fact *fact);
/*
 * Makes it unless the kernel has it on this link. 1: it was made, 0: it was there, -errno. @host
 * knows the addresses; NULL where none is asked for.
 */
int pl_reach_ensure(struct pl_nl *nl, const struct pl_host *host, uint32_t ifindex,
		    const struct pl_reach_fact *fact, struct pl_error *err);

#endif
