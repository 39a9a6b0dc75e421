/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A network namespace and a network as people name them on the command line: found, opened and
 * checked here, before the daemon is asked for anything.
 */
#ifndef PODLANE_CLI_NETNS_H
#define PODLANE_CLI_NETNS_H

#include <jansson.h>
#include "common/netconf.h"

struct cli_netns {
	int fd;			  /* CLOEXEC; the caller's */
	char path[512];		  /* absolute */
	char id[PL_NAME_MAX + 1]; /* the container id that its name gives */
};

/*
 * @what: a name under /run/netns, a path, or "pid:N". 0, -EINVAL for what is not a network
 * namespace or gives no valid container id (then .id is ""), -ENOENT...
 */
int cli_netns_open(const char *what, struct cli_netns *ret, struct pl_error *err);

/*
 * The podlane plugin's configuration out of @what: a file (with a '/' or ending in .conf,
 * .conflist or .json) or the name of a network in $NETCONFPATH, /etc/cni/net.d by default.
 * A list's name and cniVersion are merged in. 0 or -errno; *ret is the caller's.
 */
int cli_network_load(const char *what, json_t **ret, struct pl_error *err);

#endif
