/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Carries requests out, for whoever has the daemon's parts.
 */
#ifndef PODLANE_CONTROL_DISPATCH_H
#define PODLANE_CONTROL_DISPATCH_H

#include "common/netconf.h"
#include "common/prefixes.h"
#include "control/server.h"
#include "endpoint/table.h"

struct pl_mirrors;

/* The daemon's parts, as operations see them. They outlive every connection. */
struct pl_parts {
	struct pl_datapath *dp;
	struct pl_ipam *ipam;
	struct pl_host *host;
	struct pl_endpoints *endpoints;
	struct pl_mirrors *mirrors;
	const struct pl_netconf *network;     /* of pods that name none */
	const struct pl_network_rule *native; /* networks that pods reach by FIB */
	size_t n_native;
	const char *run_dir;
	const char *bpffs;
	bool netkit_links; /* the kernel can make them */
	uint64_t started_ns;
	uint64_t resyncs;
};

/* The functions of a struct pl_control_handler, whose arg is a struct pl_parts. */
void pl_dispatch(void *parts, struct pl_client *client, const json_t *request, int netns_fd);
bool pl_dispatch_is_removal(const json_t *request);
bool pl_dispatch_is_work(const json_t *request);

#endif
