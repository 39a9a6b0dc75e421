/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The load generator: short slices of traffic, round after round, in turn over every contender of
 * a plan, so that what the machine does meanwhile hits all of them alike. Prints one line of
 * figures a slice. It must never reach outside the namespaces that the plan names.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>

#include "traffic.h"

struct plan {
	struct target *targets;
	size_t n;
	struct workload *workloads;
	size_t n_workloads;
};

static void print_slice(const struct target *t, const struct workload *w, uint32_t round,
			const struct slice *s)
{
	double seconds = (double)(s->counted_to - s->counted_from) / 1e9;
	uint64_t now = pl_now_ns();

	printf("%s,%s,%s,%s,%u,%.1f,%.3f,%.3f,%.3f,%llu\n", t->path, t->family, w->name,
	       t->contender, round, (double)s->done / seconds,
	       histogram_quantile(&s->times, 0.5) / 1000,
	       histogram_quantile(&s->times, 0.99) / 1000,
	       (double)s->cpu_ns / (double)(now - s->begin), (unsigned long long)s->lost);
}

static void run_and_print(const struct plan *plan, struct target *t, const struct workload *w,
			  uint32_t round, int control)
{
	static struct slice s;
	int r;

	if (t->dead)
		return;
	r = traffic_run(plan->targets, (size_t)(t - plan->targets), w, control, &s);
	if (r) {
		fprintf(stderr, "load: %s %s %s %s, round %u: %s; left out from here on\n",
			t->contender, t->path, t->family, w->name, round, strerror(-r));
		t->dead = true;
		return;
	}
	if (s.times.n)
		print_slice(t, w, round, &s);
}

static bool same_cell(const struct target *a, const struct target *b)
{
	return !strcmp(a->path, b->path) && !strcmp(a->family, b->family);
}

/*
 * All contenders of one path and family, every round beginning with another one, and every other
 * round backwards: none has always the same neighbour, or is always the first.
 */
static void run_cell(const struct plan *plan, struct target *cell, size_t n,
		     const struct workload *w, uint32_t round, int control)
{
	size_t first = (size_t)(round / 2) * 5 % n;

	for (size_t i = 0; i < n; i++) {
		size_t k = (first + (round % 2 ? n - 1 - i : i)) % n;

		run_and_print(plan, &cell[k], w, round, control);
	}
	fflush(stdout);
}

static void run_round(const struct plan *plan, uint32_t round, int control)
{
	size_t begin, end;

	for (begin = 0; begin < plan->n; begin = end) {
		for (end = begin; end < plan->n; end++)
			if (!same_cell(&plan->targets[begin], &plan->targets[end]))
				break;
		for (size_t i = 0; i < plan->n_workloads; i++) {
			const struct workload *w = &plan->workloads[i];

			if (round < w->rounds)
				run_cell(plan, plan->targets + begin, end - begin, w, round,
					 control);
		}
	}
}

static void run_plan(const struct plan *plan, int control)
{
	uint32_t rounds = 0;

	for (size_t i = 0; i < plan->n_workloads; i++)
		if (plan->workloads[i].rounds > rounds)
			rounds = plan->workloads[i].rounds;
	printf("path,family,workload,contender,round,rate,p50_us,p99_us,busy,lost\n");
	for (uint32_t round = 0; round < rounds; round++)
		run_round(plan, round, control);
}

/* NAME=ROUNDSxMILLISECONDS */
static int parse_workload(const char *text, struct workload *ret)
{
	struct workload w = {0};
	unsigned int rounds, ms;

	if (sscanf(text, "%31[a-z0-9]=%ux%u", w.name, &rounds, &ms) != 3 || !rounds || !ms ||
	    traffic_parse(w.name, &w))
		return -EINVAL;
	w.rounds = rounds;
	w.slice_ns = ms * 1000000ULL;
	*ret = w;
	return 0;
}

static int open_ns(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Returns the address's length, or 0. */
static socklen_t parse_address(const char *text, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		return sizeof(*v6);
	}
	return 0;
}

/* PATH FAMILY CONTENDER CLIENT-NETNS SERVER-NETNS SERVER-ADDRESS [SERVICE-ADDRESS PORT] */
static int parse_target(const char *line, struct target *ret)
{
	struct target t = {0};
	char client[128], server[128], address[64], via[64];
	uint16_t port = 0;
	int fields = sscanf(line, "%31s %31s %31s %127s %127s %63s %63s %hu", t.path, t.family,
			    t.contender, client, server, address, via, &port);

	if (fields != 6 && fields != 8)
		return -EINVAL;
	t.server_len = parse_address(address, port, &t.server);
	if (!t.server_len ||
	    parse_address(fields == 8 ? via : address, port, &t.via) != t.server_len)
		return -EINVAL;
	t.client_ns = open_ns(client);
	t.server_ns = open_ns(server);
	if (t.client_ns < 0 || t.server_ns < 0)
		return -ENOENT;
	*ret = t;
	return 0;
}

static int read_targets(struct plan *plan)
{
	pl_autofree char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		struct target t, *grown;
		int r = parse_target(line, &t);

		if (r < 0) {
			fprintf(stderr, "load: %s in the plan's line: %s", strerror(-r), line);
			return r;
		}
		grown = realloc(plan->targets, (plan->n + 1) * sizeof(t));
		if (!grown)
			return -ENOMEM;
		plan->targets = grown;
		plan->targets[plan->n++] = t;
	}
	return plan->n ? 0 : -EINVAL;
}

static int pin(const char *text)
{
	cpu_set_t set;
	uint64_t cpu;

	if (pl_parse_u64(text, 0, CPU_SETSIZE - 1, &cpu))
		return -EINVAL;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

static int usage(void)
{
	fprintf(stderr,
		"usage: load CPU WORKLOAD=ROUNDSxMILLISECONDS... <PLAN >SAMPLES\n"
		"workloads: rr, crr, stream1 to stream%d, udp1 to udp%d\n"
		"a line of the plan: PATH FAMILY CONTENDER CLIENT-NETNS SERVER-NETNS ADDRESS "
		"[SERVICE-ADDRESS PORT]\n",
		TRAFFIC_FLOWS_MAX, TRAFFIC_DATAGRAM_MAX);
	return 2;
}

int main(int argc, char **argv)
{
	struct workload workloads[16];
	struct plan plan = {.workloads = workloads};
	int control;

	if (argc < 3 || (size_t)argc - 2 > PL_ARRAY_SIZE(workloads))
		return usage();
	for (int i = 2; i < argc; i++)
		if (parse_workload(argv[i], &workloads[plan.n_workloads++]))
			return usage();
	if (pin(argv[1]) || read_targets(&plan))
		return usage();
	control = traffic_start_server(plan.targets);
	if (control < 0) {
		fprintf(stderr, "load: start the server's process: %s\n", strerror(-control));
		return 1;
	}
	run_plan(&plan, control);
	close(control);
	wait(NULL);
	free(plan.targets);
	return 0;
}
