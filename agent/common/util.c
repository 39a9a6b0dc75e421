/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What every part of the agent leans on: the error sentence, numbers, spelling, whole files.
 * It stands below all else, so it must never log, exit or know of podlane's own things.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <time.h>

#include "common/util.h"

#define TEMPORARY ".tmp." /* how the names of files begin that are not whole yet */

#define ERRNO_LAST 4095 /* MAX_ERRNO of the kernel */
#define WORD_MAX   64	/* no key of ours is longer */

void pl_json_decrefp(struct json_t **j)
{
	json_decref(*j);
}

static bool is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

size_t pl_utf8_char(const char *s, size_t len)
{
	const unsigned char *u = (const unsigned char *)s;

	if (len >= 1 && u[0] < 0x80)
		return 1;
	if (len >= 2 && u[0] >= 0xc2 && u[0] < 0xe0 && is_continuation(u[1]))
		return 2;
	if (len >= 3 && (u[0] & 0xf0) == 0xe0 && is_continuation(u[1]) && is_continuation(u[2])) {
		bool overlong = u[0] == 0xe0 && u[1] < 0xa0;
		bool surrogate = u[0] == 0xed && u[1] >= 0xa0;

		return overlong || surrogate ? 0 : 3;
	}
	if (len >= 4 && u[0] >= 0xf0 && u[0] <= 0xf4 && is_continuation(u[1]) &&
	    is_continuation(u[2]) && is_continuation(u[3])) {
		bool overlong = u[0] == 0xf0 && u[1] < 0x90;
		bool beyond = u[0] == 0xf4 && u[1] >= 0x90;

		return overlong || beyond ? 0 : 4;
	}
	return 0;
}

/* Cuts a character that the end of the buffer split, replaces what is no UTF-8, marks the cut. */
static void tidy(char *text, size_t size, bool cut)
{
	static const char dots[] = "...";
	size_t len = strlen(text), limit = cut ? size - sizeof(dots) : len;
	size_t i = 0;

	while (i < limit) {
		size_t n = pl_utf8_char(text + i, len - i);

		if (n == 0) {
			text[i] = '?';
			n = 1;
		}
		if (i + n > limit)
			break;
		i += n;
	}
	if (cut)
		memcpy(text + i, dots, sizeof(dots));
}

int pl_fail(struct pl_error *err, int code, const char *fmt, ...)
{
	char text[sizeof(err->text)]; /* the arguments may lie in @err itself */
	va_list args;
	int n;

	if (!err)
		return code;
	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n < 0)
		text[0] = '\0';
	tidy(text, sizeof(text), n >= (int)sizeof(text));
	memcpy(err->text, text, sizeof(text));
	err->code = code;
	return code;
}

int pl_fail_prefix(struct pl_error *err, const char *fmt, ...)
{
	char prefix[sizeof(err->text)];
	va_list args;

	if (!err)
		return -EIO;
	va_start(args, fmt);
	if (vsnprintf(prefix, sizeof(prefix), fmt, args) < 0)
		prefix[0] = '\0';
	va_end(args);
	return pl_fail(err, err->code, "%s: %s", prefix, err->text);
}

static const struct {
	const char *name;
	int code;
} errno_aliases[] = {
	/* The first is the name that our own protocol uses, and goes before the C library's. */
	{"ENOTSUP", ENOTSUP},
	{"EOPNOTSUPP", EOPNOTSUPP},
	{"EWOULDBLOCK", EWOULDBLOCK},
	{"EDEADLOCK", EDEADLOCK},
};

const char *pl_errno_name(int code)
{
	const char *name;

	if (code == 0 || code > ERRNO_LAST || code < -ERRNO_LAST)
		return "EIO";
	if (abs(code) == ENOTSUP)
		return "ENOTSUP";
	name = strerrorname_np(abs(code));
	return name ? name : "EIO";
}

int pl_errno_from_name(const char *name)
{
	for (size_t i = 0; i < PL_ARRAY_SIZE(errno_aliases); i++) {
		if (strcmp(name, errno_aliases[i].name) == 0)
			return -errno_aliases[i].code;
	}
	for (int code = 1; code < 256; code++) {
		const char *known = strerrorname_np(code);

		if (known && strcmp(name, known) == 0)
			return -code;
	}
	return -EIO;
}

int pl_parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (*s == '\0')
		return -EINVAL;
	for (const char *p = s; *p; p++) {
		if (!isdigit((unsigned char)*p))
			return -EINVAL;
	}
	for (const char *p = s; *p; p++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return -ERANGE;
	}
	if (value < min || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int pl_json_load(const char *text, size_t len, struct json_t **ret, struct pl_error *err)
{
	json_error_t why;
	json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);

	if (j) {
		*ret = j;
		return 0;
	}
	if (json_error_code(&why) == json_error_out_of_memory)
		return pl_fail(err, -ENOMEM, "out of memory");
	return pl_fail(err, -EINVAL, "line %d, column %d: %s", why.line, why.column, why.text);
}

