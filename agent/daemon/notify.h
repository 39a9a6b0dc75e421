/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Readiness for service managers, sd_notify(3)'s protocol: one datagram to $NOTIFY_SOCKET.
 */
#ifndef PODLANE_NOTIFY_H
#define PODLANE_NOTIFY_H

/* No socket named in the environment, or nobody there: nothing happens. */
void pl_notify(const char *state);

#endif
