/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the daemon was told: defaults, then /etc/podlane/podlaned.json, then the command line, which
 * knows the same keys. Nothing else in the daemon parses configuration.
 */
#ifndef PODLANE_SETTINGS_H
#define PODLANE_SETTINGS_H

#include <jansson.h>
#include <net/if.h>
#include "common/log.h"
#include "common/netconf.h"
#include "common/prefixes.h"
#include "common/proto.h"
#include "datapath/datapath.h"

#define PL_SETTINGS_FILE "/etc/podlane/podlaned.json"
#define PL_PATTERNS_MAX	 32
#define PL_NATIVE_MAX	 256

/*
 * Every setting once: JSON key, command-line option, argument, help. The parser, --help and the
 * nearest-key hint come from it.
 */
#define PL_SETTINGS(X)                                                                             \
	X(runDir, "run-dir", "DIR", "records, control socket and lock")                            \
	X(bpffs, "bpffs", "DIR", "pinned maps, programs and links, on a bpffs")                    \
	X(logLevel, "log-level", "LEVEL", "error, warn, info or debug")                            \
	X(maxEndpoints, "max-endpoints", "N", "maximum number of pods, 1 to 65535")                \
	X(maxFlows, "max-flows", "N", "maximum connections of each IP version")                    \
	X(flowBudget, "flow-budget", "N", "of these, those that one endpoint may open")            \
	X(flowRate, "flow-rate", "N", "new connections per second and endpoint")                   \
	X(attach, "attach", "KIND", "auto, tcx or clsact")                                         \
	X(uplinks, "uplinks", "PATTERNS", "devices to the network; default: by default route")     \
	X(native, "native", "PREFIXES", "networks routed by the FIB alone; !: excepted")           \
	X(forwarding, "forwarding", "BOOL", "enable IP forwarding of the host at start")           \
	X(expedite, "expedite", "BOOL", "use expedited RCU grace periods while attaching")         \
	X(network, NULL, NULL, "network of pods that name none")                                   \
	X(mirrors, NULL, NULL, "permanent mirror sessions")

/* Each of them by number: PL_SETTING_runDir and so on. */
enum pl_setting {
#define PL_SETTING_NUMBER(key, option, arg, help) PL_SETTING_##key,
	PL_SETTINGS(PL_SETTING_NUMBER)
#undef PL_SETTING_NUMBER
		PL_SETTINGS_N,
};

struct pl_settings {
	char run_dir[256];
	char bpffs[256];
	enum pl_log_level log_level;
	uint32_t max_endpoints; /* without slot 0 */
	uint32_t max_flows;
	uint32_t flow_budget; /* see pl_datapath_opts */
	uint32_t flow_rate;
	enum pl_attach_choice attach;
	char uplinks[PL_PATTERNS_MAX][IFNAMSIZ]; /* fnmatch(3) patterns; none: default routes */
	size_t n_uplinks;
	struct pl_network_rule native[PL_NATIVE_MAX]; /* no network twice */
	size_t n_native;
	bool forwarding;
	bool expedite; /* see pl_datapath_opts */
	struct pl_netconf network;
	json_t *mirrors; /* array; owned */
};

/* Every default in place; cannot fail. End with pl_settings_clear(). */
void pl_settings_init(struct pl_settings *s);
void pl_settings_clear(struct pl_settings *s);

/*
 * Reads a JSON object over what is there; lines of the file that begin with // are comments. Tells
 * @problem of everything that is wrong: -EINVAL or -ENOTSUP with file, line or key, the value, and
 * what it should be. 0, or the first problem's code; @s is then partly changed and good for nothing
 * but pl_settings_clear().
 */
int pl_settings_load(struct pl_settings *s, const char *path, pl_problem_fn *problem, void *arg);
int pl_settings_from_json(struct pl_settings *s, const json_t *j, pl_problem_fn *problem,
			  void *arg);
/* The same with one option of the command line: @option without dashes. -ENOENT: no such option. */
int pl_settings_option(struct pl_settings *s, const char *option, const char *value,
		       pl_problem_fn *problem, void *arg);

/* One setting as the file would hold it, canonical; caller owns. NULL: out of memory. */
json_t *pl_settings_value(const struct pl_settings *s, enum pl_setting which);
const char *pl_setting_key(enum pl_setting which);

/* ---- settings_mirrors.c ---- */

/*
 * All that can be known of a session without looking at the node. What its filter compiles to is
 * noted in @item.
 */
int pl_settings_check_mirror(const json_t *all, size_t index, json_t *item, struct pl_error *err);
/* The sessions without what was noted, as they are in the file; caller owns. */
json_t *pl_settings_mirrors_json(const json_t *declared);

#endif
