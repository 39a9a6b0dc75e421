/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Built-in address management. The used set lives in memory and is derived from the endpoint
 * records: a lease cannot leak apart from its endpoint. Time per call does not grow with use.
 */
#ifndef PODLANE_IPAM_H
#define PODLANE_IPAM_H

#include "common/netconf.h"
#include "common/record.h"

struct pl_ipam;

int pl_ipam_new(struct pl_ipam **ret);
void pl_ipam_freep(struct pl_ipam **ipam);

/* An address is in use (a record was loaded, a delegated plugin chose it). Twice: -EEXIST. */
int pl_ipam_take(struct pl_ipam *ipam, const struct pl_ip *ip);
/*
 * Handed out again only after all else that is free in its range set (in a range of more than a
 * million addresses: after very many). Unknown: success.
 */
void pl_ipam_release(struct pl_ipam *ipam, const struct pl_ip *ip);
bool pl_ipam_in_use(const struct pl_ipam *ipam, const struct pl_ip *ip);
/* Where the cursor of a network starts after a restart: call in order of record creation. */
void pl_ipam_note_last(struct pl_ipam *ipam, const char *network, const struct pl_ip *ip);

/*
 * One address from each range set of @conf; requested ones first: a request that lies in no
 * range, is excluded, a gateway, or in use fails by name (-EINVAL, -EADDRINUSE). An empty set:
 * -ENOSPC, which names the range. All or nothing: on failure nothing is taken. @conf as
 * pl_netconf_parse() makes it, with at least one range; network and v4 broadcast addresses,
 * gateways and exclusions are never handed out.
 */
int pl_ipam_allocate(struct pl_ipam *ipam, const struct pl_netconf *conf,
		     const struct pl_ip *requested, size_t n_requested, struct pl_record_addr *ret,
		     size_t max, size_t *ret_n, struct pl_error *err);
/* Free addresses in each set's ranges, for STATUS: the smallest set's number, INT64_MAX at most. */
uint64_t pl_ipam_available(struct pl_ipam *ipam, const struct pl_netconf *conf);
/* Stretches of the used set looked at so far: what calls cost, without a clock. */
uint64_t pl_ipam_steps(const struct pl_ipam *ipam);

#endif
