/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One message, one line, one write: lines of two processes on one stderr do not mix. A message that
 * comes again and again is held back, so that no pod can fill the log or keep the loop busy with
 * it. Logging never fails and never blocks the caller for longer than stderr does.
 */
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "common/log.h"
#include "common/logfmt.h"

#define LINE_MAX_BYTES 4096
#define SECOND	       1000000000ULL

enum {
	HELD_MAX = 256, /* messages that are watched at a time */
	PROBES = 8,
	BURST = 6, /* with one more each INTERVAL: ten lines in a minute */
	INTERVAL = 15,
};

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
	if (strcmp(name, "warning") == 0)
		name = levels[PL_LOG_WARN].name;
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

static void write_line(enum pl_log_level level, const char *text, size_t len)
{
	char line[LINE_MAX_BYTES + 64];
	size_t used = line_start(line, sizeof(line), level);
	ssize_t n;

	memcpy(line + used, text, len);
	used += len;
	line[used++] = '\n';
	do {
		n = write(STDERR_FILENO, line, used);
	} while (n < 0 && errno == EINTR);
	/* Nobody is left to be told that stderr is gone. */
}

/* ---- what is held back ---- */

/* One message of one endpoint, or one message word by word where it names none. */
struct held {
	uint64_t key;	  /* 0: free */
	uint64_t full_ns; /* when all of its burst is there again */
	uint64_t n;	  /* lines held back since the last one that was written */
	char *last;	  /* the newest of them */
	enum pl_log_level level;
};

static struct held held[HELD_MAX];

static uint64_t hash(uint64_t h, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)s[i]) * 0x100000001b3ULL;
	return h;
}

static uint64_t hash_pair(uint64_t h, const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? hash(h, at, strcspn(at + 1, " ") + 1) : h;
}

static uint64_t key_of(const char *fmt, const char *text)
{
	uint64_t h = hash(0xcbf29ce484222325ULL, fmt, strlen(fmt));

	if (strstr(text, " container="))
		h = hash_pair(hash_pair(h, text, " container="), text, " ifname=");
	else
		h = hash(h, text, strlen(text));
	return h ? h : 1;
}

static bool may_write(struct held *h, uint64_t now)
{
	if (h->full_ns < now)
		h->full_ns = now;
	if (h->full_ns - now > (BURST - 1) * INTERVAL * SECOND)
		return false;
	h->full_ns += INTERVAL * SECOND;
	return true;
}

static void write_held(struct held *h)
{
	char text[LINE_MAX_BYTES];
	int n;

	if (!h->n)
		return;
	n = snprintf(text, sizeof(text), "%s held_back=%ju", h->last ?: "log lines lost",
		     (uintmax_t)h->n - 1);
	write_line(h->level, text, n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1);
	h->n = 0;
	free(TAKE_PTR(h->last));
}

/* The place of @key, or one that it can have: free, or else that of the message longest ago. */
static struct held *place_of(uint64_t key)
{
	struct held *oldest = NULL;

	for (size_t i = 0; i < PROBES; i++) {
		struct held *h = &held[(key + i) % HELD_MAX];

		if (h->key == key)
			return h;
		if (!oldest || h->full_ns < oldest->full_ns)
			oldest = h;
	}
	write_held(oldest);
	*oldest = (struct held){.key = key};
	return oldest;
}

void pl_log_flush(uint64_t now_ns)
{
	for (size_t i = 0; i < HELD_MAX; i++)
		if (held[i].n && may_write(&held[i], now_ns))
			write_held(&held[i]);
}

void pl_log_flush_all(void)
{
	for (size_t i = 0; i < HELD_MAX; i++)
		write_held(&held[i]);
}

/* True: @text is not to be written now. Else how many were held back before it goes to its end. */
static bool hold_back(enum pl_log_level level, const char *fmt, char text[LINE_MAX_BYTES],
		      size_t *len)
{
	struct held *h = place_of(key_of(fmt, text));
	int n;

	h->level = level;
	if (!may_write(h, pl_now_ns())) {
		h->n++;
		free(h->last);
		h->last = strdup(text);
		return true;
	}
	if (h->n) {
		n = snprintf(text + *len, LINE_MAX_BYTES - *len, " held_back=%ju", (uintmax_t)h->n);
		if (n > 0 && *len + (size_t)n < LINE_MAX_BYTES)
			*len += (size_t)n;
		h->n = 0;
		free(TAKE_PTR(h->last));
	}
	return false;
}

void pl_log(enum pl_log_level level, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES];
	int saved = errno;
	va_list args;
	size_t len;

	if (level > current_level || (size_t)level >= PL_ARRAY_SIZE(levels))
		return;
	va_start(args, fmt);
	len = pl_logfmt(text, sizeof(text), fmt, args);
	va_end(args);
	/* Who asks for the debug level wants to see everything. */
	if (level == PL_LOG_DEBUG || !hold_back(level, fmt, text, &len))
		write_line(level, text, len);
	errno = saved;
}
