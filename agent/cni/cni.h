/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The CNI plugin from inside: one request (environment and standard input), the verb's error, and
 * the parts that verbs are made of. The plugin keeps no state and makes no decision that is the
 * daemon's: it translates CNI into the control socket's words and back. Functions return 0 or the
 * positive CNI error code that stands in @err, unless they say otherwise.
 */
#ifndef PODLANE_CNI_H
#define PODLANE_CNI_H

#include <jansson.h>
#include "common/netconf.h"
#include "common/util.h"

#define CNI_VERSIONS(X)                                                                            \
	X(CNI_0_3_0, "0.3.0")                                                                      \
	X(CNI_0_3_1, "0.3.1")                                                                      \
	X(CNI_0_4_0, "0.4.0")                                                                      \
	X(CNI_1_0_0, "1.0.0")                                                                      \
	X(CNI_1_1_0, "1.1.0")

enum cni_version {
#define CNI_VERSION_ENUM(id, text) id,
	CNI_VERSIONS(CNI_VERSION_ENUM)
#undef CNI_VERSION_ENUM
		CNI_VERSION_COUNT
};

/* Up to 99: the specification's. From 100: podlane's own; the man page has the same table. */
#define CNI_CODES(X)                                                                               \
	X(CNI_BAD_VERSION, 1, "the CNI version is not supported")                                  \
	X(CNI_BAD_FIELD, 2, "the network configuration has an unsupported field")                  \
	X(CNI_NO_CONTAINER, 3, "the container is unknown")                                         \
	X(CNI_BAD_ENV, 4, "an environment variable is missing or invalid")                         \
	X(CNI_IO, 5, "reading or writing failed")                                                  \
	X(CNI_DECODE, 6, "the input cannot be decoded")                                            \
	X(CNI_BAD_CONFIG, 7, "the network configuration is invalid")                               \
	X(CNI_TRY_LATER, 11, "the daemon is not running, starting or hung: try later")             \
	X(CNI_NOT_READY, 50, "STATUS: ADD would fail")                                             \
	X(CNI_NOT_READY_LOSS, 51, "STATUS: ADD would fail, and pods have lost the network")        \
	X(CNI_FAILED, 100, "the daemon failed for another reason")                                 \
	X(CNI_NO_ADDRESS, 101, "no address is left in the range")                                  \
	X(CNI_ADDRESS_TAKEN, 102, "the requested address is in use")                               \
	X(CNI_EXISTS, 103, "the container or the interface already exists")                        \
	X(CNI_DIFFERS, 104, "CHECK: something differs from what ADD made")                         \
	X(CNI_NO_PRIVILEGE, 105, "no privilege")                                                   \
	X(CNI_NOT_SUPPORTED, 106, "the kernel or the daemon lacks a requested feature")            \
	X(CNI_DELEGATE, 107, "the IPAM plugin cannot be run or returned an invalid response")

enum cni_code {
	CNI_OK = 0,
#define CNI_CODE_ENUM(id, number, text) id = number,
	CNI_CODES(CNI_CODE_ENUM)
#undef CNI_CODE_ENUM
};

struct cni_error {
	int code; /* enum cni_code, or whatever a delegated plugin said; 0: none */
	char msg[1024];
	char details[4096]; /* "": none */
};

/* Fills @err and returns @code. */
int cni_fail(struct cni_error *err, int code, const char *fmt, ...) PL_PRINTF(3, 4);
/* Translates an error of the daemon or of the shared code. Returns the CNI code. */
int cni_fail_from(struct cni_error *err, const struct pl_error *cause);
int cni_no_memory(struct cni_error *err);

/* What the runtime hands over. Strings are borrowed; NULL where unset. */
struct cni_env {
	const char *command;
	const char *container_id;
	const char *netns;
	const char *ifname;
	const char *args;
	const char *path;
	const char *socket; /* of the daemon */
	const char *run_dir;
	unsigned int timeout_ms;      /* 0: each verb's own */
	unsigned int ipam_timeout_ms; /* of a delegated IPAM plugin; 0: its own */
};

struct cni_request {
	struct cni_env env;
	const char *input; /* standard input as it came, for a delegated plugin */
	size_t input_len;
	enum cni_version version;
	json_t *conf;	     /* owned: @input decoded */
	const char *network; /* "name" of @conf */
	const char *ipam;    /* delegated IPAM plugin's name; NULL: built in, or none needed */
	json_t *prev_result; /* borrowed from @conf; NULL: none */
};

/*
 * Pure: decodes and checks what all verbs share. @min: the first version that has this verb.
 * Ends with cni_request_clear(), after a failure too. On failure @ret->version is the version to
 * answer in.
 */
int cni_request_init(const struct cni_env *env, const char *input, size_t len, enum cni_version min,
		     struct cni_request *ret, struct cni_error *err);
void cni_request_clear(struct cni_request *r);

enum cni_need {
	CNI_NEED_CONTAINER = 1 << 0,
	CNI_NEED_NETNS = 1 << 1,
	CNI_NEED_IFNAME = 1 << 2,
	CNI_NEED_PATH = 1 << 3,
};
/* Names every variable that is missing or malformed, not only the first. */
int cni_env_check(const struct cni_env *env, unsigned int needs, struct cni_error *err);

/* The configuration as podlane's own; the caller ends with pl_netconf_clear(). */
int cni_conf_parse(const struct cni_request *r, struct pl_netconf *ret, struct cni_error *err);

/* 0, or -EINVAL for a version that podlane does not speak. */
int cni_version_parse(const char *s, enum cni_version *ret);
const char *cni_version_name(enum cni_version v);

/*
 * What the runtime asks of podlane for this one pod: CNI_ARGS, runtimeConfig and args.cni merged.
 * Later sources of the MAC override earlier ones; addresses are united.
 */
