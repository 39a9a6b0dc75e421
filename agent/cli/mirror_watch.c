// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * podlane mirror watch: rates of one session or all, again and again.
 */
#include "cli/mirror_text.h"

struct watching {
	const char *name; /* NULL: all */
	json_t *last;	  /* array of sessions */
	uint64_t last_ns;
};

static enum cli_exit take_sample(struct cli *cli, const struct watching *w, json_t **ret)
{
	json_t *request = cli_request(w->name ? "mirror.show" : "mirror.list");
	pl_autojson json_t *reply = NULL;
	enum cli_exit rc;

	if (w->name)
		json_object_set_new(request, "name", json_string(w->name));
	rc = cli_call(cli, request, -1, &reply);
	if (rc)
		return rc;
	if (w->name)
		*ret = json_pack("[O]", json_object_get(reply, "mirror"));
	else
		*ret = json_incref(json_object_get(reply, "mirrors"));
	return *ret ? CLI_OK : cli_fail(cli, -EBADMSG, "podlaned answered without mirrors");
}

static const json_t *find(const json_t *mirrors, const char *name)
{
	const json_t *mirror;
	size_t i;

	json_array_foreach (mirrors, i, mirror) {
		if (!strcmp(cli_str(mirror, "name"), name))
			return mirror;
	}
	return NULL;
}

/* Adds "rates" beside "counters", the same keys per second. A new session counts from zero. */
static void add_rates(const json_t *before, json_t *mirror, double seconds)
{
	const json_t *old = find(before, cli_str(mirror, "name"));
	json_t *rates = json_object(), *value;
	const char *key;

	json_object_foreach (json_object_get(mirror, "counters"), key, value) {
		uint64_t was = old ? cli_mirror_counter(old, key) : 0;
		uint64_t now = cli_mirror_counter(mirror, key);

		if (json_is_integer(value) && seconds > 0)
			json_object_set_new(
				rates, key,
				json_real((double)(now >= was ? now - was : now) / seconds));
	}
	json_object_set_new(mirror, "rates", rates);
}

static double rate(const json_t *mirror, const char *key)
{
	return json_real_value(json_object_get(json_object_get(mirror, "rates"), key));
}

static void add_rate_cell(struct cli_table *table, const json_t *mirror, const char *key, bool bad)
{
	double n = rate(mirror, key);
	char text[CLI_NUMBER_MAX];

	cli_cell(table, bad && n > 0 ? CLI_WARN : CLI_PLAIN, "%s", cli_format_count(n, text));
}

static enum cli_exit print_table(struct cli *cli, const json_t *mirrors, FILE *out)
{
	static const struct cli_column columns[] = {
		{"NAME"},
		{"STATE"},
		{"MATCHED/S", true},
		{"SENT/S", true},
		{"SENT RATE", true},
		{"SAMPLED OUT/S", true},
		{"LIMITED/S", true},
		{"LOST/S", true},
		{"SENT", true},
	};
	pl_cleanup(cli_table_freep) struct cli_table *table =
		cli_table_new(columns, PL_ARRAY_SIZE(columns));
	char text[CLI_NUMBER_MAX];
	const json_t *m;
	size_t i;

	if (!table)
		return cli_out_of_memory(cli);
	json_array_foreach (mirrors, i, m) {
		double lost = rate(m, "congested") + rate(m, "failed");

		cli_cell(table, CLI_PLAIN, "%s", cli_str(m, "name"));
		cli_cell(table, cli_mirror_style(m), "%s", cli_str(m, "state"));
		add_rate_cell(table, m, "matched", false);
		add_rate_cell(table, m, "sent", false);
		cli_cell(table, CLI_PLAIN, "%s", cli_format_bits(rate(m, "sentBytes"), text));
		add_rate_cell(table, m, "sampledOut", false);
		add_rate_cell(table, m, "rateLimited", false);
		cli_cell(table, lost > 0 ? CLI_WARN : CLI_PLAIN, "%s",
			 cli_format_count(lost, text));
		cli_cell(table, CLI_PLAIN, "%s",
			 cli_format_count((double)cli_mirror_counter(m, "sent"), text));
	}
	return cli_table_print(table, out, cli->colour) ? cli_out_of_memory(cli) : CLI_OK;
}

static enum cli_exit print_json(struct cli *cli, json_t *mirrors, double seconds, FILE *out)
{
	char now[32];
	pl_autojson json_t *json = json_pack("{s:O, s:s, s:f}", "mirrors", mirrors, "time",
					     cli_now_text(now, sizeof(now)), "seconds", seconds);

	if (!json || json_dumpf(json, out, JSON_COMPACT | JSON_REAL_PRECISION(12)))
		return cli_out_of_memory(cli);
	fputc('\n', out);
	return CLI_OK;
}

static enum cli_exit tick(struct cli *cli, FILE *out, void *arg)
{
	struct watching *w = arg;
	json_t *mirrors = NULL, *mirror;
	enum cli_exit rc = take_sample(cli, w, &mirrors);
	uint64_t now = pl_now_ns();
	double seconds = (double)(now - w->last_ns) / 1e9;
	size_t i;

	if (rc)
		return rc;
	json_array_foreach (mirrors, i, mirror)
		add_rates(w->last, mirror, seconds);
	rc = cli->json ? print_json(cli, mirrors, seconds, out) : print_table(cli, mirrors, out);
	json_decref(w->last);
	w->last = mirrors;
	w->last_ns = now;
	return rc;
}

static enum cli_exit run(struct cli *cli, const struct cli_args *args)
{
	struct watching w = {.name = args->n_words ? args->words[0] : NULL};
	const char *interval = cli_value(args, "interval");
	uint64_t interval_ms = 1000, count = 0;
	enum cli_exit rc;

	if (interval && cli_parse_interval(interval, &interval_ms, &cli->err))
		return CLI_USAGE;
	if (cli_number(args, "count", 1, UINT32_MAX, 0, &count, &cli->err))
		return CLI_USAGE;
	rc = take_sample(cli, &w, &w.last);
	w.last_ns = pl_now_ns();
	if (!rc)
		rc = cli_watch(cli, interval_ms, count, tick, &w);
	json_decref(w.last);
	return rc;
}

static const struct cli_option options[] = {
	{.name = "interval",
	 .letter = 'i',
	 .arg = "SECONDS",
	 .help = "between refreshes; default 1"},
	{.name = "count", .letter = 'n', .arg = "N", .help = "end after so many refreshes"},
	{0},
};

const struct cli_command cli_mirror_watch = {
	.name = "watch",
	.args = "[NAME]",
	.summary = "Rates of the mirror sessions, again and again",
	.about =
		"LIMITED is what the token bucket held back, LOST what the target's device lost or the\n"
		"kernel refused; mirror show has each apart.",
	.options = options,
	.max_words = 1,
	.word = CLI_WORD_MIRROR,
	.run = run,
};
