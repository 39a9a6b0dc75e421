/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How a rule set is played: random steps (flow_steps.h) by the plain stack, then with podlane's
 * programs, some connections outliving the change; a daemon that is killed and started again; and
 * what must be fast afterwards. A test says which rule sets it plays, how many steps, and which
 * seed; PODLANE_SEED=N, PODLANE_STEPS=N and PODLANE_RULES=NAME say otherwise.
 */
#ifndef FLOW_PLAY_H
#define FLOW_PLAY_H

#include "flow_steps.h"

enum { LATE_ALLOWED = 3 };

static uint64_t seed;
static unsigned int steps;
static bool brief; /* the plain stack plays half as much, and what it forgets is not tried */
static struct model model;

static inline void play(struct model *m, unsigned int n)
{
	double begin = now();

	while (n-- && m->failures < MAX_FAILURES)
		random_step(m);
	print_message("# %s, %s: %u steps in %.1f s, %u by the exception, %u unused, %u late\n",
		      m->rules->name, m->attached ? "podlane" : "plain", m->done, now() - begin,
		      m->excused, m->unused, m->late);
	if (m->failures)
		fail_msg("%u steps failed; PODLANE_SEED=%llu PODLANE_STEPS=%u PODLANE_RULES=%s "
			 "repeats them",
			 m->failures, (unsigned long long)seed, steps, m->rules->name);
	m->done = m->excused = m->unused = 0;
}

/* Long enough for conntrack to forget what has no end of its own; connections remain. */
static inline void idle(void)
{
	set("netfilter/nf_conntrack_udp_timeout", "1");
	set("netfilter/nf_conntrack_udp_timeout_stream", "1");
	set("netfilter/nf_conntrack_icmp_timeout", "1");
	set("netfilter/nf_conntrack_icmpv6_timeout", "1");
	pause_ms(1100);
}

enum { FAST_MS = 300, FAST_TRIES = 4 };

static inline int try_fast_udp(struct model *m, int client, int family, uint16_t port, int server)
{
	struct sockaddr_storage to, from;
	struct message answer;
	int fd, r;

	fd = bound_at(client, family, SOCK_DGRAM, 0, port);
	if (fd < 0)
		return fd;
	to_sockaddr(places[server].address[family], UDP_PORT, &to);
	r = udp_exchange(fd, &to, ++m->ids, 1, 100, FAST_MS, &answer, &from);
	close(fd);
	return r;
}

static inline int try_fast(struct model *m, int client, int family, uint16_t port, int server,
			   const char **ret_what)
{
	const char *address = places[server].address[family];
	struct sockaddr_storage from;
	struct message answer;
	int fd, r;

	*ret_what = "tcp";
	fd = tcp_open(client, family, port, address, TCP_PORT, FAST_MS);
	if (fd < 0)
		return fd;
	r = tcp_exchange(fd, ++m->ids, 1, 100, FAST_MS, &answer);
	close(fd);
	if (r)
		return r;
	*ret_what = "udp";
	if (is_pod(client) || !m->remembered)
		r = try_fast_udp(m, client, family, port, server);
	if (r)
		return r;
	*ret_what = "ping";
	return ping_exchange(client, family, port, address, 1, 64, FAST_MS, &from);
}

/*
 * New direct connections of fresh ports pass a witness that drops what the stack forwards.
 * Conntrack may have given one of these ports to a connection whose own one was taken: the next
 * port, then.
 */
static inline void check_fast(struct model *m)
{
	static const int pairs[][2] = {{POD_A, POD_B},	 {POD_B, POD_A},   {POD_C, POD_A},
				       {POD_A, REMOTE},	 {POD_B, REMOTE2}, {REMOTE, POD_A},
				       {OUTSIDE, POD_B}, {OUTSIDE, POD_C}};
	uint16_t port = 29000;
	const char *what;
	int r;

	m->remembered = conntrack_is_remembered();
	witness_up("meta l4proto { tcp, udp, icmp, icmpv6 }");
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]) * N_FAMILIES; i++) {
		int client = pairs[i / 2][0], server = pairs[i / 2][1];

		if (features(m, HAS_NO_NATIVE) && is_pod(client) && !is_pod(server))
			continue;
		/* A note of this port may remain: pod c opened connections from it, too. */
		if (m->remembered && server == POD_C)
			continue;
		for (int n = 0; n < FAST_TRIES; n++) {
			r = try_fast(m, client, (int)i % 2, port++, server, &what);
			if (!r)
				break;
		}
		if (r) {
			show_counts();
			fail_msg("%s %s -> %s, IPv%d: not fast: %s", what, places[client].name,
				 places[server].name, i % 2 ? 6 : 4, outcome(r));
		}
	}
	witness_down();
}

static inline void play_rules(const struct rules *rules)
{
	struct model *m = &model;
	unsigned int late;

	memset(m, 0, sizeof(*m));
	memset(m->udp, 0xff, sizeof(m->udp));
	m->rules = rules;
	m->seed = seed;
	world_up(rules->config);
	rules->load(rules);
	servers_start();

	programs_detach();
	wait_for_network();
	m->first_port = 36000;
	play(m, steps / 2);
	if (!brief) {
		idle();
		play(m, steps / 2);
	}
	late = m->late;

	if (!detached())
		daemon_start();
	m->attached = !detached();
	m->step = m->late = 0;
	m->first_port = 41000;
	play(m, steps / 2);
	daemon_end(SIGKILL);
	idle();
	if (!detached())
		daemon_start();
	play(m, steps / 2);
	if (m->late > late + LATE_ALLOWED)
		fail_msg("%u connections took a second try, %u by the plain stack", m->late, late);
	if (detached())
		return;
	check_fast(m);
	if (!reason("a", "in", "FORWARD_LOCAL"))
		fail_msg("no packet took the fast path");
}

static inline int end_play(void **state)
{
	if (!model.rules)
		return 0;
	close_all(&model);
	model.rules = NULL;
	servers_stop();
	world_down();
	return 0;
}

static inline bool chosen(const struct rules *rules)
{
	const char *name = getenv("PODLANE_RULES");

	return !name || !strcmp(name, rules->name);
}

/* X(NAME) for each of the rule sets */
#define PLAY_TEST(name)                                                                            \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		if (!chosen(&rules_##name))                                                        \
			skip();                                                                    \
		if (!strcmp(#name, "ipvs") && !has_ipvs()) {                                       \
			print_message("# skip: this kernel has no ip_vs\n");                       \
			skip();                                                                    \
		}                                                                                  \
		play_rules(&rules_##name);                                                         \
	}
#define PLAY_ENTRY(name) cmocka_unit_test_teardown(test_##name, end_play),

static inline unsigned long number_in(const char *variable, unsigned long otherwise)
{
	const char *text = getenv(variable);

	return text ? strtoul(text, NULL, 10) : otherwise;
}

/* Skips where the kernel or the caller is not as the tests need it; else the tests' status. */
#define run_play(tests, n_steps, first_seed, is_brief)                                             \
	(getuid() || !in_sandbox()                                                                 \
	 ? printf("1..0 # SKIP needs root in tests/sandbox: network namespaces and BPF\n"),        \
	 0                                                                                         \
	 : (find_folders(), steps = (unsigned int)number_in("PODLANE_STEPS", n_steps),             \
	    seed = number_in("PODLANE_SEED", first_seed), brief = (is_brief),                      \
	    print_message("# PODLANE_SEED=%llu PODLANE_STEPS=%u\n", (unsigned long long)seed,      \
			  steps),                                                                  \
	    cmocka_run_group_tests(tests, NULL, NULL)))

#endif
