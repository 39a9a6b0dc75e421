/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The control socket under clients that hold connections, do not read, send rubbish or come in
 * numbers; with a handler that answers at once, later, or at length.
 */
#include "control_bed.h"

#include <dirent.h>
#include <fcntl.h>

enum {
	LIST_ENTRIES = 6000,
	ENTRY_BYTES = 1000,
	WORK_US = 3000,
};

static struct pl_client *held[PL_CLIENTS_MAX];
static size_t n_held, n_made, n_echoed, n_worked, echoed_after;
static bool got_fd;

static json_t *next_entry(void *arg)
{
	char text[ENTRY_BYTES + 1];

	if (n_made == LIST_ENTRIES)
		return NULL;
	n_made++;
	memset(text, 'x', ENTRY_BYTES);
	text[ENTRY_BYTES] = 0;
	return n_made % 2 ? json_string(text) : json_pack("{s:s}", "text", text);
}

static void handle(void *arg, struct pl_client *client, const json_t *request, int netns_fd)
{
	const char *op = json_string_value(json_object_get(request, "op"));
	const struct pl_list list = {"entries", next_entry, NULL, NULL};

	got_fd = netns_fd >= 0;
	if (op && !strcmp(op, "hold")) {
		held[n_held++] = client;
		pl_client_hold(client);
	} else if (op && !strcmp(op, "list")) {
		n_made = 0;
		pl_client_reply_list(client, &list);
	} else if (op && !strcmp(op, "work")) {
		usleep(WORK_US);
		n_worked++;
		pl_client_reply(client, json_pack("{s:b}", "ok", 1));
	} else {
		n_echoed++;
		echoed_after = n_worked;
		pl_client_reply(client, json_pack("{s:b}", "ok", 1));
	}
}

static bool is_removal(const json_t *request)
{
	return false;
}

static bool is_work(const json_t *request)
{
	const char *op = json_string_value(json_object_get(request, "op"));

	return op && !strcmp(op, "work");
}

static int setup(void **state)
{
	const struct pl_control_handler handler = {handle, is_removal, is_work, NULL};

	n_held = n_made = n_echoed = n_worked = echoed_after = 0;
	return bed_up(&handler);
}

static int teardown(void **state)
{
	return bed_down();
}

