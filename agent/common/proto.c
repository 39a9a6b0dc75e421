/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Framing of the control socket and its client. A message is one datagram, whole or refused;
 * every fd that arrives is owned here until it is handed on, so none leaks into the daemon.
 * What a message means is its receiver's business.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "common/proto.h"

#define FDS_MAX 16 /* taken off one message; the kernel closes those beyond */

/*
 * On a blocking socket EAGAIN means that SO_RCVTIMEO or SO_SNDTIMEO ran out; on another, that
 * there is nothing yet.
 */
static int socket_error(int sock)
{
	int code = errno, flags;

	if (code != EAGAIN)
		return -code;
	flags = fcntl(sock, F_GETFL);
	return flags >= 0 && (flags & O_NONBLOCK) ? -EAGAIN : -ETIMEDOUT;
}

static int send_text(int sock, const char *text, size_t len, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = (void *)text, .iov_len = len};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (fd >= 0) {
		struct cmsghdr *c;

		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	do {
		n = sendmsg(sock, &m, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? socket_error(sock) : 0;
}

int pl_proto_send(int sock, const json_t *msg, int fd)
{
	pl_autofree char *text = json_dumps(msg, JSON_COMPACT);
	size_t len;

	if (!text)
		return -ENOMEM;
	len = strlen(text);
	if (len > PL_PROTO_MAX)
		return -EMSGSIZE;
	return send_text(sock, text, len, fd);
}

int pl_proto_send_text(int sock, const char *text, size_t len)
{
	return len > PL_PROTO_MAX ? -EMSGSIZE : send_text(sock, text, len, -1);
}

/* Takes the fds out of @m: the first is returned, or -1, the others are closed. */
static int first_fd(struct msghdr *m)
{
	int first = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			pl_autoclose int fd = -1;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (first < 0)
				first = TAKE_FD(fd);
		}
	}
	return first;
}

static int parse_object(const char *text, size_t len, json_t **ret)
{
	pl_autojson json_t *j = NULL;
	int r = pl_json_load(text, len, &j, NULL);

	if (r == -ENOMEM)
		return r;
	if (r < 0 || !json_is_object(j))
		return -EBADMSG;
	*ret = TAKE_PTR(j);
	return 0;
}

int pl_proto_recv(int sock, json_t **ret, int *ret_fd)
{
	/* Neither end has threads; 128 KiB on the stack or from malloc would be paid each time. */
	static char text[PL_PROTO_MAX];
	union {
		/* Room for SO_PASSCRED's message too, which comes first where it is on. */
		char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = text, .iov_len = sizeof(text)};
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	pl_autoclose int fd = -1;
	ssize_t n;
	int r;

	do {
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return socket_error(sock);
	fd = first_fd(&m);
	if (n == 0)
		return -EPIPE;
	if (m.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	if (fd < 0 && (m.msg_flags & MSG_CTRUNC))
		return -EMFILE; /* one was sent, but this process has no number left for it */
	r = parse_object(text, (size_t)n, ret);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int set_timeouts(int sock, unsigned int timeout_ms)
{
	struct timeval t = {
		.tv_sec = timeout_ms / 1000,
		.tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000,
	};

	if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) < 0 ||
	    setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)) < 0)
		return -errno;
	return 0;
}

int pl_client_connect(const char *path, unsigned int timeout_ms)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	pl_autoclose int sock = -1;
	int r;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	/* Before connect(): it waits in the queue of a hung daemon for SO_SNDTIMEO. */
	r = set_timeouts(sock, timeout_ms);
	if (r < 0)
		return r;
	do {
		r = connect(sock, (struct sockaddr *)&addr, sizeof(addr));
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return socket_error(sock);
	return TAKE_FD(sock);
}

static int no_answer(struct pl_error *err, int code, const char *attempt)
{
	switch (code) {
	case -ETIMEDOUT:
		return pl_fail(err, code, "%s podlaned: it did not answer in time; it may be hung",
			       attempt);
	case -EPIPE:
	case -ECONNRESET:
		return pl_fail(
			err, code,
			"%s podlaned: it closed the connection; it may have stopped, or this "
			"user is not root",
			attempt);
	case -EMSGSIZE:
		return pl_fail(err, code, "%s podlaned: message is larger than %d bytes", attempt,
			       PL_PROTO_MAX);
	case -EBADMSG:
		return pl_fail(
			err, code,
			"%s podlaned: the reply is not a JSON object; is it another version?",
			attempt);
	default:
		return pl_fail(err, code, "%s podlaned: %s", attempt, strerror(-code));
	}
}

/* The error of a reply as @err; a reply that has none is none of our protocol. */
static int refused(const json_t *reply, struct pl_error *err)
{
	const json_t *error = json_object_get(reply, "error");
	const char *code = json_string_value(json_object_get(error, "code"));
	const char *message = json_string_value(json_object_get(error, "message"));

	if (!json_is_false(json_object_get(reply, "ok")) || !code || !message)
		return pl_fail(
			err, -EBADMSG,
			"podlaned's answer is neither a success nor an error; is its version "
			"another?");
	return pl_fail(err, pl_errno_from_name(code), "%s", message);
}

int pl_client_next(int sock, json_t **ret, struct pl_error *err)
{
	pl_autojson json_t *reply = NULL;
	pl_autoclose int fd = -1;
	int r = pl_proto_recv(sock, &reply, &fd);

	if (r < 0)
		return no_answer(err, r, "receive the answer of");
	if (!json_is_true(json_object_get(reply, "ok")))
		return refused(reply, err);
	*ret = TAKE_PTR(reply);
	return 0;
}

int pl_client_call(int sock, const json_t *request, int fd, json_t **ret, struct pl_error *err)
{
	int r = pl_proto_send(sock, request, fd);

	if (r < 0)
		return no_answer(err, r, "send a request to");
	return pl_client_next(sock, ret, err);
}
