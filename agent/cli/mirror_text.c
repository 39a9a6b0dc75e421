// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Words for a mirror session's parts: target, endpoints, state, counters.
 */
#include "cli/mirror_text.h"

#include <ctype.h>
#include <inttypes.h>
#include "podlane/abi.h"

/* An object {"remote": "10.0.0.9", "vni": 7} reads "10.0.0.9 vni 7". */
static void tunnel_text(const json_t *tunnel, char *buf, size_t size)
{
	int used = snprintf(buf, size, "%s", cli_str(tunnel, "remote"));
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)tunnel, key, value) {
		if (used < 0 || (size_t)used >= size || !strcmp(key, "remote"))
			continue;
		if (json_is_integer(value))
			used += snprintf(buf + used, size - (size_t)used,
					 " %s %" JSON_INTEGER_FORMAT, key,
					 json_integer_value(value));
		else if (json_is_string(value))
			used += snprintf(buf + used, size - (size_t)used, " %s %s", key,
					 json_string_value(value));
	}
}

const char *cli_mirror_target(const json_t *mirror, char *buf, size_t size)
{
	json_t *target = json_object_get(mirror, "target"), *value;
	const char *kind;
	char text[256];

	snprintf(buf, size, "-");
	json_object_foreach (target, kind, value) {
		if (json_is_string(value))
			snprintf(text, sizeof(text), "%s", json_string_value(value));
		else if (json_is_object(value))
			tunnel_text(value, text, sizeof(text));
		else
			continue;
		snprintf(buf, size, "%s %s", kind, text);
		break;
	}
	return buf;
}

const char *cli_mirror_endpoints(const json_t *mirror, char *buf, size_t size)
{
	const json_t *endpoints = json_object_get(mirror, "endpoints");

	if (json_is_string(endpoints))
		snprintf(buf, size, "%s", json_string_value(endpoints));
	else
		cli_join(endpoints, buf, size);
	return buf;
}

enum cli_style cli_mirror_style(const json_t *mirror)
{
	const char *state = cli_str(mirror, "state");

	if (!strcmp(state, "expired"))
		return CLI_FAINT;
	/* Active with a reason: its device is down. */
	return strcmp(state, "active") || cli_str(mirror, "why")[0] ? CLI_WARN : CLI_GOOD;
}

uint64_t cli_mirror_counter(const json_t *mirror, const char *key)
{
	return cli_u64(json_object_get(mirror, "counters"), key);
}

/* "sampledOut" is the JSON key of sampled_out. */
static bool is_camel_of(const char *camel, const char *snake)
{
	for (; *snake; snake++, camel++) {
		if (*snake == '_') {
			snake++;
			if (*camel != toupper((unsigned char)*snake))
				return false;
		} else if (*camel != *snake) {
			return false;
		}
	}
	return !*camel;
}

const char *cli_mirror_counter_text(const char *key)
{
	static const struct {
		const char *name, *text;
	} counters[] = {
#define COUNTER_ROW(name, text) {#name, text},
		PL_MIRROR_COUNTERS(COUNTER_ROW)
#undef COUNTER_ROW
	};

	for (size_t i = 0; i < PL_ARRAY_SIZE(counters); i++) {
		if (is_camel_of(key, counters[i].name))
			return counters[i].text;
	}
	return NULL;
}
