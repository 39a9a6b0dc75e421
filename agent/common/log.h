/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Structured lines on stderr: `level event key=value ...`, one line a message. systemd's journal
 * adds the time; on a terminal or a file the line starts with it. Level settable at run time.
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

/* "error", "warn", "info", "debug"; 0 or -EINVAL. */
int pl_log_level_parse(const char *name, enum pl_log_level *ret);
const char *pl_log_level_name(enum pl_log_level level);

void pl_log(enum pl_log_level level, const char *fmt, ...) PL_PRINTF(2, 3);

#define pl_error_log(...) pl_log(PL_LOG_ERROR, __VA_ARGS__)
#define pl_warn(...)	  pl_log(PL_LOG_WARN, __VA_ARGS__)
#define pl_info(...)	  pl_log(PL_LOG_INFO, __VA_ARGS__)
#define pl_debug(...)	  pl_log(PL_LOG_DEBUG, __VA_ARGS__)

#endif
