/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The verbs of CNI, one function each, and the table that says what each of them needs. A verb
 * checks, asks the daemon once, and fills the answer. Whatever ADD began and cannot finish, it
 * undoes: the delegated IPAM's lease, and what a daemon may have made that did not answer.
 */
#include <fcntl.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "cni.h"
#include "proto.h"
#include "record.h"

enum {
	ADD_MS = 10000,
	DEL_MS = 5000, /* then the plugin finishes by itself */
	CHECK_MS = 5000,
	GC_MS = 10000,
	STATUS_MS = 2000,
	UNDO_MS = 1000, /* after an ADD that was not answered */
};

static int no_memory(struct cni_error *err)
{
	return cni_fail(err, CNI_IO, "No memory left");
}

/* The netns of the pod: an fd, or -1 with the reason. */
static int open_netns(const char *path, struct cni_error *err)
{
	pl_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat pod, own;

	if (fd < 0) {
		cni_fail(err, CNI_BAD_ENV, "CNI_NETNS: open %s: %s", path, strerror(errno));
		return -1;
	}
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET) {
		cni_fail(err, CNI_BAD_ENV, "CNI_NETNS: %s is no network namespace", path);
		return -1;
	}
	if (fstat(fd, &pod) == 0 && stat("/proc/self/ns/net", &own) == 0 &&
	    pod.st_ino == own.st_ino && pod.st_dev == own.st_dev) {
		cni_fail(err, CNI_BAD_ENV,
			 "CNI_NETNS: %s is the host's own network namespace, not a container's",
			 path);
		return -1;
	}
	return TAKE_FD(fd);
}

static int parse_conf(const struct cni_request *r, struct pl_netconf *ret, struct cni_error *err)
{
	struct pl_error why = {0};
	int code = pl_netconf_parse(r->conf, ret, &why);

	if (!code)
		return 0;
	return cni_fail(err, code == -ENOTSUP ? CNI_BAD_FIELD : CNI_BAD_CONFIG, "%s", why.text);
}

static json_t *request_new(const char *op, const struct cni_env *env)
{
	return json_pack("{s:s, s:i, s:s, s:s}", "op", op, "v", PL_PROTO_VERSION, "containerId",
			 env->container_id, "ifname", env->ifname);
}

static json_t *reply_get(const json_t *reply, const char *key)
{
	return json_object_get(reply, key);
}

/* ---- ADD ---- */

struct add {
	const struct cni_request *r;
	struct pl_netconf conf;
	struct cni_wishes wishes;
	char host_ifname[IF_NAMESIZE]; /* mode accelerate */
	json_t *addresses; /* of a delegated IPAM, or of prevResult; NULL: the daemon chooses */
	json_t *routes;	   /* of a delegated IPAM; NULL: none */
	int netns;
	int sock;
	bool leased;  /* the delegated IPAM's ADD succeeded */
	bool existed; /* a record of this very endpoint was there before */
};

static void add_clear(struct add *a)
{
	pl_netconf_clear(&a->conf);
	cni_wishes_clear(&a->wishes);
	json_decref(a->addresses);
	json_decref(a->routes);
	pl_closep(&a->netns);
	pl_closep(&a->sock);
}

static int add_take_prev(struct add *a, struct cni_error *err)
{
	const struct cni_request *r = a->r;
	int code;

	if (!r->prev_result)
		return cni_fail(err, CNI_BAD_CONFIG,
				"Mode \"accelerate\" works on the link of an earlier plugin of the "
				"chain, but there is no prevResult: put podlane after that plugin");
	a->addresses = cni_prev_addresses(r->prev_result, r->env.ifname);
	if (!a->addresses)
		return no_memory(err);
	code = cni_find_host_end(r->prev_result, r->env.ifname, a->netns, a->host_ifname,
				 sizeof(a->host_ifname), err);
	if (!code && !json_array_size(a->addresses))
		code = cni_fail(err, CNI_BAD_CONFIG,
				"Mode \"accelerate\": prevResult names no address of %s",
				r->env.ifname);
	return code;
}

