/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * podlaned: reads options and configuration, then runs the daemon.
 */
#include <getopt.h>

#include "common/log.h"
#include "daemon/daemon.h"

static void usage_line(FILE *out, const char *option, const char *arg, const char *help)
{
	char left[64];

	if (!option) /* of the configuration file alone */
		return;
	snprintf(left, sizeof(left), "--%s %s", option, arg);
	fprintf(out, "  %-24s %s\n", left, help);
}

static void usage(FILE *out)
{
	fprintf(out,
		"Usage: podlaned [OPTION]...\n"
		"The node daemon of podlane: loads and attaches the datapath, watches links,\n"
		"owns endpoints, addresses and mirrors. See podlaned(8).\n\n"
		"  --config FILE            configuration, default %s\n"
		"  --check-config           say what is wrong with it, and end\n",
		PL_SETTINGS_FILE);
#define SETTING_HELP(key, option, arg, help) usage_line(out, option, arg, help);
	PL_SETTINGS(SETTING_HELP)
#undef SETTING_HELP
	fprintf(out, "  --remove                 take the datapath off this node, and end\n"
		     "  --version                print the version, and end\n"
		     "  --help                   print this, and end\n\n"
		     "Options override the configuration file. Lists are separated by commas.\n");
}

/* ---- command line ---- */

struct options {
	const char *config;
	bool check;
	bool remove;
};

enum { OPT_CONFIG = 1000, OPT_CHECK, OPT_REMOVE, OPT_VERSION, OPT_HELP };

static const struct option long_options[] = {
	{"config", required_argument, NULL, OPT_CONFIG},
	{"check-config", no_argument, NULL, OPT_CHECK},
	{"remove", no_argument, NULL, OPT_REMOVE},
	{"version", no_argument, NULL, OPT_VERSION},
	{"help", no_argument, NULL, OPT_HELP},
	{"run-dir", required_argument, NULL, 'o'},
	{"bpffs", required_argument, NULL, 'o'},
	{"log-level", required_argument, NULL, 'o'},
	{"max-endpoints", required_argument, NULL, 'o'},
	{"max-flows", required_argument, NULL, 'o'},
	{"flow-budget", required_argument, NULL, 'o'},
	{"flow-rate", required_argument, NULL, 'o'},
	{"attach", required_argument, NULL, 'o'},
	{"uplinks", required_argument, NULL, 'o'},
	{"native", required_argument, NULL, 'o'},
	{"forwarding", required_argument, NULL, 'o'},
	{"expedite", required_argument, NULL, 'o'},
	{0},
};

/*
 * The file is read before the other options are applied, wherever --config stands. Returns 0 to go
 * on, 1 to end well, -errno.
 */
static int parse_options(int argc, char **argv, struct pl_settings *s, struct options *o,
			 struct pl_error *err)
{
	int c, index, r;

	for (optind = 1; (c = getopt_long(argc, argv, "", long_options, &index)) != -1;) {
		switch (c) {
		case OPT_CONFIG:
			o->config = optarg;
			break;
		case OPT_CHECK:
			o->check = true;
			break;
		case OPT_REMOVE:
			o->remove = true;
			break;
		case OPT_VERSION:
			printf("podlaned %s (datapath ABI %d)\n", PL_VERSION, PL_ABI);
			return 1;
		case OPT_HELP:
			usage(stdout);
			return 1;
		case 'o':
			break;
		default:
			return pl_fail(err, -EINVAL, "see podlaned --help");
		}
	}
	if (optind < argc)
		return pl_fail(err, -EINVAL, "\"%s\": no arguments are expected", argv[optind]);
	if (o->config || !access(PL_SETTINGS_FILE, F_OK)) {
		r = pl_settings_load(s, o->config ? o->config : PL_SETTINGS_FILE, err);
		if (r < 0)
			return r;
	}
	for (optind = 1; (c = getopt_long(argc, argv, "", long_options, &index)) != -1;) {
		if (c != 'o')
			continue;
		r = pl_settings_option(s, long_options[index].name, optarg, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int exit_status(int code)
{
	switch (code) {
	case -EINVAL:
	case -ENOTSUP:
		return 2;
	case -EPROTONOSUPPORT:
	case -EUSERS:
		return 3;
	default:
		return 1;
	}
}

int main(int argc, char **argv)
{
	struct pl_daemon d = {.run_dir.lock_fd = -1, .parts.started_ns = pl_now_ns()};
	struct options o = {0};
	struct pl_error err = {0};
	int r;

	pl_settings_init(&d.settings);
	r = parse_options(argc, argv, &d.settings, &o, &err);
	if (!r) {
		pl_log_set_level(d.settings.log_level);
		if (o.check)
			printf("%s: no error found\n", o.config ? o.config : PL_SETTINGS_FILE);
		else if (o.remove)
			r = pl_daemon_remove(&d, &err);
		else
			r = pl_daemon_run(&d, &err);
	}
	pl_settings_clear(&d.settings);
	if (r < 0) {
		pl_error_log("podlaned: %s", err.text);
		return exit_status(err.code);
	}
	return 0;
}
