/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * podlaned: reads options and configuration, then runs the daemon. The exit status tells a service
 * manager whether it is of any use to start it again: see podlaned(8).
 */
#include "common/log.h"
#include "daemon/daemon.h"

enum {
	EXIT_FAILED = 1,
	EXIT_CONFIGURATION = 2, /* another start would say the same */
	EXIT_RECORDS = 3,	/* likewise */
};

static int exit_status(int code)
{
	switch (code) {
	case -ENOTSUP: /* it asks for what this kernel cannot do */
		return EXIT_CONFIGURATION;
	case -EPROTONOSUPPORT:
	case -EUSERS:
		return EXIT_RECORDS;
	default:
		return EXIT_FAILED;
	}
}

/* As it is: the caret of a filter stands in a line of its own. */
static void print_problem(void *arg, const struct pl_error *problem)
{
	fprintf(stderr, "podlaned: %s\n", problem->text);
}

static void log_problem(void *arg, const struct pl_error *problem)
{
	pl_error_log("configuration refused error=\"%s\"", problem->text);
}

/* The default is for the unit's mount to provide, on the node that it will be used on. */
static int check_bpffs(const struct pl_settings *s)
{
	struct pl_error err = {0};
	int r = strcmp(s->bpffs, PL_BPFFS_DIR) ? pl_datapath_check_folder(s->bpffs, &err) : 0;

	if (!r || r == -EACCES || r == -EPERM) /* no privilege is needed for a check */
		return 0;
	pl_fail_prefix(&err, "bpffs");
	print_problem(NULL, &err);
	return r;
}

static int check(const struct pl_options *o)
{
	struct pl_settings s;
	int r = pl_options_settings(o, &s, print_problem, NULL);

	r = check_bpffs(&s) ?: r;
	pl_settings_clear(&s);
	if (r)
		return EXIT_CONFIGURATION;
	if (pl_options_have_file(o))
		printf("%s: no error found\n", o->config ?: PL_SETTINGS_FILE);
	else
		printf("%s is not there: what no option says is as by default\n", PL_SETTINGS_FILE);
	return 0;
}

static int run(const struct pl_options *o)
{
	struct pl_daemon d = {.options = o, .run_dir.lock_fd = -1, .parts.started_ns = pl_now_ns()};
	struct pl_error err = {0};
	int r = pl_options_settings(o, &d.settings, log_problem, NULL);

	if (r) {
		pl_settings_clear(&d.settings);
		return EXIT_CONFIGURATION;
	}
	pl_log_set_level(d.settings.log_level);
	if (o->task == PL_TASK_REMOVE)
		r = pl_daemon_remove(&d, &err);
	else
		r = pl_daemon_run(&d, &err);
	pl_log_flush_all();
	pl_settings_clear(&d.settings);
	if (!r)
		return 0;
	pl_error_log("podlaned ends error=\"%s\"", err.text);
	return exit_status(err.code);
}

int main(int argc, char **argv)
{
	struct pl_options o;
	struct pl_error err = {0};

	if (pl_options_parse(argc, argv, &o, &err) < 0) {
		print_problem(NULL, &err);
		return EXIT_CONFIGURATION;
	}
	switch (o.task) {
	case PL_TASK_CHECK:
		return check(&o);
	case PL_TASK_VERSION:
		printf("podlaned %s (datapath ABI %d)\n", PL_VERSION, PL_ABI);
		return 0;
	case PL_TASK_HELP:
		pl_options_usage(stdout);
		return 0;
	case PL_TASK_RUN:
	case PL_TASK_REMOVE:
		break;
	}
	return run(&o);
}
