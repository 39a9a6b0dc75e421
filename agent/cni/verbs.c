/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The verbs of CNI: the table that says since when each exists and what it needs, VERSION, and the
 * one place that prints. Each other verb has a file of its own.
 */
#include "cni/cni.h"

static const struct verb {
	const char *name;
	enum cni_version since;
	unsigned int needs; /* enum cni_need */
	int (*run)(const struct cni_request *r, json_t **ret, struct cni_error *err);
} verbs[] = {
	{"ADD", CNI_0_3_0, CNI_NEED_CONTAINER | CNI_NEED_NETNS | CNI_NEED_IFNAME, cni_verb_add},
	{"DEL", CNI_0_3_0, CNI_NEED_CONTAINER | CNI_NEED_IFNAME, cni_verb_del},
	{"CHECK", CNI_0_4_0, CNI_NEED_CONTAINER | CNI_NEED_NETNS | CNI_NEED_IFNAME, cni_verb_check},
	{"STATUS", CNI_1_1_0, 0, cni_verb_status},
	{"GC", CNI_1_1_0, CNI_NEED_PATH, cni_verb_gc},
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
			return cni_fail(
				err, CNI_DECODE,
				"VERSION: standard input is not valid JSON: line %d, column %d: "
				"%s",
				at.line, at.column, at.text);
	}
	asked = json_object_get(conf, "cniVersion");
	if (conf && (!json_is_object(conf) || (asked && !json_is_string(asked))))
		return cni_fail(err, CNI_DECODE,
				"VERSION: standard input has no readable cniVersion");
	*ret = cni_versions_to_json(json_string_value(asked));
	return *ret ? 0 : cni_no_memory(err);
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
				"CNI_COMMAND is %s%.32s%s; it must be ADD, DEL, CHECK, STATUS, GC "
				"or VERSION",
				env->command ? "\"" : "", env->command ? env->command : "not set",
				env->command ? "\"" : "");
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
