/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * podlane as container runtimes call it. As a CNI plugin: the verb in CNI_COMMAND, the network
 * configuration on standard input. As a netavark plugin: a subcommand as the first argument.
 * Start-up is most of what a plugin costs: nothing is set up here that a verb does not need.
 */
#include <signal.h>

#include "cni/cni.h"

enum {
	INPUT_MAX = 16 * 1024 * 1024,
	TIMEOUT_MAX_MS = 600000,
};

static unsigned int timeout_from_env(const char *name)
{
	const char *s = getenv(name);
	uint64_t ms = 0;

	return s && pl_parse_u64(s, 1, TIMEOUT_MAX_MS, &ms) == 0 ? (unsigned int)ms : 0;
}

static struct cni_env env_read(void)
{
	return (struct cni_env){
		.command = getenv("CNI_COMMAND"),
		.container_id = getenv("CNI_CONTAINERID"),
		.netns = getenv("CNI_NETNS"),
		.ifname = getenv("CNI_IFNAME"),
		.args = getenv("CNI_ARGS"),
		.path = getenv("CNI_PATH"),
		.socket = getenv("PODLANE_SOCKET"),
		.run_dir = getenv("PODLANE_RUN_DIR"),
		.timeout_ms = timeout_from_env("PODLANE_CNI_TIMEOUT_MS"),
		.ipam_timeout_ms = timeout_from_env("PODLANE_CNI_IPAM_TIMEOUT_MS"),
	};
}

/* All of standard input, NUL-terminated. Caller frees. 0, -EFBIG, -ENOMEM, -errno. */
static int read_input(char **ret, size_t *ret_len)
{
	size_t len = 0, size = 0;
	pl_autofree char *buf = NULL;

	for (;;) {
		ssize_t n;

		if (len + 1 >= size) {
			char *bigger;

			size = size ? size * 2 : 16384;
			if (size > INPUT_MAX)
				return -EFBIG;
			bigger = realloc(buf, size);
			if (!bigger)
				return -ENOMEM;
			buf = bigger;
		}
		n = read(STDIN_FILENO, buf + len, size - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	buf[len] = '\0';
	*ret = TAKE_PTR(buf);
	*ret_len = len;
	return 0;
}

static int input_failed(int code)
{
	struct cni_error err = {0};
	pl_autojson json_t *j = NULL;

	cni_fail(&err, CNI_IO, "Read the network configuration from standard input: %s",
		 strerror(-code));
	j = cni_error_to_json(CNI_VERSION_COUNT - 1, &err);
	json_dumpf(j, stdout, JSON_COMPACT);
	putchar('\n');
	return 1;
}

static void say_what_this_is(void)
{
	fprintf(stderr,
		"podlane %s: a CNI plugin (CNI_COMMAND is not set) and a netavark plugin "
		"(no subcommand given); see podlane-cni(8)\n",
		PL_VERSION);
}

int main(int argc, char **argv)
{
	struct cni_env env = env_read();
	pl_autofree char *input = NULL;
	size_t len = 0;
	int code;

	signal(SIGPIPE, SIG_IGN);
	json_object_seed((size_t)getpid()); /* else jansson opens /dev/urandom */
	if (argc == 1 && !env.command)
		say_what_this_is();
	else if ((argc == 1 || cni_netavark_reads(argv[1])) && (code = read_input(&input, &len)))
		return input_failed(code);
	if (argc > 1)
		return cni_netavark(argc, argv, &env, input, len, stdout);
	return cni_run(&env, input ? input : "", len, stdout);
}
