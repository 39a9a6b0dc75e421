/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * podlaned's command line. It goes over the configuration file each time that this is read.
 */
#ifndef PODLANE_DAEMON_OPTIONS_H
#define PODLANE_DAEMON_OPTIONS_H

#include "daemon/settings.h"

enum pl_task { PL_TASK_RUN, PL_TASK_CHECK, PL_TASK_REMOVE, PL_TASK_VERSION, PL_TASK_HELP };

struct pl_options {
	int argc;
	char **argv; /* of main() */
	enum pl_task task;
	const char *config; /* NULL: PL_SETTINGS_FILE, if it is there */
};

/* Reads all but the settings. -EINVAL. */
int pl_options_parse(int argc, char **argv, struct pl_options *ret, struct pl_error *err);
/* Defaults, file and options into @s, which pl_settings_clear() ends. 0 or the first problem. */
int pl_options_settings(const struct pl_options *o, struct pl_settings *s, pl_problem_fn *problem,
			void *arg);
/* Is there a file? One that was named must be. */
bool pl_options_have_file(const struct pl_options *o);
void pl_options_usage(FILE *out);

#endif
