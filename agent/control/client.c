/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One connection of the control socket. A slow or broken client costs its own connection and
 * nothing else: it is read when what it asked before has been answered and sent, and a long list
 * is made page by page, as it is taken. A client that has hung up gets nothing begun, and what was
 * made for a client that did not read the reply is undone.
 */
#include <event2/event.h>
#include <poll.h>

#include "common/log.h"
#include "common/proto.h"
#include "common/turn.h"
#include "control/internal.h"

enum {
	PAGE_BYTES = 48 * 1024,	   /* of a list: the message is sent when it has that many */
	QUEUE_BYTES_MAX = 1 << 20, /* that wait for one client */
	BUDGET_NS = 4000000,	   /* of a turn, for each of: questions, lists, work */
};

/* ---- waiting for a turn ---- */

/*
 * event_active() comes behind what this turn of the loop still has to do, but before it looks for
 * what else is due: so never out of pl_clients_turn(), which comes again by itself.
 */
static void wait_in(struct pl_waiting *queue, struct pl_client *c)
{
	struct pl_control *control = c->control;

	c->waiting = queue;
	c->next_waiting = NULL;
	*queue->last = c;
	queue->last = &c->next_waiting;
	if (!control->in_turn)
		event_active(control->turn, EV_TIMEOUT, 0);
}

static void leave_queue(struct pl_client *c)
{
	struct pl_waiting *queue = TAKE_PTR(c->waiting);
	struct pl_client **at;

	if (!queue)
		return;
	for (at = &queue->first; *at != c;)
		at = &(*at)->next_waiting;
	*at = c->next_waiting;
	if (queue->last == &c->next_waiting)
		queue->last = at;
}

static bool take_first(struct pl_waiting *queue, struct pl_client **ret)
{
	*ret = queue->first;
	if (*ret)
		leave_queue(*ret);
	return *ret;
}

/* ---- life ---- */

static void list_end(struct pl_client *c)
{
	free(TAKE_PTR(c->list_item));
	if (c->list.next && c->list.free)
		c->list.free(c->list.arg);
	c->list = (struct pl_list){0};
}

void pl_client_free(struct pl_client *c)
{
	struct pl_control *control = c->control;

	leave_queue(c);
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	if (c->read_event)
		event_free(c->read_event);
	if (c->write_event)
		event_free(c->write_event);
	while (c->first) {
		pl_autofree struct pl_message *m = c->first;

		c->first = m->next;
	}
	list_end(c);
	json_decref(c->undo_arg);
	json_decref(c->request);
	pl_closep(&c->netns_fd);
	close(c->fd);
	control->n--;
	control->by_pid[(unsigned int)c->pid % PL_PID_BUCKETS]--;
	free(c);
	pl_control_has_room(control);
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

void pl_client_close(struct pl_client *c)
{
	if (c->first || c->broken)
		undo_unread(c);
	pl_client_free(c);
}

bool pl_client_has_gone(const struct pl_client *c)
{
	struct pollfd p = {.fd = c->fd};

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR | POLLNVAL));
}

bool pl_client_wants(const struct pl_client *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};

	return c->waiting || (poll(&p, 1, 0) == 1 && (p.revents & POLLIN));
}

/* ---- replies ---- */

static void enqueue(struct pl_client *c, const char *text, size_t len)
{
	struct pl_message *m = c->queued + len <= QUEUE_BYTES_MAX ? malloc(sizeof(*m) + len) : NULL;

	if (!m) {
		pl_warn("client dropped: its replies do not fit into memory pid=%d bytes=%zu",
			(int)c->pid, c->queued + len);
		c->broken = true;
		return;
	}
	m->next = NULL;
	m->len = len;
	memcpy(m->text, text, len);
	*c->last = m;
	c->last = &m->next;
	c->queued += len;
}

