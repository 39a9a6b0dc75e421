/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes one line of the log as logfmt: words, then pairs of key=value. Whatever a pod, a peer or
 * the kernel put into a value, every parser of logfmt reads the same pairs out of it. Pure.
 */
#ifndef PODLANE_LOGFMT_H
#define PODLANE_LOGFMT_H

#include <stdarg.h>
#include <stddef.h>

/*
 * As vsnprintf(), but that a string, by where its %s stands in @fmt,
 *   key=%s      is quoted and escaped where it must be,
 *   key="%s"    is escaped,
 *   elsewhere   is words: what would be read as more than words is written as \xHH.
 * A pair whose string is NULL is left out. What does not fit is cut, and an open quote is closed.
 * Returns the bytes written, without the NUL.
 */
size_t pl_logfmt(char *buf, size_t size, const char *fmt, va_list args);

#endif