/* What the IPAM plugin says beside addresses. */
static void add_merge_ipam(struct add *a, const json_t *result)
{
	json_t *routes = json_object_get(result, "routes");
	json_t *dns = json_object_get(result, "dns");

	if (json_array_size(routes))
		a->routes = json_incref(routes);
	if (json_object_size(dns) && !json_object_size(a->conf.dns)) {
		json_decref(a->conf.dns);
		a->conf.dns = json_incref(dns);
	}
}

static void add_release_lease(const struct add *a)
{
	struct cni_error ignored;

	cni_delegate(a->r, "DEL", NULL, &ignored);
}

static int add_lease(struct add *a, struct cni_error *err)
{
	pl_autojson json_t *result = NULL;
	int code = cni_delegate(a->r, "ADD", &result, err);

	if (code) {
		/* It may have failed half-way. */
		add_release_lease(a);
		return code;
	}
	a->leased = true;
	a->addresses = cni_ipam_addresses(result);
	if (!a->addresses)
		return cni_fail(err, CNI_DELEGATE,
				"IPAM plugin %s answered without a usable address", a->r->ipam);
	add_merge_ipam(a, result);
	return 0;
}

static json_t *add_request(const struct add *a)
{
	const struct cni_env *env = &a->r->env;
	pl_autojson json_t *q = request_new("endpoint.add", env);
	int failed = q ? 0 : -ENOMEM;

	if (!failed)
		failed = json_object_set_new(q, "netns", json_string(env->netns));
	if (!failed)
		failed = json_object_set_new(q, "network", pl_netconf_to_json(&a->conf));
	if (!failed && a->wishes.pod)
		failed = json_object_set(q, "pod", a->wishes.pod);
	if (!failed && a->addresses)
		failed = json_object_set(q, "addresses", a->addresses);
	else if (!failed && a->wishes.ips)
		failed = json_object_set(q, "ips", a->wishes.ips);
	if (!failed && a->routes)
		failed = json_object_set(q, "routes", a->routes);
	if (!failed && a->host_ifname[0])
		failed = json_object_set_new(q, "hostIfname", json_string(a->host_ifname));
	else if (!failed && a->wishes.mac[0])
		failed = json_object_set_new(q, "mac", json_string(a->wishes.mac));
	return failed ? NULL : TAKE_PTR(q);
}

/* Nobody answered: the daemon may have made all, a part, or may still make it when it wakes up. */
static void add_undo_unanswered(const struct add *a)
{
	struct cni_env env = a->r->env;
	struct pl_error ignored = {0};

	if (a->existed)
		return; /* not this ADD's work */
	if (!env.timeout_ms || env.timeout_ms > UNDO_MS)
		env.timeout_ms = UNDO_MS;
	cni_del(&env, a->r->network, &ignored);
}

static int add_call(struct add *a, json_t **ret, struct cni_error *err)
{
	pl_autojson json_t *request = add_request(a);
	pl_autojson json_t *answer = NULL;
	struct pl_error why = {0};
	int code;

	if (!request)
		return no_memory(err);
	code = cni_daemon_call(a->sock, request, a->netns, ret, &answer, &why);
	if (!code)
		return 0;
	if (!answer)
		add_undo_unanswered(a);
	return cni_fail_from(err, &why);
}

static int add_result(const struct add *a, const json_t *reply, json_t **ret, struct cni_error *err)
{
	const struct cni_request *r = a->r;
	const json_t *dns = reply_get(reply, "dns");
	pl_autojson json_t *ours = NULL;

	if (a->conf.mode == PL_MODE_ACCELERATE) {
		*ret = cni_result_pass(r->version, r->prev_result);
		return *ret ? 0 : no_memory(err);
	}
	ours = cni_result_new(r->version, r->env.netns, reply_get(reply, "endpoint"),
			      reply_get(reply, "routes"), dns ? dns : a->conf.dns);
	if (!ours)
		return cni_fail(err, CNI_FAILED,
				"podlaned's answer to endpoint.add is not "
				"complete: is its version another?");
	*ret = r->prev_result ? cni_result_append(r->prev_result, ours) : TAKE_PTR(ours);
	return *ret ? 0 : no_memory(err);
}

