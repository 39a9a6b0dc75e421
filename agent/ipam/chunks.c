/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which addresses are taken, and which rest: bits in chunks of 512 neighbours, in one hash for the
 * whole node.
 */
#include "ipam/internal.h"

size_t pl_chunk_offset(const struct pl_ip *ip)
{
	size_t last = pl_ip_bits(ip->family) / 8 - 1;

	return (size_t)(ip->bytes[last - 1] & 1) << 8 | ip->bytes[last];
}

struct pl_ip pl_chunk_base(const struct pl_ip *ip)
{
	size_t last = pl_ip_bits(ip->family) / 8 - 1;
	struct pl_ip base = *ip;

	base.bytes[last] = 0;
	base.bytes[last - 1] &= 0xfe;
	return base;
}

bool pl_chunk_bit(const uint64_t *words, size_t bit)
{
	return words[bit / 64] >> (bit % 64) & 1;
}

static void bit_set(uint64_t *words, size_t bit, bool on)
{
	uint64_t mask = (uint64_t)1 << (bit % 64);

	if (on)
		words[bit / 64] |= mask;
	else
		words[bit / 64] &= ~mask;
}

static bool is_empty(const uint64_t *words)
{
	uint64_t all = 0;

	for (size_t i = 0; i < CHUNK_WORDS; i++)
		all |= words[i];
	return !all;
}

/* Spreads the high bits down too: neighbouring chunks differ in the low bytes alone. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 32) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 29) * 0x94d049bb133111eb;
	return x ^ x >> 32;
}

static size_t bucket_of(const struct pl_ipam *ipam, const struct pl_ip *base)
{
	uint64_t high, low;

	memcpy(&high, base->bytes, sizeof(high));
	memcpy(&low, base->bytes + sizeof(high), sizeof(low));
	return (mix(high) + mix(low ^ 0x9e3779b97f4a7c15)) & (ipam->n_buckets - 1);
}

struct chunk *pl_chunk_find(const struct pl_ipam *ipam, const struct pl_ip *ip)
{
	struct pl_ip base = pl_chunk_base(ip);
	struct chunk *c = ipam->buckets[bucket_of(ipam, &base)];

	while (c && pl_ip_cmp(&c->base, &base) != 0)
		c = c->next;
	return c;
}

/* More buckets for the chunks; without memory for them the chains only get longer. */
static void grow(struct pl_ipam *ipam)
{
	struct chunk **old = ipam->buckets;
	size_t n_old = ipam->n_buckets;
	struct chunk **buckets = calloc(2 * n_old, sizeof(struct chunk *));

	if (!buckets)
		return;
	ipam->buckets = buckets;
	ipam->n_buckets = 2 * n_old;
	for (size_t i = 0; i < n_old; i++) {
		struct chunk *next;

		for (struct chunk *c = old[i]; c; c = next) {
			struct chunk **bucket = &buckets[bucket_of(ipam, &c->base)];

			next = c->next;
			c->next = *bucket;
			*bucket = c;
		}
	}
	free(old);
}

static struct chunk *chunk_get(struct pl_ipam *ipam, const struct pl_ip *ip)
{
	struct chunk *c = pl_chunk_find(ipam, ip);
	struct chunk **bucket;

	if (c)
		return c;
	if (ipam->n_chunks >= ipam->n_buckets)
		grow(ipam);
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->base = pl_chunk_base(ip);
	bucket = &ipam->buckets[bucket_of(ipam, &c->base)];
	c->next = *bucket;
	*bucket = c;
	ipam->n_chunks++;
	ipam->n_idle++;
	return c;
}

/* Calls @fn for every chunk; one that it leaves without a bit is freed. */
void pl_chunks_each(struct pl_ipam *ipam, void (*fn)(struct chunk *c, void *arg), void *arg)
{
	for (size_t i = 0; i < ipam->n_buckets; i++) {
		struct chunk **link = &ipam->buckets[i];

		while (*link) {
			struct chunk *c = *link;

			ipam->steps++;
			fn(c, arg);
			if (c->n_used || !is_empty(c->resting)) {
				link = &c->next;
				continue;
			}
			*link = c->next;
			free(c);
			ipam->n_chunks--;
			ipam->n_idle--;
		}
	}
}

static void forget_idle(struct chunk *c, void *arg)
{
	if (!c->n_used)
		memset(c->resting, 0, sizeof(c->resting));
}

int pl_chunks_take(struct pl_ipam *ipam, const struct pl_ip *ip)
{
	size_t bit = pl_chunk_offset(ip);
	struct chunk *c = chunk_get(ipam, ip);

	if (!c)
		return -ENOMEM;
	if (pl_chunk_bit(c->used, bit))
		return -EEXIST;
	bit_set(c->used, bit, true);
	if (c->n_used++ == 0)
		ipam->n_idle--;
	return 0;
}

void pl_chunks_release(struct pl_ipam *ipam, const struct pl_ip *ip, bool resting)
{
	size_t bit = pl_chunk_offset(ip);
	struct chunk *c = pl_chunk_find(ipam, ip);

	if (!c || !pl_chunk_bit(c->used, bit))
		return;
	bit_set(c->used, bit, false);
	bit_set(c->resting, bit, resting);
	if (--c->n_used == 0)
		ipam->n_idle++;
	if (ipam->n_idle > IDLE_CHUNKS_MAX)
		pl_chunks_each(ipam, forget_idle, NULL);
}

/* Bits @from to @to, both inclusive, of word @i of a chunk. */
uint64_t pl_chunk_word_mask(size_t i, size_t from, size_t to)
{
	uint64_t mask = ~(uint64_t)0;

	if (from > 64 * i + 63 || to < 64 * i)
		return 0;
	if (from > 64 * i)
		mask &= ~(uint64_t)0 << (from - 64 * i);
	if (to < 64 * i + 63)
		mask &= ~(uint64_t)0 >> (64 * i + 63 - to);
	return mask;
}

static void chunk_in_interval(struct chunk *c, void *arg)
{
	const struct addr_interval *s = arg;
	struct pl_ip end;

	/* Cannot carry: the last 9 bits of the base are zero. */
	pl_ip_add(&c->base, CHUNK_BITS - 1, &end);
	if (pl_ip_cmp(&end, &s->first) < 0 || pl_ip_cmp(&c->base, &s->last) > 0)
		return;
	s->fn(c, pl_ip_cmp(&s->first, &c->base) > 0 ? pl_chunk_offset(&s->first) : 0,
	      pl_ip_cmp(&s->last, &end) < 0 ? pl_chunk_offset(&s->last) : CHUNK_BITS - 1, s->arg);
}

/*
 * Goes by the interval or by the table, whichever is shorter. Going by the interval frees
 * nothing that got empty: that is left to pl_chunks_each() under memory's pressure.
 */
void pl_chunks_each_in(struct pl_ipam *ipam, struct addr_interval *s)
{
	struct pl_ip at = pl_chunk_base(&s->first), end = pl_chunk_base(&s->last);
	uint64_t distance = 0;

	pl_ip_distance(&at, &end, &distance);
	if (distance / CHUNK_BITS > ipam->n_buckets) {
		pl_chunks_each(ipam, chunk_in_interval, s);
		return;
	}
	for (;;) {
		struct chunk *c = pl_chunk_find(ipam, &at);

		ipam->steps++;
		if (c)
			chunk_in_interval(c, s);
		if (pl_ip_cmp(&at, &end) >= 0 || pl_ip_add(&at, CHUNK_BITS, &at) < 0)
			return;
	}
}
