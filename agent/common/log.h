/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lines on stderr, `level event key=value ...`, one line a message, in logfmt whatever the values
 * are: see common/logfmt.h. systemd's journal adds the time; on a terminal or a file the line
 * starts with it. Level settable at run time.
 *
 * A message about one endpoint (that has container=), or one that repeats itself word by word, is
 * written ten times a minute at most. The rest is held back; held_back=N on a later line counts it.
 */
#ifndef PODLANE_LOG_H
#define PODLANE_LOG_H

#include "common/util.h"

enum pl_log_level {
	PL_LOG_ERROR,
	PL_LOG_WARN,
	PL_LOG_INFO,
	PL_LOG_DEBUG,
};

void pl_log_set_level(enum pl_log_level level);
enum pl_log_level pl_log_get_level(void);

/* "error", "warn" or "warning", "info", "debug"; 0 or -EINVAL. */
int pl_log_level_parse(const char *name, enum pl_log_level *ret);
const char *pl_log_level_name(enum pl_log_level level);

/*
 * Writes the newest line of each message that was held back, as far as the minute of it allows: to
 * be called every few seconds, so that the log ends with how things are. And all, at the end.
 */
void pl_log_flush(uint64_t now_ns);
void pl_log_flush_all(void);

/* @fmt as of pl_logfmt(). */
void pl_log(enum pl_log_level level, const char *fmt, ...) PL_PRINTF(2, 3);

#define pl_error_log(...) pl_log(PL_LOG_ERROR, __VA_ARGS__)
#define pl_warn(...)	  pl_log(PL_LOG_WARN, __VA_ARGS__)
#define pl_info(...)	  pl_log(PL_LOG_INFO, __VA_ARGS__)
#define pl_debug(...)	  pl_log(PL_LOG_DEBUG, __VA_ARGS__)

#endif
