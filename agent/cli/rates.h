/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Samples of the counters and what changed between two of them: pure, on the daemon's JSON alone.
 */
#ifndef PODLANE_CLI_RATES_H
#define PODLANE_CLI_RATES_H

#include <jansson.h>
#include "common/util.h"

struct cli_rate {
	uint64_t endpoint; /* 0: the node itself */
	char *key;	   /* what makes the row the same in the next sample; owned */
	char name[256];	   /* of the endpoint, for people */
	char reason[64];   /* "": all together */
	char direction[8];
	uint64_t packets, bytes;
	double packets_per_second, bytes_per_second; /* 0 before cli_sample_compare() */
	json_t *json; /* the row in the daemon's answer, borrowed; NULL in a folded sample */
};

struct cli_sample {
	json_t *reply;	       /* owned; keeps .json alive */
	struct cli_rate *rows; /* sorted by key */
	size_t n;
	uint64_t at_ns; /* CLOCK_MONOTONIC */
};

enum cli_fold {
	CLI_FOLD_NONE,
	CLI_FOLD_ENDPOINT, /* sums over the reasons */
	CLI_FOLD_REASON,   /* sums over the endpoints */
};

/*
 * Takes over @reply, the answer to "stats". -ENOMEM, or -EBADMSG where it has no "stats"; the
 * reply is then released.
 */
int cli_sample_new(json_t *reply, uint64_t at_ns, enum cli_fold fold, struct cli_sample *ret);
void cli_sample_clear(struct cli_sample *sample);
/*
 * Sets the rates of @now, also in its JSON. A row that is new, or whose counter went back (its
 * slot was used anew), counts from zero.
 */
void cli_sample_compare(const struct cli_sample *before, struct cli_sample *now);
/* For reading: busiest first, then endpoint, direction, reason. @now can be compared no more. */
void cli_sample_sort(struct cli_sample *sample, bool by_rate);
/* Rows of a folded sample as JSON; NULL: out of memory. */
json_t *cli_sample_to_json(const struct cli_sample *sample, bool rates);

#endif
