/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a test may write: below $TMPDIR, the only folder of a sandbox that is not read-only.
 */
#ifndef PODLANE_TEST_SCRATCH_H
#define PODLANE_TEST_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>

/* A name for mkdtemp(3) or mkstemp(3). */
static inline char *scratch_template(char *buf, size_t size, const char *name)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(buf, size, "%s/podlane-%s-XXXXXX", tmp && *tmp ? tmp : "/tmp", name);
	return buf;
}

#endif
