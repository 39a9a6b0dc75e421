/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The privileges that the running daemon keeps, and no others.
 */
#ifndef PODLANE_CAPS_H
#define PODLANE_CAPS_H

#include "common/util.h"

/* Is this root, with all of them? -EPERM with what is missing. */
int pl_caps_check(struct pl_error *err);
/* The same, and drops the others. */
int pl_caps_drop(struct pl_error *err);

#endif
