/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One filter of the match program.
 */
#ifndef PODLANE_FILTER_TRANSLATE_H
#define PODLANE_FILTER_TRANSLATE_H

#include "filter/emit.h"

/* One filter for all sessions of @group. 0, -ENOMEM, -E2BIG. */
int pl_match_translate(struct gen *g, const struct pl_filter *f, uint64_t group);

#endif
