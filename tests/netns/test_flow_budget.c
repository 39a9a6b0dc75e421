/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who opens pays: pod a, or somebody outside, opens connections at full rate, or what looks like
 * it, and pod b meanwhile keeps all that it has: 100 connections through a service and an idle
 * one, direct ones, idle ones from outside, queries through a service twenty times a second, as a
 * resolver's, and flows of datagrams that never end, as QUIC's. And what pod b opens anew beside
 * pod a's attack is fast as ever.
 *
 * A datagram may be lost where the machine is busy: as a resolver does, it is sent again. And for
 * as long as netfilter remembers a forged datagram of the backend, it drops what pod b sends the
 * service from the same port (insert_failed; Linux 6.18, without podlane, too). So a query is
 * sent again for longer than that.
 * time limit: 240
 * kernels: no
 */
#include "flow_held.h"

enum {
	SERVICE_REMOTE = 2, /* of the services */
	BUSY = 100,	    /* connections through the service */
	IDLE = 12,
	ALL_PORTS = 65536,
	REMEMBERED_S = 3,	  /* a datagram without an answer, by netfilter */
	TRIES = REMEMBERED_S + 2, /* it looks after its table once a second */
	TRY_MS = 1000,
	BEAT_MS = 50, /* twenty a second, or what the machine can do */
};

struct kept {
	struct held busy[BUSY];
	struct held idle[IDLE];
	int n_idle;
	int flow[N_FAMILIES], flow_in[N_FAMILIES]; /* of datagrams */
	uint16_t next_port;
	unsigned int queries, again, fresh;
};

static struct kept kept;
static const char *attack_name;
static pid_t attacker;

static void keep_idle(struct kept *k, int client, int family, uint16_t port, int to,
		      uint16_t to_port)
{
	assert_true(k->n_idle < IDLE);
	hold(&k->idle[k->n_idle++], client, family, port, address_to(to, family), to_port);
}

static void keep(struct kept *k)
{
	memset(k, 0, sizeof(*k));
	k->next_port = 50000;
	for (int i = 0; i < BUSY; i++)
		hold(&k->busy[i], POD_B, i % 2, (uint16_t)(40000 + i / 2),
		     services[SERVICE_REMOTE].address[i % 2], SERVICE_TCP);
	for (int family = V4; family <= V6; family++) {
		keep_idle(k, POD_B, family, 41000, -SERVICE_REMOTE, SERVICE_TCP);
		keep_idle(k, POD_B, family, 41001, REMOTE2, TCP_PORT);
		keep_idle(k, POD_B, family, 41002, POD_C, TCP_PORT);
		keep_idle(k, OUTSIDE, family, 41003, POD_B, TCP_PORT);
		keep_idle(k, REMOTE, family, 41004, POD_B, TCP_PORT);
		k->flow[family] = bound_at(POD_B, family, SOCK_DGRAM, 0, 41005);
		k->flow_in[family] = bound_at(OUTSIDE, family, SOCK_DGRAM, 0, 41006);
		assert_true(k->flow[family] >= 0 && k->flow_in[family] >= 0);
	}
}

static void keep_no_longer(struct kept *k)
{
	for (int i = 0; i < BUSY; i++)
		close(k->busy[i].fd);
	for (int i = 0; i < k->n_idle; i++)
		close(k->idle[i].fd);
	for (int family = V4; family <= V6; family++) {
		close(k->flow[family]);
		close(k->flow_in[family]);
	}
}

static void ask(struct kept *k, int fd, const char *address, uint16_t port, const char *seen,
		const char *what)
{
	struct sockaddr_storage to, from;
	char text[INET6_ADDRSTRLEN];
	struct message answer;
	int r = -ETIMEDOUT;

	to_sockaddr(address, port, &to);
	for (int i = 0; i < TRIES && r == -ETIMEDOUT; i++) {
		r = udp_exchange(fd, &to, ++ids, 1, 100, TRY_MS, &answer, &from);
		k->again += r == -ETIMEDOUT;
	}
	if (r)
		fail_msg("%s: %s to %s: %s", attack_name, what, address, strerror(-r));
	if (strcmp(address_of(&from, text), address))
		fail_msg("%s: %s to %s: answered by %s", attack_name, what, address, text);
	if (strcmp(answer.seen, seen))
		fail_msg("%s: %s to %s: seen as %s", attack_name, what, address, answer.seen);
}

/* A twentieth of a second in the life of pod b. */
static void beat(struct kept *k, unsigned int n)
{
	int family = (int)(n % 2), fd;
	const char *own = places[POD_B].address[family];
	char after[128];

	snprintf(after, sizeof(after), "%s, meanwhile", attack_name);
	fd = bound_at(POD_B, family, SOCK_DGRAM, 0, k->next_port++);
	assert_true(fd >= 0);
	ask(k, fd, services[SERVICE_REMOTE].address[family], SERVICE_UDP, own, "a query");
	close(fd);
	k->queries++;
	for (int i = 0; i < 5; i++)
		ask(k, k->flow[family], places[REMOTE2].address[family], UDP_PORT, own, "the flow");
	ask(k, k->flow_in[family], own, UDP_PORT, places[OUTSIDE].address[family],
	    "the flow from outside");
	check_held(&k->busy[n % BUSY], after);
}

