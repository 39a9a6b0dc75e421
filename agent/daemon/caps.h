/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The privileges that the running daemon keeps, and no others.
 */
#ifndef PODLANE_CAPS_H
#define PODLANE_CAPS_H

#include "common/util.h"

/* -EPERM with what is missing where the process has not even these. */
int pl_caps_drop(struct pl_error *err);

#endif