static int add_prepare(struct add *a, struct cni_error *err)
{
	const struct cni_env *env = &a->r->env;
	char path[4096];
	int code;

	code = parse_conf(a->r, &a->conf, err);
	if (!code)
		code = cni_wishes_parse(a->r, &a->wishes, err);
	if (code)
		return code;
	a->netns = open_netns(env->netns, err);
	if (a->netns < 0)
		return err->code;
	if (a->conf.mode == PL_MODE_ACCELERATE)
		code = add_take_prev(a, err);
	if (pl_record_path(cni_run_dir(env), env->container_id, env->ifname, path, sizeof(path)) ==
	    0)
		a->existed = access(path, F_OK) == 0;
	return code;
}

static int add_carry_out(struct add *a, json_t **ret, struct cni_error *err)
{
	pl_autojson json_t *reply = NULL;
	struct pl_error why = {0};
	int code;

	/* Connected before the IPAM plugin runs: with no daemon there is nothing to undo. */
	a->sock = cni_daemon_connect(&a->r->env, ADD_MS, &why);
	if (a->sock < 0)
		return cni_fail_from(err, &why);
	if (a->r->ipam) {
		code = add_lease(a, err);
		if (code)
			return code;
	}
	code = add_call(a, &reply, err);
	if (code)
		return code;
	code = add_result(a, reply, ret, err);
	if (code)
		add_undo_unanswered(a);
	return code;
}

int cni_add(const struct cni_request *r, json_t **ret, struct cni_error *err)
{
	struct add a = {.r = r, .netns = -1, .sock = -1};
	int code = add_prepare(&a, err);

	if (!code)
		code = add_carry_out(&a, ret, err);
	if (code && a.leased)
		add_release_lease(&a);
	add_clear(&a);
	return code;
}

/* ---- DEL ---- */

static int del_by_daemon(const struct cni_env *env, const char *network, struct pl_error *err)
{
	pl_autojson json_t *request = request_new("endpoint.del", env);
	pl_autojson json_t *reply = NULL;
	pl_autoclose int sock = -1;

	if (!request)
		return -ENOMEM;
	if (network && json_object_set_new(request, "network", json_string(network)) < 0)
		return -ENOMEM;
	sock = cni_daemon_connect(env, DEL_MS, err);
	if (sock < 0)
		return sock;
	return cni_daemon_call(sock, request, -1, &reply, NULL, err);
}

int cni_del(const struct cni_env *env, const char *network, struct pl_error *err)
{
	int code = del_by_daemon(env, network, err);

	if (code == 0 || !cni_daemon_absent(code))
		return code;
	return cni_offline_del(cni_run_dir(env), env->container_id, env->ifname, network,
			       env->netns, err);
}

/*
 * The configuration is not judged: one that was edited into something invalid must not keep what
 * an earlier one made. The link goes before the lease: an address must be off the wire before it
 * can be somebody else's.
 */
static int verb_del(const struct cni_request *r, json_t **ret, struct cni_error *err)
{
	struct pl_error why = {0};
	int code = cni_del(&r->env, r->network, &why);

	if (code < 0)
		return cni_fail_from(err, &why);
	return r->ipam ? cni_delegate(r, "DEL", NULL, err) : 0;
}

/* ---- CHECK ---- */

static void list_differences(const json_t *answer, struct cni_error *err)
{
	const json_t *text;
	size_t i, len = 0;

	json_array_foreach (json_object_get(answer, "differences"), i, text) {
		int n;

		if (!json_is_string(text) || len >= sizeof(err->details))
			continue;
		n = snprintf(err->details + len, sizeof(err->details) - len, "%s%s",
			     len ? "; " : "", json_string_value(text));
		len += n > 0 ? (size_t)n : 0;
	}
}

static int check_request(const struct cni_request *r, const struct pl_netconf *conf, json_t **ret,
			 struct cni_error *err)
{
	json_t *addresses, *routes;

	if (!r->prev_result)
		return cni_fail(err, CNI_BAD_CONFIG,
				"CHECK needs prevResult, the result of ADD, to compare with");
	if (cni_prev_interface(r->prev_result, r->env.ifname) < 0)
		return cni_fail(
			err, CNI_DIFFERS,
			"prevResult has no interface %s in a sandbox, which ADD always names",
			r->env.ifname);
	addresses = cni_prev_addresses(r->prev_result, r->env.ifname);
	*ret = request_new("endpoint.check", &r->env);
	if (!*ret || json_object_set_new(*ret, "network", pl_netconf_to_json(conf)) < 0 ||
	    json_object_set_new(*ret, "addresses", addresses) < 0)
		return no_memory(err);
	/* Which routes a delegated IPAM plugin asked for stands in the result alone. */
	routes = json_object_get(r->prev_result, "routes");
	if (r->ipam && json_array_size(routes) && json_object_set(*ret, "routes", routes) < 0)
		return no_memory(err);
	return 0;
}

