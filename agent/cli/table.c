// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Tables: cells are collected, then printed once the widths are known. Numbers for people: three
 * significant digits and a unit. Pure but for the FILE that is printed to.
 */
#include "cli/table.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>

enum { COLUMN_GAP = 2 };

struct cell {
	char *text;
	enum cli_style style;
};

struct cli_table {
	const struct cli_column *columns;
	size_t n_columns;
	struct cell *cells;
	size_t n_cells, room;
	bool failed;
};

struct cli_table *cli_table_new(const struct cli_column *columns, size_t n)
{
	struct cli_table *table = calloc(1, sizeof(*table));

	if (table) {
		table->columns = columns;
		table->n_columns = n;
	}
	return table;
}

void cli_table_freep(struct cli_table **table)
{
	if (!*table)
		return;
	for (size_t i = 0; i < (*table)->n_cells; i++)
		free((*table)->cells[i].text);
	free((*table)->cells);
	free(*table);
	*table = NULL;
}

static void mask_control(char *text)
{
	for (; *text; text++) {
		if (iscntrl((unsigned char)*text))
			*text = '?';
	}
}

static int make_room(struct cli_table *table)
{
	size_t room = table->room ? table->room * 2 : 64;
	struct cell *cells;

	if (table->n_cells < table->room)
		return 0;
	cells = reallocarray(table->cells, room, sizeof(*cells));
	if (!cells)
		return -ENOMEM;
	table->cells = cells;
	table->room = room;
	return 0;
}

void cli_cell(struct cli_table *table, enum cli_style style, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	if (table->failed)
		return;
	va_start(ap, fmt);
	if (make_room(table) || vasprintf(&text, fmt, ap) < 0)
		table->failed = true;
	va_end(ap);
	if (table->failed)
		return;
	mask_control(text);
	table->cells[table->n_cells++] = (struct cell){.text = text, .style = style};
}

size_t cli_table_rows(const struct cli_table *table)
{
	return table->n_cells / table->n_columns;
}

/* Characters of UTF-8: every byte that is no continuation. */
static int width_of(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

void cli_styled(FILE *out, bool colour, enum cli_style style, const char *text)
{
	static const char *const codes[] = {
		[CLI_PLAIN] = "",  [CLI_HEAD] = "1", [CLI_GOOD] = "32",
		[CLI_WARN] = "33", [CLI_BAD] = "31", [CLI_FAINT] = "2",
	};

	if (!colour || style == CLI_PLAIN)
		fputs(text, out);
	else
		fprintf(out, "\033[%sm%s\033[0m", codes[style], text);
}

static void print_padded(const struct cli_table *table, size_t column, int width, const char *text,
			 enum cli_style style, FILE *out, bool colour)
{
	int pad = width - width_of(text);
	bool right = table->columns[column].right;
	bool last = column + 1 == table->n_columns;

	if (right)
		fprintf(out, "%*s", pad, "");
	cli_styled(out, colour, style, text);
	if (!last)
		fprintf(out, "%*s", (right ? 0 : pad) + COLUMN_GAP, "");
}

int cli_table_print(const struct cli_table *table, FILE *out, bool colour)
{
	pl_autofree int *widths = calloc(table->n_columns, sizeof(*widths));
	size_t n = table->n_columns;

	if (table->failed || !widths)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		widths[i] = width_of(table->columns[i].head);
	for (size_t i = 0; i < table->n_cells; i++) {
		int width = width_of(table->cells[i].text);

		if (width > widths[i % n])
			widths[i % n] = width;
	}
	for (size_t i = 0; i < n; i++)
		print_padded(table, i, widths[i], table->columns[i].head, CLI_HEAD, out, colour);
	fputc('\n', out);
	for (size_t i = 0; i < table->n_cells; i++) {
		print_padded(table, i % n, widths[i % n], table->cells[i].text,
			     table->cells[i].style, out, colour);
		if (i % n + 1 == n)
			fputc('\n', out);
	}
	return 0;
}

/* 1234 -> "1.23k": three digits, so that a column of them compares at a glance. */
static void format_scaled(double n, double base, const char *const *units, size_t n_units,
			  char *buf)
{
	size_t unit = 0;

	while (unit + 1 < n_units && n >= base * (unit ? 0.9995 : 1)) {
		n /= base;
		unit++;
	}
	if (!unit)
		snprintf(buf, CLI_NUMBER_MAX, "%.0f%s", n, units[0]);
	else
		snprintf(buf, CLI_NUMBER_MAX, "%.*f%s",
			 n < 9.995   ? 2
			 : n < 99.95 ? 1
				     : 0,
			 n, units[unit]);
}

const char *cli_format_count(double n, char buf[CLI_NUMBER_MAX])
{
	static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};

	if (n < 10000)
		snprintf(buf, CLI_NUMBER_MAX, "%.0f", n);
	else
		format_scaled(n, 1000, units, PL_ARRAY_SIZE(units), buf);
	return buf;
}

const char *cli_format_bytes(double n, char buf[CLI_NUMBER_MAX])
{
	static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"};

	format_scaled(n, 1024, units, PL_ARRAY_SIZE(units), buf);
	return buf;
}

const char *cli_format_bits(double bytes_per_second, char buf[CLI_NUMBER_MAX])
{
	static const char *const units[] = {" bit/s",  " kbit/s", " Mbit/s",
					    " Gbit/s", " Tbit/s", " Pbit/s"};

	format_scaled(bytes_per_second * 8, 1000, units, PL_ARRAY_SIZE(units), buf);
	return buf;
}

const char *cli_format_seconds(uint64_t seconds, char buf[CLI_NUMBER_MAX])
{
	static const struct {
		uint64_t seconds;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	size_t i = 0;
	int used;

	while (i + 1 < PL_ARRAY_SIZE(units) && seconds < units[i].seconds)
		i++;
	used = snprintf(buf, CLI_NUMBER_MAX, "%" PRIu64 "%c", seconds / units[i].seconds,
			units[i].unit);
	seconds %= units[i].seconds;
	if (seconds && ++i < PL_ARRAY_SIZE(units) && seconds / units[i].seconds)
		snprintf(buf + used, CLI_NUMBER_MAX - (size_t)used, " %" PRIu64 "%c",
			 seconds / units[i].seconds, units[i].unit);
	return buf;
}

int cli_parse_scaled(const char *text, uint64_t *ret)
{
	double n, scale;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	n = strtod(text, &end);
	switch (*end) {
	case '\0':
		scale = 1;
		break;
	case 'k':
	case 'K':
		scale = 1e3;
		break;
	case 'M':
		scale = 1e6;
		break;
	case 'G':
		scale = 1e9;
		break;
	default:
		return -EINVAL;
	}
	if (*end && end[1])
		return -EINVAL;
	n *= scale;
	if (errno || !isfinite(n) || n > 1e18)
		return -ERANGE;
	*ret = (uint64_t)(n + 0.5);
	return 0;
}
