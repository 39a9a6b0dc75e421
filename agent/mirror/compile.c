/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Runs the command that compiles a filter, and collects what it says: the program and status 0, or
 * a sentence. The command is found beside the daemon, or in the bin folder beside its own.
 */
#include "mirror/compile.h"

#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

enum {
	SECONDS = 10,
	NOW_MS = 1000,
	SAID_MAX = 256 * 1024, /* bytes: longer than any program */
	CHUNK = 4096,
};

struct pl_compilation {
	pid_t pid; /* 0: none */
	int fd;	   /* what it writes to either of its outputs */
	struct event *readable, *late;
	char *said;
	size_t n, size;
	void (*done)(void *arg, unsigned int slot, const char *program,
		     const struct pl_error *failed);
	void *arg;
	unsigned int slot;
};

/* A child that has closed its outputs ends, or is made to: this never waits for long. */
static int reap(struct pl_compilation *c)
{
	int status = -1;

	if (!c->pid)
		return -1;
	if (waitpid(c->pid, &status, WNOHANG) == 0) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, &status, 0);
	}
	c->pid = 0;
	return status;
}

void pl_compilation_freep(struct pl_compilation **ref)
{
	struct pl_compilation *c = TAKE_PTR(*ref);

	if (!c)
		return;
	(void)reap(c);
	if (c->readable)
		event_free(c->readable);
	if (c->late)
		event_free(c->late);
	pl_closep(&c->fd);
	free(c->said);
	free(c);
}

/* Room for a chunk and the end of the text. */
static int make_room(struct pl_compilation *c)
{
	char *said;

	if (c->n + CHUNK + 1 <= c->size)
		return 0;
	said = realloc(c->said, c->n + CHUNK + 1);
	if (!said)
		return -ENOMEM;
	c->said = said;
	c->size = c->n + CHUNK + 1;
	return 0;
}

