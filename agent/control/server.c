/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections of the control socket on the event loop. A slow or broken client costs its own
 * connection and nothing else. A client that has hung up gets nothing begun, and what was made for
 * a client that did not read the reply is undone.
 */
#include <event2/event.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/log.h"
#include "common/proto.h"
#include "control/server.h"

#define BACKLOG	  128
#define QUEUE_MAX 4096 /* messages that wait for one client */

struct pl_client {
	struct pl_control *control;
	struct pl_client *next, **prev;
	struct event *read_event, *write_event;
	json_t *queue;	   /* array, first out first */
	pl_unread_fn undo; /* of what the latest request made; NULL: nothing to undo */
	json_t *undo_arg;
	int fd;
	bool broken;
	bool held; /* a reply is under way: lives until then */
};

struct pl_control {
	struct event_base *base;
	struct pl_control_handler handler;
	struct event *accept_event;
	struct pl_client *clients;
	int fd;
	char path[300];
};

static void client_free(struct pl_client *c)
{
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	if (c->read_event)
		event_free(c->read_event);
	if (c->write_event)
		event_free(c->write_event);
	json_decref(c->undo_arg);
	json_decref(c->queue);
	close(c->fd);
	free(c);
}

static void forget_undo(struct pl_client *c)
{
	c->undo = NULL;
	json_decref(c->undo_arg);
	c->undo_arg = NULL;
}

/* The client went away without having read the latest reply. */
static void undo_unread(struct pl_client *c)
{
	if (c->undo)
		c->undo(c->control->handler.arg, c->undo_arg);
	forget_undo(c);
}

bool pl_client_has_gone(const struct pl_client *c)
{
	struct pollfd p = {.fd = c->fd};

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR | POLLNVAL));
}

/* Sends what the socket takes; the rest waits for EV_WRITE. */
static void client_flush(struct pl_client *c)
{
	while (!c->broken && json_array_size(c->queue)) {
		int r = pl_proto_send(c->fd, json_array_get(c->queue, 0), -1);

		if (r == -EAGAIN || r == -EWOULDBLOCK || r == -ETIMEDOUT) {
			event_add(c->write_event, NULL);
			return;
		}
		if (r < 0) {
			pl_debug("client dropped error=\"%s\"", strerror(-r));
			c->broken = true;
		}
		json_array_remove(c->queue, 0);
	}
}

void pl_client_reply(struct pl_client *c, json_t *msg)
{
	if (!msg || json_array_size(c->queue) >= QUEUE_MAX || json_array_append_new(c->queue, msg))
		c->broken = true;
}

void pl_client_undo_if_unread(struct pl_client *c, pl_unread_fn undo, json_t *arg)
{
	forget_undo(c);
	c->undo = undo;
	c->undo_arg = arg;
}

void pl_client_fail(struct pl_client *c, const struct pl_error *err)
{
	pl_client_reply(c, json_pack("{s:b, s:{s:s, s:s}}", "ok", 0, "error", "code",
				     pl_errno_name(err->code), "message", err->text));
}

/*
 * Sends what it can. Further requests are read when the replies to the earlier ones have left: a
 * client that sends and does not read fills its own socket, not this process.
 */
static void client_go_on(struct pl_client *c)
{
	bool want_read;

	client_flush(c);
	want_read = !c->held && !json_array_size(c->queue);
	if (want_read ? event_add(c->read_event, NULL) : event_del(c->read_event))
		c->broken = true;
	if (c->broken && !c->held) {
		undo_unread(c);
		client_free(c);
	}
}

void pl_client_hold(struct pl_client *c)
{
	c->held = true;
}

void pl_client_resume(struct pl_client *c)
{
	c->held = false;
	client_go_on(c);
}

static void on_write(evutil_socket_t fd, short what, void *arg)
{
	client_go_on(arg);
}

static void handle(struct pl_client *c, const json_t *request, int netns_fd)
{
	const struct pl_control_handler *handler = &c->control->handler;

	if (pl_client_has_gone(c) && !handler->is_removal(request)) {
		const char *op = json_string_value(json_object_get(request, "op"));

		pl_info("request not begun: its client has gone op=%s", op ? op : "");
		return;
	}
	forget_undo(c);
	handler->handle(handler->arg, c, request, netns_fd);
}

