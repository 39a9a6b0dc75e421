/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One loop a process: the measure is the process's own. Reads the clock twice for each part, and
 * never anything else.
 */
#include "common/log.h"
#include "common/turn.h"

#define MS_NS	  1000000ull
#define SECOND_NS 1000000000ull

enum {
	PARTS_MAX = 16, /* names in one turn; further ones count for the last */
	BUCKETS = 6,
	BUCKET_SECONDS = PL_TURN_RECENT_S / BUCKETS,
};

static struct {
	uint64_t begin_ns; /* 0: between two turns */
	uint64_t mark_ns;  /* what is before it has been counted */
	const char *part;  /* the one under way, or NULL */
	struct pl_turn_length parts[PARTS_MAX];
	size_t n;
} turn;

static struct {
	struct pl_turn_length longest;
	struct pl_turn_length buckets[BUCKETS + 1]; /* by time, reused in a ring; one is filling */
	uint64_t bucket;			    /* number of the one that is filling */
	uint64_t slow;
} turns;

static void count_part(uint64_t now)
{
	size_t i = 0;

	if (turn.part) {
		while (i < turn.n && i < PARTS_MAX - 1 && turn.parts[i].most != turn.part)
			i++;
		if (i == turn.n)
			turn.parts[turn.n++] = (struct pl_turn_length){0, turn.part};
		turn.parts[i].ns += now - turn.mark_ns;
	}
	turn.mark_ns = now;
}

const char *pl_turn_enter(const char *what)
{
	const char *outer = turn.part;
	uint64_t now = pl_now_ns();

	if (!turn.begin_ns)
		turn.begin_ns = now;
	count_part(now);
	turn.part = what;
	return outer;
}

void pl_turn_leave(const char **outer)
{
	count_part(pl_now_ns());
	turn.part = *outer;
}

static void keep_longer(struct pl_turn_length *kept, const struct pl_turn_length *length)
{
	if (length->ns > kept->ns)
		*kept = *length;
}

/* Empties what is older than the oldest bucket. */
static void advance(uint64_t now)
{
	uint64_t bucket = now / (BUCKET_SECONDS * SECOND_NS);

	if (bucket > turns.bucket + BUCKETS)
		turns.bucket = bucket - BUCKETS - 1;
	while (turns.bucket < bucket)
		turns.buckets[++turns.bucket % (BUCKETS + 1)] = (struct pl_turn_length){0, ""};
}

void pl_turn_end(void)
{
	struct pl_turn_length most = {0, ""}, length;
	uint64_t now = pl_now_ns();

	if (!turn.begin_ns)
		return;
	for (size_t i = 0; i < turn.n; i++)
		keep_longer(&most, &turn.parts[i]);
	length = (struct pl_turn_length){now - turn.begin_ns, most.most};
	advance(now);
	keep_longer(&turns.longest, &length);
	keep_longer(&turns.buckets[turns.bucket % (BUCKETS + 1)], &length);
	if (length.ns > PL_TURN_SLOW_MS * MS_NS)
		turns.slow++;
	turn.begin_ns = 0;
	turn.n = 0;
	if (length.ns > PL_TURN_LOG_MS * MS_NS)
		pl_warn("loop was busy ms=%llu most=\"%s\" most_ms=%llu",
			(unsigned long long)(length.ns / MS_NS), most.most,
			(unsigned long long)(most.ns / MS_NS));
}

void pl_turns_get(struct pl_turns *ret)
{
	*ret = (struct pl_turns){
		.longest = {turns.longest.ns, turns.longest.most ? turns.longest.most : ""},
		.recent = {0, ""},
		.slow = turns.slow,
	};
	advance(pl_now_ns());
	for (size_t i = 0; i < PL_ARRAY_SIZE(turns.buckets); i++)
		keep_longer(&ret->recent, &turns.buckets[i]);
}