uint64_t pl_now_ns(void)
{
	struct timespec t = {0};

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static unsigned int min_u(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/*
 * Insertions, deletions, changes and swaps of neighbours between two words; case is free, since
 * "ipmasq" for "ipMasq" is the commonest slip. @lb is at most WORD_MAX.
 */
static unsigned int edit_distance(const char *a, size_t la, const char *b, size_t lb)
{
	unsigned int rows[3][WORD_MAX + 1];
	unsigned int *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= lb; j++)
		above[j] = (unsigned int)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned int *recycled = before;
		int ca = tolower((unsigned char)a[i - 1]);

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= lb; j++) {
			int cb = tolower((unsigned char)b[j - 1]);

			row[j] = min_u(above[j - 1] + (ca != cb), min_u(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
			    tolower((unsigned char)a[i - 2]) == cb)
				row[j] = min_u(row[j], before[j - 2] + 1);
		}
		before = above;
		above = row;
		row = recycled;
	}
	return above[lb];
}

const char *pl_nearest(const char *word, const char *const *known)
{
	size_t len = strlen(word);
	unsigned int best = (unsigned int)(len < 3 ? 1 : len / 3) + 1;
	const char *nearest = NULL;

	if (len == 0 || len > WORD_MAX)
		return NULL;
	for (; *known; known++) {
		size_t known_len = strlen(*known);
		unsigned int d;

		if (known_len > WORD_MAX)
			continue;
		d = edit_distance(word, len, *known, known_len);
		/* Nothing of the word left is no slip of the finger. */
		if (d < best && d < len) {
			best = d;
			nearest = *known;
		}
	}
	return nearest;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int fill_and_rename(int fd, const char *tmp, const char *path, const void *data, size_t len,
			   unsigned int mode)
{
	int r = write_all(fd, data, len);

	if (r < 0)
		return r;
	if (fchmod(fd, mode) < 0 || fsync(fd) < 0 || rename(tmp, path) < 0)
		return -errno;
	return 0;
}

static int sync_folder(const char *path)
{
	pl_autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

int pl_write_atomic(const char *path, const void *data, size_t len, unsigned int mode)
{
	const char *slash = strrchr(path, '/');
	int folder_len = slash ? (int)(slash - path) + 1 : 0;
	pl_autofree char *folder = NULL;
	pl_autofree char *tmp = NULL;
	pl_autoclose int fd = -1;
	int r;

	/* A name of its own: one made from the file's could be longer than a name may be. */
	if (asprintf(&folder, "%.*s", folder_len ? folder_len : 1, folder_len ? path : ".") < 0) {
		folder = NULL;
		return -ENOMEM;
	}
	if (asprintf(&tmp, "%.*s" TEMPORARY "XXXXXX", folder_len, path) < 0) {
		tmp = NULL;
		return -ENOMEM;
	}
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fill_and_rename(fd, tmp, path, data, len, mode);
	if (r < 0) {
		unlink(tmp);
		return r;
	}
	return sync_folder(folder);
}

void pl_write_atomic_tidy(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (!fnmatch(TEMPORARY "??????", entry->d_name, 0))
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

/* Reads up to @size bytes. Returns their number or -errno. */
static ssize_t read_up_to(int fd, char *buf, size_t size)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = read(fd, buf + have, size - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

int pl_read_file(const char *path, size_t max, char **ret, size_t *ret_len)
{
	pl_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	pl_autofree char *buf = NULL;
	size_t have = 0, size = 4096;

	if (fd < 0)
		return -errno;
	if (max >= SSIZE_MAX)
		return -EINVAL;
	/* The size that stat tells is no promise: /proc has none, and a pipe neither. */
	for (;;) {
		char *bigger;
		ssize_t n;

		if (size > max + 1)
			size = max + 1;
		bigger = realloc(buf, size + 1);
		if (!bigger)
			return -ENOMEM;
		buf = bigger;
		n = read_up_to(fd, buf + have, size - have);
		if (n < 0)
			return (int)n;
		have += (size_t)n;
		if (have > max)
			return -EFBIG;
		if (have < size)
			break;
		size *= 2;
	}
	buf[have] = '\0';
	*ret = TAKE_PTR(buf);
	if (ret_len)
		*ret_len = have;
	return 0;
}

static int make_folder(const char *path, unsigned int mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int pl_mkdir_p(const char *path, unsigned int mode)
{
	pl_autofree char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	for (char *p = copy + 1; *copy && *p; p++) {
		int r;

		if (*p != '/')
			continue;
		*p = '\0';
		r = make_folder(copy, mode);
		if (r < 0)
			return r;
		*p = '/';
	}
	return make_folder(copy, mode);
}
