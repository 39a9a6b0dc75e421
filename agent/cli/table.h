/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Plain-text tables with aligned columns, and numbers as people read them. Widths count
 * characters, not bytes; control bytes never reach the terminal (names come from outside).
 */
#ifndef PODLANE_CLI_TABLE_H
#define PODLANE_CLI_TABLE_H

#include "common/util.h"

enum cli_style {
	CLI_PLAIN,
	CLI_HEAD,
	CLI_GOOD,
	CLI_WARN,
	CLI_BAD,
	CLI_FAINT,
};

struct cli_table;

struct cli_column {
	const char *head;
	bool right; /* numbers */
	bool wrap;  /* may be broken into lines where the table is too wide */
	bool wide;  /* only with -o wide */
};

/* How tables are printed. */
struct cli_look {
	bool colour;	    /* escape sequences are welcome */
	bool wide;	    /* all columns */
	unsigned int width; /* characters that a line has room for; 0: any number */
};

/* @columns must outlive the table. NULL: out of memory. */
struct cli_table *cli_table_new(const struct cli_column *columns, size_t n);
void cli_table_freep(struct cli_table **table);
/* The next cell, row by row. A failed allocation is remembered; print reports it. */
void cli_cell(struct cli_table *table, enum cli_style style, const char *fmt, ...) PL_PRINTF(3, 4);
size_t cli_table_rows(const struct cli_table *table);
/* 0 or -ENOMEM: then nothing was printed. */
int cli_table_print(const struct cli_table *table, FILE *out, const struct cli_look *look);

/* Writes @text in @style where @colour. */
void cli_styled(FILE *out, bool colour, enum cli_style style, const char *text);

enum { CLI_NUMBER_MAX = 32 };

/* "9999", "12.3k", "4.56M". Return @buf. */
const char *cli_format_count(double n, char buf[CLI_NUMBER_MAX]);
/* "512 B", "1.50 KiB". */
const char *cli_format_bytes(double n, char buf[CLI_NUMBER_MAX]);
/* From bytes per second: "980 bit/s", "1.25 Gbit/s". */
const char *cli_format_bits(double bytes_per_second, char buf[CLI_NUMBER_MAX]);
/* "3d 4h", "5m 12s", "0s". */
const char *cli_format_seconds(uint64_t seconds, char buf[CLI_NUMBER_MAX]);
/* "10", "10k", "1.5M", "2G": powers of 1000. 0, -EINVAL or -ERANGE. */
int cli_parse_scaled(const char *text, uint64_t *ret);

#endif
