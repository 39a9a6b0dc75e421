// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * podlane mirror stats: the counters of one session or all: totals at once, or rates at each
 * refresh of --watch.
 */
#include "cli/mirror_text.h"

struct sampling {
	const char *name; /* NULL: all */
	json_t *last;	  /* array of sessions */
	uint64_t last_ns;
};

static enum cli_exit take_sample(struct cli *cli, const struct sampling *s, json_t **ret)
{
	json_t *request = cli_request(s->name ? "mirror.show" : "mirror.list");
	pl_autojson json_t *reply = NULL;
	enum cli_exit rc;

	if (s->name)
		json_object_set_new(request, "name", json_string(s->name));
	rc = cli_call(cli, request, -1, &reply);
	if (rc)
		return rc;
	if (s->name)
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

/* A total, or with @rates the same per second. */
static double amount(const json_t *mirror, const char *key, bool rates)
{
	const json_t *from = json_object_get(mirror, rates ? "rates" : "counters");

	return json_number_value(json_object_get(from, key));
}

static void add_row(struct cli_table *table, const json_t *m, bool rates)
{
	double lost = amount(m, "congested", rates) + amount(m, "failed", rates);
	double bytes = amount(m, "sentBytes", rates);
	char text[CLI_NUMBER_MAX];

	cli_cell(table, CLI_PLAIN, "%s", cli_str(m, "name"));
	cli_cell(table, cli_mirror_style(m), "%s", cli_str(m, "state"));
	cli_cell(table, CLI_PLAIN, "%s", cli_format_count(amount(m, "matched", rates), text));
	cli_cell(table, CLI_PLAIN, "%s", cli_format_count(amount(m, "sampledOut", rates), text));
	cli_cell(table, CLI_PLAIN, "%s", cli_format_count(amount(m, "rateLimited", rates), text));
	cli_cell(table, CLI_PLAIN, "%s", cli_format_count(amount(m, "sent", rates), text));
	cli_cell(table, CLI_PLAIN, "%s",
		 rates ? cli_format_bits(bytes, text) : cli_format_bytes(bytes, text));
	cli_cell(table, lost > 0 ? CLI_WARN : CLI_PLAIN, "%s", cli_format_count(lost, text));
	if (rates)
		cli_cell(table, CLI_PLAIN, "%s",
			 cli_format_count((double)cli_mirror_counter(m, "sent"), text));
}

static enum cli_exit print_table(struct cli *cli, const json_t *mirrors, bool rates, FILE *out)
{
	static const struct cli_column totals[] = {
		{"NAME", .wrap = true},	    {"STATE"},
		{"MATCHED", .right = true}, {"SAMPLED OUT", .right = true, .wide = true},
		{"LIMITED", .right = true}, {"SENT", .right = true},
		{"BYTES", .right = true},   {"LOST", .right = true},
	};
	static const struct cli_column per_second[] = {
		{"NAME", .wrap = true},	      {"STATE"},
		{"MATCHED/S", .right = true}, {"SAMPLED OUT/S", .right = true, .wide = true},
		{"LIMITED/S", .right = true}, {"SENT/S", .right = true},
		{"RATE", .right = true},      {"LOST/S", .right = true},
		{"SENT", .right = true},
	};
	pl_cleanup(cli_table_freep) struct cli_table *table =
		rates ? cli_table_new(per_second, PL_ARRAY_SIZE(per_second))
		      : cli_table_new(totals, PL_ARRAY_SIZE(totals));
	const json_t *m;
	size_t i;

	if (!table)
		return cli_out_of_memory(cli);
	json_array_foreach (mirrors, i, m)
		add_row(table, m, rates);
	return cli_table_print(table, out, &cli->look) ? cli_out_of_memory(cli) : CLI_OK;
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
	struct sampling *s = arg;
	json_t *mirrors = NULL, *mirror;
	enum cli_exit rc = take_sample(cli, s, &mirrors);
	uint64_t now = pl_now_ns();
	double seconds = (double)(now - s->last_ns) / 1e9;
	size_t i;

	if (rc)
		return rc;
	json_array_foreach (mirrors, i, mirror)
		add_rates(s->last, mirror, seconds);
	rc = cli->json ? print_json(cli, mirrors, seconds, out)
		       : print_table(cli, mirrors, true, out);
	json_decref(s->last);
	s->last = mirrors;
	s->last_ns = now;
	return rc;
}

static enum cli_exit print_once(struct cli *cli, json_t *mirrors)
{
	pl_autojson json_t *json = NULL;

	if (!cli->json)
		return print_table(cli, mirrors, false, stdout);
	json = json_pack("{s:O}", "mirrors", mirrors);
	return json ? cli_print_json(cli, json) : cli_out_of_memory(cli);
}

static enum cli_exit run(struct cli *cli, const struct cli_args *args)
{
	struct sampling s = {.name = args->n_words ? args->words[0] : NULL};
	struct cli_watching watching;
	enum cli_exit rc = cli_watch_options(cli, args, &watching);

	if (rc)
		return rc;
	rc = take_sample(cli, &s, &s.last);
	s.last_ns = pl_now_ns();
	if (!rc)
		rc = watching.on ? cli_watch(cli, &watching, tick, &s) : print_once(cli, s.last);
	json_decref(s.last);
	return rc;
}

static const struct cli_option options[] = {
	CLI_WATCH_OPTIONS,
	{0},
};

const struct cli_command cli_mirror_stats = {
	.name = "stats",
	.args = "[NAME]",
	.summary = "Show counters of sessions; --watch: rates",
	.about =
		"LIMITED counts packets over the limits of --pps and --bps. LOST counts copies that the\n"
		"target's device lost or the kernel refused; mirror show has each of these.",
	.options = options,
	.max_words = 1,
	.word = CLI_WORD_MIRROR,
	.run = run,
};
