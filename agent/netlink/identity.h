/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether a link is the one that a record names. An index says little: the kernel gives it to
 * another device once the first has gone, or has moved to another network namespace. Events, the
 * sweep, the deletion of links, and DEL without the daemon all ask here.
 */
#ifndef PODLANE_NETLINK_IDENTITY_H
#define PODLANE_NETLINK_IDENTITY_H

#include "common/record.h"
#include "netlink/netlink.h"

struct pl_identity {
	char name[IFNAMSIZ];
	uint32_t ifindex; /* 0: not known */
	uint32_t peer_ifindex;
	struct pl_mac mac; /* zero: it has none */
	uint8_t kind;	   /* enum pl_link_kind */
};

struct pl_identity pl_identity_of_host_end(const struct pl_record *rec);
struct pl_identity pl_identity_of_pod_end(const struct pl_record *rec);

/*
 * @link was read in the network namespace where it is looked for. It may have been renamed, or have
 * got a new index by a move and a return, but not both; a MAC that somebody changed is made up for
 * by all the rest. Pure.
 */
bool pl_identity_matches(const struct pl_identity *id, const struct pl_nl_link *link);

/*
 * Whether @link, which has the name that ADD gives to a host end, is what an ADD that was cut short
 * has made: its record has no index yet. Pure.
 */
bool pl_identity_is_half_made(const struct pl_record *rec, const struct pl_nl_link *link);
/* Whether the record's host end has the name that ADD gave it. */
bool pl_identity_has_given_name(const struct pl_record *rec);

/*
 * The network namespace that @path leads to, if it is still that of ADD: an fd. -ENOENT: it is
 * another one by now, or gone; -errno. Never blocks.
 */
int pl_identity_open_netns(const char *path, uint64_t inode);

/*
 * Where the host end is, as the pod's end has it, which exists as long: the index that it has in
 * the network namespace of the caller, 0: it is in another one. -ENOENT: the pod's end is not to
 * be found, -errno.
 */
int pl_identity_ask_pod(const struct pl_record *rec, uint32_t *ret_ifindex);
/* It was moved to another network namespace, and may come back. */
bool pl_identity_is_elsewhere(const struct pl_record *rec);

#endif