/* A connection that pod b opens: the witness lets none of these through the stack. */
static void open_fresh(struct kept *k)
{
	struct held h;

	for (int family = V4; family <= V6; family++) {
		hold(&h, POD_B, family, (uint16_t)(20000 + k->fresh),
		     places[REMOTE2].address[family], TCP_PORT);
		reset_on_close(h.fd);
		close(h.fd);
	}
	k->fresh++;
}

static void check_kept(struct kept *k)
{
	for (int i = 0; i < k->n_idle; i++) {
		check_server_speaks(&k->idle[i], attack_name);
		check_held(&k->idle[i], attack_name);
	}
	for (int i = 0; i < BUSY; i++) {
		check_server_speaks(&k->busy[i], attack_name);
		check_held(&k->busy[i], attack_name);
	}
}

struct attack {
	const char *name;
	int family;
	int from;
	const char *source; /* NULL: its own */
	int to;		    /* a place; or a service's number with a minus */
	uint16_t to_port;
	int protocol;
	int times; /* each packet */
	bool fragments;
	bool sweep_to; /* the destination's port counts, the source's is to_port */
};

/* A process of its own, so that nothing here waits for it. It keeps no socket but its own. */
static pid_t attack_start(const struct attack *a)
{
	struct raw raw;
	struct forged f = {
		.family = a->family,
		.protocol = a->protocol,
		.source = a->source ? a->source : places[a->from].address[a->family],
		.destination = address_to(a->to, a->family),
	};
	pid_t pid;

	raw_open(&raw, a->from, a->family);
	pid = fork();
	if (pid) {
		close(raw.fd);
		return pid;
	}
	close_range(3, (unsigned int)raw.fd - 1, 0);
	close_range((unsigned int)raw.fd + 1, ~0U, 0);
	for (int port = 1; port < ALL_PORTS; port++) {
		f.source_port = a->sweep_to ? a->to_port : (uint16_t)port;
		f.destination_port = a->sweep_to ? (uint16_t)port : a->to_port;
		if (a->fragments)
			f.fragment = (uint16_t)port;
		for (int i = 0; i < a->times; i++)
			raw_send(&raw, &f);
	}
	_exit(0);
}

static void suffer(const struct attack *a, struct kept *k, bool fast)
{
	double begin = now();
	unsigned int n = 0;

	attack_name = a->name;
	attacker = attack_start(a);
	assert_true(attacker > 0);
	do {
		beat(k, n++);
		if (fast)
			open_fresh(k);
		for (double end = now() + BEAT_MS / 1e3; now() < end; pause_ms(1))
			servers_work();
	} while (!waitpid(attacker, NULL, WNOHANG));
	attacker = 0;
	print_message("# %s: %.1f s\n", a->name, now() - begin);
	for (int i = 0; i < 4; i++)
		beat(k, n++);
}

static void suffer_all(const struct attack *attacks, size_t n, bool by_pod)
{
	char witness[512], remembered[16];
	bool fast = by_pod && !detached();
	struct held h;

	set_up_rules(&rules_iptables);
	/* What the plain stack remembers of an attack ends soon, or its own table fills. */
	snprintf(remembered, sizeof(remembered), "%d", REMEMBERED_S);
	set("netfilter/nf_conntrack_udp_timeout", remembered);
	set("netfilter/nf_conntrack_tcp_timeout_syn_sent", "3");
	set("netfilter/nf_conntrack_tcp_timeout_syn_recv", "3");
	set("netfilter/nf_conntrack_tcp_timeout_close", "3");
	keep(&kept);
	if (fast) {
		snprintf(witness, sizeof(witness),
			 "ip saddr %s ip daddr %s tcp dport 8080 drop\nip6 saddr %s ip6 daddr %s "
			 "tcp dport 8080",
			 places[POD_B].address[V4], places[REMOTE2].address[V4],
			 places[POD_B].address[V6], places[REMOTE2].address[V6]);
		witness_up(witness);
	}
	for (size_t i = 0; i < n; i++)
		suffer(&attacks[i], &kept, fast);
	check_kept(&kept);
	/* The attacker's own connections work, by whatever path. */
	for (int family = V4; by_pod && family <= V6; family++) {
		hold(&h, POD_A, family, 0, places[REMOTE].address[family], TCP_PORT);
		check_held(&h, "its own attack");
		close(h.fd);
	}
	print_message("# %u queries, %u datagrams sent again, %u fresh connections\n", kept.queries,
		      kept.again, kept.fresh);
	keep_no_longer(&kept);
}

#define SUFFER(attacks, by_pod) suffer_all(attacks, sizeof(attacks) / sizeof(attacks[0]), by_pod)

