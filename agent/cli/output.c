// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Small helpers of every subcommand: errors into cli->err, JSON to stdout, fields, and reading
 * the daemon's answers without ever trusting that a key is there.
 */
#include "cli/cli.h"

#include <ctype.h>
#include <stdarg.h>
#include "podlane/reasons.h"

/* By way of pl_fail(), which makes valid UTF-8 of what was typed: it must fit into JSON. */
static void fail_text(struct pl_error *err, int code, const char *fmt, va_list ap)
{
	char text[2 * sizeof(err->text)];

	vsnprintf(text, sizeof(text), fmt, ap);
	pl_fail(err, code, "%s", text);
}

enum cli_exit cli_usage_error(struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail_text(&cli->err, -EINVAL, fmt, ap);
	va_end(ap);
	return CLI_USAGE;
}

enum cli_exit cli_fail(struct cli *cli, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail_text(&cli->err, code, fmt, ap);
	va_end(ap);
	return CLI_FAILED;
}

enum cli_exit cli_out_of_memory(struct cli *cli)
{
	return cli_fail(cli, -ENOMEM, "out of memory");
}

void cli_warn(const struct cli *cli, const char *fmt, ...)
{
	struct pl_error warning;
	va_list ap;

	va_start(ap, fmt);
	fail_text(&warning, 0, fmt, ap);
	va_end(ap);
	if (cli->json) {
		pl_autojson json_t *json = json_pack("{s:s}", "warning", warning.text);

		json_dumpf(json, stderr, JSON_COMPACT);
		fputc('\n', stderr);
	} else {
		fprintf(stderr, "podlane: warning: %s\n", warning.text);
	}
}

void cli_print_error(const struct pl_error *err, const char *command, bool json, enum cli_exit rc)
{
	const char *space = command[0] ? " " : "";

	if (json) {
		pl_autojson json_t *error =
			json_pack("{s:{s:s, s:s, s:i}}", "error", "code", pl_errno_name(err->code),
				  "message", err->text, "exit", (int)rc);

		json_dumpf(error, stderr, JSON_COMPACT);
		fputc('\n', stderr);
		return;
	}
	fprintf(stderr, "podlane%s%s: %s\n", space, command, err->text);
	if (rc == CLI_USAGE)
		fprintf(stderr, "See podlane%s%s --help.\n", space, command);
}

enum cli_exit cli_print_json(struct cli *cli, const json_t *json)
{
	if (json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12)))
		return cli_fail(cli, -EIO, "cannot write JSON to the standard output");
	putchar('\n');
	return CLI_OK;
}

void cli_field(FILE *out, const char *key, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *c = text; *c; c++) {
		if (iscntrl((unsigned char)*c))
			*c = '?';
	}
	fprintf(out, "%-12s %s\n", key, text);
}

const char *cli_str(const json_t *obj, const char *key)
{
	const char *text = json_string_value(json_object_get(obj, key));

	return text ? text : "";
}

uint64_t cli_u64(const json_t *obj, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(obj, key));

	return n > 0 ? (uint64_t)n : 0;
}

bool cli_bool(const json_t *obj, const char *key)
{
	return json_is_true(json_object_get(obj, key));
}

const char *cli_join(const json_t *strings, char *buf, size_t size)
{
	size_t used = 0, i;
	const json_t *item;

	buf[0] = '\0';
	json_array_foreach (strings, i, item) {
		const char *text = json_string_value(item);

		if (!text || used >= size)
			continue;
		used += (size_t)snprintf(buf + used, size - used, "%s%s", used ? ", " : "", text);
	}
	return buf;
}

const char *cli_reason_text(const char *reason)
{
	static const struct {
		const char *name, *text;
	} reasons[] = {
#define REASON_ROW(effect, name, text) {#effect "_" #name, text},
		PL_REASONS(REASON_ROW)
#undef REASON_ROW
	};

	for (size_t i = 0; i < PL_ARRAY_SIZE(reasons); i++) {
		if (!strcmp(reasons[i].name, reason))
			return reasons[i].text;
	}
	return NULL;
}

/* The name begins with the effect, also that of a newer daemon's reason. */
enum cli_style cli_reason_style(const char *reason)
{
	if (!strncmp(reason, "FORWARD_", 8))
		return CLI_GOOD;
	return !strncmp(reason, "DROP_", 5) ? CLI_BAD : CLI_PLAIN;
}
