/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The control socket, server side: accepts root's connections, reads one JSON object a message,
 * queues the replies. What a request means, the handler knows.
 */
#ifndef PODLANE_CONTROL_SERVER_H
#define PODLANE_CONTROL_SERVER_H

#include <jansson.h>
#include "common/util.h"

struct event_base;
struct pl_client;
struct pl_control;

/* Who carries requests out. Every function is set. */
struct pl_control_handler {
	/* Carries one request out and queues its replies. @netns_fd is -1 or the caller's. */
	void (*handle)(void *arg, struct pl_client *client, const json_t *request, int netns_fd);
	/*
	 * Whether @request is carried out although its client has gone: a removal is wanted by
	 * whoever asked for it, and a plugin that got no answer relies on it.
	 */
	bool (*is_removal)(const json_t *request);
	void *arg;
};

/* Binds RUN_DIR/podlane.sock (a stale one is replaced: the caller holds the lock). */
int pl_control_open(struct event_base *base, const char *run_dir,
		    const struct pl_control_handler *handler, struct pl_control **ret,
		    struct pl_error *err);
/* Removes the socket. */
void pl_control_closep(struct pl_control **control);

/* Queues one message; @msg is consumed. A client that does not read is dropped in the end. */
void pl_client_reply(struct pl_client *client, json_t *msg);
void pl_client_fail(struct pl_client *client, const struct pl_error *err);

/*
 * Where the client goes away without having read the reply that is queued now, @undo is called with
 * @arg, which is consumed. A further request of the client ends that: it is told by then, or does
 * not care. To be called before the reply is queued; never done by pl_control_closep().
 */
typedef void (*pl_unread_fn)(void *handler_arg, const json_t *arg);
void pl_client_undo_if_unread(struct pl_client *client, pl_unread_fn undo, json_t *arg);

/* Both directions are shut: the client has closed its end, or its process has ended. */
bool pl_client_has_gone(const struct pl_client *client);

/*
 * The reply comes later: until pl_client_resume(), which sends it, no further request of this
 * client is read, and @client lives, whatever becomes of its connection.
 */
void pl_client_hold(struct pl_client *client);
void pl_client_resume(struct pl_client *client);

#endif
