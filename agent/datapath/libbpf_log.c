/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What libbpf says: to the log at debug level, and the sentence that matters kept for an error.
 */
#include <stdarg.h>

#include "common/log.h"
#include "datapath/internal.h"

/* What libbpf complained of first since the reset: the later ones follow from it. */
static char libbpf_error[200];

/* The verifier says why at the end of its log, before its statistics. NULL: it says nothing. */
static const char *verifier_line(char *text)
{
	char *end = strstr(text, "\nprocessed "), *line;

	if (!end || !strstr(text, "BEGIN PROG LOAD LOG"))
		return NULL;
	*end = '\0';
	line = strrchr(text, '\n');
	return line ? line + 1 : NULL;
}

static void keep_error(char *text)
{
	const char *line = verifier_line(text);

	if (!line && libbpf_error[0])
		return;
	line = line ?: text;
	if (!strncmp(line, "libbpf: ", strlen("libbpf: ")))
		line += strlen("libbpf: ");
	snprintf(libbpf_error, sizeof(libbpf_error), "%.*s", (int)strcspn(line, "\n"), line);
}

static void log_lines(const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		if (len)
			pl_debug("libbpf text=\"%.*s\"", (int)len, text);
		text += len + (text[len] == '\n');
	}
}

int dp_libbpf_print(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	pl_autofree char *text = NULL;

	/* What it says below a warning is a line for each relocation: nothing of it is about this
	 * node. */
	if (level != LIBBPF_WARN)
		return 0;
	if (vasprintf(&text, fmt, ap) < 0) {
		text = NULL;
		return 0;
	}
	log_lines(text);
	if (level == LIBBPF_WARN)
		keep_error(text);
	return 0;
}

const char *dp_libbpf_error(void)
{
	return libbpf_error[0] ? libbpf_error : "no further detail";
}

void dp_libbpf_error_reset(void)
{
	libbpf_error[0] = '\0';
}
