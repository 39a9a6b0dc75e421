/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Takes over a configuration that has changed, while the daemon runs.
 */
#ifndef PODLANE_DAEMON_RELOAD_H
#define PODLANE_DAEMON_RELOAD_H

struct pl_daemon;

/*
 * Reads file and options again. What has changed is logged with both values, and done, or needs a
 * restart, as the log says. A configuration with a mistake changes nothing.
 */
void pl_daemon_reload(struct pl_daemon *d);

#endif
