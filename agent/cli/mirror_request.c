// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * From the options of "mirror add" to the request. Checks what only the command line can know
 * (two targets, a lone --vni) and compiles the filter; endpoints and devices are the daemon's to
 * judge.
 */
#include "cli/mirror_text.h"

#include "common/addr.h"
#include "common/netconf.h"

static enum cli_exit add_endpoints(struct cli *cli, const struct cli_args *args, json_t *request)
{
	bool all = cli_given(args, "all");
	json_t *endpoints = json_array();
	size_t cursor = 0;
	const char *query;

	json_object_set_new(request, "endpoints", endpoints);
	while ((query = cli_next_value(args, "endpoint", &cursor)))
		json_array_append_new(endpoints, json_string(query));
	if (all && json_array_size(endpoints))
		return cli_usage_error(cli, "--endpoint and --all exclude each other");
	if (!all && !json_array_size(endpoints))
		return cli_usage_error(cli, "specify --endpoint or --all");
	if (all)
		json_array_append_new(endpoints, json_string("all"));
	return CLI_OK;
}

static enum cli_exit set_number(struct cli *cli, const struct cli_args *args, const char *option,
				uint64_t min, uint64_t max, json_t *into, const char *key)
{
	uint64_t n;

	if (!cli_given(args, option))
		return CLI_OK;
	if (cli_number(args, option, min, max, 0, &n, &cli->err))
		return CLI_USAGE;
	json_object_set_new(into, key, json_integer((json_int_t)n));
	return CLI_OK;
}

static enum cli_exit set_scaled(struct cli *cli, const struct cli_args *args, const char *option,
				json_t *into, const char *key)
{
	const char *value = cli_value(args, option);
	uint64_t n;

	if (!value)
		return CLI_OK;
	if (cli_parse_scaled(value, &n) || !n)
		return cli_usage_error(cli, "--%s takes a number like 500, 10k or 2.5M, not '%s'",
				       option, value);
	json_object_set_new(into, key, json_integer((json_int_t)n));
	return CLI_OK;
}

static enum cli_exit set_ip(struct cli *cli, const char *option, const char *value, json_t *into,
			    const char *key)
{
	char canonical[PL_IP_STRLEN];
	struct pl_ip ip;

	if (pl_ip_parse(value, &ip))
		return cli_usage_error(cli, "--%s: '%s' is not a valid IP address", option, value);
	json_object_set_new(into, key, json_string(pl_ip_format(&ip, canonical)));
	return CLI_OK;
}

/* Options that mean something to some targets only: {option, "kind kind"}. */
static enum cli_exit check_tunnel_options(struct cli *cli, const struct cli_args *args,
					  const char *kind)
{
	static const struct {
		const char *option, *kinds;
	} rules[] = {{"vni", "vxlan"},
		     {"port", "vxlan"},
		     {"key", "gre erspan"},
		     {"local", "vxlan gre erspan"}};

	for (size_t i = 0; i < PL_ARRAY_SIZE(rules); i++) {
		if (cli_given(args, rules[i].option) && !strstr(rules[i].kinds, kind))
			return cli_usage_error(cli, "--%s is not valid with --to-%s",
					       rules[i].option, kind);
	}
	if (!strcmp(kind, "vxlan") && !cli_given(args, "vni"))
		return cli_usage_error(cli, "--to-vxlan needs --vni NUMBER");
	return CLI_OK;
}

static enum cli_exit add_tunnel(struct cli *cli, const struct cli_args *args, const char *kind,
				const char *remote, json_t *target)
{
	json_t *tunnel = json_object();
	char option[32];
	enum cli_exit rc;

	json_object_set_new(target, kind, tunnel);
	snprintf(option, sizeof(option), "to-%s", kind);
	rc = set_ip(cli, option, remote, tunnel, "remote");
	if (!rc && cli_given(args, "local"))
		rc = set_ip(cli, "local", cli_value(args, "local"), tunnel, "local");
	if (!rc)
		rc = set_number(cli, args, "vni", 0, 0xffffff, tunnel, "vni");
	if (!rc)
		rc = set_number(cli, args, "port", 1, 65535, tunnel, "port");
	if (!rc)
		rc = set_number(cli, args, "key", 0, UINT32_MAX, tunnel, "key");
	return rc;
}

