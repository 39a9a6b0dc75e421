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

enum {
	PL_CLIENTS_MAX = 512, /* connections at a time */
	PL_FDS_RESERVED = 24, /* file descriptors that connections leave to what requests need */
};

/* Who carries requests out. Every function is set. */
struct pl_control_handler {
	/* Carries one request out and queues its replies. @netns_fd is -1 or the caller's. */
	void (*handle)(void *arg, struct pl_client *client, const json_t *request, int netns_fd);
	/*
	 * Whether @request is carried out although its client has gone: a removal is wanted by
	 * whoever asked for it, and a plugin that got no answer relies on it.
	 */
	bool (*is_removal)(const json_t *request);
	/*
	 * Whether @request changes something or may take milliseconds. Such requests are carried
	 * out in the order in which they came, a few in each turn of the loop; others are answered
	 * first.
	 */
	bool (*is_work)(const json_t *request);
	void *arg;
};

/* Binds RUN_DIR/podlane.sock (a stale one is replaced: the caller holds the lock). */
int pl_control_open(struct event_base *base, const char *run_dir,
		    const struct pl_control_handler *handler, struct pl_control **ret,
		    struct pl_error *err);
/* Removes the socket. */
void pl_control_closep(struct pl_control **control);

/*
 * Somebody may have taken the socket away from under the daemon. Whether it is in its place; and
 * puts one there, in the folder that is there again. Connections go on.
 */
bool pl_control_in_place(const struct pl_control *control);
int pl_control_listen_again(struct pl_control *control, struct pl_error *err);

/* Queues one message; @msg is consumed. */
void pl_client_reply(struct pl_client *client, json_t *msg);
void pl_client_fail(struct pl_client *client, const struct pl_error *err);

/* A list of any length: its entries are asked for when the client has taken those before them. */
struct pl_list {
	const char *key;
	/* The next entry, which the caller owns; NULL: the end; json_null(): out of memory. */
	json_t *(*next)(void *arg);
	void (*free)(void *arg); /* may be NULL */
	void *arg;
};
/* Queues the list, in one or more messages. @list->arg is freed in any case, in the end. */
void pl_client_reply_list(struct pl_client *client, const struct pl_list *list);

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
