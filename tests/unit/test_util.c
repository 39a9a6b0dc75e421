/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ground that every part stands on: error sentences, numbers, spelling, files, and the log
 * line, whose one promise is that nobody's data can forge another line.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <cmocka.h>
#include <jansson.h>

#include "common/log.h"
#include "common/util.h"
#include "scratch.h"

static char dir[96];

static int make_dir(void **state)
{
	return mkdtemp(scratch_template(dir, sizeof(dir), "util")) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static const char *in_dir(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void test_fail_fills_the_error(void **state)
{
	struct pl_error err = {0};

	assert_int_equal(pl_fail(&err, -ENOENT, "open %s: gone", "x"), -ENOENT);
	assert_int_equal(err.code, -ENOENT);
	assert_string_equal(err.text, "open x: gone");
	assert_int_equal(pl_fail(NULL, -EPERM, "unseen"), -EPERM);
}

static void test_fail_takes_its_own_text_as_argument(void **state)
{
	struct pl_error err = {0};

	pl_fail(&err, -EIO, "inner");
	pl_fail(&err, -EIO, "outer (%s) %s", err.text, err.text);
	assert_string_equal(err.text, "outer (inner) inner");
}

static void test_fail_prefix(void **state)
{
	struct pl_error err = {0};

	pl_fail(&err, -EBUSY, "inner");
	assert_int_equal(pl_fail_prefix(&err, "outer %d", 7), -EBUSY);
	assert_string_equal(err.text, "outer 7: inner");
	assert_int_equal(pl_fail_prefix(NULL, "x"), -EIO);
}

static void test_fail_cuts_at_a_character_and_says_so(void **state)
{
	struct pl_error err = {0};
	char text[1024];
	size_t len;

	/* Two-byte characters after 0 and 1 bytes: one of the two would be split by a byte cut. */
	for (size_t shift = 0; shift < 2; shift++) {
		pl_autojson json_t *j = NULL;

		memset(text, 'x', shift);
		for (size_t i = shift; i + 2 < sizeof(text); i += 2)
			memcpy(text + i, "\xc3\xa9", 3);
		pl_fail(&err, -EIO, "%s", text);
		len = strlen(err.text);
		assert_in_range(len, sizeof(err.text) - 6, sizeof(err.text) - 1);
		assert_string_equal(err.text + len - 3, "...");
		j = json_string(err.text);
		assert_non_null(j);
	}
}

static void test_fail_text_is_utf8(void **state)
{
	struct pl_error err = {0};

	pl_fail(&err, -EIO, "name \xff\xc3 ok \xc3\xa9");
	assert_string_equal(err.text, "name ?? ok \xc3\xa9");
}

static void test_utf8_char(void **state)
{
	static const struct {
		const char *s;
		size_t len;
	} rows[] = {
		{"a", 1},
		{"\xc3\xa9", 2},
		{"\xe2\x82\xac", 3},
		{"\xf0\x9f\x98\x80", 4},
		{"\xf4\x8f\xbf\xbf", 4},
		{"", 0},
		{"\x80", 0},
		{"\xc3", 0},
		{"\xc0\x80", 0},	 /* overlong */
		{"\xe0\x80\x80", 0},	 /* overlong */
		{"\xed\xa0\x80", 0},	 /* a surrogate */
		{"\xf0\x80\x80\x80", 0}, /* overlong */
		{"\xf4\x90\x80\x80", 0}, /* beyond Unicode */
		{"\xff", 0},
	};

	for (size_t i = 0; i < PL_ARRAY_SIZE(rows); i++)
		assert_int_equal(pl_utf8_char(rows[i].s, strlen(rows[i].s)), rows[i].len);
	assert_int_equal(pl_utf8_char("\xe2\x82\xac", 2), 0);
}

static void test_errno_names(void **state)
{
	assert_string_equal(pl_errno_name(-ENOENT), "ENOENT");
	assert_string_equal(pl_errno_name(ENOENT), "ENOENT");
	assert_string_equal(pl_errno_name(-ENOTSUP), "ENOTSUP");
	assert_string_equal(pl_errno_name(0), "EIO");
	assert_string_equal(pl_errno_name(99999), "EIO");
	assert_string_equal(pl_errno_name(INT32_MIN), "EIO");
	assert_int_equal(pl_errno_from_name("EADDRINUSE"), -EADDRINUSE);
	assert_int_equal(pl_errno_from_name("EWOULDBLOCK"), -EAGAIN);
	assert_int_equal(pl_errno_from_name("EOPNOTSUPP"), -ENOTSUP);
	assert_int_equal(pl_errno_from_name("enoent"), -EIO);
	assert_int_equal(pl_errno_from_name(""), -EIO);
	for (int code = 1; code < 134; code++) {
		const char *name = pl_errno_name(-code);

		if (strcmp(name, "EIO") != 0)
			assert_int_equal(pl_errno_from_name(name), -code);
	}
}

static void test_parse_u64(void **state)
{
	uint64_t n = 7;

	assert_int_equal(pl_parse_u64("0", 0, 10, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(pl_parse_u64("18446744073709551615", 0, UINT64_MAX, &n), 0);
	assert_true(n == UINT64_MAX);
	n = 7;
	assert_int_equal(pl_parse_u64("18446744073709551616", 0, UINT64_MAX, &n), -ERANGE);
	assert_int_equal(pl_parse_u64("99999999999999999999999", 0, UINT64_MAX, &n), -ERANGE);
	assert_int_equal(pl_parse_u64("11", 0, 10, &n), -ERANGE);
	assert_int_equal(pl_parse_u64("1", 2, 10, &n), -ERANGE);
	for (const char *const *s =
		     (const char *const[]){"", " 1", "1 ", "+1", "-1", "0x1", "1.0", "1e3", NULL};
	     *s; s++)
		assert_int_equal(pl_parse_u64(*s, 0, 10, &n), -EINVAL);
	assert_int_equal(n, 7);
}

static void test_nearest(void **state)
{
	static const char *const known[] = {"ipMasq", "mtu", "ipam", "name", "rangeStart", NULL};

	assert_string_equal(pl_nearest("ipmasq", known), "ipMasq");
	assert_string_equal(pl_nearest("IPMASQ", known), "ipMasq");
	assert_string_equal(pl_nearest("mut", known), "mtu"); /* a swap is one slip */
	assert_string_equal(pl_nearest("rangestrat", known), "rangeStart");
	assert_string_equal(pl_nearest("nam", known), "name");
	assert_null(pl_nearest("gateway", known));
	assert_null(pl_nearest("", known));
	assert_null(pl_nearest("x", known));
	assert_null(pl_nearest("a word far longer than any key of ours, and longer still, really",
			       known));
}

static void test_json_load(void **state)
{
	pl_autojson json_t *j = NULL;
	struct pl_error err = {0};

	assert_int_equal(pl_json_load("{\"a\": 1}", 8, &j, &err), 0);
	assert_int_equal(json_integer_value(json_object_get(j, "a")), 1);
	json_decref(TAKE_PTR(j));
	assert_int_equal(pl_json_load("{\n\"a\" 1}", 8, &j, &err), -EINVAL);
	assert_memory_equal(err.text, "line 2, column ", 15);
	assert_int_equal(pl_json_load("{\"a\": 1, \"a\": 2}", 16, &j, &err), -EINVAL);
	assert_int_equal(pl_json_load("{} {}", 5, &j, NULL), -EINVAL);
	assert_int_equal(pl_json_load("", 0, &j, NULL), -EINVAL);
	assert_null(j);
}

static void test_take(void **state)
{
	char *p = (char *)"x";
	int fd = 5;

	assert_string_equal(TAKE_PTR(p), "x");
	assert_null(p);
	assert_int_equal(TAKE_FD(fd), 5);
	assert_int_equal(fd, -1);
}

static void test_write_atomic(void **state)
{
	pl_autofree char *text = NULL;
	struct stat st;
	size_t len;

	assert_int_equal(pl_write_atomic(in_dir("file"), "one", 3, 0640), 0);
	assert_int_equal(pl_write_atomic(in_dir("file"), "second", 6, 0600), 0);
	assert_int_equal(pl_read_file(in_dir("file"), 100, &text, &len), 0);
	assert_int_equal(len, 6);
	assert_string_equal(text, "second");
	assert_int_equal(stat(in_dir("file"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(pl_write_atomic(in_dir("none/file"), "x", 1, 0600), -ENOENT);
}

static void test_what_a_killed_write_left(void **state)
{
	static const char *const kept[] = {"killed/.tmp.", "killed/.tmp.12345",
					   "killed/a.tmp.123456", "killed/.tmp.123456.json"};

	assert_int_equal(pl_mkdir_p(in_dir("killed"), 0700), 0);
	for (size_t i = 0; i < PL_ARRAY_SIZE(kept); i++)
		assert_int_equal(pl_write_atomic(in_dir(kept[i]), "", 0, 0600), 0);
	assert_int_equal(pl_write_atomic(in_dir("killed/.tmp.aB3dE6"), "{", 1, 0600), 0);
	pl_write_atomic_tidy(in_dir("killed"));
	assert_int_equal(access(in_dir("killed/.tmp.aB3dE6"), F_OK), -1);
	for (size_t i = 0; i < PL_ARRAY_SIZE(kept); i++)
		assert_int_equal(access(in_dir(kept[i]), F_OK), 0);
	pl_write_atomic_tidy(in_dir("no such folder"));
}

static void test_write_atomic_leaves_nothing_behind_on_failure(void **state)
{
	char command[128];

	assert_int_equal(mkdir(in_dir("sub"), 0700), 0);
	assert_int_equal(mkdir(in_dir("sub/target"), 0700), 0);
	assert_int_equal(pl_write_atomic(in_dir("sub/target"), "x", 1, 0600), -EISDIR);
	snprintf(command, sizeof(command), "test \"$(ls -A %s/sub)\" = target", dir);
	assert_int_equal(system(command), 0);
}

static void test_write_atomic_takes_the_longest_name(void **state)
{
	char name[256];

	memset(name, 'n', 255);
	name[255] = '\0';
	assert_int_equal(pl_write_atomic(in_dir(name), "x", 1, 0600), 0);
}

static void test_write_atomic_in_the_current_folder(void **state)
{
	pl_autofree char *cwd = getcwd(NULL, 0);

	assert_int_equal(chdir(dir), 0);
	assert_int_equal(pl_write_atomic("plain", "x", 1, 0600), 0);
	assert_int_equal(access("plain", F_OK), 0);
	assert_int_equal(chdir(cwd), 0);
}

static void test_read_file(void **state)
{
	pl_autofree char *big = malloc(100000);
	char *text = NULL;
	size_t len = 0;

	memset(big, 'b', 100000);
	assert_int_equal(pl_write_atomic(in_dir("big"), big, 100000, 0600), 0);
	assert_int_equal(pl_read_file(in_dir("big"), 99999, &text, &len), -EFBIG);
	assert_null(text);
	assert_int_equal(pl_read_file(in_dir("big"), 100000, &text, &len), 0);
	assert_int_equal(len, 100000);
	assert_int_equal(text[len], 0);
	assert_memory_equal(text, big, len);
	free(text);
	assert_int_equal(pl_write_atomic(in_dir("empty"), "", 0, 0600), 0);
	assert_int_equal(pl_read_file(in_dir("empty"), 0, &text, NULL), 0);
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(pl_read_file(in_dir("absent"), 10, &text, &len), -ENOENT);
	assert_int_equal(pl_read_file(dir, 10, &text, &len), -EISDIR);
	/* A file that tells no size. */
	assert_int_equal(pl_read_file("/proc/self/stat", 65536, &text, &len), 0);
	assert_true(len > 0);
	free(text);
}

static void test_mkdir_p(void **state)
{
	struct stat st;

	assert_int_equal(pl_mkdir_p(in_dir("a/b//c/"), 0700), 0);
	assert_int_equal(pl_mkdir_p(in_dir("a/b/c"), 0755), 0);
	assert_int_equal(stat(in_dir("a/b/c"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(pl_write_atomic(in_dir("a/file"), "", 0, 0600), 0);
	assert_int_equal(pl_mkdir_p(in_dir("a/file"), 0700), -ENOTDIR);
	assert_int_equal(pl_mkdir_p(in_dir("a/file/x"), 0700), -ENOTDIR);
}

/* What pl_log() wrote to stderr; caller frees. */
static char *logged(enum pl_log_level level, const char *text)
{
	int saved = dup(STDERR_FILENO);
	int fd = open(in_dir("log"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char *line = NULL;

	assert_true(saved >= 0 && fd >= 0);
	dup2(fd, STDERR_FILENO);
	pl_log(level, "%s", text);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fd);
	assert_int_equal(pl_read_file(in_dir("log"), 65536, &line, NULL), 0);
	return line;
}

static void test_log_line(void **state)
{
	pl_autofree char *line = logged(PL_LOG_WARN, "endpoint added");

	/* 2026-01-02T03:04:05.678Z warn endpoint added */
	assert_int_equal(strlen(line), strlen("2026-01-02T03:04:05.678Z ") + 20);
	assert_int_equal(line[10], 'T');
	assert_int_equal(line[23], 'Z');
	assert_string_equal(line + 25, "warn endpoint added\n");
}

static void test_log_cannot_be_forged(void **state)
{
	pl_autofree char *line =
		logged(PL_LOG_INFO, "pod=x\ninfo forged\r\t\x1b[2J\x7f\xc2\x9b\xff é");

	assert_string_equal(line + 25,
			    "info pod\\x3dx\\x0ainfo forged\\x0d\\x09\\x1b[2J\\x7f\\xc2\\x9b"
			    "\\xff é\n");
}

static void test_log_long_line_stays_one_line(void **state)
{
	pl_autofree char *text = malloc(20001), *line = NULL;

	memset(text, '\n', 20000);
	text[20000] = '\0';
	line = logged(PL_LOG_INFO, text);
	assert_in_range(strlen(line), 4000, 4096 + strlen("2026-01-02T03:04:05.678Z info "));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void test_log_level(void **state)
{
	enum pl_log_level level = PL_LOG_WARN;
	char *line;

	assert_int_equal(pl_log_level_parse("debug", &level), 0);
	assert_int_equal(level, PL_LOG_DEBUG);
	assert_int_equal(pl_log_level_parse("Debug", &level), -EINVAL);
	assert_int_equal(level, PL_LOG_DEBUG);
	assert_string_equal(pl_log_level_name(PL_LOG_ERROR), "error");
	pl_log_set_level(PL_LOG_WARN);
	line = logged(PL_LOG_INFO, "quiet");
	assert_string_equal(line, "");
	free(line);
	line = logged(PL_LOG_ERROR, "loud");
	assert_string_equal(line + 25, "error loud\n");
	free(line);
	pl_log_set_level(PL_LOG_INFO);
	assert_int_equal(pl_log_get_level(), PL_LOG_INFO);
}

static void test_log_for_the_journal(void **state)
{
	char stream[64];
	struct stat st;
	char *line;

	/* The file that logged() will write to. */
	assert_int_equal(pl_write_atomic(in_dir("log"), "", 0, 0600), 0);
	assert_int_equal(stat(in_dir("log"), &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	line = logged(PL_LOG_ERROR, "broken");
	assert_string_equal(line, "<3>error broken\n");
	free(line);
	setenv("JOURNAL_STREAM", "1:2", 1);
	line = logged(PL_LOG_ERROR, "broken");
	assert_string_equal(line + 25, "error broken\n");
	free(line);
	unsetenv("JOURNAL_STREAM");
}

static void test_log_survives_a_full_disk_and_keeps_errno(void **state)
{
	int saved = dup(STDERR_FILENO);
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	int after;

	assert_true(saved >= 0 && full >= 0);
	dup2(full, STDERR_FILENO);
	errno = EXDEV;
	pl_log(PL_LOG_INFO, "x");
	after = errno;
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(full);
	assert_int_equal(after, EXDEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fail_fills_the_error),
		cmocka_unit_test(test_fail_takes_its_own_text_as_argument),
		cmocka_unit_test(test_fail_prefix),
		cmocka_unit_test(test_fail_cuts_at_a_character_and_says_so),
		cmocka_unit_test(test_fail_text_is_utf8),
		cmocka_unit_test(test_utf8_char),
		cmocka_unit_test(test_errno_names),
		cmocka_unit_test(test_parse_u64),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_json_load),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_write_atomic),
		cmocka_unit_test(test_what_a_killed_write_left),
		cmocka_unit_test(test_write_atomic_leaves_nothing_behind_on_failure),
		cmocka_unit_test(test_write_atomic_takes_the_longest_name),
		cmocka_unit_test(test_write_atomic_in_the_current_folder),
		cmocka_unit_test(test_read_file),
		cmocka_unit_test(test_mkdir_p),
		cmocka_unit_test(test_log_line),
		cmocka_unit_test(test_log_cannot_be_forged),
		cmocka_unit_test(test_log_long_line_stays_one_line),
		cmocka_unit_test(test_log_level),
		cmocka_unit_test(test_log_for_the_journal),
		cmocka_unit_test(test_log_survives_a_full_disk_and_keeps_errno),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
