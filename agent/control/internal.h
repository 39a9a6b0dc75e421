/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the two files of the socket share: server.c accepts and bounds connections, client.c carries
 * messages on one of them. Nobody else includes it.
 */
#ifndef PODLANE_CONTROL_INTERNAL_H
#define PODLANE_CONTROL_INTERNAL_H

#include <sys/types.h>
#include "control/server.h"

struct event;

enum { PL_PID_BUCKETS = 256 };

/* Clients that wait, first come first. */
struct pl_waiting {
	struct pl_client *first, **last;
};

/* A message that is to be sent. */
struct pl_message {
	struct pl_message *next;
	size_t len;
	char text[];
};

struct pl_client {
	struct pl_control *control;
	struct pl_client *next, **prev; /* of all */
	struct event *read_event, *write_event;
	struct pl_message *first, **last; /* first out first */
	size_t queued;			  /* bytes of them */
	struct pl_list list;		  /* what is still to be listed; next NULL: nothing */
	char *list_item;		  /* of the list: did not fit into the latest page */
	pl_unread_fn undo; /* of what the latest request made; NULL: nothing to undo */
	json_t *undo_arg;
	struct pl_waiting *waiting; /* the queue that it is in, or NULL */
	struct pl_client *next_waiting;
	json_t *request;    /* read, not begun: it waits behind others */
	int netns_fd;	    /* that came with it */
	uint64_t active_ns; /* when it last sent or received something */
	pid_t pid;
	int fd;
	bool broken;
	bool handled; /* its request is being begun */
	bool held;    /* a reply is under way: lives until then */
};

struct pl_control {
	struct event_base *base;
	struct pl_control_handler handler;
	struct event *accept_event;
	struct event *accept_later; /* timer: where no client can be accepted now */
	struct event *turn;	    /* of the clients that wait */
	bool in_turn;
	struct pl_waiting unread;  /* have sent something */
	struct pl_waiting listing; /* have taken the latest page of a list */
	struct pl_waiting work;	   /* their requests change something, or take long */
	struct pl_client *clients;
	size_t n;
	uint16_t by_pid[PL_PID_BUCKETS]; /* connections, by the number of their process */
	size_t n_closed;		 /* to make room, since that was logged */
	uint64_t closed_logged_ns;
	bool full; /* and that was logged */
	int fd;
	uint64_t dev, ino; /* of the socket in the file system */
	char path[300];
};

/* ---- client.c ---- */

/* @fd is consumed, also on failure. */
void pl_client_new(struct pl_control *control, int fd, pid_t pid);
void pl_client_free(struct pl_client *c);
/* Ends the connection of a client that is not held. What it was not told of is undone. */
void pl_client_close(struct pl_client *c);
/* Whether it has asked something that is not answered. */
bool pl_client_wants(const struct pl_client *c);
/* Reads and begins what waits, as far as the budget of a turn goes. */
void pl_clients_turn(int fd, short what, void *control);

/* ---- server.c ---- */

/* One client less. */
void pl_control_has_room(struct pl_control *control);

#endif
