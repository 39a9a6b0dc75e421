/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads a table of nftables: whether it is what it was. No other table is read, so that what
 * others have there costs nothing here.
 */
#ifndef PODLANE_NETLINK_NFT_H
#define PODLANE_NETLINK_NFT_H

#include "common/util.h"

struct pl_nft;

/* One base chain and some sets of a table of the family inet. */
struct pl_nft_table {
	const char *table;
	const char *chain;
	const char *const *sets; /* ends with NULL */
};

int pl_nft_open(struct pl_nft **ret, struct pl_error *err);
void pl_nft_closep(struct pl_nft **nft);

/* Another number after each change of the ruleset, by one if it was one. 0 or -errno. */
int pl_nft_generation(struct pl_nft *nft, uint32_t *ret);

/*
 * A number for what table, chain, rules and sets are, without the elements: equal while nobody
 * changes them. *ret_lost names what is not there. 0; -ENOENT; -EINTR: it changed meanwhile.
 */
int pl_nft_shape(struct pl_nft *nft, const struct pl_nft_table *t, uint64_t *ret,
		 const char **ret_lost);

typedef void pl_nft_element_fn(const void *key, size_t len, uint32_t flags, void *arg);
/* In no order. 0 or -errno; -EINTR: the set changed meanwhile. */
int pl_nft_elements(struct pl_nft *nft, const char *table, const char *set, pl_nft_element_fn *fn,
		    void *arg);

/* FNV-1a, for a number over several things; begin with 0. */
uint64_t pl_nft_hash(uint64_t h, const void *data, size_t len);

#endif
