// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Repeated output: on a terminal each refresh replaces the last, elsewhere blocks follow each
 * other. The clock is absolute, so that slow answers do not add up. Ends with the signal that
 * ends the program; nothing on the terminal needs to be put back.
 */
#include "cli/cli.h"

#include <ctype.h>
#include <sys/ioctl.h>
#include <time.h>

enum { NS_PER_MS = 1000000, INTERVAL_MIN_MS = 100, INTERVAL_MAX_MS = 3600 * 1000 };

static int parse_interval(const char *text, uint64_t *ret_ms, struct pl_error *err)
{
	double seconds = 0;
	char *end = NULL;

	if (isdigit((unsigned char)text[0]))
		seconds = strtod(text, &end);
	if (!end || *end || seconds * 1000 < INTERVAL_MIN_MS || seconds * 1000 > INTERVAL_MAX_MS)
		return pl_fail(err, -EINVAL,
			       "--watch takes an interval from 0.1 to 3600 seconds, not '%s'",
			       text);
	*ret_ms = (uint64_t)(seconds * 1000 + 0.5);
	return 0;
}

enum cli_exit cli_watch_options(struct cli *cli, const struct cli_args *args,
				struct cli_watching *ret)
{
	const char *interval = cli_value(args, "watch");

	*ret = (struct cli_watching){.on = cli_given(args, "watch"), .interval_ms = 1000};
	if (interval && parse_interval(interval, &ret->interval_ms, &cli->err))
		return CLI_USAGE;
	if (cli_number(args, "count", 1, UINT32_MAX, 0, &ret->count, &cli->err))
		return CLI_USAGE;
	if (ret->count && !ret->on)
		return cli_usage_error(cli, "--count is only valid with --watch");
	return CLI_OK;
}

const char *cli_now_text(char *buf, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;

	buf[0] = '\0';
	if (gmtime_r(&now, &tm))
		strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return buf;
}

static void wait_until(uint64_t at_ns)
{
	struct timespec at = {
		.tv_sec = (time_t)(at_ns / 1000000000),
		.tv_nsec = (long)(at_ns % 1000000000),
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

unsigned int cli_terminal_width(void)
{
	struct winsize size = {0};

	if (!isatty(STDOUT_FILENO))
		return 0;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col ? 80 : size.ws_col;
}

static unsigned int screen_rows(void)
{
	struct winsize size = {0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_row < 2)
		return 24;
	return size.ws_row;
}

/*
 * Erases line by line rather than the whole screen first: nothing flickers. Long lines must not
 * wrap, or the rows would be miscounted; wrapping is off for the length of one write alone.
 */
static void show_screen(const char *text)
{
	unsigned int left = screen_rows() - 1;

	fputs("\033[?7l\033[H", stdout);
	while (*text && left--) {
		size_t len = strcspn(text, "\n");

		if (!left && text[len] && text[len + 1]) {
			fputs("...\033[K\n", stdout);
			break;
		}
		fwrite(text, 1, len, stdout);
		fputs("\033[K\n", stdout);
		text += len + (text[len] == '\n');
	}
	fputs("\033[J\033[?7h", stdout);
}

static enum cli_exit one_tick(struct cli *cli, bool screen, bool again, cli_tick *tick, void *arg)
{
	pl_autofree char *text = NULL;
	enum cli_exit rc;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return cli_out_of_memory(cli);
	rc = tick(cli, out, arg);
	if (fclose(out) && !rc)
		return cli_out_of_memory(cli);
	if (rc)
		return rc;
	if (screen)
		show_screen(text);
	else
		printf("%s%s", again && !cli->json ? "\n" : "", text);
	return CLI_OK;
}

enum cli_exit cli_watch(struct cli *cli, const struct cli_watching *watching, cli_tick *tick,
			void *arg)
{
	bool screen = !cli->json && isatty(STDOUT_FILENO);
	uint64_t count = watching->count;
	uint64_t next = pl_now_ns();
	enum cli_exit rc = CLI_OK;

	for (uint64_t i = 0; !count || i < count; i++) {
		next += watching->interval_ms * NS_PER_MS;
		if (next < pl_now_ns())
			next = pl_now_ns();
		wait_until(next);
		if (cli->look.width) /* the window may have another size now */
			cli->look.width = cli_terminal_width();
		rc = one_tick(cli, screen, i > 0, tick, arg);
		if (rc && rc != CLI_NO_DAEMON)
			return rc;
		if (rc && (!count || i + 1 < count))
			cli_warn(cli, "%s; trying again", cli->err.text);
		if (fflush(stdout) || ferror(stdout))
			return cli_fail(cli, -EIO, "cannot write to the standard output");
	}
	return rc;
}
