/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rows: one packet to a program from a fresh bed, and the reason that must come of it. The counters
 * are the witness: that reason alone is counted, once, at the endpoint that it concerns (from-pod:
 * pod A, from-uplink: pod B), and the verdict is the reason's.
 */
#ifndef PODLANE_TESTS_PROG_ROWS_H
#define PODLANE_TESTS_PROG_ROWS_H

#include "bed.h"

enum families { BOTH, ONLY4, ONLY6 };

struct row {
	const char *name;
	enum prog prog;
	struct packet packet;
	enum pl_reason reason;
	enum families families;
	void (*setup)(void);
};

static inline int expected_verdict(enum pl_reason reason)
{
	switch (pl_effect(reason)) {
	case PL_EFFECT_FORWARD:
		return TC_ACT_REDIRECT;
	case PL_EFFECT_DROP:
		return TC_ACT_SHOT;
	default:
		return TC_ACT_UNSPEC;
	}
}

static inline int check_row(const struct row *row)
{
	bool out = row->prog != FROM_UPLINK;
	bool both_ends = out && row->reason == PL_FORWARD_LOCAL;
	struct outcome outcome;

	bed_reset();
	if (row->setup)
		row->setup();
	outcome = run_packet(row->prog, &row->packet);
	if (count_of(out ? ID_A : ID_B, row->reason, out ? PL_OUT : PL_IN) == 1 &&
	    count_all() == (both_ends ? 2 : 1) && outcome.verdict == expected_verdict(row->reason))
		return 0;
	print_error("%s, IPv%d: expected %s; verdict %d\n", row->name, family,
		    reason_name(row->reason), outcome.verdict);
	print_counts();
	return 1;
}

static inline void check_rows(const struct row *rows, size_t n)
{
	int bad = 0;

	for (size_t i = 0; i < n; i++)
		for (family = 4; family <= 6; family += 2)
			if (rows[i].families != (family == 4 ? ONLY6 : ONLY4))
				bad += check_row(&rows[i]);
	assert_int_equal(bad, 0);
}

/* --- setups and packets that no description makes --- */

static inline void trusted(void)
{
	endpoints[ID_A].flags |= PL_EP_TRUSTED;
}

static inline void insert(uint8_t *frame, size_t *len, size_t at, const void *bytes, size_t n)
{
	memmove(frame + at + n, frame + at, *len - at);
	memcpy(frame + at, bytes, n);
	*len += n;
}

static inline void put6(uint8_t *at, const char *text)
{
	if (inet_pton(AF_INET6, text, at) != 1)
		fail_msg("%s is no address", text);
}

/* A header of 8 bytes times @more + 1, before what stands at @at; @next: the byte that names that.
 */
static inline void make_extension(uint8_t *frame, size_t *len, uint8_t type, uint8_t more)
{
	uint8_t head[2048] = {frame[20], more};

	assert_true(more < 200);
	frame[20] = type;
	insert(frame, len, 54, head, 8ul * (more + 1u));
	put16(frame + 18, (uint16_t)(*len - 54));
}

#endif
