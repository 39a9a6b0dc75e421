// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One flat row per endpoint, direction and reason out of the nested answer; folding and comparing
 * are then merges of sorted rows. Tolerates keys that are missing and reasons it never heard of.
 */
#include "cli/cli.h"
#include "cli/rates.h"

#include <inttypes.h>

void cli_sample_clear(struct cli_sample *sample)
{
	for (size_t i = 0; i < sample->n; i++)
		free(sample->rows[i].key);
	free(sample->rows);
	json_decref(sample->reply);
	memset(sample, 0, sizeof(*sample));
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct cli_rate *)a)->key, ((const struct cli_rate *)b)->key);
}

/* Container id and ifname, not the slot: a slot is used again by another pod. */
static int set_key(struct cli_rate *row, const json_t *endpoint, enum cli_fold fold)
{
	const char *id = cli_str(endpoint, "containerId"), *ifname = cli_str(endpoint, "ifname");
	const char *reason = row->reason;
	int n;

	if (fold == CLI_FOLD_REASON)
		id = ifname = "";
	if (fold == CLI_FOLD_ENDPOINT)
		reason = "";
	n = asprintf(&row->key, "%s|%s|%s|%s", id, ifname, row->direction, reason);
	if (n < 0)
		row->key = NULL;
	return n < 0 ? -ENOMEM : 0;
}

static void set_name(struct cli_rate *row, const json_t *endpoint)
{
	const char *ifname = cli_str(endpoint, "ifname");
	size_t used;

	if (!cli_str(endpoint, "containerId")[0]) {
		strcpy(row->name, "(node)");
		return;
	}
	cli_endpoint_name(endpoint, row->name, sizeof(row->name));
	used = strlen(row->name);
	if (strcmp(ifname, "eth0")) /* a further interface of the same pod */
		snprintf(row->name + used, sizeof(row->name) - used, ":%s", ifname);
}

static int fill_row(struct cli_rate *row, const json_t *endpoint, json_t *counter,
		    enum cli_fold fold)
{
	row->endpoint = cli_u64(endpoint, "endpoint");
	snprintf(row->reason, sizeof(row->reason), "%s", cli_str(counter, "reason"));
	snprintf(row->direction, sizeof(row->direction), "%s", cli_str(counter, "direction"));
	row->packets = cli_u64(counter, "packets");
	row->bytes = cli_u64(counter, "bytes");
	row->json = counter;
	set_name(row, endpoint);
	if (fold == CLI_FOLD_REASON) {
		row->endpoint = 0;
		row->name[0] = '\0';
	}
	return set_key(row, endpoint, fold);
}

/* Joins neighbours of the same key, which folding made. */
static void merge_rows(struct cli_sample *sample, enum cli_fold fold)
{
	size_t kept = 0;

	for (size_t i = 0; i < sample->n; i++) {
		struct cli_rate *row = &sample->rows[i];
		struct cli_rate *last = kept ? &sample->rows[kept - 1] : NULL;

		if (last && !strcmp(last->key, row->key)) {
			last->packets += row->packets;
			last->bytes += row->bytes;
			free(row->key);
		} else {
			sample->rows[kept++] = *row;
		}
	}
	sample->n = kept;
	for (size_t i = 0; fold && i < kept; i++) {
		sample->rows[i].json = NULL;
		if (fold == CLI_FOLD_ENDPOINT)
			sample->rows[i].reason[0] = '\0';
	}
}

static size_t count_rows(const json_t *stats)
{
	const json_t *endpoint;
	size_t n = 0, i;

	json_array_foreach (stats, i, endpoint)
		n += json_array_size(json_object_get(endpoint, "reasons"));
	return n;
}

