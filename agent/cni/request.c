/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the environment and standard input to a request: decoding, and the checks that need neither
 * the daemon nor a system call. Pure, so that tests and fuzzers can feed it anything.
 */
#include "cni/cni.h"
#include "common/addr.h"

static const char *const version_names[] = {
#define CNI_VERSION_NAME(id, text) text,
	CNI_VERSIONS(CNI_VERSION_NAME)
#undef CNI_VERSION_NAME
};

int cni_version_parse(const char *s, enum cni_version *ret)
{
	for (int v = 0; v < CNI_VERSION_COUNT; v++) {
		if (strcmp(s, version_names[v]) == 0) {
			*ret = v;
			return 0;
		}
	}
	return -EINVAL;
}

const char *cni_version_name(enum cni_version v)
{
	return version_names[v];
}

struct env_errors {
	char text[768];
	size_t len;
};

static void env_error(struct env_errors *e, const char *name, const char *value, const char *rule)
{
	int n = snprintf(e->text + e->len, sizeof(e->text) - e->len, "%s%s", e->len ? "; " : "",
			 name);

	if (n > 0)
		e->len += (size_t)n;
	if (e->len < sizeof(e->text) && value && *value)
		n = snprintf(e->text + e->len, sizeof(e->text) - e->len, " is \"%.64s\", %s", value,
			     rule);
	else if (e->len < sizeof(e->text))
		n = snprintf(e->text + e->len, sizeof(e->text) - e->len, " is not set");
	if (n > 0)
		e->len += (size_t)n;
	if (e->len >= sizeof(e->text))
		e->len = sizeof(e->text) - 1;
}

/* What is no text could be told neither to the daemon nor in a result. */
static bool is_text(const char *s)
{
	size_t len = strlen(s), n;

	for (; len; s += n, len -= n) {
		n = pl_utf8_char(s, len);
		if (!n)
			return false;
	}
	return true;
}

int cni_env_check(const struct cni_env *env, unsigned int needs, struct cni_error *err)
{
	struct env_errors e = {.len = 0};

	if (needs & CNI_NEED_CONTAINER && (!env->container_id || !pl_name_valid(env->container_id)))
		env_error(
			&e, "CNI_CONTAINERID", env->container_id,
			"which is not a valid container id: a letter or digit, then letters, digits, "
			"'_', '.', '-', at most 255");
	if (needs & CNI_NEED_NETNS && (!env->netns || !*env->netns || !is_text(env->netns)))
		env_error(&e, "CNI_NETNS", env->netns, "which is not valid UTF-8");
	if (needs & CNI_NEED_IFNAME &&
	    (!env->ifname || !pl_ifname_valid(env->ifname) || !is_text(env->ifname)))
		env_error(
			&e, "CNI_IFNAME", env->ifname,
			"which is not a valid interface name: 1 to 15 bytes without '/', ':' and space");
	if (needs & CNI_NEED_PATH && (!env->path || !*env->path))
		env_error(&e, "CNI_PATH", NULL, "");
	if (!e.len)
		return 0;
	return cni_fail(err, CNI_BAD_ENV,
			"%s. A container runtime sets these variables for %s; to connect a network "
			"namespace by hand, use podlane endpoint add",
			e.text, env->command ? env->command : "each command");
}

static int decode(struct cni_request *r, struct cni_error *err)
{
	json_error_t at;

	r->conf = json_loadb(r->input, r->input_len, 0, &at);
	if (!r->conf)
		return cni_fail(
			err, CNI_DECODE,
			"The network configuration on standard input is not valid JSON: line %d, "
			"column %d: %s",
			at.line, at.column, at.text);
	if (!json_is_object(r->conf))
		return cni_fail(err, CNI_DECODE,
				"The network configuration on standard input is not a JSON object");
	return 0;
}

static int decode_version(struct cni_request *r, enum cni_version min, struct cni_error *err)
{
	const json_t *value = json_object_get(r->conf, "cniVersion");
	enum cni_version v;

	if (value && !json_is_string(value))
		return cni_fail(err, CNI_DECODE, "cniVersion is not a string");
	if (!value)
		return cni_fail(err, CNI_BAD_VERSION,
				"The network configuration has no cniVersion, which means 0.1.0; "
				"podlane speaks 0.3.0 to 1.1.0");
	if (cni_version_parse(json_string_value(value), &v) < 0)
		return cni_fail(err, CNI_BAD_VERSION,
				"cniVersion \"%.32s\" is not supported; podlane speaks 0.3.0, "
				"0.3.1, 0.4.0, 1.0.0 and 1.1.0",
				json_string_value(value));
	r->version = v;
	if (v < min)
		return cni_fail(err, CNI_BAD_VERSION,
				"%s needs CNI version %s or later, and the network configuration "
				"says cniVersion %s: raise it there, or do without %s",
				r->env.command, cni_version_name(min), cni_version_name(v),
				r->env.command);
	return 0;
}

