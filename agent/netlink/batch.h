/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A batch of messages as batch.c and batch_links.c build it. Nobody else includes it.
 */
#ifndef PODLANE_NETLINK_BATCH_H
#define PODLANE_NETLINK_BATCH_H

#include "netlink/internal.h"

struct pl_nl_message {
	size_t offset; /* in the batch's buffer */
	bool creates;  /* makes a link */
	bool reads;
	bool may_miss;
	int forgiven;		/* an -errno that counts as success; 0: none */
	struct pl_nl_link *ret; /* of a read */
	struct pl_nl_link got;
};

struct pl_nl_batch {
	struct pl_nl *nl;
	char *buf;
	size_t len, cap;
	struct pl_nl_message *v;
	size_t n, v_cap;
	int failed; /* -errno of the first message that could not be built */
};

/* NULL: the batch has failed. *ret_header is zeroed. */
struct nlmsghdr *pl_nl_batch_begin(struct pl_nl_batch *b, uint16_t type, uint16_t flags,
				   size_t header_size, void *ret_header);
int pl_nl_batch_end(struct pl_nl_batch *b, const struct nlmsghdr *nlh);
/* The batch fails with @code, unless it has failed before. Returns @code. */
int pl_nl_batch_give_up(struct pl_nl_batch *b, int code);

bool pl_nl_name_fits(const char *name);
void pl_nl_put_ip(struct nlmsghdr *nlh, uint16_t type, const struct pl_ip *ip);

#endif