int cli_sample_new(json_t *reply, uint64_t at_ns, enum cli_fold fold, struct cli_sample *ret)
{
	struct cli_sample sample = {.reply = reply, .at_ns = at_ns};
	json_t *stats = json_object_get(reply, "stats"), *endpoint, *counter;
	size_t i, j;
	int rc = json_is_array(stats) ? 0 : -EBADMSG;

	if (!rc)
		sample.rows = calloc(count_rows(stats) + 1, sizeof(*sample.rows));
	if (!rc && !sample.rows)
		rc = -ENOMEM;
	json_array_foreach (stats, i, endpoint) {
		json_array_foreach (json_object_get(endpoint, "reasons"), j, counter) {
			if (rc)
				break;
			rc = fill_row(&sample.rows[sample.n], endpoint, counter, fold);
			sample.n += !rc;
		}
	}
	if (rc) {
		cli_sample_clear(&sample);
		return rc;
	}
	qsort(sample.rows, sample.n, sizeof(*sample.rows), by_key);
	merge_rows(&sample, fold);
	*ret = sample;
	return 0;
}

static uint64_t grown(uint64_t before, uint64_t now)
{
	return now >= before ? now - before : now;
}

void cli_sample_compare(const struct cli_sample *before, struct cli_sample *now)
{
	double seconds = (double)(now->at_ns - before->at_ns) / 1e9;

	for (size_t i = 0; i < now->n; i++) {
		struct cli_rate *row = &now->rows[i];
		const struct cli_rate *old =
			before->n ? bsearch(row, before->rows, before->n, sizeof(*row), by_key)
				  : NULL;

		if (seconds > 0) {
			row->packets_per_second =
				(double)grown(old ? old->packets : 0, row->packets) / seconds;
			row->bytes_per_second =
				(double)grown(old ? old->bytes : 0, row->bytes) / seconds;
		}
		if (row->json) {
			json_object_set_new(row->json, "packetsPerSecond",
					    json_real(row->packets_per_second));
			json_object_set_new(row->json, "bytesPerSecond",
					    json_real(row->bytes_per_second));
		}
	}
}

static int by_place(const void *a, const void *b)
{
	const struct cli_rate *x = a, *y = b;
	int rc = (x->endpoint > y->endpoint) - (x->endpoint < y->endpoint);

	rc = rc ? rc : strcmp(x->name, y->name);
	rc = rc ? rc : strcmp(x->direction, y->direction);
	rc = rc ? rc : (x->packets < y->packets) - (x->packets > y->packets);
	return rc ? rc : strcmp(x->reason, y->reason);
}

static int by_rate_first(const void *a, const void *b)
{
	double x = ((const struct cli_rate *)a)->packets_per_second;
	double y = ((const struct cli_rate *)b)->packets_per_second;

	return x != y ? (x < y) - (x > y) : by_place(a, b);
}

void cli_sample_sort(struct cli_sample *sample, bool by_rate)
{
	qsort(sample->rows, sample->n, sizeof(*sample->rows), by_rate ? by_rate_first : by_place);
}

static json_t *row_to_json(const struct cli_rate *row, bool rates)
{
	json_t *json = json_object();

	if (row->name[0]) {
		json_object_set_new(json, "endpoint", json_integer((json_int_t)row->endpoint));
		json_object_set_new(json, "name", json_string(row->name));
	}
	if (row->reason[0])
		json_object_set_new(json, "reason", json_string(row->reason));
	json_object_set_new(json, "direction", json_string(row->direction));
	json_object_set_new(json, "packets", json_integer((json_int_t)row->packets));
	json_object_set_new(json, "bytes", json_integer((json_int_t)row->bytes));
	if (rates) {
		json_object_set_new(json, "packetsPerSecond", json_real(row->packets_per_second));
		json_object_set_new(json, "bytesPerSecond", json_real(row->bytes_per_second));
	}
	return json;
}

json_t *cli_sample_to_json(const struct cli_sample *sample, bool rates)
{
	pl_autojson json_t *rows = json_array();

	for (size_t i = 0; i < sample->n; i++) {
		if (json_array_append_new(rows, row_to_json(&sample->rows[i], rates)))
			return NULL;
	}
	return json_pack("{s:O}", "stats", rows);
}
