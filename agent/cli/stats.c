// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * podlane stats: which path packets took, per endpoint, direction and reason: totals at once, or
 * rates and totals at each refresh of --watch. Idle rows are counted, not shown.
 */
#include "cli/cli.h"
#include "cli/rates.h"

#include <inttypes.h>
#include <time.h>

struct counting {
	const char *query; /* NULL: everything */
	enum cli_fold fold;
	struct cli_watching watching;
	struct cli_sample last;
};

static enum cli_exit take_sample(struct cli *cli, const struct counting *w, struct cli_sample *ret)
{
	json_t *request = cli_request("stats");
	json_t *reply = NULL;
	enum cli_exit rc;

	if (w->query)
		json_object_set_new(request, "query", json_string(w->query));
	rc = cli_call(cli, request, -1, &reply);
	if (rc)
		return rc;
	if (cli_sample_new(reply, pl_now_ns(), w->fold, ret))
		return cli_fail(cli, -EBADMSG,
				"podlaned answered without stats: is its version "
				"another? (podlane status)");
	return CLI_OK;
}

static void add_row(struct cli_table *table, const struct cli_rate *row, enum cli_fold fold,
		    bool rates)
{
	char text[CLI_NUMBER_MAX];

	if (fold != CLI_FOLD_REASON)
		cli_cell(table, CLI_PLAIN, "%s", row->name);
	cli_cell(table, CLI_PLAIN, "%s", row->direction);
	if (fold != CLI_FOLD_ENDPOINT)
		cli_cell(table, cli_reason_style(row->reason), "%s", row->reason);
	if (rates) {
		cli_cell(table, CLI_PLAIN, "%s", cli_format_count(row->packets_per_second, text));
		cli_cell(table, CLI_PLAIN, "%s", cli_format_bits(row->bytes_per_second, text));
	}
	cli_cell(table, CLI_PLAIN, "%s", cli_format_count((double)row->packets, text));
	cli_cell(table, CLI_PLAIN, "%s", cli_format_bytes((double)row->bytes, text));
}

static size_t choose_columns(enum cli_fold fold, bool rates, struct cli_column columns[7])
{
	size_t n = 0;

	if (fold != CLI_FOLD_REASON)
		columns[n++] = (struct cli_column){"ENDPOINT", .wrap = true};
	columns[n++] = (struct cli_column){"DIR"};
	if (fold != CLI_FOLD_ENDPOINT)
		columns[n++] = (struct cli_column){"REASON"};
	if (rates) {
		columns[n++] = (struct cli_column){"PACKETS/S", .right = true};
		columns[n++] = (struct cli_column){"RATE", .right = true};
	}
	columns[n++] = (struct cli_column){"PACKETS", .right = true};
	columns[n++] = (struct cli_column){"BYTES", .right = true, .wide = rates};
	return n;
}

static enum cli_exit print_table(struct cli *cli, const struct cli_sample *sample,
				 enum cli_fold fold, bool rates, FILE *out)
{
	struct cli_column columns[7];
	size_t n = choose_columns(fold, rates, columns);
	pl_cleanup(cli_table_freep) struct cli_table *table = cli_table_new(columns, n);

	if (!table)
		return cli_out_of_memory(cli);
	for (size_t i = 0; i < sample->n; i++) {
		if (!rates || sample->rows[i].packets_per_second > 0)
			add_row(table, &sample->rows[i], fold, rates);
	}
	return cli_table_print(table, out, &cli->look) ? cli_out_of_memory(cli) : CLI_OK;
}

/*
 * "12:03:04, every 1 s, 7 of 14 rows idle"
 * "in 1.2k packets/s, 9.6 Mbit/s; out ...; 5 dropped/s"
 */
static void print_heading(const struct cli_sample *sample, uint64_t interval_ms, FILE *out)
{
	double packets[2] = {0}, bytes[2] = {0}, dropped = 0;
	char text[CLI_NUMBER_MAX], clock[16] = "";
	time_t now = time(NULL);
	size_t idle = 0;
	struct tm tm;

	for (size_t i = 0; i < sample->n; i++) {
		const struct cli_rate *row = &sample->rows[i];
		int in = !strcmp(row->direction, "in");

		packets[in] += row->packets_per_second;
		bytes[in] += row->bytes_per_second;
		if (!strncmp(row->reason, "DROP_", 5))
			dropped += row->packets_per_second;
		idle += row->packets_per_second <= 0;
	}
	if (localtime_r(&now, &tm))
		strftime(clock, sizeof(clock), "%T", &tm);
	fprintf(out, "%s, every %g s, %zu of %zu rows idle\n", clock, (double)interval_ms / 1000,
		idle, sample->n);
	for (int in = 1; in >= 0; in--) {
		fprintf(out, "%s %s packets/s, ", in ? "in" : "; out",
			cli_format_count(packets[in], text));
		fputs(cli_format_bits(bytes[in], text), out);
	}
	if (dropped > 0)
		fprintf(out, "; %s dropped/s", cli_format_count(dropped, text));
	fputc('\n', out);
}

