/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a service manager is told, by sd_notify(3)'s protocol: one datagram to $NOTIFY_SOCKET.
 */
#ifndef PODLANE_NOTIFY_H
#define PODLANE_NOTIFY_H

#include <stdint.h>

/* No socket named in the environment, or nobody there: nothing happens. */
void pl_notify(const char *state);
/* A reload begins; READY=1 ends it. */
void pl_notify_reloading(void);
/* Microseconds after which the manager misses WATCHDOG=1. 0: it does not wait for it. */
uint64_t pl_notify_watchdog_us(void);

#endif
