/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long CNI plugins take, as their callers see it: from before the fork to the exit. The
 * contenders of a plan run in turn, each in its own node's netns, with pods from one pool of
 * network namespaces, which a DEL leaves as it found them.
 *
 *   alone  one ADD, then its DEL, and so on
 *   burst  ADD for every pod of the pool at once, then DEL for every one at once
 */
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/util.h"

enum {
	ENV_MAX = 24,
	NAME_LEN = 32,
	POOL_MAX = 1024,
};

struct contender {
	char name[NAME_LEN];
	int node_ns; /* fd */
	char plugin[256];
	char conf[256];
	char env[2][300]; /* further variables, "" for none */
	bool dead;	  /* it failed: left out from then on */
};

struct plan {
	struct contender *contenders;
	size_t n;
	const char *cni_path;
	const char *pool; /* pod namespaces are POOL0, POOL1 ... */
	unsigned int pods;
	int out; /* what the plugins print */
};

struct call {
	pid_t pid;
	uint64_t begin, end;
};

/* A variable's text lives as long as the call's own struct. */
struct variables {
	char text[6][512];
	char *list[ENV_MAX];
};

static void variables_set(struct variables *v, const struct plan *plan, const struct contender *c,
			  const char *verb, unsigned int pod)
{
	size_t n = 0;

	snprintf(v->text[0], sizeof(v->text[0]), "CNI_COMMAND=%s", verb);
	snprintf(v->text[1], sizeof(v->text[1]), "CNI_CONTAINERID=bench-%s-%u", c->name, pod);
	snprintf(v->text[2], sizeof(v->text[2]), "CNI_NETNS=/run/netns/%s%u", plan->pool, pod);
	snprintf(v->text[3], sizeof(v->text[3]), "CNI_IFNAME=eth0");
	snprintf(v->text[4], sizeof(v->text[4]), "CNI_PATH=%s", plan->cni_path);
	snprintf(v->text[5], sizeof(v->text[5]), "PATH=/usr/sbin:/usr/bin:/sbin:/bin");
	for (; n < PL_ARRAY_SIZE(v->text); n++)
		v->list[n] = v->text[n];
	for (size_t i = 0; i < PL_ARRAY_SIZE(c->env); i++)
		if (c->env[i][0])
			v->list[n++] = (char *)c->env[i];
	v->list[n] = NULL;
}

/* Starts the plugin in the node's netns, which the caller has entered. 0 or -errno. */
static int call_begin(const struct plan *plan, const struct contender *c, const char *verb,
		      unsigned int pod, struct call *ret)
{
	char *const argv[] = {(char *)c->plugin, NULL};
	struct variables v;
	posix_spawn_file_actions_t actions;
	int r;

	variables_set(&v, plan, c, verb, pod);
	r = posix_spawn_file_actions_init(&actions);
	if (r)
		return -r;
	r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, c->conf, O_RDONLY, 0);
	r = r ?: posix_spawn_file_actions_adddup2(&actions, plan->out, STDOUT_FILENO);
	r = r ?: posix_spawn_file_actions_adddup2(&actions, plan->out, STDERR_FILENO);
	ret->begin = pl_now_ns();
	r = r ?: posix_spawn(&ret->pid, c->plugin, &actions, NULL, argv, v.list);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

static void show_output(const struct plan *plan)
{
	char buf[4096];
	ssize_t n = pread(plan->out, buf, sizeof(buf), 0);

	if (n > 0)
		fwrite(buf, 1, (size_t)n, stderr);
	fputc('\n', stderr);
}

static int trouble(const struct plan *plan, struct contender *c, const char *verb, int code)
{
	if (!c->dead) {
		fprintf(stderr, "cni: %s is left out from here on: %s %s\n", c->name, verb,
			code ? strerror(-code) : "failed and said:");
		if (!code)
			show_output(plan);
	}
	c->dead = true;
	return -ECHILD;
}

static void print_call(const struct contender *c, const char *verb, const char *mode,
		       unsigned int round, unsigned int pod, const struct call *call)
{
	printf("%s,%s,%s,%u,%u,%.4f\n", c->name, verb, mode, round, pod,
	       (double)(call->end - call->begin) / 1e6);
}

static int call_alone(const struct plan *plan, struct contender *c, const char *verb,
		      unsigned int pod, struct call *ret)
{
	int status, r;

	if (ftruncate(plan->out, 0))
		return -errno;
	r = call_begin(plan, c, verb, pod, ret);
	if (r < 0)
		return trouble(plan, c, verb, r);
	if (waitpid(ret->pid, &status, 0) < 0)
		return -errno;
	ret->end = pl_now_ns();
	return status ? trouble(plan, c, verb, 0) : 0;
}

static int enter(const struct contender *c)
{
	return setns(c->node_ns, CLONE_NEWNET) ? -errno : 0;
}

static void alone(const struct plan *plan, struct contender *c, unsigned int round)
{
	const unsigned int pod = round % plan->pods;
	struct call add, del;

	if (c->dead || enter(c))
		return;
	if (!call_alone(plan, c, "ADD", pod, &add))
		print_call(c, "ADD", "alone", round, pod, &add);
	if (!call_alone(plan, c, "DEL", pod, &del) && !c->dead)
		print_call(c, "DEL", "alone", round, pod, &del);
}