static enum cli_exit print_tick_json(struct cli *cli, const struct cli_sample *sample,
				     double seconds, const struct counting *w, FILE *out)
{
	pl_autojson json_t *json =
		w->fold ? cli_sample_to_json(sample, true) : json_incref(sample->reply);
	char now[32];

	if (!json)
		return cli_out_of_memory(cli);
	json_object_set_new(json, "time", json_string(cli_now_text(now, sizeof(now))));
	json_object_set_new(json, "seconds", json_real(seconds));
	if (json_dumpf(json, out, JSON_COMPACT | JSON_REAL_PRECISION(12)))
		return cli_out_of_memory(cli);
	fputc('\n', out);
	return CLI_OK;
}

static enum cli_exit tick(struct cli *cli, FILE *out, void *arg)
{
	struct counting *w = arg;
	struct cli_sample now = {0}, shown;
	enum cli_exit rc = take_sample(cli, w, &now);

	if (rc)
		return rc;
	cli_sample_compare(&w->last, &now);
	if (cli->json) {
		rc = print_tick_json(cli, &now, (double)(now.at_ns - w->last.at_ns) / 1e9, w, out);
	} else {
		/* Sorted apart: the next comparison needs the rows by key. */
		shown = now;
		shown.rows = calloc(now.n + 1, sizeof(*now.rows));
		if (!shown.rows) {
			cli_sample_clear(&now);
			return cli_out_of_memory(cli);
		}
		memcpy(shown.rows, now.rows, now.n * sizeof(*now.rows));
		cli_sample_sort(&shown, true);
		print_heading(&shown, w->watching.interval_ms, out);
		rc = print_table(cli, &shown, w->fold, true, out);
		free(shown.rows);
	}
	cli_sample_clear(&w->last);
	w->last = now;
	return rc;
}

static enum cli_exit print_once(struct cli *cli, struct counting *w)
{
	pl_autojson json_t *folded = NULL;

	if (!cli->json) {
		cli_sample_sort(&w->last, false);
		if (!w->last.n) {
			puts("No packets yet.");
			return CLI_OK;
		}
		return print_table(cli, &w->last, w->fold, false, stdout);
	}
	if (!w->fold)
		return cli_print_json(cli, w->last.reply);
	cli_sample_sort(&w->last, false);
	folded = cli_sample_to_json(&w->last, false);
	return folded ? cli_print_json(cli, folded) : cli_out_of_memory(cli);
}

static enum cli_fold fold_of(const char *by)
{
	if (!by)
		return CLI_FOLD_NONE;
	return strcmp(by, "reason") ? CLI_FOLD_ENDPOINT : CLI_FOLD_REASON;
}

static enum cli_exit run(struct cli *cli, const struct cli_args *args)
{
	struct counting w = {
		.query = args->n_words ? args->words[0] : NULL,
		.fold = fold_of(cli_value(args, "by")),
	};
	enum cli_exit rc = cli_watch_options(cli, args, &w.watching);

	if (rc)
		return rc;
	rc = take_sample(cli, &w, &w.last);
	if (!rc)
		rc = w.watching.on ? cli_watch(cli, &w.watching, tick, &w) : print_once(cli, &w);
	cli_sample_clear(&w.last);
	return rc;
}

static const struct cli_option options[] = {
	CLI_WATCH_OPTIONS,
	{.name = "by",
	 .arg = "WHAT",
	 .choices = "endpoint|reason",
	 .help = "sums per endpoint, or per reason over all endpoints"},
	{0},
};

const struct cli_command cli_stats = {
	.name = "stats",
	.args = "[ENDPOINT]",
	.summary = "Show which path packets took; --watch: rates",
	.about =
		"FORWARD_ the fast path took the packet, PASS_ the kernel's stack handles it, DROP_ it was\n"
		"dropped; podlane(8) explains each reason. DIR is the direction as the pod sees it. (node)\n"
		"counts the packets that concern no pod. Under --watch, idle rows are hidden.",
	.options = options,
	.max_words = 1,
	.word = CLI_WORD_ENDPOINT,
	.run = run,
};
