/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The store of address management (chunks.c), as ipam.c uses it. Nobody else includes it.
 */
#ifndef PODLANE_IPAM_INTERNAL_H
#define PODLANE_IPAM_INTERNAL_H

#include "ipam/ipam.h"

#define CHUNK_BITS  512 /* addresses: the last 9 bits */
#define CHUNK_WORDS (CHUNK_BITS / 64)
#define BUCKETS_MIN 64
#define RECENT_MAX  32 /* cursors of one network */
/* Chunks that only remember released addresses; beyond, in a huge range, they are forgotten. */
#define IDLE_CHUNKS_MAX 4096

struct chunk {
	struct chunk *next; /* in the bucket */
	struct pl_ip base;  /* last 9 bits zero */
	unsigned int n_used;
	uint64_t used[CHUNK_WORDS];
	uint64_t resting[CHUNK_WORDS]; /* of those not used: released in this round */
};

/*
 * The addresses that a network handed out last, newest first. The newest that lies in a range set
 * is that set's cursor; so a set keeps its cursor when the configuration moves it.
 */
struct network {
	struct network *next;
	char name[PL_NAME_MAX + 1];
	struct pl_ip recent[RECENT_MAX];
	size_t n_recent;
};

struct pl_ipam {
	struct chunk **buckets;
	size_t n_buckets; /* a power of two */
	size_t n_chunks;
	size_t n_idle; /* chunks without a used address */
	struct network *networks;
	uint64_t steps;
};

size_t pl_chunk_offset(const struct pl_ip *ip);
struct pl_ip pl_chunk_base(const struct pl_ip *ip);
bool pl_chunk_bit(const uint64_t *words, size_t bit);
/* Bits @from to @to, both inclusive, of word @i of a chunk. */
uint64_t pl_chunk_word_mask(size_t i, size_t from, size_t to);
/* NULL: no address of it is taken or rests. */
struct chunk *pl_chunk_find(const struct pl_ipam *ipam, const struct pl_ip *ip);
/* Calls @fn for every chunk; one that it leaves without a bit is freed. */
void pl_chunks_each(struct pl_ipam *ipam, void (*fn)(struct chunk *c, void *arg), void *arg);

/* Calls @fn for the part of each chunk that lies between @first and @last. */
struct addr_interval {
	struct pl_ip first;
	struct pl_ip last;
	void (*fn)(struct chunk *c, size_t from, size_t to, void *arg);
	void *arg;
};

void pl_chunks_each_in(struct pl_ipam *ipam, struct addr_interval *s);

/* 0, -EEXIST, -ENOMEM. */
int pl_chunks_take(struct pl_ipam *ipam, const struct pl_ip *ip);
void pl_chunks_release(struct pl_ipam *ipam, const struct pl_ip *ip, bool resting);

#endif