struct cni_pod_args {
	json_t *ips;  /* array of strings without prefix length, or NULL. Owned */
	char mac[18]; /* "": none */
	json_t *pod;  /* {"name","namespace","uid"} or NULL. Owned */
};
int cni_pod_args_parse(const struct cni_request *r, struct cni_pod_args *ret,
		       struct cni_error *err);
void cni_pod_args_clear(struct cni_pod_args *w);

/* result.c: pure; callers own what is returned, NULL: no memory. */
/* @endpoint, @routes, @dns: of the daemon's reply; @netns: CNI_NETNS. */
json_t *cni_result_new(enum cni_version v, const char *netns, const json_t *endpoint,
		       const json_t *routes, const json_t *dns);
/* @prev with @ours appended, for a plugin that is not the first of its chain. */
json_t *cni_result_append(const json_t *prev, const json_t *ours);
/* @prev, unchanged but for its cniVersion. */
json_t *cni_result_pass(enum cni_version v, const json_t *prev);
json_t *cni_error_to_json(enum cni_version v, const struct cni_error *err);
json_t *cni_error_to_netavark(const struct cni_error *err);
/* The answer of VERSION; @asked NULL: none was named. */
json_t *cni_versions_to_json(const char *asked);

/* chain.c: what an earlier plugin, or our own ADD, left in a result. */
/* [{"address","gateway"?}] of interface @ifname in a sandbox; NULL: no memory. */
json_t *cni_prev_addresses(const json_t *result, const char *ifname);
/* Index of sandbox interface @ifname in result.interfaces, or -ENOENT. */
int cni_prev_interface(const json_t *result, const char *ifname);
/*
 * Name of the host end that belongs to @ifname in @netns_fd, both found and cross-checked through
 * netlink: an index alone could be anybody's.
 */
int cni_find_host_end(const json_t *prev, const char *ifname, int netns_fd, char *ret, size_t size,
		      struct cni_error *err);

/* lock.c */
/*
 * Keeps other ADDs and DELs of this endpoint, or of @all, out until the fd is closed, by a
 * delegated plugin that inherited it, too. An fd, -ETIMEDOUT after @ms of another's, -errno.
 */
int cni_lock(const struct cni_env *env, bool all, unsigned int ms);

/* delegate.c */
/*
 * Runs the IPAM plugin r->ipam with CNI_COMMAND=@command, the same environment and configuration.
 * *ret (may be NULL) gets what it printed, NULL where it printed nothing. Its own error is passed
 * on with its code.
 */
int cni_delegate(const struct cni_request *r, const char *command, json_t **ret,
		 struct cni_error *err);
/* Path of executable @name in the colon-separated @path. 0, -ENOENT, -EINVAL (no plain name). */
int cni_find_plugin(const char *path, const char *name, char *buf, size_t size);
/* Pure: addresses of an IPAM result in the control socket's form. NULL: it has none. */
json_t *cni_ipam_addresses(const json_t *result);

/* daemon.c */
/* Connects. Returns an fd, or -errno with the sentence in @err. */
int cni_daemon_connect(const struct cni_env *env, unsigned int timeout_ms, struct pl_error *err);
/*
 * One request, one reply. 0, or -errno with the daemon's or the transport's sentence in @err;
 * *ret_error (may be NULL) then owns the daemon's error object where there was one.
 */
int cni_daemon_call(int sock, const json_t *request, int fd, json_t **ret, json_t **ret_error,
		    struct pl_error *err);
/* {"op", "v", "containerId", "ifname"}; caller owns. */
json_t *cni_daemon_request(const char *op, const struct cni_env *env);
/* True for what means that nobody answered, rather than an answer. */
bool cni_daemon_absent(int code);
const char *cni_run_dir(const struct cni_env *env);

/* offline.c */
/*
 * DEL without the daemon: removes the link that the endpoint's record names, where it is provably
 * the same, and then the record; without a record, the link that bears the endpoint's name. What
 * never was is success. 0 or -errno.
 */
int cni_offline_del(const char *run_dir, const char *container_id, const char *ifname,
		    const char *network, const char *netns, struct pl_error *err);

/* netns.c */
/* An fd, or -1 with the reason in @err. */
int cni_open_netns(const char *path, struct cni_error *err);

/* The verbs. *ret: what is printed on success, NULL: nothing; caller owns. */
int cni_verb_add(const struct cni_request *r, json_t **ret, struct cni_error *err);
int cni_verb_del(const struct cni_request *r, json_t **ret, struct cni_error *err);
int cni_verb_check(const struct cni_request *r, json_t **ret, struct cni_error *err);
int cni_verb_status(const struct cni_request *r, json_t **ret, struct cni_error *err);
int cni_verb_gc(const struct cni_request *r, json_t **ret, struct cni_error *err);

/* DEL for a verb or for netavark, by the daemon or without it. @network: NULL or its name. */
int cni_del(const struct cni_env *env, const char *network, struct pl_error *err);
/* By the daemon alone. 0 or -errno. */
int cni_del_by_daemon(const struct cni_env *env, const char *network, struct pl_error *err);

/* verbs.c */
/* One verb, one exit status; the answer goes to @out. */
int cni_run(const struct cni_env *env, const char *input, size_t len, FILE *out);

/* netavark.c: create, setup, teardown, info. */
/* Whether this subcommand takes JSON on standard input. */
bool cni_netavark_reads(const char *subcommand);
/* Exit status. */
int cni_netavark(int argc, char **argv, const struct cni_env *env, const char *input, size_t len,
		 FILE *out);
/* Pure: a podman network as a podlane network configuration. Caller owns; NULL with @err. */
json_t *cni_netavark_conf(const json_t *network, struct cni_error *err);

#endif