static enum cli_exit add_target(struct cli *cli, const struct cli_args *args, json_t *request)
{
	static const char *const kinds[] = {"device", "endpoint", "vxlan", "gre", "erspan"};
	const char *kind = NULL, *value = NULL;
	json_t *target = json_object();
	enum cli_exit rc;

	json_object_set_new(request, "target", target);
	for (size_t i = 0; i < PL_ARRAY_SIZE(kinds); i++) {
		char option[32];

		snprintf(option, sizeof(option), "to-%s", kinds[i]);
		if (!cli_given(args, option))
			continue;
		if (kind)
			return cli_usage_error(cli, "--to-%s and --%s: a session has one target",
					       kind, option);
		kind = kinds[i];
		value = cli_value(args, option);
	}
	if (!kind)
		return cli_usage_error(cli, "specify a target: --to-device, --to-endpoint, "
					    "--to-vxlan, --to-gre or --to-erspan");
	rc = check_tunnel_options(cli, args, kind);
	if (rc)
		return rc;
	if (strcmp(kind, "device") && strcmp(kind, "endpoint"))
		return add_tunnel(cli, args, kind, value, target);
	json_object_set_new(target, kind, json_string(value));
	return CLI_OK;
}

/* Puts @part under @key if it holds anything. */
static void set_part(json_t *request, const char *key, json_t *part)
{
	if (json_object_size(part))
		json_object_set(request, key, part);
}

static enum cli_exit add_amount(struct cli *cli, const struct cli_args *args, json_t *request)
{
	pl_autojson json_t *sample = json_object();
	pl_autojson json_t *rate = json_object();
	pl_autojson json_t *expire = json_object();
	enum cli_exit rc;

	if (cli_given(args, "sample-packets") && cli_given(args, "sample-flows"))
		return cli_usage_error(cli,
				       "--sample-packets and --sample-flows exclude each other");
	rc = set_number(cli, args, "sample-packets", 1, UINT32_MAX, sample, "packets");
	if (!rc)
		rc = set_number(cli, args, "sample-flows", 1, UINT32_MAX, sample, "flows");
	if (!rc)
		rc = set_scaled(cli, args, "pps", rate, "pps");
	if (!rc)
		rc = set_scaled(cli, args, "bps", rate, "bps");
	if (!rc)
		rc = set_number(cli, args, "seconds", 1, UINT32_MAX, expire, "seconds");
	if (!rc)
		rc = set_number(cli, args, "packets", 1, INT64_MAX, expire, "packets");
	if (!rc)
		rc = set_number(cli, args, "snaplen", 14, 65535, request, "snaplen");
	set_part(request, "sample", sample);
	set_part(request, "rate", rate);
	set_part(request, "expire", expire);
	return rc;
}

static enum cli_exit add_filter(struct cli *cli, const char *filter, json_t *request)
{
	pl_autofree char *program = NULL;
	enum cli_exit rc = cli_mirror_program(cli, filter, &program);

	if (rc)
		return rc;
	json_object_set_new(request, "filter", json_string(filter));
	json_object_set_new(request, "program", json_string(program));
	return CLI_OK;
}

enum cli_exit cli_mirror_request(struct cli *cli, const struct cli_args *args, json_t **ret)
{
	pl_autojson json_t *request = cli_request("mirror.add");
	const char *filter = cli_value(args, "filter");
	enum cli_exit rc;

	if (!request)
		return cli_out_of_memory(cli);
	if (!pl_name_valid(args->words[0]))
		return cli_usage_error(
			cli,
			"'%s' is not a valid session name: letters, digits, '_', '.' and '-', "
			"beginning with a letter or digit",
			args->words[0]);
	json_object_set_new(request, "name", json_string(args->words[0]));
	json_object_set_new(request, "direction",
			    json_string(cli_value(args, "direction") ?: "both"));
	if (cli_given(args, "include-drops"))
		json_object_set_new(request, "includeDrops", json_true());
	rc = add_endpoints(cli, args, request);
	if (!rc)
		rc = add_target(cli, args, request);
	if (!rc)
		rc = add_amount(cli, args, request);
	if (!rc && filter)
		rc = add_filter(cli, filter, request);
	if (!rc)
		*ret = TAKE_PTR(request);
	return rc;
}
