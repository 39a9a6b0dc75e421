/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A request under way, and what every operation reads of one. 0, or -EINVAL with the key that is
 * wrong.
 */
#ifndef PODLANE_CONTROL_REQUEST_H
#define PODLANE_CONTROL_REQUEST_H

#include "control/dispatch.h"
#include "control/server.h"
#include "endpoint/endpoint.h"

struct pl_call {
	const struct pl_parts *parts;
	struct pl_client *client;
	const json_t *req;
	int netns_fd;
};

/* *ret is "" where the key is missing and not @required. */
int pl_request_text(const json_t *req, const char *key, bool required, const char **ret,
		    struct pl_error *err);
/* The network of the request, parsed into @own; else the daemon's own. */
int pl_request_conf(const struct pl_parts *parts, const json_t *req, struct pl_netconf *own,
		    const struct pl_netconf **ret, struct pl_error *err);
int pl_request_ips(const json_t *req, struct pl_endpoint_request *pod, struct pl_error *err);
int pl_request_addresses(const json_t *req, struct pl_record_addr *addrs, size_t max, size_t *ret_n,
			 struct pl_error *err);
int pl_request_mac(const json_t *req, struct pl_endpoint_request *pod, struct pl_error *err);
/* Container and interface, which name an endpoint. */
int pl_request_key(const json_t *req, const char **ret_id, const char **ret_ifname,
		   struct pl_error *err);

/* Replies the array @entries under @key, in as many messages as it takes; consumes it. */
void pl_reply_array(struct pl_client *client, const char *key, json_t *entries);

#endif