/* 0: there is more to come, 1: that was all. */
static int collect(struct pl_compilation *c, struct pl_error *err)
{
	ssize_t n;

	if (c->n > SAID_MAX || make_room(c) < 0)
		return pl_fail(err, -EIO, "compile the filter: the command says too much");
	n = read(c->fd, c->said + c->n, CHUNK);
	if (n > 0)
		c->n += (size_t)n;
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* Of a child that has ended: the program, or its sentence, which begins with its own name. */
static int take_program(struct pl_compilation *c, char **ret, struct pl_error *err)
{
	static const char name[] = "podlane: ";
	pl_autofree char *said = TAKE_PTR(c->said);
	int status = reap(c);

	while (c->n && said[c->n - 1] == '\n')
		c->n--;
	said[c->n] = '\0';
	if (status == 0 && c->n) {
		*ret = TAKE_PTR(said);
		return 0;
	}
	if (!WIFEXITED(status) || !c->n)
		return pl_fail(err, -EIO, "compile the filter: the command failed");
	return pl_fail(err, -EINVAL, "%s",
		       said + (strncmp(said, name, strlen(name)) ? 0 : strlen(name)));
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct pl_compilation *c = arg;
	pl_autofree char *program = NULL;
	struct pl_error err = {0};
	int r = collect(c, &err);

	if (!r)
		return;
	if (r > 0)
		r = take_program(c, &program, &err);
	c->done(c->arg, c->slot, program, r < 0 ? &err : NULL);
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	struct pl_compilation *c = arg;
	struct pl_error err = {0};

	pl_fail(&err, -ETIMEDOUT, "compile the filter: the command takes longer than ten seconds");
	c->done(c->arg, c->slot, NULL, &err);
}

/* Beside the daemon, as in a build, or /usr/bin beside /usr/sbin. */
static int find_command(char path[PATH_MAX])
{
	static const char *const places[] = {"/podlane", "/../bin/podlane"};
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return -errno;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < PL_ARRAY_SIZE(places); i++) {
		if ((size_t)snprintf(path, PATH_MAX, "%s%s", self, places[i]) >= PATH_MAX)
			return -ENAMETOOLONG;
		if (access(path, X_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

/* With nothing of the daemon's but what it writes to. */
static int spawn(const char *path, const char *expr, int out, pid_t *ret)
{
	char *const argv[] = {"podlane", "mirror", "compile", "--", (char *)expr, NULL};
	char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, normal;
	int r;

	sigemptyset(&none);
	sigemptyset(&normal);
	sigaddset(&normal, SIGPIPE);
	r = posix_spawn_file_actions_init(&files);
	if (r)
		return -r;
	r = posix_spawnattr_init(&attr);
	if (r) {
		posix_spawn_file_actions_destroy(&files);
		return -r;
	}
	r = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0)
		    ?: posix_spawn_file_actions_adddup2(&files, out, 1)
			       ?: posix_spawn_file_actions_adddup2(&files, out, 2)
					  ?: posix_spawnattr_setsigmask(&attr, &none)
						     ?: posix_spawnattr_setsigdefault(&attr,
										      &normal);
	r = r ?: posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	r = r ?: posix_spawn(ret, path, &files, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -r;
}

static int begin(const char *expr, struct pl_compilation **ret, struct pl_error *err)
{
	pl_cleanup(pl_compilation_freep) struct pl_compilation *c = calloc(1, sizeof(*c));
	pl_autoclose int in = -1;
	char path[PATH_MAX];
	int ends[2], r;

	if (!c)
		return pl_fail(err, -ENOMEM, "compile the filter: out of memory");
	c->fd = -1;
	r = find_command(path);
	if (r < 0)
		return pl_fail(
			err, r,
			"compile the filter: the command \"podlane\", which does that, is not "
			"beside podlaned");
	if (pipe2(ends, O_CLOEXEC))
		return pl_fail(err, -errno, "compile the filter: %s", strerror(errno));
	c->fd = ends[0];
	in = ends[1];
	(void)fcntl(c->fd, F_SETFL, O_NONBLOCK);
	r = spawn(path, expr, in, &c->pid);
	if (r < 0)
		return pl_fail(err, r, "compile the filter: run %s: %s", path, strerror(-r));
	*ret = TAKE_PTR(c);
	return 0;
}

int pl_compilation_start(struct event_base *base, const char *expr,
			 void (*done)(void *arg, unsigned int slot, const char *program,
				      const struct pl_error *failed),
			 void *arg, unsigned int slot, struct pl_compilation **ret,
			 struct pl_error *err)
{
	static const struct timeval limit = {.tv_sec = SECONDS};
	pl_cleanup(pl_compilation_freep) struct pl_compilation *c = NULL;
	int r = begin(expr, &c, err);

	if (r < 0)
		return r;
	c->done = done;
	c->arg = arg;
	c->slot = slot;
	c->readable = event_new(base, c->fd, EV_READ | EV_PERSIST, on_readable, c);
	c->late = evtimer_new(base, on_late, c);
	if (!c->readable || !c->late || event_add(c->readable, NULL) || event_add(c->late, &limit))
		return pl_fail(err, -ENOMEM, "compile the filter: out of memory");
	*ret = TAKE_PTR(c);
	return 0;
}

int pl_compile_now(const char *expr, char **ret, struct pl_error *err)
{
	pl_cleanup(pl_compilation_freep) struct pl_compilation *c = NULL;
	uint64_t now = pl_now_ns(), end = now + NOW_MS * 1000000ULL;
	int r = begin(expr, &c, err);

	for (; !r; now = pl_now_ns()) {
		struct pollfd wait = {.fd = c->fd, .events = POLLIN};

		if (now >= end)
			return pl_fail(
				err, -ETIMEDOUT,
				"compile the filter: the command takes longer than a second");
		if (poll(&wait, 1, (int)((end - now) / 1000000) + 1) > 0)
			r = collect(c, err);
	}
	return r < 0 ? r : take_program(c, ret, err);
}