static int check_by_daemon(const struct cni_request *r, const struct pl_netconf *conf,
			   struct cni_error *err)
{
	pl_autojson json_t *request = NULL;
	pl_autojson json_t *reply = NULL;
	pl_autojson json_t *answer = NULL;
	pl_autoclose int netns = -1;
	pl_autoclose int sock = -1;
	struct pl_error why = {0};
	int code;

	code = check_request(r, conf, &request, err);
	if (code)
		return code;
	netns = open_netns(r->env.netns, err);
	if (netns < 0)
		return err->code;
	sock = cni_daemon_connect(&r->env, CHECK_MS, &why);
	if (sock < 0)
		return cni_fail_from(err, &why);
	if (cni_daemon_call(sock, request, netns, &reply, &answer, &why) == 0)
		return 0;
	code = cni_fail_from(err, &why);
	list_differences(answer, err);
	return code;
}

static int verb_check(const struct cni_request *r, json_t **ret, struct cni_error *err)
{
	struct pl_netconf conf = {0};
	int code = parse_conf(r, &conf, err);

	if (!code)
		code = check_by_daemon(r, &conf, err);
	if (!code && r->ipam)
		code = cni_delegate(r, "CHECK", NULL, err);
	pl_netconf_clear(&conf);
	return code;
}

/* ---- STATUS ---- */

static int status_failed(const struct pl_error *why, struct cni_error *err)
{
	if (why->code == -EINVAL)
		return cni_fail_from(err, why);
	if (why->code == -ENETDOWN)
		return cni_fail(err, CNI_NOT_READY_LOSS, "%s", why->text);
	return cni_fail(err, CNI_NOT_READY, "%s", why->text);
}

static int status_by_daemon(const struct cni_request *r, const struct pl_netconf *conf,
			    struct cni_error *err)
{
	pl_autojson json_t *request =
		json_pack("{s:s, s:i, s:o}", "op", "network.status", "v", PL_PROTO_VERSION,
			  "network", pl_netconf_to_json(conf));
	pl_autojson json_t *reply = NULL;
	pl_autoclose int sock = -1;
	struct pl_error why = {0};
	const json_t *available;

	if (!request)
		return no_memory(err);
	sock = cni_daemon_connect(&r->env, STATUS_MS, &why);
	if (sock < 0 || cni_daemon_call(sock, request, -1, &reply, NULL, &why) < 0)
		return status_failed(&why, err);
	available = json_object_get(reply, "available");
	if (json_is_integer(available) && json_integer_value(available) == 0)
		return cni_fail(err, CNI_NOT_READY, "Network %s has no address left", r->network);
	return 0;
}

static int verb_status(const struct cni_request *r, json_t **ret, struct cni_error *err)
{
	struct pl_netconf conf = {0};
	int code = parse_conf(r, &conf, err);

	if (!code)
		code = status_by_daemon(r, &conf, err);
	if (!code && r->ipam)
		code = cni_delegate(r, "STATUS", NULL, err);
	pl_netconf_clear(&conf);
	return code;
}

/* ---- GC ---- */

static int gc_collect(json_t *valid, const json_t *list, struct cni_error *err)
{
	const json_t *one;
	size_t i;

	if (!json_is_array(list) && !json_is_null(list))
		return cni_fail(err, CNI_BAD_CONFIG, "cni.dev/valid-attachments is no list");
	json_array_foreach (list, i, one) {
		json_t *id = json_object_get(one, "containerID");
		json_t *ifname = json_object_get(one, "ifname");

		if (!json_is_string(id) || !json_is_string(ifname))
			return cni_fail(err, CNI_BAD_CONFIG,
					"cni.dev/valid-attachments[%zu] has no containerID or no "
					"ifname; nothing was removed",
					i);
		if (json_array_append_new(valid, json_pack("{s:O, s:O}", "containerId", id,
							   "ifname", ifname)) < 0)
			return no_memory(err);
	}
	return 0;
}

