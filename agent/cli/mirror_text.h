/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How a mirror session reads, for the subcommands that print one.
 */
#ifndef PODLANE_CLI_MIRROR_TEXT_H
#define PODLANE_CLI_MIRROR_TEXT_H

#include "cli/cli.h"

/* "device tap0", "vxlan 10.0.0.9 vni 7". Return @buf. */
const char *cli_mirror_target(const json_t *mirror, char *buf, size_t size);
/* "all", or the endpoints' names as they were given. */
const char *cli_mirror_endpoints(const json_t *mirror, char *buf, size_t size);
enum cli_style cli_mirror_style(const json_t *mirror);
/* A counter of PL_MIRROR_COUNTERS by its JSON key, 0 where it is missing. */
uint64_t cli_mirror_counter(const json_t *mirror, const char *key);
/* Text of PL_MIRROR_COUNTERS for a JSON key; NULL: of a newer daemon. */
const char *cli_mirror_counter_text(const char *key);

/* The program of a filter as text, the caller frees it. CLI_FAILED: cli->err says what is wrong. */
enum cli_exit cli_mirror_program(struct cli *cli, const char *expr, char **ret);
/* The request that the options of "mirror add" stand for. CLI_OK: *ret is the caller's. */
enum cli_exit cli_mirror_request(struct cli *cli, const struct cli_args *args, json_t **ret);

#endif
