/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One message, one line, one write: lines of two processes on one stderr do not mix, and what a
 * pod or a peer sent in a name cannot forge a line or drive a terminal. Logging never fails and
 * never blocks the caller for longer than stderr does.
 */
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "common/log.h"

#define LINE_MAX_BYTES 4096

static const struct {
	const char *name;
	char priority; /* syslog's, for the journal */
} levels[] = {
	[PL_LOG_ERROR] = {"error", '3'},
	[PL_LOG_WARN] = {"warn", '4'},
	[PL_LOG_INFO] = {"info", '6'},
	[PL_LOG_DEBUG] = {"debug", '7'},
};

static enum pl_log_level current_level = PL_LOG_INFO;

void pl_log_set_level(enum pl_log_level level)
{
	current_level = level;
}

enum pl_log_level pl_log_get_level(void)
{
	return current_level;
}

int pl_log_level_parse(const char *name, enum pl_log_level *ret)
{
	for (size_t i = 0; i < PL_ARRAY_SIZE(levels); i++) {
		if (strcmp(name, levels[i].name) == 0) {
			*ret = (enum pl_log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *pl_log_level_name(enum pl_log_level level)
{
	return (size_t)level < PL_ARRAY_SIZE(levels) ? levels[level].name : "unknown";
}

/* systemd names the journal's stream by "DEVICE:INODE"; a redirected stderr is another one. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char ours[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(ours, sizeof(ours), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, ours) == 0;
}

static size_t line_start(char *line, size_t size, enum pl_log_level level)
{
	struct timespec now = {0};
	struct tm utc;
	int n;

	if (stderr_is_journal()) {
		n = snprintf(line, size, "<%c>%s ", levels[level].priority, levels[level].name);
		return (size_t)n;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	n = snprintf(line, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s ", utc.tm_year + 1900,
		     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
		     now.tv_nsec / 1000000, levels[level].name);
	return (size_t)n;
}

/* C0, DEL, and C1 (which a terminal may take for ESC [). */
static bool is_control(const char *s, size_t char_len)
{
	const unsigned char *u = (const unsigned char *)s;

	if (char_len == 1)
		return u[0] < 0x20 || u[0] == 0x7f;
	return char_len == 2 && u[0] == 0xc2 && u[1] < 0xa0;
}

/* Copies @text with control characters and stray bytes as \xHH; what does not fit is left out. */
static size_t escape(char *out, size_t size, const char *text)
{
	static const char hex[] = "0123456789abcdef";
	size_t len = strlen(text), used = 0;

	for (size_t i = 0; i < len;) {
		size_t n = pl_utf8_char(text + i, len - i);

		if (n == 0 || is_control(text + i, n)) {
			unsigned char c = (unsigned char)text[i];

			if (used + 4 > size)
				break;
			out[used++] = '\\';
			out[used++] = 'x';
			out[used++] = hex[c >> 4];
			out[used++] = hex[c & 15];
			i++;
			continue;
		}
		if (used + n > size)
			break;
		memcpy(out + used, text + i, n);
		used += n;
		i += n;
	}
	return used;
}

void pl_log(enum pl_log_level level, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES];
	char line[LINE_MAX_BYTES];
	int saved = errno;
	va_list args;
	size_t used;
	ssize_t n;

	if (level > current_level || (size_t)level >= PL_ARRAY_SIZE(levels))
		return;
	va_start(args, fmt);
	if (vsnprintf(text, sizeof(text), fmt, args) < 0)
		text[0] = '\0';
	va_end(args);

	used = line_start(line, sizeof(line), level);
	used += escape(line + used, sizeof(line) - used - 1, text);
	line[used++] = '\n';
	do {
		n = write(STDERR_FILENO, line, used);
	} while (n < 0 && errno == EINTR);
	/* Nobody is left to be told that stderr is gone. */
	errno = saved;
}