/*
 * libcni writes an empty list as null, and the list under two spellings: null is "none is valid",
 * and what either spelling holds is valid. No list at all is refused: it must not mean "remove
 * everything".
 */
static int gc_valid(const struct cni_request *r, json_t **ret, struct cni_error *err)
{
	const json_t *now = json_object_get(r->conf, "cni.dev/valid-attachments");
	const json_t *before = json_object_get(r->conf, "cni.dev/attachments");
	int code = 0;

	if (!now && !before)
		return cni_fail(err, CNI_BAD_CONFIG,
				"GC came without cni.dev/valid-attachments: nothing was removed");
	*ret = json_array();
	if (!*ret)
		return no_memory(err);
	if (now)
		code = gc_collect(*ret, now, err);
	if (!code && before && !json_equal(now, before))
		code = gc_collect(*ret, before, err);
	return code;
}

static bool gc_is_valid(const json_t *valid, const json_t *endpoint)
{
	const json_t *id = json_object_get(endpoint, "containerId");
	const json_t *ifname = json_object_get(endpoint, "ifname");
	const json_t *one;
	size_t i;

	json_array_foreach (valid, i, one)
		if (json_equal(json_object_get(one, "containerId"), id) &&
		    json_equal(json_object_get(one, "ifname"), ifname))
			return true;
	return false;
}