static int decode_name(struct cni_request *r, struct cni_error *err)
{
	const json_t *name = json_object_get(r->conf, "name");

	if (!json_is_string(name) || !pl_name_valid(json_string_value(name)))
		return cni_fail(err, CNI_BAD_CONFIG,
				"The network configuration has no valid \"name\" (a letter or "
				"digit, then letters, digits, '_', '.', '-')");
	r->network = json_string_value(name);
	return 0;
}

static bool is_accelerate(const json_t *conf)
{
	const char *mode = json_string_value(json_object_get(conf, "mode"));

	return mode && strcmp(mode, "accelerate") == 0;
}

int cni_request_init(const struct cni_env *env, const char *input, size_t len, enum cni_version min,
		     struct cni_request *ret, struct cni_error *err)
{
	const char *ipam;
	int code;

	*ret = (struct cni_request){
		.env = *env,
		.input = input,
		.input_len = len,
		.version = CNI_VERSION_COUNT - 1,
	};
	code = decode(ret, err);
	if (!code)
		code = decode_version(ret, min, err);
	if (!code)
		code = decode_name(ret, err);
	if (code)
		return code;
	ret->prev_result = json_object_get(ret->conf, "prevResult");
	if (json_is_null(ret->prev_result))
		ret->prev_result = NULL;
	if (ret->prev_result && !json_is_object(ret->prev_result))
		return cni_fail(err, CNI_DECODE, "prevResult is not a JSON object");
	/* There the earlier plugin's IPAM gave the addresses, and will take them back. */
	if (is_accelerate(ret->conf))
		return 0;
	ipam = json_string_value(json_object_get(json_object_get(ret->conf, "ipam"), "type"));
	if (ipam && *ipam && strcmp(ipam, "podlane") != 0)
		ret->ipam = ipam;
	return 0;
}

void cni_request_clear(struct cni_request *r)
{
	json_decref(r->conf);
	r->conf = NULL;
}

static bool same_ip(const json_t *list, const char *text)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item)
		if (strcmp(json_string_value(item), text) == 0)
			return true;
	return false;
}

/* "10.0.0.5" or "10.0.0.5/24": the prefix length is podlane's own matter. */
static int put_ip(struct cni_pod_args *w, const char *text, int code, const char *where,
		  struct cni_error *err)
{
	char buf[PL_IP_STRLEN];
	struct pl_prefix p;

	if (!text || pl_prefix_parse(text, &p) < 0)
		return cni_fail(err, code, "invalid address \"%.64s\" in %s", text ? text : "",
				where);
	pl_ip_format(&p.ip, buf);
	if (!w->ips)
		w->ips = json_array();
	if (!same_ip(w->ips, buf) && json_array_append_new(w->ips, json_string(buf)) < 0)
		return cni_fail(err, CNI_IO, "No memory left");
	return 0;
}

static int put_mac(struct cni_pod_args *w, const char *text, int code, const char *where,
		   struct cni_error *err)
{
	struct pl_mac mac;

	if (!text || pl_mac_parse(text, &mac) < 0)
		return cni_fail(err, code, "invalid MAC \"%.64s\" in %s", text ? text : "", where);
	pl_mac_format(&mac, w->mac);
	return 0;
}

static int put_pod(struct cni_pod_args *w, const char *key, const char *value,
		   struct cni_error *err)
{
	if (!w->pod)
		w->pod = json_object();
	if (json_object_set_new(w->pod, key, json_string(value)) < 0)
		return cni_fail(err, CNI_BAD_ENV, "CNI_ARGS: the pod's %s is not valid UTF-8", key);
	return 0;
}

static int args_ips(struct cni_pod_args *w, char *value, struct cni_error *err)
{
	char *save, *one;
	int code = 0;

	for (one = strtok_r(value, ",", &save); one && !code; one = strtok_r(NULL, ",", &save))
		code = put_ip(w, one, CNI_BAD_ENV, "CNI_ARGS", err);
	return code;
}

