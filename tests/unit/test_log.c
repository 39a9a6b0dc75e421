/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lines of the log, read by a parser that keeps to the rules of logfmt and to nothing else: what a
 * pod or a peer chose cannot forge a pair, break a line, or make the parser give up. And what comes
 * again and again is held back, counted and told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "common/log.h"
#include "common/logfmt.h"
#include "scratch.h"

/* ---- the parser ---- */

#define PAIRS_MAX 32

struct pair {
	char key[8200];
	char value[8200];
	bool has_value;
};

static struct pair pairs[PAIRS_MAX];

/* A key or a bare value: neither blank, nor =, nor a quote. */
static const char *take_bare(const char *p, char *ret)
{
	while ((unsigned char)*p > ' ' && *p != '=' && *p != '"')
		*ret++ = *p++;
	*ret = '\0';
	return p;
}

/* Between quotes stands what JSON allows there. NULL: it does not. */
static const char *take_quoted(const char *p, char *ret)
{
	char text[8200];
	json_t *j;
	const char *end = p + 1;

	while (*end && *end != '"')
		end += *end == '\\' && end[1] ? 2 : 1;
	if (*end != '"' || (size_t)(end - p) + 2 > sizeof(text))
		return NULL;
	snprintf(text, sizeof(text), "%.*s", (int)(end - p + 1), p);
	j = json_loads(text, JSON_DECODE_ANY, NULL);
	if (!json_is_string(j)) {
		json_decref(j);
		return NULL;
	}
	strcpy(ret, json_string_value(j));
	json_decref(j);
	return end + 1;
}

/* The number of pairs, or -1: this is no logfmt. */
static int parse(const char *line)
{
	int n = 0;

	for (const char *p = line; *p; n++) {
		struct pair *pair = &pairs[n];

		if (n == PAIRS_MAX)
			return -1;
		*pair = (struct pair){0};
		p = take_bare(p, pair->key);
		if (!*pair->key)
			return -1;
		if (*p == '=') {
			pair->has_value = true;
			p++;
			p = *p == '"' ? take_quoted(p, pair->value) : take_bare(p, pair->value);
			if (!p)
				return -1;
		}
		if (*p && *p != ' ')
			return -1;
		p += *p == ' ';
	}
	return n;
}

static const char *value_of(int n, const char *key)
{
	const char *found = NULL;

	for (int i = 0; i < n; i++) {
		if (strcmp(pairs[i].key, key) || !pairs[i].has_value)
			continue;
		assert_null(found); /* twice: one of them is forged */
		found = pairs[i].value;
	}
	return found;
}

/* ---- one line ---- */

static char line[4096];

PL_PRINTF(1, 2) static size_t format(const char *fmt, ...)
{
	va_list args;
	size_t n;

	va_start(args, fmt);
	n = pl_logfmt(line, sizeof(line), fmt, args);
	va_end(args);
	assert_int_equal(n, strlen(line));
	return n;
}

static const char *const hostile[] = {
	"plain",
	"",
	" ",
	"with blanks  in it",
	"a\"b",
	"\"",
	"\\",
	"ends with \\",
	"\\\"",
	"a=b",
	"x\" error=\"forged",
	"x error=forged",
	"/run/netns/a b\"c\\d",
	"first\nsecond level=error",
	"\r\n\t\v",
	"\x1b[31mred\x1b[0m",
	"\x01\x7f",
	("\xc2\x9b"
	 "31m"), /* C1, which terminals take for ESC [ */
	"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xb3",
	"filter: syntax error\n  port prot 9\n       ^",
	"{\"a\":[1,2]}",
};

static void check(const char *s, int n, const char *want)
{
	assert_string_equal(value_of(n, "bare") ?: "(none)", want);
	assert_string_equal(value_of(n, "quoted") ?: "(none)", want);
	assert_string_equal(value_of(n, "last") ?: "(none)", "7");
	for (const char *p = s; *p; p++)
		assert_true((unsigned char)*p >= ' ' && *p != 0x7f);
	assert_null(strstr(s, "\xc2\x9b"));
}

static void test_hostile_values(void **state)
{
	for (size_t i = 0; i < PL_ARRAY_SIZE(hostile); i++) {
		format("it happens bare=%s quoted=\"%s\" last=%d", hostile[i], hostile[i], 7);
		check(line, parse(line), hostile[i]);
	}
}

/* No JSON string holds such bytes: they are told as text. */
static void test_bytes_that_are_no_text(void **state)
{
	static const char bytes[] = "a\xff\xc0\x80z";

	format("it happens bare=%s quoted=\"%s\" last=%d", bytes, bytes, 7);
	check(line, parse(line), "a\\xff\\xc0\\x80z");
}

static void test_words(void **state)
{
	for (size_t i = 0; i < PL_ARRAY_SIZE(hostile); i++) {
		int n;

		format("it %s happens last=%d", hostile[i], 7);
		if (strstr(line, "  "))
			continue; /* blanks beside each other are between words */
		n = parse(line);
		assert_true(n > 0);
		assert_string_equal(value_of(n, "last"), "7");
		assert_null(value_of(n, "error"));
	}
}

static void test_pairs_that_are_left_out(void **state)
{
	const char *volatile none = NULL; /* so that the compiler does not see it */

	format("it happens a=%s b=\"%s\" c=%s d=\"%s\"", none, none, "x", "y");
	assert_string_equal(line, "it happens c=x d=\"y\"");
	format("it happens c=%s a=%s", "x", none);
	assert_string_equal(line, "it happens c=x");
}

