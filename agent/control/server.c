/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The control socket on the event loop: accepts connections, and bounds them. Where there are too
 * many, or no file descriptor is left, the one that matters least is closed: of the process that
 * has most, the one that has been silent longest. So a plugin's request gets in, whoever holds
 * connections. Where each of them has something to do, new ones wait in the kernel's queue.
 */
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/log.h"
#include "common/proto.h"
#include "common/turn.h"
#include "control/internal.h"

enum {
	BACKLOG = 128,
	CLOSED_LOG_NS = 1000000000, /* between two lines about connections that were closed */
};

/* ---- room ---- */

static unsigned int connections_of(const struct pl_client *c)
{
	return c->control->by_pid[(unsigned int)c->pid % PL_PID_BUCKETS];
}

static bool matters_less(const struct pl_client *a, const struct pl_client *b)
{
	unsigned int x = connections_of(a), y = connections_of(b);

	return x != y ? x > y : a->active_ns < b->active_ns;
}

/* NULL: each has a request under way, or is its process's only one and has sent a request. */
static struct pl_client *least_of(const struct pl_control *control)
{
	struct pl_client *least = NULL;

	for (struct pl_client *c = control->clients; c; c = c->next)
		if (!c->held && (!least || matters_less(c, least)) &&
		    (connections_of(c) > 1 || !pl_client_wants(c)))
			least = c;
	return least;
}

static bool make_room(struct pl_control *control)
{
	struct pl_client *c = least_of(control);
	uint64_t now = pl_now_ns();

	if (!c)
		return false;
	control->n_closed++;
	if (now - control->closed_logged_ns > CLOSED_LOG_NS) {
		pl_warn("connections closed for others to get in: closed=%zu open=%zu latest_pid=%d "
			"its_connections=%u",
			control->n_closed, control->n - 1, (int)c->pid, connections_of(c));
		control->closed_logged_ns = now;
		control->n_closed = 0;
	}
	pl_client_close(c);
	return true;
}

/* New connections wait in the kernel's queue, until one ends or a second has passed. */
static void pause_accept(struct pl_control *control, const char *why)
{
	static const struct timeval second = {.tv_sec = 1};

	if (!control->full)
		pl_warn("new connections wait: %s open=%zu", why, control->n);
	control->full = true;
	event_del(control->accept_event);
	event_add(control->accept_later, &second);
}

void pl_control_has_room(struct pl_control *control)
{
	if (control->full)
		event_add(control->accept_event, NULL);
}

static void on_accept_later(evutil_socket_t fd, short what, void *arg)
{
	struct pl_control *control = arg;
	PL_TURN("connections");

	event_add(control->accept_event, NULL);
}

/* So few file descriptors are left that a request may fail for want of them. */
static bool fds_run_out(int fd)
{
	struct rlimit limit;

	return !getrlimit(RLIMIT_NOFILE, &limit) && (rlim_t)fd + PL_FDS_RESERVED >= limit.rlim_cur;
}

/* The number that came free with another connection: the high ones are for requests. */
static void take_lower(int *fd)
{
	int lower = fcntl(*fd, F_DUPFD_CLOEXEC, 0);

	if (lower < 0)
		return;
	close(*fd);
	*fd = lower;
}

/* ---- accepting ---- */

static bool is_allowed(int fd, pid_t *ret_pid)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return false;
	*ret_pid = peer.pid;
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

/* Whether there may be another one. */
static bool not_accepted(struct pl_control *control, int code)
{
	switch (code) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		if (make_room(control))
			return true;
		pause_accept(control, strerror(code));
		return false;
	case EAGAIN:
		return false;
	default: /* it is not there any more */
		return true;
	}
}

/* Whether it is worth while to look for another one. */
static bool accept_one(struct pl_control *control)
{
	struct pollfd anybody = {.fd = control->fd, .events = POLLIN};
	pl_autoclose int fd = -1;
	bool run_out;
	pid_t pid = 0;

	if (control->n >= PL_CLIENTS_MAX && poll(&anybody, 1, 0) <= 0)
		return false;
	if (control->n >= PL_CLIENTS_MAX && !make_room(control)) {
		pause_accept(control,
			     "as many are open as may be, and each has a request under way");
		return false;
	}
	fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return not_accepted(control, errno);
	if (!is_allowed(fd, &pid)) {
		refuse(fd);
		return true;
	}
	run_out = fds_run_out(fd) && control->n;
	if (run_out && make_room(control)) {
		run_out = false;
		take_lower(&fd);
	}
	if (run_out)
		pause_accept(control, "file descriptors run out");
	else
		control->full = false;
	pl_client_new(control, TAKE_FD(fd), pid);
	return !run_out;
}

/* All that came, so that a question is read before the work that came with it is begun. */
static void on_accept(evutil_socket_t listener, short what, void *arg)
{
	struct pl_control *control = arg;
	PL_TURN("connections");

	for (int i = 0; i < BACKLOG && accept_one(control); i++)
		;
}

/* ---- the socket ---- */

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

bool pl_control_in_place(const struct pl_control *control)
{
	struct stat st;

	return !lstat(control->path, &st) && st.st_dev == control->dev && st.st_ino == control->ino;
}

int pl_control_listen_again(struct pl_control *control, struct pl_error *err)
{
	struct event *event;
	struct stat st;
	int fd = listen_at(control->path, err);

	if (fd < 0)
		return fd;
	event = event_new(control->base, fd, EV_READ | EV_PERSIST, on_accept, control);
	if (!event || event_add(event, NULL) || lstat(control->path, &st)) {
		if (event)
			event_free(event);
		close(fd);
		return pl_fail(err, -ENOMEM, "control socket: out of memory");
	}
	if (control->accept_event)
		event_free(control->accept_event);
	pl_closep(&control->fd);
	control->accept_event = event;
	control->fd = fd;
	control->dev = st.st_dev;
	control->ino = st.st_ino;
	control->full = false;
	return 0;
}

int pl_control_open(struct event_base *base, const char *run_dir,
		    const struct pl_control_handler *handler, struct pl_control **ret,
		    struct pl_error *err)
{
	pl_cleanup(pl_control_closep) struct pl_control *control = calloc(1, sizeof(*control));
	int r;

	if (!control)
		return pl_fail(err, -ENOMEM, "control socket: out of memory");
	control->fd = -1;
	control->base = base;
	control->handler = *handler;
	control->unread.last = &control->unread.first;
	control->listing.last = &control->listing.first;
	control->work.last = &control->work.first;
	snprintf(control->path, sizeof(control->path), "%s/%s", run_dir, PL_SOCKET_NAME);
	control->accept_later = evtimer_new(base, on_accept_later, control);
	control->turn = evtimer_new(base, pl_clients_turn, control);
	if (!control->accept_later || !control->turn)
		return pl_fail(err, -ENOMEM, "control socket: out of memory");
	r = pl_control_listen_again(control, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(control);
	return 0;
}

void pl_control_closep(struct pl_control **ref)
{
	struct pl_control *control = TAKE_PTR(*ref);

	if (!control)
		return;
	while (control->clients)
		pl_client_free(control->clients);
	if (control->accept_event)
		event_free(control->accept_event);
	if (control->accept_later)
		event_free(control->accept_later);
	if (control->turn)
		event_free(control->turn);
	if (control->fd >= 0 && pl_control_in_place(control))
		(void)unlink(control->path);
	pl_closep(&control->fd);
	free(control);
}
