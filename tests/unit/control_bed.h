/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For tests of the control socket: server, loop and clients in one process, which runs the loop
 * itself, turn by turn.
 */
#ifndef PODLANE_TEST_CONTROL_BED_H
#define PODLANE_TEST_CONTROL_BED_H

#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/proto.h"
#include "control/server.h"
#include "scratch.h"

static struct {
	struct event_base *base;
	struct pl_control *control;
	char dir[80];
} bed;

static inline int bed_up(const struct pl_control_handler *handler)
{
	struct rlimit files;
	struct pl_error err = {0};

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	pl_log_set_level(PL_LOG_ERROR);
	bed.base = event_base_new();
	if (!bed.base || !mkdtemp(scratch_template(bed.dir, sizeof(bed.dir), "ctl")))
		return -1;
	return pl_control_open(bed.base, bed.dir, handler, &bed.control, &err);
}

static inline int bed_down(void)
{
	pl_control_closep(&bed.control);
	event_base_free(bed.base);
	return rmdir(bed.dir);
}

/* Each does what is due at its beginning. */
static inline void turns(unsigned int n)
{
	while (n--)
		event_base_loop(bed.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static inline void turns_for_ms(int ms)
{
	const struct timeval end = {ms / 1000, ms % 1000 * 1000};

	event_base_loopexit(bed.base, &end);
	event_base_dispatch(bed.base);
}

static inline int dial(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/" PL_SOCKET_NAME, bed.dir);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* A client that the server has accepted, if it does. */
static inline int dial_in(void)
{
	int fd = dial();

	turns(2);
	return fd;
}

static inline void ask(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* The reply that is there, or NULL: none is. The caller owns. */
static inline json_t *reply_of(int fd)
{
	json_t *reply = NULL;
	int none = -1, r = pl_proto_recv(fd, &reply, &none);

	assert_int_equal(none, -1);
	assert_true(r == 0 || r == -EAGAIN);
	return reply;
}

static inline bool is_closed(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK) == 0 || (errno == ECONNRESET);
}

/* Runs the loop until the reply is there. */
static inline json_t *await_reply(int fd)
{
	json_t *reply = NULL;

	for (int i = 0; i < 20000 && !(reply = reply_of(fd)); i++)
		turns(1);
	assert_non_null(reply);
	return reply;
}

/* The code of the error that comes next. */
static inline void assert_refused(int fd, const char *code)
{
	pl_autojson json_t *reply = await_reply(fd);

	assert_true(json_is_false(json_object_get(reply, "ok")));
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(reply, "error"), "code")), code);
}

static inline void assert_answered(int fd)
{
	pl_autojson json_t *reply = await_reply(fd);

	assert_true(json_is_true(json_object_get(reply, "ok")));
}

#endif
