/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The control socket, client side and framing for both sides: SOCK_SEQPACKET, one JSON object a
 * message, a netns as an fd beside it (SCM_RIGHTS).
 *
 *   request  {"op": "endpoint.add", "v": 1, ...}
 *   reply    {"ok": true, ..., "more": true}          "more": further messages follow
 *            {"ok": false, "error": {"code": "EEXIST", "message": "..."}}
 */
#ifndef PODLANE_PROTO_H
#define PODLANE_PROTO_H

#include <jansson.h>
#include "common/util.h"

#define PL_PROTO_VERSION 1
#define PL_PROTO_MAX	 (128 * 1024) /* bytes of one message */
#define PL_RUN_DIR	 "/run/podlane"
#define PL_BPFFS_DIR	 "/sys/fs/bpf/podlane"
#define PL_SOCKET_NAME	 "podlane.sock" /* in the run dir */

/* Sends one object; @fd -1: none. 0, -EMSGSIZE or -errno. Blocks as the socket does. */
int pl_proto_send(int sock, const json_t *msg, int fd);
/* The same, for what is JSON text already. */
int pl_proto_send_text(int sock, const char *text, size_t len);
/*
 * Receives one object. *ret_fd gets the first fd that came, CLOEXEC, or -1; further ones are
 * closed. 0, -EPIPE at the end, -EMSGSIZE for a cut message, -EBADMSG for what is no JSON object,
 * -EMFILE where an fd came and this process has no number left for it.
 */
int pl_proto_recv(int sock, json_t **ret, int *ret_fd);

/*
 * Connects to @path; every later send and receive on the socket ends after @timeout_ms with
 * -ETIMEDOUT. Returns an fd or -errno (-ENOENT, -ECONNREFUSED: no daemon).
 */
int pl_client_connect(const char *path, unsigned int timeout_ms);
/*
 * One request and its one reply. On "ok": true *ret owns the reply. Otherwise the daemon's error
 * stands in @err, its code is returned.
 */
int pl_client_call(int sock, const json_t *request, int fd, json_t **ret, struct pl_error *err);
/* Next message of a reply with "more". Same results. */
int pl_client_next(int sock, json_t **ret, struct pl_error *err);

#endif