static struct call *call_of(struct call *calls, unsigned int n, pid_t pid)
{
	for (unsigned int i = 0; i < n; i++)
		if (calls[i].pid == pid)
			return &calls[i];
	return NULL;
}

/*
 * Takes note of who has ended. @left: so many are running; @options: WNOHANG for those that have
 * ended already. 0, or -ECHILD where one failed.
 */
static int reap(const struct plan *plan, struct contender *c, const char *verb, struct call *calls,
		unsigned int n, unsigned int *left, int options)
{
	int r = 0;

	while (*left) {
		int status;
		pid_t pid = waitpid(-1, &status, options);
		struct call *call = pid > 0 ? call_of(calls, n, pid) : NULL;

		if (!call)
			return pid < 0 ? -ECHILD : r;
		call->end = pl_now_ns();
		(*left)--;
		if (status)
			r = trouble(plan, c, verb, 0);
	}
	return r;
}

static int all_at_once(const struct plan *plan, struct contender *c, const char *verb,
		       unsigned int round)
{
	static struct call calls[POOL_MAX];
	unsigned int n, left = 0;
	int r = 0, r2 = 0;

	if (ftruncate(plan->out, 0))
		return -errno;
	for (n = 0; n < plan->pods && !r; n++) {
		r = call_begin(plan, c, verb, n, &calls[n]);
		left += !r;
		r2 = reap(plan, c, verb, calls, n + 1, &left, WNOHANG) ?: r2;
	}
	r2 = reap(plan, c, verb, calls, n, &left, 0) ?: r2;
	for (unsigned int i = 0; i < n && !r && !r2; i++)
		print_call(c, verb, "burst", round, i, &calls[i]);
	return r ? trouble(plan, c, verb, r) : r2;
}

static void burst(const struct plan *plan, struct contender *c, unsigned int round)
{
	if (c->dead || enter(c))
		return;
	all_at_once(plan, c, "ADD", round);
	all_at_once(plan, c, "DEL", round); /* after a failure, too: the pool is for all */
}

static void run_rounds(const struct plan *plan, unsigned int rounds,
		       void (*fn)(const struct plan *plan, struct contender *c, unsigned int round))
{
	for (unsigned int round = 0; round < rounds; round++) {
		for (size_t i = 0; i < plan->n; i++) {
			size_t k = round % 2 ? plan->n - 1 - i : i;

			fn(plan, &plan->contenders[k], round);
		}
		fflush(stdout);
	}
}

/* NAME NODE-NETNS PLUGIN CONF [VARIABLE=VALUE [VARIABLE=VALUE]] */
static int parse_contender(const char *line, struct contender *ret)
{
	struct contender c = {0};
	char node[128], path[160];

	if (sscanf(line, "%31s %127s %255s %255s %299s %299s", c.name, node, c.plugin, c.conf,
		   c.env[0], c.env[1]) < 4)
		return -EINVAL;
	snprintf(path, sizeof(path), "/run/netns/%s", node);
	c.node_ns = open(path, O_RDONLY | O_CLOEXEC);
	if (c.node_ns < 0)
		return -errno;
	*ret = c;
	return 0;
}

static int read_contenders(struct plan *plan)
{
	pl_autofree char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		struct contender c, *grown;
		int r = parse_contender(line, &c);

		if (r < 0) {
			fprintf(stderr, "cni: %s in the plan's line: %s", strerror(-r), line);
			return r;
		}
		grown = realloc(plan->contenders, (plan->n + 1) * sizeof(c));
		if (!grown)
			return -ENOMEM;
		plan->contenders = grown;
		plan->contenders[plan->n++] = c;
	}
	return plan->n ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	char out[] = "/tmp/podlane-bench-XXXXXX";
	struct plan plan = {0};
	uint64_t pods, rounds, bursts;

	if (argc != 6 || pl_parse_u64(argv[3], 1, POOL_MAX, &pods) ||
	    pl_parse_u64(argv[4], 0, 100000, &rounds) || pl_parse_u64(argv[5], 0, 1000, &bursts)) {
		fprintf(stderr,
			"usage: cni CNI-PATH POOL PODS ROUNDS-ALONE BURSTS <PLAN >SAMPLES\n"
			"a line of the plan: NAME NODE-NETNS PLUGIN CONF [VARIABLE=VALUE]...\n");
		return 2;
	}
	plan.cni_path = argv[1];
	plan.pool = argv[2];
	plan.pods = (unsigned int)pods;
	plan.out = mkostemp(out, O_CLOEXEC | O_APPEND);
	if (plan.out < 0) {
		fprintf(stderr, "cni: make a temporary file: %s\n", strerror(errno));
		return 1;
	}
	unlink(out);
	if (read_contenders(&plan))
		return 2;
	printf("contender,verb,mode,round,pod,ms\n");
	run_rounds(&plan, (unsigned int)rounds, alone);
	run_rounds(&plan, (unsigned int)bursts, burst);
	free(plan.contenders);
	return 0;
}