/* Keeps of @endpoints the ones of the network that are not valid any more. */
static int gc_pick(const struct cni_request *r, const json_t *valid, const json_t *endpoints,
		   json_t *stale)
{
	json_t *endpoint;
	size_t i;

	json_array_foreach (endpoints, i, endpoint) {
		const char *network = json_string_value(json_object_get(endpoint, "network"));

		if (!network || strcmp(network, r->network) != 0 || gc_is_valid(valid, endpoint))
			continue;
		if (json_array_append(stale, endpoint) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int gc_list_stale(const struct cni_request *r, const json_t *valid, json_t *stale,
			 struct pl_error *err)
{
	pl_autojson json_t *request =
		json_pack("{s:s, s:i}", "op", "endpoint.list", "v", PL_PROTO_VERSION);
	pl_autojson json_t *reply = NULL;
	pl_autoclose int sock = cni_daemon_connect(&r->env, GC_MS, err);
	bool more;
	int code;

	if (sock < 0)
		return sock;
	code = pl_client_call(sock, request, -1, &reply, err);
	while (!code) {
		more = json_is_true(json_object_get(reply, "more"));
		code = gc_pick(r, valid, json_object_get(reply, "endpoints"), stale);
		if (code || !more)
			break;
		json_decref(reply);
		reply = NULL;
		code = pl_client_next(sock, &reply, err);
	}
	return code;
}

/* For a list of valid attachments that does not fit into one message. */
static int gc_one_by_one(const struct cni_request *r, const json_t *valid, struct pl_error *err)
{
	pl_autojson json_t *stale = json_array();
	const json_t *endpoint;
	int code, first = 0;
	size_t i;

	code = gc_list_stale(r, valid, stale, err);
	if (code)
		return code;
	json_array_foreach (stale, i, endpoint) {
		struct cni_env env = r->env;
		struct pl_error why = {0};

		env.container_id = json_string_value(json_object_get(endpoint, "containerId"));
		env.ifname = json_string_value(json_object_get(endpoint, "ifname"));
		code = del_by_daemon(&env, r->network, &why);
		if (code && !first) {
			first = code;
			*err = why;
		}
	}
	return first;
}

static int gc_by_daemon(const struct cni_request *r, json_t *valid, struct pl_error *err)
{
	pl_autojson json_t *request =
		json_pack("{s:s, s:i, s:s, s:O}", "op", "endpoint.gc", "v", PL_PROTO_VERSION,
			  "network", r->network, "valid", valid);
	pl_autojson json_t *reply = NULL;
	pl_autoclose int sock = -1;

	if (!request)
		return pl_fail(err, -ENOMEM, "No memory left");
	sock = cni_daemon_connect(&r->env, GC_MS, err);
	if (sock < 0)
		return sock;
	return cni_daemon_call(sock, request, -1, &reply, NULL, err);
}

static int verb_gc(const struct cni_request *r, json_t **ret, struct cni_error *err)
{
	pl_autojson json_t *valid = NULL;
	struct cni_error delegated = {0};
	struct pl_error why = {0};
	int code;

	code = gc_valid(r, &valid, err);
	if (code)
		return code;
	/* As much as possible is removed before the first error is told. */
	code = gc_by_daemon(r, valid, &why);
	if (code == -EMSGSIZE)
		code = gc_one_by_one(r, valid, &why);
	if (code < 0)
		code = cni_fail_from(err, &why);
	if (r->ipam && cni_delegate(r, "GC", NULL, &delegated) && !code) {
		*err = delegated;
		code = err->code;
	}
	return code;
}

/* ---- dispatch ---- */

static const struct verb {
	const char *name;
	enum cni_version since;
	unsigned int needs; /* enum cni_need */
	int (*run)(const struct cni_request *r, json_t **ret, struct cni_error *err);
} verbs[] = {
	{"ADD", CNI_0_3_0, CNI_NEED_CONTAINER | CNI_NEED_NETNS | CNI_NEED_IFNAME, cni_add},
	{"DEL", CNI_0_3_0, CNI_NEED_CONTAINER | CNI_NEED_IFNAME, verb_del},
	{"CHECK", CNI_0_4_0, CNI_NEED_CONTAINER | CNI_NEED_NETNS | CNI_NEED_IFNAME, verb_check},
	{"STATUS", CNI_1_1_0, 0, verb_status},
	{"GC", CNI_1_1_0, CNI_NEED_PATH, verb_gc},
};

/* VERSION is asked before anything is known of the configuration. */
static int answer_version(const char *input, size_t len, json_t **ret, struct cni_error *err)
{
	pl_autojson json_t *conf = NULL;
	const json_t *asked;

	if (strspn(input, " \t\r\n") < len) {
		json_error_t at;

		conf = json_loadb(input, len, 0, &at);
		if (!conf)
			return cni_fail(err, CNI_DECODE,
					"VERSION: standard input is no JSON: line %d, column %d: "
					"%s",
					at.line, at.column, at.text);
	}
	asked = json_object_get(conf, "cniVersion");
	if (conf && (!json_is_object(conf) || (asked && !json_is_string(asked))))
		return cni_fail(err, CNI_DECODE,
				"VERSION: standard input has no readable cniVersion");
	*ret = cni_versions_to_json(json_string_value(asked));
	return *ret ? 0 : no_memory(err);
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; name && i < PL_ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static int run_verb(const struct verb *verb, const struct cni_env *env, const char *input,
		    size_t len, enum cni_version *ret_version, json_t **ret, struct cni_error *err)
{
	struct cni_request r;
	int code = cni_request_init(env, input, len, verb->since, &r, err);

	*ret_version = r.version;
	if (!code)
		code = cni_env_check(env, verb->needs, err);
	if (!code)
		code = verb->run(&r, ret, err);
	cni_request_clear(&r);
	return code;
}

static int print(FILE *out, json_t *j)
{
	if (!j)
		return 0;
	if (json_dumpf(j, out, JSON_COMPACT) < 0 || fputc('\n', out) == EOF || fflush(out) == EOF)
		return -EIO;
	return 0;
}

int cni_run(const struct cni_env *env, const char *input, size_t len, FILE *out)
{
	const struct verb *verb = find_verb(env->command);
	enum cni_version version = CNI_VERSION_COUNT - 1;
	struct cni_error err = {0};
	pl_autojson json_t *answer = NULL;
	int code;

	if (env->command && strcmp(env->command, "VERSION") == 0)
		code = answer_version(input, len, &answer, &err);
	else if (verb)
		code = run_verb(verb, env, input, len, &version, &answer, &err);
	else
		code = cni_fail(&err, CNI_BAD_ENV,
				"CNI_COMMAND is \"%.32s\"; it must be ADD, DEL, CHECK, STATUS, GC "
				"or VERSION",
				env->command ? env->command : "");
	if (code) {
		json_decref(answer);
		answer = cni_error_to_json(version, &err);
	}
	if (print(out, answer) < 0) {
		fprintf(stderr, "podlane: write the answer to standard output: %s\n",
			strerror(errno));
		return 1;
	}
	return code ? 1 : 0;
}
