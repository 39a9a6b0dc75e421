/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a runtime, a delegated plugin or podman hands to the CNI plugin, as foreign bytes: the first
 * line is CNI_ARGS, the rest standard input. What is refused must say why; what is accepted must
 * give results that the same code can read back.
 */
#include "cni/cni.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s does not hold (line %d)\n", #cond, __LINE__);          \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static void check_error(int code, const struct cni_error *err, enum cni_version v)
{
	pl_autojson json_t *j = cni_error_to_json(v, err);

	CHECK(code == err->code && code > 0 && err->msg[0]);
	/* Foreign bytes in a message must not make the error itself unprintable. */
	CHECK(j);
}

static void check_pod_args(const struct cni_request *r)
{
	struct cni_error err = {0};
	struct cni_pod_args w;
	int code = cni_pod_args_parse(r, &w, &err);

	if (code)
		check_error(code, &err, r->version);
	cni_pod_args_clear(&w);
}

static void check_results(const struct cni_request *r)
{
	pl_autojson json_t *made =
		cni_result_new(r->version, "/n", r->conf, json_object_get(r->conf, "routes"),
			       json_object_get(r->conf, "dns"));
	pl_autojson json_t *both = NULL;
	pl_autojson json_t *addresses = NULL;

	json_decref(cni_ipam_addresses(r->conf));
	if (r->prev_result) {
		json_decref(cni_prev_addresses(r->prev_result, "eth0"));
		json_decref(cni_result_pass(r->version, r->prev_result));
	}
	if (!made)
		return;
	if (r->prev_result)
		both = cni_result_append(r->prev_result, made);
	addresses = cni_prev_addresses(both ? both : made, "eth0");
	CHECK(addresses);
}

static void check_netavark(const json_t *network)
{
	struct cni_error err = {0};
	pl_autojson json_t *conf = cni_netavark_conf(network, &err);

	if (!conf)
		check_error(err.code, &err, CNI_1_1_0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	size_t skip = end ? (size_t)(end - data) + 1 : 0;
	pl_autofree char *args = strndup((const char *)data, end ? skip - 1 : 0);
	struct cni_env env = {.command = "ADD", .args = args};
	struct cni_error err = {0};
	struct cni_request r;
	int code;

	code = cni_request_init(&env, (const char *)data + skip, size - skip, CNI_0_3_0, &r, &err);
	if (code) {
		check_error(code, &err, r.version);
	} else {
		check_pod_args(&r);
		check_results(&r);
	}
	check_netavark(r.conf);
	cni_request_clear(&r);
	return 0;
}
