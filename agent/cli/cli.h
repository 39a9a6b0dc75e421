/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What every subcommand works with: one run of the command line, its way to the daemon, and how
 * it prints. A subcommand fills cli->err and returns an exit code; main() prints the error.
 */
#ifndef PODLANE_CLI_H
#define PODLANE_CLI_H

#include <jansson.h>
#include "cli/command.h"
#include "cli/table.h"

struct cli {
	const char *socket;	 /* path of the control socket */
	bool json;		 /* -j: answers and errors */
	struct cli_look look;	 /* of tables on stdout */
	unsigned int timeout_ms; /* of one answer of the daemon */
	int sock;		 /* -1: not connected */
	struct pl_error err;
};

enum {
	CLI_TIMEOUT_MS = 10000,
	CLI_TIMEOUT_COMPLETE_MS = 500, /* completion must never hang a shell */
};

/* The table of commands. */
extern const struct cli_command cli_root;

extern const struct cli_command cli_status;
extern const struct cli_command cli_endpoint_list;
extern const struct cli_command cli_endpoint_show;
extern const struct cli_command cli_endpoint_add;
extern const struct cli_command cli_endpoint_del;
extern const struct cli_command cli_stats;
extern const struct cli_command cli_mirror_add;
extern const struct cli_command cli_mirror_compile;
extern const struct cli_command cli_mirror_del;
extern const struct cli_command cli_mirror_list;
extern const struct cli_command cli_mirror_show;
extern const struct cli_command cli_mirror_stats;
extern const struct cli_command cli_log_level;
extern const struct cli_command cli_version;
extern const struct cli_command cli_help;
extern const struct cli_command cli_complete;

/* client.c */

/* {"op": op, "v": 1}; the caller adds keys. NULL: out of memory. */
json_t *cli_request(const char *op);
/*
 * Sends @request (taken over; NULL counts as out of memory) and collects the whole answer: the
 * arrays of further pages are joined, "ok" and "more" are taken out. *ret is the caller's.
 */
enum cli_exit cli_call(struct cli *cli, json_t *request, int fd, json_t **ret);
void cli_disconnect(struct cli *cli);

/* output.c */

enum cli_exit cli_usage_error(struct cli *cli, const char *fmt, ...) PL_PRINTF(2, 3);
enum cli_exit cli_fail(struct cli *cli, int code, const char *fmt, ...) PL_PRINTF(3, 4);
enum cli_exit cli_out_of_memory(struct cli *cli);
/* A sentence on stderr beside an answer, with -j as {"warning": ...}. */
void cli_warn(const struct cli *cli, const char *fmt, ...) PL_PRINTF(2, 3);
/* What went wrong, on stderr: a sentence, or with @json {"error": {"code", "message", "exit"}}. */
void cli_print_error(const struct pl_error *err, const char *command, bool json, enum cli_exit rc);
/* Prints the answer for -j, indented. */
enum cli_exit cli_print_json(struct cli *cli, const json_t *json);
/* One line "key   text"; control bytes are masked. */
void cli_field(FILE *out, const char *key, const char *fmt, ...) PL_PRINTF(3, 4);

/* "" or 0 or false where @obj (may be NULL) has no such key of that type. */
const char *cli_str(const json_t *obj, const char *key);
uint64_t cli_u64(const json_t *obj, const char *key);
bool cli_bool(const json_t *obj, const char *key);
/* "a, b" of an array of strings; "" where there is none. Returns @buf. */
const char *cli_join(const json_t *strings, char *buf, size_t size);

/* Text of PL_REASONS; NULL for the reason of a newer daemon. */
const char *cli_reason_text(const char *reason);
enum cli_style cli_reason_style(const char *reason);

/* endpoint.c: how an endpoint object reads */

#define CLI_ENDPOINT_NAMES                                                                           \
	"ENDPOINT is NAME of endpoint list, a container id or the first four or more digits of a\n"  \
	"hash, a pod's name or NAMESPACE/NAME, one of its addresses, or its host end. NAME:IFNAME\n" \
	"chooses one of a pod's interfaces."

/*
 * "namespace/name" of its pod, else the container id, shortened where it is a long hash: what
 * every command takes as its name.
 */
const char *cli_endpoint_name(const json_t *endpoint, char *buf, size_t size);
/* "10.0.0.5, fd00::5": host prefixes without their length. */
const char *cli_endpoint_addresses(const json_t *endpoint, char *buf, size_t size);
/* The kind of an attachment, "" for none. */
const char *cli_attached(const json_t *obj, const char *key);
/* Rows of reasons of one endpoint, with what each means. */
enum cli_exit cli_print_reasons(struct cli *cli, const json_t *reasons, FILE *out);

/* watch.c */

/* --watch and --count, alike for every command that has them. */
#define CLI_WATCH_OPTIONS                                                                          \
	{.name = "watch",                                                                          \
	 .letter = 'w',                                                                            \
	 .arg = "SECONDS",                                                                         \
	 .arg_optional = true,                                                                     \
	 .help = "show rates, refreshed; default every second"},                                   \
	{                                                                                          \
		.name = "count", .letter = 'n', .arg = "N", .help = "exit after N refreshes"       \
	}
struct cli_watching {
	bool on;
	uint64_t interval_ms, count; /* count 0: no end */
};
enum cli_exit cli_watch_options(struct cli *cli, const struct cli_args *args,
				struct cli_watching *ret);

/* Prints one refresh to @out. */
typedef enum cli_exit cli_tick(struct cli *cli, FILE *out, void *arg);
/*
 * Waits for the interval, calls @tick, and so on: the caller took a first sample. On a terminal
 * each refresh replaces the one before, cut to the screen; elsewhere they follow each other. A
 * daemon that goes away meanwhile is waited for.
 */
enum cli_exit cli_watch(struct cli *cli, const struct cli_watching *watching, cli_tick *tick,
			void *arg);
/* "2026-11-23T15:04:05Z" into @buf. */
const char *cli_now_text(char *buf, size_t size);
/* Columns of the terminal on stdout, 0 where there is none. */
unsigned int cli_terminal_width(void);

#endif
