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

enum { COLUMN_GAP = 2, WRAP_MIN = 8 };

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

/* Bytes of the UTF-8 character at @text: every byte that follows is a continuation. */
static size_t char_bytes(const char *text)
{
	size_t n = 1;

	while (((unsigned char)text[n] & 0xc0) == 0x80)
		n++;
	return n;
}

static unsigned int width_of(const char *text)
{
	unsigned int width = 0;

	for (; *text; text += char_bytes(text))
		width++;
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

static bool is_shown(const struct cli_table *table, size_t column, const struct cli_look *look)
{
	return look->wide || !table->columns[column].wide;
}

/* Takes from the widest column that may be broken, until the line fits or none can give more. */
static void fit(const struct cli_table *table, unsigned int *widths, const struct cli_look *look)
{
	unsigned int total = 0;

	for (size_t i = 0; i < table->n_columns; i++)
		total += is_shown(table, i, look) ? widths[i] + (total ? COLUMN_GAP : 0) : 0;
	while (total > look->width) {
		size_t widest = table->n_columns;

		for (size_t i = 0; i < table->n_columns; i++) {
			unsigned int least = width_of(table->columns[i].head);

			if (!table->columns[i].wrap || !is_shown(table, i, look) ||
			    widths[i] <= (least > WRAP_MIN ? least : WRAP_MIN))
				continue;
			if (widest == table->n_columns || widths[i] > widths[widest])
				widest = i;
		}
		if (widest == table->n_columns)
			return;
		widths[widest]--;
		total--;
	}
}

/* Bytes of @text that stand on one line of @width: up to the last good place, if there is one. */
static size_t line_bytes(const char *text, unsigned int width)
{
	size_t at = 0, good = 0;

	for (unsigned int n = 0; text[at] && n < width; n++) {
		at += char_bytes(text + at);
		if (strchr(" /-", text[at - 1]) || text[at] == ' ')
			good = at;
	}
	return text[at] && good ? good : at;
}

/* Prints what fits of the cell; returns the rest. */
static const char *print_part(const char *text, enum cli_style style, bool right,
			      unsigned int width, bool last, FILE *out, bool colour)
{
	size_t bytes = line_bytes(text, width), used = bytes;
	pl_autofree char *part = NULL;
	unsigned int pad;

	while (used && text[used - 1] == ' ')
		used--;
	part = strndup(text, used);
	pad = width - width_of(part ?: "");
	if (right)
		fprintf(out, "%*s", (int)pad, "");
	if (used)
		cli_styled(out, colour, style, part ?: "?");
	if (!last)
		fprintf(out, "%*s", (int)(right ? 0 : pad) + COLUMN_GAP, "");
	return text + bytes + strspn(text + bytes, " ");
}

/* One row, over as many lines as its longest cell needs. */
static void print_row(const struct cli_table *table, const struct cell *cells, const char **rest,
		      const unsigned int *widths, FILE *out, const struct cli_look *look)
{
	size_t last = 0;

	for (size_t i = 0; i < table->n_columns; i++) {
		rest[i] = cells[i].text;
		last = is_shown(table, i, look) ? i : last;
	}
	for (bool more = true; more;) {
		more = false;
		for (size_t i = 0; i <= last; i++) {
			if (!is_shown(table, i, look))
				continue;
			rest[i] = print_part(rest[i], cells[i].style, table->columns[i].right,
					     widths[i], i == last, out, look->colour);
			more |= *rest[i];
		}
		for (; more && last && !(is_shown(table, last, look) && *rest[last]); last--)
			;
		fputc('\n', out);
	}
}

int cli_table_print(const struct cli_table *table, FILE *out, const struct cli_look *look)
{
	size_t n = table->n_columns;
	pl_autofree unsigned int *widths = calloc(n, sizeof(*widths));
	pl_autofree const char **rest = calloc(n, sizeof(*rest));
	pl_autofree struct cell *head = calloc(n, sizeof(*head));

	if (table->failed || !widths || !rest || !head)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		head[i] = (struct cell){(char *)table->columns[i].head, CLI_HEAD};
		widths[i] = width_of(head[i].text);
	}
	for (size_t i = 0; i < table->n_cells; i++) {
		unsigned int width = width_of(table->cells[i].text);

		if (width > widths[i % n])
			widths[i % n] = width;
	}
	if (look->width)
		fit(table, widths, look);
	print_row(table, head, rest, widths, out, look);
	for (size_t i = 0; i + n <= table->n_cells; i += n)
		print_row(table, table->cells + i, rest, widths, out, look);
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