/* 1: the key is not podlane's. */
static int args_pair(struct cni_pod_args *w, const char *key, char *value, struct cni_error *err)
{
	if (strcmp(key, "IP") == 0)
		return args_ips(w, value, err);
	if (strcmp(key, "MAC") == 0)
		return put_mac(w, value, CNI_BAD_ENV, "CNI_ARGS", err);
	if (strcmp(key, "K8S_POD_NAME") == 0)
		return put_pod(w, "name", value, err);
	if (strcmp(key, "K8S_POD_NAMESPACE") == 0)
		return put_pod(w, "namespace", value, err);
	if (strcmp(key, "K8S_POD_UID") == 0)
		return put_pod(w, "uid", value, err);
	if (strcmp(key, "K8S_POD_INFRA_CONTAINER_ID") == 0 || strcmp(key, "IgnoreUnknown") == 0)
		return 0;
	return -ENOENT;
}

static bool means_true(const char *value)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};

	for (size_t i = 0; i < PL_ARRAY_SIZE(yes); i++)
		if (strcmp(value, yes[i]) == 0)
			return true;
	return false;
}

static int args_parse(struct cni_pod_args *w, const char *args, bool ignore_unknown,
		      struct cni_error *err)
{
	pl_autofree char *copy = strdup(args);
	char unknown[128] = "";
	char *save, *pair;

	if (!copy)
		return cni_fail(err, CNI_IO, "No memory left");
	for (pair = strtok_r(copy, ";", &save); pair; pair = strtok_r(NULL, ";", &save)) {
		char *value = strchr(pair, '=');
		int code;

		if (!value)
			return cni_fail(err, CNI_BAD_ENV,
					"CNI_ARGS: \"%.64s\" is not of the form KEY=VALUE", pair);
		*value++ = '\0';
		if (strcmp(pair, "IgnoreUnknown") == 0 && means_true(value))
			ignore_unknown = true;
		code = args_pair(w, pair, value, err);
		if (code > 0)
			return code;
		if (code < 0 && !*unknown)
			snprintf(unknown, sizeof(unknown), "%s=%s", pair, value);
	}
	if (*unknown && !ignore_unknown)
		return cni_fail(err, CNI_BAD_ENV,
				"CNI_ARGS has \"%s\", which podlane does not know; set "
				"IgnoreUnknown=1 if it is another plugin's",
				unknown);
	return 0;
}

static int conf_ips(struct cni_pod_args *w, const json_t *from, const char *where,
		    struct cni_error *err)
{
	const json_t *ips = json_object_get(from, "ips");
	const json_t *ip;
	size_t i;
	int code;

	if (ips && !json_is_array(ips) && !json_is_null(ips))
		return cni_fail(err, CNI_BAD_CONFIG, "%s.ips is not a list", where);
	json_array_foreach (ips, i, ip) {
		code = put_ip(w, json_string_value(ip), CNI_BAD_CONFIG, where, err);
		if (code)
			return code;
	}
	return 0;
}

static int conf_pod_args(struct cni_pod_args *w, const json_t *from, const char *where,
			 struct cni_error *err)
{
	const json_t *mac = json_object_get(from, "mac");
	int code = conf_ips(w, from, where, err);

	if (!code && mac && !(json_is_string(mac) && !json_string_length(mac)))
		code = put_mac(w, json_string_value(mac), CNI_BAD_CONFIG, where, err);
	return code;
}

int cni_pod_args_parse(const struct cni_request *r, struct cni_pod_args *ret, struct cni_error *err)
{
	const json_t *args = json_object_get(json_object_get(r->conf, "args"), "cni");
	const json_t *runtime = json_object_get(r->conf, "runtimeConfig");
	int code = 0;

	*ret = (struct cni_pod_args){.mac = ""};
	/* With a delegated IPAM further keys may be that plugin's. */
	if (r->env.args && *r->env.args)
		code = args_parse(ret, r->env.args, r->ipam != NULL, err);
	if (!code)
		code = conf_pod_args(ret, args, "args.cni", err);
	if (!code)
		code = conf_pod_args(ret, runtime, "runtimeConfig", err);
	return code;
}

void cni_pod_args_clear(struct cni_pod_args *w)
{
	json_decref(w->ips);
	json_decref(w->pod);
	*w = (struct cni_pod_args){.mac = ""};
}

int cni_conf_parse(const struct cni_request *r, struct pl_netconf *ret, struct cni_error *err)
{
	struct pl_error why = {0};
	int code = pl_netconf_parse(r->conf, ret, &why);

	if (!code)
		return 0;
	return cni_fail(err, code == -ENOTSUP ? CNI_BAD_FIELD : CNI_BAD_CONFIG, "%s", why.text);
}
