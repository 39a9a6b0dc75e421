/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Ownership and errors for all of the agent: cleanup attributes, TAKE_*, and pl_error, the
 * sentence that travels with a -errno up to whoever may print it. Nothing here logs or exits.
 */
#ifndef PODLANE_UTIL_H
#define PODLANE_UTIL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PL_ARRAY_SIZE(a)      (sizeof(a) / sizeof((a)[0]))
#define PL_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

#define pl_cleanup(f) __attribute__((cleanup(f)))
#define pl_autofree   pl_cleanup(pl_freep)
#define pl_autoclose  pl_cleanup(pl_closep)
#define pl_autofclose pl_cleanup(pl_fclosep)
#define pl_autojson   pl_cleanup(pl_json_decrefp) /* for a json_t * */

#define TAKE_PTR(p)                                                                                \
	({                                                                                         \
		__typeof__(p) *pl_take_ = &(p);                                                    \
		__typeof__(p) pl_value_ = *pl_take_;                                               \
		*pl_take_ = NULL;                                                                  \
		pl_value_;                                                                         \
	})

#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int *pl_take_ = &(fd);                                                             \
		int pl_value_ = *pl_take_;                                                         \
		*pl_take_ = -1;                                                                    \
		pl_value_;                                                                         \
	})

static inline void pl_freep(void *p)
{
	free(*(void **)p);
}

static inline void pl_closep(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		close(*fd);
		errno = saved;
	}
}

static inline void pl_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

struct json_t; /* jansson's json_t: declared here, so that the order of includes does not matter */
void pl_json_decrefp(struct json_t **j);

/* What went wrong, for a person: what was attempted, on what, why, and what to do. */
struct pl_error {
	int code; /* -errno, 0: none */
	char text[512];
};

/*
 * Fills @err (may be NULL) and returns @code, which is a negative errno. What is too long is cut
 * and ends in "..."; the text is valid UTF-8 whatever came in, so that it always fits into JSON.
 */
int pl_fail(struct pl_error *err, int code, const char *fmt, ...) PL_PRINTF(3, 4);

/*
 * Puts "prefix: " before the text that is there. Returns err->code, so @err NULL would lose the
 * code: it gives -EIO.
 */
int pl_fail_prefix(struct pl_error *err, const char *fmt, ...) PL_PRINTF(2, 3);

/* Is told of one thing that is wrong, where several can be. */
typedef void pl_problem_fn(void *arg, const struct pl_error *problem);

/* "ENOENT" for -ENOENT or ENOENT; "errno 999" is never returned: unknown ones give "EIO". */
const char *pl_errno_name(int code);

/* -EXXX for "EXXX"; -EIO for an unknown name. */
int pl_errno_from_name(const char *name);

/*
 * Whole-string unsigned decimal between @min and @max.
 * Returns 0, -EINVAL (no number, trailing bytes) or -ERANGE; *ret untouched on failure.
 */
int pl_parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret);

/* Bytes (1 to 4) of the valid UTF-8 character that @s, of @len bytes, begins with; 0: none. */
size_t pl_utf8_char(const char *s, size_t len);

/*
 * Parses one JSON text; a key that comes twice is an error. 0, -EINVAL with "line 3, column 7:"
 * and the reason in @err, or -ENOMEM. The caller owns *ret, untouched on failure.
 */
int pl_json_load(const char *text, size_t len, struct json_t **ret, struct pl_error *err);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t pl_now_ns(void);

/*
 * The entry of @known (NULL-terminated) nearest to @word by edit distance, or NULL where none
 * is near enough to be a slip of the finger.
 */
const char *pl_nearest(const char *word, const char *const *known);

/*
 * Writes @len bytes to @path through a temporary file in the same folder, fsync and rename:
 * a reader sees the old contents or the new, never a part. Returns 0 or -errno.
 */
int pl_write_atomic(const char *path, const void *data, size_t len, unsigned int mode);
/*
 * Removes the temporary files of such writes that a kill ended. For who alone writes in that
 * folder, before it does.
 */
void pl_write_atomic_tidy(const char *folder);

/* Reads a whole file of at most @max bytes, NUL-terminated; caller frees. 0, -EFBIG or -errno. */
int pl_read_file(const char *path, size_t max, char **ret, size_t *ret_len);

/* Creates @path and its missing parents with @mode. Existing folders are success. 0 or -errno. */
int pl_mkdir_p(const char *path, unsigned int mode);

#endif