static void on_read(evutil_socket_t fd, short what, void *arg)
{
	struct pl_client *c = arg;
	pl_autojson json_t *request = NULL;
	pl_autoclose int netns_fd = -1;
	struct pl_error err = {0};
	int r = pl_proto_recv(c->fd, &request, &netns_fd);

	if (r == -EAGAIN || r == -EWOULDBLOCK || r == -ETIMEDOUT)
		return;
	if (r == -ECONNRESET) { /* closed with a reply unread; requests may be left to be read */
		undo_unread(c);
		return;
	}
	if (r == -EBADMSG || r == -EMSGSIZE) {
		pl_fail(&err, r,
			r == -EMSGSIZE ? "the request is longer than %d bytes"
				       : "the request is not a JSON object (%d bytes at most)",
			PL_PROTO_MAX);
		pl_client_fail(c, &err);
	} else if (r < 0) {
		client_free(c);
		return;
	} else {
		handle(c, request, netns_fd);
	}
	client_go_on(c);
}

static bool is_allowed(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return false;
	if (peer.uid == 0 || peer.uid == geteuid())
		return true;
	pl_warn("connection refused: not root uid=%u pid=%d", peer.uid, peer.pid);
	return false;
}

static void refuse(int fd)
{
	pl_autojson json_t *msg = json_pack("{s:b, s:{s:s, s:s}}", "ok", 0, "error", "code",
					    "EPERM", "message", "only root may talk to podlaned");

	if (msg)
		(void)pl_proto_send(fd, msg, -1);
}

static void on_accept(evutil_socket_t listener, short what, void *arg)
{
	struct pl_control *control = arg;
	pl_autoclose int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct pl_client *c;

	if (fd < 0)
		return;
	if (!is_allowed(fd)) {
		refuse(fd);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	c->control = control;
	c->fd = TAKE_FD(fd);
	c->queue = json_array();
	c->next = control->clients;
	c->prev = &control->clients;
	if (c->next)
		c->next->prev = &c->next;
	control->clients = c;
	c->read_event = event_new(control->base, c->fd, EV_READ | EV_PERSIST, on_read, c);
	c->write_event = event_new(control->base, c->fd, EV_WRITE, on_write, c);
	if (!c->queue || !c->read_event || !c->write_event || event_add(c->read_event, NULL))
		client_free(c);
}

static int listen_at(const char *path, struct pl_error *err)
{
	pl_autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	mode_t mask;
	int r;

	if (fd < 0)
		return pl_fail(err, -errno, "control socket: %s", strerror(errno));
	if (strlen(path) >= sizeof(addr.sun_path))
		return pl_fail(err, -ENAMETOOLONG,
			       "control socket %s: a socket's path has at most %zu bytes; choose a "
			       "shorter runDir",
			       path, sizeof(addr.sun_path) - 1);
	strcpy(addr.sun_path, path);
	(void)unlink(path);
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
	umask(mask);
	if (!r && listen(fd, BACKLOG))
		r = -errno;
	if (r < 0)
		return pl_fail(err, r, "control socket %s: %s", path, strerror(-r));
	return TAKE_FD(fd);
}

int pl_control_open(struct event_base *base, const char *run_dir,
		    const struct pl_control_handler *handler, struct pl_control **ret,
		    struct pl_error *err)
{
	struct pl_control *control = calloc(1, sizeof(*control));
	int r;

	if (!control)
		return pl_fail(err, -ENOMEM, "control socket: out of memory");
	control->base = base;
	control->handler = *handler;
	snprintf(control->path, sizeof(control->path), "%s/%s", run_dir, PL_SOCKET_NAME);
	r = listen_at(control->path, err);
	if (r < 0) {
		free(control);
		return r;
	}
	control->fd = r;
	control->accept_event =
		event_new(base, control->fd, EV_READ | EV_PERSIST, on_accept, control);
	if (!control->accept_event || event_add(control->accept_event, NULL)) {
		pl_control_closep(&control);
		return pl_fail(err, -ENOMEM, "control socket: out of memory");
	}
	*ret = control;
	return 0;
}

void pl_control_closep(struct pl_control **ref)
{
	struct pl_control *control = TAKE_PTR(*ref);

	if (!control)
		return;
	while (control->clients)
		client_free(control->clients);
	if (control->accept_event)
		event_free(control->accept_event);
	close(control->fd);
	(void)unlink(control->path);
	free(control);
}
