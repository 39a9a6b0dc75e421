/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The control socket between two ends in one process: whole messages or errors, no fd lost and
 * none leaked, and an end to every wait. Sockets lie in a folder of the test's own.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <cmocka.h>

#include "common/proto.h"
#include "scratch.h"

static char dir[64]; /* a socket lies in it */

static int make_dir(void **state)
{
	return mkdtemp(scratch_template(dir, sizeof(dir), "proto")) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

struct pair {
	int a, b;
	int fds_before;
};

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int make_pair(void **state)
{
	struct pair *p = malloc(sizeof(*p));
	int s[2];

	p->fds_before = count_fds();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s) < 0)
		return -1;
	p->a = s[0];
	p->b = s[1];
	*state = p;
	return 0;
}

/* Every test ends with the fds it began with. */
static int drop_pair(void **state)
{
	struct pair *p = *state;
	int leaked;

	close(p->a);
	close(p->b);
	leaked = count_fds() - p->fds_before;
	free(p);
	return leaked ? -1 : 0;
}

static void send_bytes(int sock, const void *bytes, size_t len)
{
	assert_int_equal(send(sock, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void send_fds(int sock, const char *text, const int *fds, size_t n)
{
	char control[CMSG_SPACE(64 * sizeof(int))] = {0};
	struct iovec iov = {.iov_base = (void *)text, .iov_len = strlen(text)};
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	assert_int_equal(sendmsg(sock, &m, 0), (ssize_t)strlen(text));
}

static void test_round_trip(void **state)
{
	struct pair *p = *state;
	pl_autojson json_t *sent = json_pack("{s:s, s:i}", "op", "status", "v", 1);
	pl_autojson json_t *got = NULL;
	int fd = 77;

	assert_int_equal(pl_proto_send(p->a, sent, -1), 0);
	assert_int_equal(pl_proto_recv(p->b, &got, &fd), 0);
	assert_true(json_equal(sent, got));
	assert_int_equal(fd, -1);
}

static void test_fd_travels(void **state)
{
	struct pair *p = *state;
	pl_autojson json_t *sent = json_pack("{s:s}", "op", "endpoint.add");
	pl_autojson json_t *got = NULL;
	pl_autoclose int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pl_autoclose int fd = -1;
	struct stat a, b;

	assert_int_equal(pl_proto_send(p->a, sent, null), 0);
	assert_int_equal(pl_proto_recv(p->b, &got, &fd), 0);
	assert_true(fd >= 0 && fd != null);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fstat(null, &a), 0);
	assert_int_equal(fstat(fd, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
}

static void test_further_fds_are_closed(void **state)
{
	struct pair *p = *state;
	pl_autojson json_t *got = NULL;
	pl_autoclose int fd = -1;
	int many[60], before;

	for (size_t i = 0; i < PL_ARRAY_SIZE(many); i++)
		many[i] = STDERR_FILENO;
	before = count_fds();
	send_fds(p->a, "{}", many, 3);
	assert_int_equal(pl_proto_recv(p->b, &got, &fd), 0);
	assert_true(fd >= 0);
	assert_int_equal(count_fds(), before + 1);
	json_decref(TAKE_PTR(got));
	close(fd);
	/* More than there is room for: the kernel drops the rest. */
	send_fds(p->a, "{}", many, PL_ARRAY_SIZE(many));
	assert_int_equal(pl_proto_recv(p->b, &got, &fd), 0);
	assert_int_equal(count_fds(), before + 1);
}

static void test_fd_of_a_bad_message_is_closed(void **state)
{
	struct pair *p = *state;
	json_t *got = NULL;
	int fd = 77, one = STDERR_FILENO, before = count_fds();

	send_fds(p->a, "not JSON", &one, 1);
	assert_int_equal(pl_proto_recv(p->b, &got, &fd), -EBADMSG);
	assert_null(got);
	assert_int_equal(fd, 77);
	assert_int_equal(count_fds(), before);
}

static void test_fd_beside_credentials(void **state)
{
	struct pair *p = *state;
	pl_autojson json_t *got = NULL;
	pl_autoclose int fd = -1;
	int one = STDERR_FILENO, on = 1;

	assert_int_equal(setsockopt(p->b, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	send_fds(p->a, "{}", &one, 1);
	assert_int_equal(pl_proto_recv(p->b, &got, &fd), 0);
	assert_true(fd >= 0);
}

static void test_not_an_object(void **state)
{
	struct pair *p = *state;
	static const char *const rows[] = {"[]",       "1",	"\"x\"",
					   "{",	       "{} {}", "{\"a\"}",
					   "\xff\xfe", "null",	"{\"a\":1,\"a\":2}"};
	json_t *got = NULL;
	int fd;

	for (size_t i = 0; i < PL_ARRAY_SIZE(rows); i++) {
		send_bytes(p->a, rows[i], strlen(rows[i]));
		assert_int_equal(pl_proto_recv(p->b, &got, &fd), -EBADMSG);
	}
	send_bytes(p->a, "{}\0", 3);
	assert_int_equal(pl_proto_recv(p->b, &got, &fd), -EBADMSG);
	assert_null(got);
}

/* {"x": "yyy..."} of @size bytes in all. */
static json_t *object_of_size(size_t size)
{
	size_t n = size - strlen("{\"x\":\"\"}");
	pl_autofree char *text = malloc(n + 1);

	memset(text, 'y', n);
	text[n] = '\0';
	return json_pack("{s:s}", "x", text);
}

static void test_largest_message(void **state)
{
	struct pair *p = *state;
	pl_autojson json_t *fits = object_of_size(PL_PROTO_MAX);
	pl_autojson json_t *large = object_of_size(PL_PROTO_MAX + 1);
	pl_autojson json_t *got = NULL;
	int fd;

	assert_int_equal(pl_proto_send(p->a, fits, -1), 0);
	assert_int_equal(pl_proto_recv(p->b, &got, &fd), 0);
	assert_true(json_equal(fits, got));
	assert_int_equal(pl_proto_send(p->a, large, -1), -EMSGSIZE);
}

static void test_cut_message_is_refused(void **state)
{
	struct pair *p = *state;
	pl_autofree char *text = malloc(PL_PROTO_MAX + 1);
	json_t *got = NULL;
	int fd;

	/* Its first PL_PROTO_MAX bytes would parse. */
	memset(text, ' ', PL_PROTO_MAX + 1);
	text[0] = '{';
	text[1] = '}';
	send_bytes(p->a, text, PL_PROTO_MAX + 1);
	assert_int_equal(pl_proto_recv(p->b, &got, &fd), -EMSGSIZE);
	assert_null(got);
}

static void test_end_of_stream(void **state)
{
	struct pair *p = *state;
	pl_autojson json_t *msg = json_object();
	json_t *got = NULL;
	int fd;

	shutdown(p->a, SHUT_WR);
	assert_int_equal(pl_proto_recv(p->b, &got, &fd), -EPIPE);
	close(p->a);
	p->a = -1;
	assert_int_equal(pl_proto_send(p->b, msg, -1), -EPIPE); /* and no SIGPIPE */
}

static void test_non_blocking_says_again(void **state)
{
	struct pair *p = *state;
	json_t *got = NULL;
	int fd;

	assert_int_equal(fcntl(p->b, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(pl_proto_recv(p->b, &got, &fd), -EAGAIN);
}

static int listen_at(const char *name, int backlog, char path[108])
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(path, 108, "%s/%s", dir, name);
	strcpy(addr.sun_path, path);
	assert_int_equal(bind(sock, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(sock, backlog), 0);
	return sock;
}

static void test_connect_errors(void **state)
{
	char path[200] = "";
	int sock;

	snprintf(path, sizeof(path), "%s/absent", dir);
	assert_int_equal(pl_client_connect(path, 100), -ENOENT);
	memset(path, 'x', sizeof(path) - 1);
	assert_int_equal(pl_client_connect(path, 100), -ENAMETOOLONG);
	sock = listen_at("dead", 1, path);
	close(sock);
	assert_int_equal(pl_client_connect(path, 100), -ECONNREFUSED);
}

static void test_hung_daemon_times_out(void **state)
{
	struct pl_error err = {0};
	pl_autojson json_t *request = json_pack("{s:s}", "op", "status");
	json_t *reply = NULL;
	char path[108];
	pl_autoclose int listening = listen_at("hung", 8, path);
	pl_autoclose int sock = pl_client_connect(path, 50);
	uint64_t start = pl_now_ns();

	assert_true(listening >= 0 && sock >= 0);
	assert_int_equal(pl_client_call(sock, request, -1, &reply, &err), -ETIMEDOUT);
	assert_in_range((pl_now_ns() - start) / 1000000, 40, 5000);
	assert_int_equal(err.code, -ETIMEDOUT);
	assert_non_null(strstr(err.text, "did not answer in time"));
	assert_null(reply);
}

static void test_full_queue_times_out_in_connect(void **state)
{
	char path[108];
	pl_autoclose int listening = listen_at("full", 0, path);
	pl_autoclose int first = pl_client_connect(path, 50);
	pl_autoclose int second = -1;

	assert_true(listening >= 0 && first >= 0);
	second = pl_client_connect(path, 50);
	assert_int_equal(second, -ETIMEDOUT);
}

/* The daemon's side answers before the client asks: the socket keeps the message. */
static int call(struct pair *p, const char *reply_text, json_t **ret, struct pl_error *err)
{
	pl_autojson json_t *request = json_pack("{s:s}", "op", "status");
	pl_autojson json_t *got = NULL;
	int r, fd;

	send_bytes(p->b, reply_text, strlen(reply_text));
	r = pl_client_call(p->a, request, -1, ret, err);
	assert_int_equal(pl_proto_recv(p->b, &got, &fd), 0);
	assert_true(json_equal(request, got));
	return r;
}

static void test_call(void **state)
{
	struct pair *p = *state;
	struct pl_error err = {0};
	pl_autojson json_t *reply = NULL;

	assert_int_equal(call(p, "{\"ok\":true,\"pid\":7}", &reply, &err), 0);
	assert_int_equal(json_integer_value(json_object_get(reply, "pid")), 7);
	assert_int_equal(err.code, 0);
}

static void test_call_gives_the_daemons_error(void **state)
{
	struct pair *p = *state;
	struct pl_error err = {0};
	json_t *reply = NULL;

	assert_int_equal(
		call(p, "{\"ok\":false,\"error\":{\"code\":\"EEXIST\",\"message\":\"100%s\"}}",
		     &reply, &err),
		-EEXIST);
	assert_string_equal(err.text, "100%s");
	assert_int_equal(err.code, -EEXIST);
	assert_int_equal(call(p, "{\"ok\":false,\"error\":{\"code\":\"EODD\",\"message\":\"m\"}}",
			      &reply, NULL),
			 -EIO);
	assert_null(reply);
}

static void test_call_refuses_what_is_no_answer(void **state)
{
	struct pair *p = *state;
	static const char *const rows[] = {
		"{}",
		"{\"ok\":1}",
		"{\"ok\":null}",
		"{\"ok\":false}",
		"{\"ok\":false,\"error\":\"text\"}",
		"{\"ok\":false,\"error\":{\"code\":7,\"message\":\"m\"}}",
		"{\"ok\":false,\"error\":{\"code\":\"EIO\"}}",
		"{\"error\":{\"code\":\"EIO\",\"message\":\"m\"}}",
		"[]",
	};
	json_t *reply = NULL;

	for (size_t i = 0; i < PL_ARRAY_SIZE(rows); i++) {
		struct pl_error err = {0};

		assert_int_equal(call(p, rows[i], &reply, &err), -EBADMSG);
		assert_true(*err.text);
	}
	assert_null(reply);
}

static void test_next(void **state)
{
	struct pair *p = *state;
	pl_autojson json_t *first = NULL, *second = NULL;

	assert_int_equal(call(p, "{\"ok\":true,\"more\":true}", &first, NULL), 0);
	send_bytes(p->b, "{\"ok\":true,\"n\":2}", 17);
	assert_int_equal(pl_client_next(p->a, &second, NULL), 0);
	assert_int_equal(json_integer_value(json_object_get(second, "n")), 2);
}

static void test_unexpected_fd_in_a_reply_is_closed(void **state)
{
	struct pair *p = *state;
	pl_autojson json_t *reply = NULL;
	int one = STDERR_FILENO, before = count_fds();

	send_fds(p->b, "{\"ok\":true}", &one, 1);
	assert_int_equal(pl_client_next(p->a, &reply, NULL), 0);
	assert_int_equal(count_fds(), before);
}

static void test_daemon_went_away(void **state)
{
	struct pair *p = *state;
	struct pl_error err = {0};
	pl_autojson json_t *request = json_object();
	json_t *reply = NULL;

	close(p->b);
	p->b = -1;
	assert_int_equal(pl_client_call(p->a, request, -1, &reply, &err), -EPIPE);
	assert_non_null(strstr(err.text, "closed the connection"));
}

#define WITH_PAIR(f) cmocka_unit_test_setup_teardown(f, make_pair, drop_pair)

int main(void)
{
	signal(SIGPIPE, SIG_DFL); /* a shell may have had it ignored */
	const struct CMUnitTest tests[] = {
		WITH_PAIR(test_round_trip),
		WITH_PAIR(test_fd_travels),
		WITH_PAIR(test_further_fds_are_closed),
		WITH_PAIR(test_fd_of_a_bad_message_is_closed),
		WITH_PAIR(test_fd_beside_credentials),
		WITH_PAIR(test_not_an_object),
		WITH_PAIR(test_largest_message),
		WITH_PAIR(test_cut_message_is_refused),
		WITH_PAIR(test_end_of_stream),
		WITH_PAIR(test_non_blocking_says_again),
		cmocka_unit_test(test_connect_errors),
		WITH_PAIR(test_hung_daemon_times_out),
		WITH_PAIR(test_full_queue_times_out_in_connect),
		WITH_PAIR(test_call),
		WITH_PAIR(test_call_gives_the_daemons_error),
		WITH_PAIR(test_call_refuses_what_is_no_answer),
		WITH_PAIR(test_next),
		WITH_PAIR(test_unexpected_fd_in_a_reply_is_closed),
		WITH_PAIR(test_daemon_went_away),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
