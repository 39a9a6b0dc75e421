/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The options that are settings come from PL_SETTINGS, as do their lines of --help.
 */
#include <getopt.h>

#include "daemon/options.h"

enum { OPT_CHECK = 1000, OPT_REMOVE, OPT_SETTING };

static const struct option own_options[] = {
	{"config", required_argument, NULL, 'c'},  {"check-config", no_argument, NULL, OPT_CHECK},
	{"remove", no_argument, NULL, OPT_REMOVE}, {"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
};

/* With all settings that have an option, and the end. */
struct long_options {
	struct option v[PL_ARRAY_SIZE(own_options) + PL_SETTINGS_N + 1];
};

static struct long_options all_options(void)
{
	static const char *const names[] = {
#define OPTION_NAME(key, option, arg, help) option,
		PL_SETTINGS(OPTION_NAME)
#undef OPTION_NAME
	};
	struct long_options all = {0};
	size_t n = PL_ARRAY_SIZE(own_options);

	memcpy(all.v, own_options, sizeof(own_options));
	for (size_t i = 0; i < PL_ARRAY_SIZE(names); i++)
		if (names[i])
			all.v[n++] =
				(struct option){names[i], required_argument, NULL, OPT_SETTING};
	return all;
}

static void usage_line(FILE *out, const char *option, const char *arg, const char *help)
{
	char left[64];

	if (!option) /* of the configuration file alone */
		return;
	snprintf(left, sizeof(left), "--%s %s", option, arg);
	fprintf(out, "      %-24s %s\n", left, help);
}

void pl_options_usage(FILE *out)
{
	fprintf(out,
		"Usage: podlaned [OPTION]...\n"
		"The node daemon of podlane: loads and attaches the datapath, watches links,\n"
		"owns endpoints, addresses and mirrors. See podlaned(8).\n\n"
		"  -c, --config FILE            configuration, default %s\n"
		"      --check-config           say all that is wrong with it, and exit\n",
		PL_SETTINGS_FILE);
#define SETTING_HELP(key, option, arg, help) usage_line(out, option, arg, help);
	PL_SETTINGS(SETTING_HELP)
#undef SETTING_HELP
	fprintf(out, "      --remove                 take the datapath off this node, and exit\n"
		     "  -V, --version                print the version, and exit\n"
		     "  -h, --help                   print this, and exit\n\n"
		     "Options override the configuration file. Lists are separated by commas.\n");
}

int pl_options_parse(int argc, char **argv, struct pl_options *ret, struct pl_error *err)
{
	const struct long_options all = all_options();
	struct pl_options o = {.argc = argc, .argv = argv};
	int c;

	/* 0: from the beginning, whatever was read before */
	for (optind = 0; (c = getopt_long(argc, argv, "c:hV", all.v, NULL)) != -1;) {
		switch (c) {
		case 'c':
			o.config = optarg;
			break;
		case OPT_CHECK:
			o.task = PL_TASK_CHECK;
			break;
		case OPT_REMOVE:
			o.task = PL_TASK_REMOVE;
			break;
		case 'V':
			o.task = PL_TASK_VERSION;
			*ret = o;
			return 0;
		case 'h':
			o.task = PL_TASK_HELP;
			*ret = o;
			return 0;
		case OPT_SETTING:
			break;
		default: /* getopt has said what is wrong */
			return pl_fail(err, -EINVAL, "see podlaned --help");
		}
	}
	if (optind < argc)
		return pl_fail(err, -EINVAL,
			       "\"%s\": no arguments are expected; see podlaned --help",
			       argv[optind]);
	*ret = o;
	return 0;
}

/* What cannot be looked at is not missing: reading it says why. */
bool pl_options_have_file(const struct pl_options *o)
{
	return o->config || !access(PL_SETTINGS_FILE, F_OK) || errno != ENOENT;
}

int pl_options_settings(const struct pl_options *o, struct pl_settings *s, pl_problem_fn *problem,
			void *arg)
{
	const struct long_options all = all_options();
	int first = 0, c, index = 0;

	pl_settings_init(s);
	if (pl_options_have_file(o))
		first = pl_settings_load(s, o->config ?: PL_SETTINGS_FILE, problem, arg);
	for (optind = 0; (c = getopt_long(o->argc, o->argv, "c:hV", all.v, &index)) != -1;)
		if (c == OPT_SETTING)
			first = pl_settings_option(s, all.v[index].name, optarg, problem, arg)
					?: first;
	return first;
}