void pl_client_reply(struct pl_client *c, json_t *msg)
{
	pl_autofree char *text = msg ? json_dumps(msg, JSON_COMPACT) : NULL;
	size_t len = text ? strlen(text) : 0;
	struct pl_error err = {0};

	json_decref(msg);
	if (!text) {
		c->broken = true;
	} else if (len > PL_PROTO_MAX) {
		pl_fail(&err, -EMSGSIZE, "the reply would be longer than %d bytes", PL_PROTO_MAX);
		pl_client_fail(c, &err);
	} else {
		enqueue(c, text, len);
	}
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

void pl_client_reply_list(struct pl_client *c, const struct pl_list *list)
{
	c->list = *list;
}

/* The text of the next entry, or NULL at the end; the caller frees. */
static char *next_item(struct pl_client *c)
{
	pl_autojson json_t *item = NULL;
	char *text = TAKE_PTR(c->list_item);

	if (text)
		return text;
	item = c->list.next(c->list.arg);
	if (!item)
		return NULL;
	text = json_is_null(item) ? NULL : json_dumps(item, JSON_COMPACT | JSON_ENCODE_ANY);
	if (!text || strlen(text) > PL_PROTO_MAX - PAGE_BYTES) {
		free(text);
		c->broken = true;
		return NULL;
	}
	return text;
}

/* As many entries as fit, or as can be made until @end_ns; one at least, if there is one. */
static void make_page(struct pl_client *c, uint64_t end_ns)
{
	pl_autofree char *page = NULL;
	size_t len = 0, n = 0;
	char *item;
	FILE *out = open_memstream(&page, &len);

	if (!out) {
		c->broken = true;
		return;
	}
	fprintf(out, "{\"ok\":true,\"%s\":[", c->list.key);
	while ((item = next_item(c))) {
		if (n && ((size_t)ftell(out) + strlen(item) > PAGE_BYTES || pl_now_ns() > end_ns)) {
			c->list_item = item;
			break;
		}
		fprintf(out, "%s%s", n++ ? "," : "", item);
		free(item);
	}
	fputs(c->list_item ? "],\"more\":true}" : "]}", out);
	if (fclose(out))
		c->broken = true;
	else if (!c->broken)
		enqueue(c, page, len);
	if (!c->list_item)
		list_end(c);
}

/* Sends what the socket takes; the rest waits for EV_WRITE. */
static void client_flush(struct pl_client *c)
{
	while (!c->broken && c->first) {
		pl_autofree struct pl_message *m = NULL;
		int r = pl_proto_send_text(c->fd, c->first->text, c->first->len);

		if (r == -EAGAIN || r == -EWOULDBLOCK || r == -ETIMEDOUT) {
			event_add(c->write_event, NULL);
			return;
		}
		if (r < 0) {
			pl_debug("client dropped error=\"%s\"", strerror(-r));
			c->broken = true;
			return;
		}
		m = c->first;
		c->active_ns = pl_now_ns();
		c->queued -= m->len;
		c->first = m->next;
		if (!c->first)
			c->last = &c->first;
	}
}

/*
 * Sends what it can. Further requests are read when the replies to the earlier ones have left: a
 * client that sends and does not read fills its own socket, not this process. For the same reason
 * the next page of a list is made when the one before it has left.
 */
static void client_go_on(struct pl_client *c)
{
	bool want_read;

	client_flush(c);
	if (c->list.next && !c->first && !c->waiting && !c->broken && !c->held)
		wait_in(&c->control->listing, c);
	want_read = !c->held && !c->waiting && !c->first;
	if (want_read ? event_add(c->read_event, NULL) : event_del(c->read_event))
		c->broken = true;
	if (c->broken && !c->held)
		pl_client_close(c);
}

void pl_client_hold(struct pl_client *c)
{
	c->held = true;
}

void pl_client_resume(struct pl_client *c)
{
	c->held = false;
	if (!c->handled)
		client_go_on(c);
}

static void on_write(evutil_socket_t fd, short what, void *arg)
{
	PL_TURN("replies");

	client_go_on(arg);
}

/* ---- requests ---- */

static void on_read(evutil_socket_t fd, short what, void *arg)
{
	struct pl_client *c = arg;
	PL_TURN("requests");

	if (event_del(c->read_event))
		c->broken = true;
	wait_in(&c->control->unread, c);
}

static void begin(struct pl_client *c)
{
	const struct pl_control_handler *handler = &c->control->handler;
	pl_autojson json_t *request = TAKE_PTR(c->request);
	pl_autoclose int netns_fd = TAKE_FD(c->netns_fd);

	if (pl_client_has_gone(c) && !handler->is_removal(request)) {
		const char *op = json_string_value(json_object_get(request, "op"));

		pl_info("request not begun: its client has gone op=%s", op ? op : "");
		return;
	}
	forget_undo(c);
	c->handled = true;
	handler->handle(handler->arg, c, request, netns_fd);
	c->handled = false;
}

static void refuse_message(struct pl_client *c, int code)
{
	struct pl_error err = {0};

	if (code == -EMSGSIZE)
		pl_fail(&err, code, "the request is longer than %d bytes", PL_PROTO_MAX);
	else if (code == -EMFILE)
		pl_fail(&err, code,
			"podlaned has no file descriptor left for the network namespace: raise its "
			"limit, or close connections to it");
	else
		pl_fail(&err, code, "the request is not a JSON object (%d bytes at most)",
			PL_PROTO_MAX);
	pl_client_fail(c, &err);
}

/* Reads one request. What is only a question is answered; the rest waits behind other such work. */
static void read_one(struct pl_client *c, uint64_t end)
{
	int r = pl_proto_recv(c->fd, &c->request, &c->netns_fd);

	c->active_ns = pl_now_ns();
	switch (r) {
	case 0:
		if (c->control->handler.is_work(c->request)) {
			wait_in(&c->control->work, c);
			return;
		}
		begin(c);
		break;
	case -EBADMSG:
	case -EMSGSIZE:
	case -EMFILE:
		refuse_message(c, r);
		break;
	case -ECONNRESET: /* closed with a reply unread; requests may be left to be read */
		undo_unread(c);
		break;
	default:
		if (r == -EAGAIN || r == -ETIMEDOUT)
			break;
		pl_client_free(c);
		return;
	}
	client_go_on(c);
}

static void list_one(struct pl_client *c, uint64_t end)
{
	PL_TURN("lists");

	make_page(c, end);
	client_go_on(c);
}

static void begin_one(struct pl_client *c, uint64_t end)
{
	begin(c);
	client_go_on(c);
}

/* One at least. */
static void work_off(struct pl_waiting *queue, void (*fn)(struct pl_client *c, uint64_t end))
{
	uint64_t end = pl_now_ns() + BUDGET_NS;
	struct pl_client *c;

	while (take_first(queue, &c)) {
		fn(c, end);
		if (pl_now_ns() >= end)
			return;
	}
}

/*
 * Questions first: who only looks does not wait for a hundred ADDs. The rest of the loop has its
 * turn when the budget is used up.
 */
void pl_clients_turn(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval at_once = {0};
	struct pl_control *control = arg;
	PL_TURN("requests");

	control->in_turn = true;
	work_off(&control->unread, read_one);
	work_off(&control->listing, list_one);
	work_off(&control->work, begin_one);
	control->in_turn = false;
	if (control->unread.first || control->listing.first || control->work.first)
		event_add(control->turn, &at_once);
}

void pl_client_new(struct pl_control *control, int fd, pid_t pid)
{
	struct pl_client *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return;
	}
	c->control = control;
	c->fd = fd;
	c->netns_fd = -1;
	c->pid = pid;
	c->active_ns = pl_now_ns();
	c->last = &c->first;
	c->next = control->clients;
	c->prev = &control->clients;
	if (c->next)
		c->next->prev = &c->next;
	control->clients = c;
	control->n++;
	control->by_pid[(unsigned int)pid % PL_PID_BUCKETS]++;
	c->read_event = event_new(control->base, c->fd, EV_READ | EV_PERSIST, on_read, c);
	c->write_event = event_new(control->base, c->fd, EV_WRITE, on_write, c);
	if (!c->read_event || !c->write_event || event_add(c->read_event, NULL))
		pl_client_free(c);
}