static void test_numbers(void **state)
{
	format("n a=%d b=%u c=%zu d=%llu e=%ld f=%x g=%c h=%5d|%-3u| i=%.*s j=%% k=%03u l=%.2s", -1,
	       4000000000u, (size_t)-1, 1ULL << 63, -5L, 255u, 'x', 42, 7u, 2, "abc", 9u, "xyz");
	assert_string_equal(line,
			    "n a=-1 b=4000000000 c=18446744073709551615 d=9223372036854775808 "
			    "e=-5 f=ff g=x h=   42|7  | i=ab j=% k=009 l=xy");
}

/* Wherever the end of the buffer cuts, the rest is logfmt. */
static void test_cut(void **state)
{
	char text[9000], small[64];

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = "a\"\n\\ \xff"[i % 6];
	text[sizeof(text) - 1] = '\0';
	format("it happens bare=%s", text);
	assert_true(parse(line) == 3);
	format("it happens quoted=\"%s\" last=%d", text, 7);
	assert_true(parse(line) == 3);
	for (size_t size = 4; size < sizeof(small); size++) {
		format("it happens bare=%.*s q=\"%.*s\"", (int)size, text, (int)size, text);
		assert_true(parse(line) == 4);
	}
}

static size_t format_into(char *buf, size_t size, const char *fmt, ...) PL_PRINTF(3, 4);
static size_t format_into(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	size_t n;

	va_start(args, fmt);
	n = pl_logfmt(buf, size, fmt, args);
	va_end(args);
	return n;
}

static void test_small_buffers(void **state)
{
	char buf[80];

	for (size_t size = 4; size < sizeof(buf); size++) {
		memset(buf, '#', sizeof(buf));
		assert_true(format_into(buf, size, "it happens a=%s b=\"%s\" c=%s", "x y", "\n\n\"",
					"\xff\xff") < size);
		assert_true(parse(buf) >= 1);
		assert_int_equal(buf[size], '#');
	}
}

/* ---- the log ---- */

static char said[1 << 16];
static int saved_stderr, capture;

static void capture_begin(void)
{
	char path[200];

	capture = mkstemp(scratch_template(path, sizeof(path), "log"));
	assert_true(capture >= 0);
	unlink(path);
	saved_stderr = dup(STDERR_FILENO);
	assert_true(dup2(capture, STDERR_FILENO) >= 0);
}

/* Lines that were written; each is checked to be logfmt. */
static int capture_end(void)
{
	int lines = 0;
	ssize_t n;

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	n = pread(capture, said, sizeof(said) - 1, 0);
	close(capture);
	assert_true(n >= 0);
	said[n] = '\0';
	for (char *p = said; *p; lines++) {
		char one[8200];
		size_t len = strcspn(p, "\n");

		snprintf(one, sizeof(one), "%.*s", (int)len, p);
		assert_true(parse(one) > 0);
		p += len + (p[len] == '\n');
	}
	return lines;
}

#define SECOND 1000000000ULL

static void toggle(const char *container, int i)
{
	/* volatile: the compiler does not know that it may be NULL */
	const char *volatile why = i % 2 ? NULL : "the link is down";

	pl_info("endpoint %s container=%s ifname=%s why=\"%s\"", i % 2 ? "ready" : "not ready",
		container, "eth0", why);
}

static void test_repetition(void **state)
{
	uint64_t now = pl_now_ns();
	int lines;

	capture_begin();
	for (int i = 0; i < 1000; i++)
		toggle("noisy", i);
	toggle("calm", 0); /* another endpoint has its own lines */
	for (int i = 0; i < 1000; i++)
		pl_log_flush(now + (uint64_t)i * 60 * SECOND / 1000);
	lines = capture_end();
	assert_in_range(lines, 3, 11);
	assert_non_null(strstr(said, "container=calm"));
	/* The last line says how things are, and how many are missing. */
	assert_non_null(
		strstr(said, " info endpoint ready container=noisy ifname=eth0 held_back=993\n"));

	capture_begin();
	for (int i = 0; i < 100; i++)
		pl_warn("always the same n=%d", 1);
	for (int i = 0; i < 100; i++)
		pl_warn("each another n=%d", i);
	for (int i = 0; i < 100; i++)
		pl_info("endpoint added container=%s ifname=%s", i % 2 ? "a" : "b", "eth0");
	lines = capture_end();
	assert_int_equal(lines, 6 + 100 + 2 * 6);
	capture_begin();
	pl_log_flush_all();
	assert_int_equal(capture_end(), 3);
	assert_non_null(strstr(said, "always the same n=1 held_back=93\n"));
}

static void test_debug_lines(void **state)
{
	capture_begin();
	pl_log_set_level(PL_LOG_DEBUG);
	for (int i = 0; i < 50; i++)
		pl_debug("debug is not held back container=%s", "x");
	pl_log_set_level(PL_LOG_INFO);
	assert_int_equal(capture_end(), 50);
}

/* More messages than there are places: none is lost, though some are not held back. */
static void test_many_messages(void **state)
{
	int lines;

	capture_begin();
	for (int round = 0; round < 8; round++)
		for (int i = 0; i < 100; i++)
			pl_info("round container=c%d", i);
	pl_log_flush_all();
	lines = capture_end();
	assert_in_range(lines, 100 * 7, 800);
}

static void test_levels(void **state)
{
	enum pl_log_level level = PL_LOG_DEBUG;

	assert_int_equal(pl_log_level_parse("warning", &level), 0);
	assert_int_equal(level, PL_LOG_WARN);
	assert_int_equal(pl_log_level_parse("warn", &level), 0);
	assert_int_equal(pl_log_level_parse("loud", &level), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile_values),
		cmocka_unit_test(test_bytes_that_are_no_text),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_pairs_that_are_left_out),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_small_buffers),
		cmocka_unit_test(test_repetition),
		cmocka_unit_test(test_debug_lines),
		cmocka_unit_test(test_many_messages),
		cmocka_unit_test(test_levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
