/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The delegated IPAM plugin: found in CNI_PATH, run with the environment and the configuration
 * that came to us, its standard error being ours. Its answer is data: checked here, used by the
 * verbs. Waits for it no longer than DELEGATE_MS, then ends it with all that it started: a plugin
 * of ours must not hang, and what goes on behind our back could take a lease that nobody gives
 * back.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cni/cni.h"
#include "common/addr.h"

enum {
	DELEGATE_MS = 60000, /* dhcp may have to ask several times */
	DELEGATE_OUTPUT_MAX = 1024 * 1024,
};

int cni_find_plugin(const char *path, const char *name, char *buf, size_t size)
{
	if (!pl_name_valid(name))
		return -EINVAL;
	while (path && *path) {
		int len = (int)strcspn(path, ":");
		int n = snprintf(buf, size, "%.*s/%s", len, path, name);
		struct stat st;

		if (len && n > 0 && (size_t)n < size && stat(buf, &st) == 0 &&
		    S_ISREG(st.st_mode) && access(buf, X_OK) == 0)
			return 0;
		path += len;
		path += *path == ':';
	}
	return -ENOENT;
}

/* environ with CNI_COMMAND replaced. The caller frees the array; *@entry is the one new string. */
static char **env_with_command(const char *command, char *entry, size_t size)
{
	size_t n = 0, out = 0;
	char **env;

	snprintf(entry, size, "CNI_COMMAND=%s", command);
	while (environ[n])
		n++;
	env = calloc(n + 2, sizeof(*env));
	if (!env)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], "CNI_COMMAND=", 12) != 0)
			env[out++] = environ[i];
	env[out] = entry;
	return env;
}