static void resume_all(void)
{
	while (n_held) {
		pl_client_reply(held[--n_held], json_pack("{s:b}", "ok", 1));
		pl_client_resume(held[n_held]);
	}
}

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static uint64_t cpu_us(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

/* A second of a loop that spins would be a million microseconds. */
static void assert_idle_loop(void)
{
	uint64_t before = cpu_us();

	turns_for_ms(400);
	assert_true(cpu_us() - before < 100000);
}

/* Those who were silent longest go; whoever comes is served. */
static void test_idle_connections_yield(void **state)
{
	enum { MORE = 40 };
	int fds[PL_CLIENTS_MAX + MORE];

	for (int i = 0; i < PL_CLIENTS_MAX; i++)
		fds[i] = dial_in();
	ask(fds[0], "{\"op\": \"echo\"}"); /* the first is the one that spoke last */
	assert_answered(fds[0]);
	for (int i = PL_CLIENTS_MAX; i < PL_CLIENTS_MAX + MORE; i++)
		fds[i] = dial_in();
	for (int i = 0; i < PL_CLIENTS_MAX + MORE; i++)
		assert_int_equal(is_closed(fds[i]), i >= 1 && i <= MORE);
	ask(fds[0], "{\"op\": \"echo\"}");
	assert_answered(fds[0]);
	for (int i = 0; i < PL_CLIENTS_MAX + MORE; i++)
		close(fds[i]);
	turns(2);
}

/* Connections of which each waits for its answer are left alone. */
static void test_who_waits_is_served_when_one_leaves(void **state)
{
	int fds[PL_CLIENTS_MAX], late;

	for (int i = 0; i < PL_CLIENTS_MAX; i++) {
		fds[i] = dial_in();
		ask(fds[i], "{\"op\": \"hold\"}");
		turns(2);
	}
	assert_int_equal(n_held, PL_CLIENTS_MAX);
	late = dial_in();
	ask(late, "{\"op\": \"echo\"}");
	assert_idle_loop();
	assert_int_equal(n_echoed, 0);
	pl_client_reply(held[--n_held], json_pack("{s:b}", "ok", 1));
	pl_client_resume(held[n_held]);
	assert_answered(fds[PL_CLIENTS_MAX - 1]);
	close(fds[PL_CLIENTS_MAX - 1]);
	assert_answered(late);
	resume_all();
	for (int i = 0; i < PL_CLIENTS_MAX - 1; i++) {
		assert_answered(fds[i]);
		close(fds[i]);
	}
	close(late);
	turns(2);
}

static struct rlimit files_before;

/* From now on there is no file descriptor left. */
static int use_up_files(int spent[64])
{
	struct rlimit few;
	int top = open("/dev/null", O_RDONLY | O_CLOEXEC), n = 0;

	getrlimit(RLIMIT_NOFILE, &files_before);
	few = files_before;
	few.rlim_cur = (rlim_t)top + 1;
	setrlimit(RLIMIT_NOFILE, &few);
	spent[n++] = top;
	while ((spent[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		n++;
	return n;
}

static void test_without_file_descriptors(void **state)
{
	int spent[64], n, busy, late;

	busy = dial_in();
	ask(busy, "{\"op\": \"hold\"}");
	turns(2);
	late = dial();
	n = use_up_files(spent);
	ask(late, "{\"op\": \"echo\"}");
	assert_idle_loop();
	assert_int_equal(n_echoed, 0);
	resume_all();
	assert_answered(busy);
	close(busy); /* and with it the end of the server's */
	assert_answered(late);
	setrlimit(RLIMIT_NOFILE, &files_before);
	while (n)
		close(spent[--n]);
	close(late);
	turns(2);
}

static void test_an_idle_client_gives_its_file_descriptor(void **state)
{
	int spent[64], n, idle = dial_in(), late = dial();

	n = use_up_files(spent);
	ask(late, "{\"op\": \"echo\"}");
	assert_answered(late);
	assert_true(is_closed(idle));
	setrlimit(RLIMIT_NOFILE, &files_before);
	while (n)
		close(spent[--n]);
	close(idle);
	close(late);
	turns(2);
}

/* What a client does not take is not made, and what it asks meanwhile is not read. */
static void test_a_list_is_made_as_it_is_taken(void **state)
{
	size_t n = 0, pages = 0;
	bool more = true;
	int fd = dial_in();

	ask(fd, "{\"op\": \"list\"}");
	ask(fd, "{\"op\": \"echo\"}");
	turns(200);
	assert_in_range(n_made, 1, 500);
	assert_int_equal(n_echoed, 0);
	while (more) {
		pl_autojson json_t *page = await_reply(fd);

		assert_true(json_is_true(json_object_get(page, "ok")));
		n += json_array_size(json_object_get(page, "entries"));
		more = json_is_true(json_object_get(page, "more"));
		pages++;
	}
	assert_int_equal(n, LIST_ENTRIES);
	assert_true(pages > 100);
	assert_answered(fd);
	assert_int_equal(n_echoed, 1);
	close(fd);
	turns(2);
}

/* The folder of a client that goes in the middle of a list is swept, too: ASan sees to it. */
static void test_a_reader_that_leaves(void **state)
{
	int fd = dial_in();

	ask(fd, "{\"op\": \"list\"}");
	turns(4);
	close(fd);
	turns(4);
	fd = dial_in();
	ask(fd, "{\"op\": \"list\"}");
	turns(4);
	pl_control_closep(&bed.control);
	close(fd);
}

static void test_questions_come_before_work(void **state)
{
	enum { N = 12 };
	int fds[N], curious;

	for (int i = 0; i < N; i++) {
		fds[i] = dial();
		ask(fds[i], "{\"op\": \"work\"}");
	}
	curious = dial();
	ask(curious, "{\"op\": \"echo\"}");
	assert_answered(curious);
	assert_in_range(echoed_after, 0, 3); /* N * 3 ms are more than a turn has for work */
	for (int i = 0; i < N; i++) {
		assert_answered(fds[i]);
		close(fds[i]);
	}
	close(curious);
	turns(2);
}

static void test_rubbish(void **state)
{
	static char deep[PL_PROTO_MAX + 2];
	int fd = dial_in();

	ask(fd, "no json");
	assert_refused(fd, "EBADMSG");
	ask(fd, "[1]");
	assert_refused(fd, "EBADMSG");
	ask(fd, "{\"op\": \"ec"); /* half of one: a message is whole or it is none */
	assert_refused(fd, "EBADMSG");
	ask(fd, "ho\"}");
	assert_refused(fd, "EBADMSG");
	ask(fd, "{\"op\": \"\xff\xfe\"}");
	assert_refused(fd, "EBADMSG");
	ask(fd, "{\"op\": 1, \"op\": 2}");
	assert_refused(fd, "EBADMSG");
	memset(deep, '[', sizeof(deep) - 2);
	ask(fd, deep);
	assert_refused(fd, "EBADMSG");
	for (size_t i = 0; i + 5 < sizeof(deep) - 2; i += 5)
		memcpy(&deep[i], "{\"a\":", 5);
	ask(fd, deep);
	assert_refused(fd, "EBADMSG");
	memset(deep, ' ', sizeof(deep) - 1);
	ask(fd, deep);
	assert_refused(fd, "EMSGSIZE");
	ask(fd, "{\"op\": \"echo\"}");
	assert_answered(fd);
	close(fd);
	turns(2);
}

static void send_fds(int fd, const char *text, int n)
{
	union {
		char bytes[CMSG_SPACE(64 * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {(void *)text, strlen(text)};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes};
	struct cmsghdr *c;

	m.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
	for (int i = 0; i < n; i++)
		memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &fd, sizeof(int));
	assert_true(sendmsg(fd, &m, MSG_NOSIGNAL) > 0);
}

/* With work, they are kept while it waits; with rubbish and with a client that leaves, they go. */
static void test_fds_do_not_leak(void **state)
{
	int before = count_fds(), fd = dial_in();

	send_fds(fd, "{\"op\": \"work\"}", 40);
	assert_answered(fd);
	assert_true(got_fd);
	send_fds(fd, "no json", 40);
	assert_refused(fd, "EBADMSG");
	send_fds(fd, "{\"op\": \"work\"}", 1);
	close(fd);
	turns(3);
	assert_int_equal(count_fds(), before);
}

static void test_a_socket_that_was_removed(void **state)
{
	int before = dial_in(), after;
	struct pl_error err = {0};
	char path[128];

	assert_true(pl_control_in_place(bed.control));
	snprintf(path, sizeof(path), "%s/" PL_SOCKET_NAME, bed.dir);
	assert_int_equal(unlink(path), 0);
	assert_false(pl_control_in_place(bed.control));
	assert_int_equal(pl_control_listen_again(bed.control, &err), 0);
	assert_true(pl_control_in_place(bed.control));
	after = dial_in();
	ask(before, "{\"op\": \"echo\"}");
	assert_answered(before);
	ask(after, "{\"op\": \"echo\"}");
	assert_answered(after);
	close(before);
	close(after);
	turns(2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_idle_connections_yield, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_waits_is_served_when_one_leaves, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_without_file_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_idle_client_gives_its_file_descriptor,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_list_is_made_as_it_is_taken, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_reader_that_leaves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_questions_come_before_work, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rubbish, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fds_do_not_leak, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_socket_that_was_removed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