/* At most three attacks a test: conntrack's own table, 262,144 entries, must not fill. */
static void test_another_node(void **state)
{
	static const struct attack attacks[] = {
		{"64k UDP ports to another node", V4, POD_A, NULL, REMOTE, UDP_PORT, IPPROTO_UDP,
		 1},
		{"64k SYNs to another node, twice", V6, POD_A, NULL, REMOTE, TCP_PORT, IPPROTO_TCP,
		 2},
		{"64k echo requests", V4, POD_A, NULL, REMOTE2, 0, IPPROTO_ICMP, 2},
	};

	SUFFER(attacks, true);
}

static void test_another_pod(void **state)
{
	static const struct attack attacks[] = {
		{"64k UDP ports to a pod, twice", V6, POD_A, NULL, POD_C, UDP_PORT, IPPROTO_UDP, 2},
		{"64k SYNs to a pod", V4, POD_A, NULL, POD_C, TCP_PORT, IPPROTO_TCP, 1},
	};

	SUFFER(attacks, true);
}

static void test_through_service(void **state)
{
	static const struct attack attacks[] = {
		{"64k UDP ports through a service, twice", V4, POD_A, NULL, -SERVICE_REMOTE,
		 SERVICE_UDP, IPPROTO_UDP, 2},
		{"64k SYNs through a service", V4, POD_A, NULL, -SERVICE_REMOTE, SERVICE_TCP,
		 IPPROTO_TCP, 1},
		{"64k UDP ports through a service", V6, POD_A, NULL, -SERVICE_REMOTE, SERVICE_UDP,
		 IPPROTO_UDP, 1},
	};

	SUFFER(attacks, true);
}

static void test_at_the_victim(void **state)
{
	static const struct attack attacks[] = {
		{"64k UDP ports to the victim, twice", V4, POD_A, NULL, POD_B, UDP_PORT,
		 IPPROTO_UDP, 2},
		{"64k UDP ports to the victim", V6, POD_A, NULL, POD_B, UDP_PORT, IPPROTO_UDP, 1},
		{"SYNs to 64k ports of the victim", V4, POD_A, NULL, POD_B, 7, IPPROTO_TCP, 1,
		 false, true},
	};

	SUFFER(attacks, true);
}

static void test_fragments(void **state)
{
	static const struct attack attacks[] = {
		{"64k first fragments to another node", V4, POD_A, NULL, REMOTE, UDP_PORT,
		 IPPROTO_UDP, 1, true},
		{"64k first fragments to a pod", V4, POD_A, NULL, POD_C, UDP_PORT, IPPROTO_UDP, 2,
		 true},
		{"64k first fragments of IPv6", V6, POD_A, NULL, REMOTE, UDP_PORT, IPPROTO_UDP, 1,
		 true},
		{"64k first fragments through a service", V4, POD_A, NULL, -SERVICE_REMOTE,
		 SERVICE_UDP, IPPROTO_UDP, 1, true},
	};

	SUFFER(attacks, true);
}

/* From outside, by the name of the service's backend, or of nobody. */
static void test_forged_syns(void **state)
{
	static const struct attack attacks[] = {
		{"forged SYNs of the backend", V4, OUTSIDE, "10.202.0.2", POD_B, TCP_PORT,
		 IPPROTO_TCP, 1, false, true},
		{"forged SYNs of the backend, IPv6", V6, OUTSIDE, "fd42:706c:1::2", POD_B, TCP_PORT,
		 IPPROTO_TCP, 1, false, true},
		{"forged SYNs of nobody, twice", V4, OUTSIDE, "203.0.113.9", POD_B, TCP_PORT,
		 IPPROTO_TCP, 2},
	};

	SUFFER(attacks, false);
}

static void test_forged_datagrams(void **state)
{
	static const struct attack attacks[] = {
		{"forged datagrams of the backend", V4, OUTSIDE, "10.202.0.2", POD_B, UDP_PORT,
		 IPPROTO_UDP, 1, false, true},
		{"forged datagrams of nobody", V6, OUTSIDE, "2001:db8:9::9", POD_B, UDP_PORT,
		 IPPROTO_UDP, 2},
		{"forged SYNs to all ports", V4, OUTSIDE, "203.0.113.9", POD_B, 7, IPPROTO_TCP, 1,
		 false, true},
	};

	SUFFER(attacks, false);
}

static int end_attack(void **state)
{
	if (attacker) {
		kill(attacker, SIGKILL);
		waitpid(attacker, NULL, 0);
	}
	attacker = 0;
	return tear_down(state);
}

int main(void)
{
#define T(test) cmocka_unit_test_teardown(test, end_attack)
	const struct CMUnitTest tests[] = {
		T(test_another_node),	  T(test_another_pod), T(test_through_service),
		T(test_at_the_victim),	  T(test_fragments),   T(test_forged_syns),
		T(test_forged_datagrams),
	};
#undef T

	return run_flow_tests(tests);
}