/* A file in memory rather than a pipe: the plugin may read it when and as often as it likes. */
static int input_fd(const struct cni_request *r)
{
	pl_autoclose int fd = memfd_create("cni-conf", MFD_CLOEXEC);
	size_t done = 0;

	if (fd < 0)
		return -errno;
	while (done < r->input_len) {
		ssize_t n = write(fd, r->input + done, r->input_len - done);

		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int spawn(const char *file, char **env, int in, int out, pid_t *ret)
{
	char *const argv[] = {(char *)file, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t reset;
	int code;

	sigemptyset(&reset);
	sigaddset(&reset, SIGPIPE); /* we ignore it; the plugin must not inherit that */
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &reset);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	code = posix_spawn(ret, file, &actions, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -code;
}

static int left_ms(uint64_t deadline)
{
	uint64_t now = pl_now_ns();

	return now >= deadline ? 0 : (int)((deadline - now) / 1000000 + 1);
}

/* Reads to the end. 0, -ETIMEDOUT, -EFBIG, -errno. */
static int read_output(int fd, uint64_t deadline, char **ret, size_t *ret_len)
{
	pl_autofree char *buf = malloc(DELEGATE_OUTPUT_MAX);
	size_t len = 0;

	if (!buf)
		return -ENOMEM;
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n = poll(&p, 1, left_ms(deadline));

		if (n == 0)
			return -ETIMEDOUT;
		if (n > 0)
			n = read(fd, buf + len, DELEGATE_OUTPUT_MAX - len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		if (n > 0)
			len += (size_t)n;
		if (len == DELEGATE_OUTPUT_MAX)
			return -EFBIG;
	}
	*ret = TAKE_PTR(buf);
	*ret_len = len;
	return 0;
}

/* The exit status, or -ETIMEDOUT. The child is gone and reaped in any case. */
static int wait_child(pid_t pid, uint64_t deadline, bool give_up)
{
	pl_autoclose int pidfd = pidfd_open(pid, 0);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	bool late = give_up || (pidfd >= 0 && poll(&p, 1, left_ms(deadline)) == 0);
	int status = 0;

	if (late)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (late)
		return -ETIMEDOUT;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run(const char *file, char **env, int in, unsigned int ms, char **ret, size_t *ret_len,
	       int *ret_status)
{
	uint64_t deadline = pl_now_ns() + ms * 1000000ULL;
	int out[2], code;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	code = spawn(file, env, in, out[1], &pid);
	close(out[1]);
	if (!code) {
		code = read_output(out[0], deadline, ret, ret_len);
		*ret_status = wait_child(pid, deadline, code < 0);
		if (!code && *ret_status < 0)
			code = *ret_status;
	}
	close(out[0]);
	return code;
}

/* What a failed plugin said, with its own code. */
static int pass_error(const char *name, const char *command, const json_t *said, int status,
		      struct cni_error *err)
{
	json_int_t code = json_integer_value(json_object_get(said, "code"));
	const char *msg = json_string_value(json_object_get(said, "msg"));
	const char *details = json_string_value(json_object_get(said, "details"));

	if (code <= 0 || code > INT32_MAX)
		return cni_fail(err, CNI_DELEGATE,
				"IPAM plugin %s failed on %s with exit status %d and no CNI error",
				name, command, status);
	cni_fail(err, (int)code, "IPAM plugin %s: %s", name, msg ? msg : "no message");
	snprintf(err->details, sizeof(err->details), "%s", details ? details : "");
	return err->code;
}

static int answer(const char *name, const char *command, int status, const char *out, size_t len,
		  json_t **ret, struct cni_error *err)
{
	pl_autojson json_t *said = len ? json_loadb(out, len, 0, NULL) : NULL;

	if (status != 0)
		return pass_error(name, command, said, status, err);
	if (ret)
		*ret = TAKE_PTR(said);
	return 0;
}

int cni_delegate(const struct cni_request *r, const char *command, json_t **ret,
		 struct cni_error *err)
{
	pl_autofree char **env = NULL;
	pl_autofree char *out = NULL;
	pl_autoclose int in = -1;
	unsigned int ms = r->env.ipam_timeout_ms ? r->env.ipam_timeout_ms : DELEGATE_MS;
	char file[4096], entry[64];
	size_t len = 0;
	int code, status = 0;

	code = cni_find_plugin(r->env.path, r->ipam, file, sizeof(file));
	if (code == -EINVAL)
		return cni_fail(err, CNI_BAD_CONFIG,
				"ipam.type \"%.64s\" is not the name of a plugin", r->ipam);
	if (code < 0 && (!r->env.path || !*r->env.path))
		return cni_fail(err, CNI_BAD_ENV,
				"CNI_PATH is not set; IPAM plugin %s is looked for there", r->ipam);
	if (code < 0)
		return cni_fail(err, CNI_DELEGATE,
				"IPAM plugin %s is in no folder of CNI_PATH=%.512s", r->ipam,
				r->env.path);
	env = env_with_command(command, entry, sizeof(entry));
	in = input_fd(r);
	if (!env || in < 0)
		return cni_fail(err, CNI_IO, "No memory left to run IPAM plugin %s", r->ipam);
	code = run(file, env, in, ms, &out, &len, &status);
	if (code == -ETIMEDOUT)
		return cni_fail(err, CNI_TRY_LATER,
				"IPAM plugin %s did not finish %s within %u ms and was ended: see "
				"whether what it asks (a server, a lock) answers, then try again",
				r->ipam, command, ms);
	if (code < 0)
		return cni_fail(err, CNI_DELEGATE, "Run IPAM plugin %s: %s", file, strerror(-code));
	return answer(r->ipam, command, status, out, len, ret, err);
}

json_t *cni_ipam_addresses(const json_t *result)
{
	pl_autojson json_t *list = json_array();
	const json_t *ip;
	size_t i;

	json_array_foreach (json_object_get(result, "ips"), i, ip) {
		const char *address = json_string_value(json_object_get(ip, "address"));
		json_t *gateway = json_object_get(ip, "gateway");
		struct pl_prefix prefix;
		json_t *entry;

		if (!address || pl_prefix_parse(address, &prefix) < 0)
			return NULL;
		entry = json_pack("{s:s}", "address", address);
		if (entry && json_string_length(gateway))
			json_object_set(entry, "gateway", gateway);
		if (json_array_append_new(list, entry) < 0)
			return NULL;
	}
	return json_array_size(list) ? TAKE_PTR(list) : NULL;
}
