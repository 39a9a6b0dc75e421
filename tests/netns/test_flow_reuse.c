/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A port that a pod used towards a service serves for a direct connection to the same backend, and
 * the other way round, one after the other and at the same time; and after thousands of
 * connections through a service new direct ones still take the fast path. Beside kube-proxy's
 * rules, which drop what conntrack calls invalid. time limit: 120
 * kernels: no
 */
#include "flow_held.h"

enum { MANY = 3000, THEN = 200 };

static int backend_of(int service)
{
	return __builtin_ctz(services[service].backends);
}

static void end(struct held *h)
{
	close(h->fd);
	wait_until(server_gone, h->id, PATIENCE_MS);
}

static void end_by_reset(struct held *h)
{
	reset_on_close(h->fd);
	end(h);
}

/* One after the other, however the first one ended. */
static void test_one_after_the_other(void **state)
{
	static const int backends[] = {1 /* pod b */, 2 /* remote */};
	struct held h;
	uint16_t port = 40000;

	set_up_rules(&rules_iptables);
	for (int i = 0; i < 2; i++) {
		int backend = backend_of(backends[i]);

		for (int family = V4; family <= V6; family++, port++) {
			const char *service = services[backends[i]].address[family];
			const char *direct = places[backend].address[family];

			for (int turn = 0; turn < 3; turn++) {
				hold(&h, POD_A, family, port, service, SERVICE_TCP);
				turn == 1 ? end_by_reset(&h) : end(&h);
				hold(&h, POD_A, family, port, direct, TCP_PORT);
				turn == 1 ? end_by_reset(&h) : end(&h);
			}
		}
	}
}

/* However a connection ends: 0 to 3. The other side must have heard of it. */
static void end_by(struct held *h, int how)
{
	struct server *s = server_of(h->id);

	assert_non_null(s);
	if (how & 1)
		reset_on_close(how & 2 ? s->fd : h->fd);
	if (how & 2) {
		server_free(s);
		if (tcp_wait_end(h->fd, how & 1, PATIENCE_MS))
			fail_msg("the client heard nothing of the end");
	}
	end(h);
}

/*
 * First a direct connection, which takes the fast path, then at once the service from its port:
 * nothing of the latter may be taken for a late packet of the former.
 */
static void direct_first(const struct rules *rules, int client, int backend, bool service)
{
	struct message answer;
	uint16_t port = 40000;
	struct held h;
	int r;

	set_up_rules(rules);
	for (int how = 0; how < 4; how++) {
		for (int family = V4; family <= V6; family++, port++) {
			const char *to =
				service ? services[backend == REMOTE ? 2 : 1].address[family]
					: places[NODE].address[family];

			hold(&h, client, family, port, places[backend].address[family], TCP_PORT);
			end_by(&h, how);
			hold(&h, client, family, port, to, service ? SERVICE_TCP : HOST_PORT);
			check_server_speaks(&h, "a direct connection from its port");
			r = tcp_exchange(h.fd, h.id, ++h.seq, 8000, PATIENCE_MS, &answer);
			if (r)
				fail_msg("%s, ended by %d: then the service: %s",
					 places[client].name, how, strerror(-r));
			end_by(&h, 1);
		}
	}
}

static void test_direct_first_remote(void **state)
{
	direct_first(&rules_iptables, POD_A, REMOTE, true);
}

static void test_direct_first_local(void **state)
{
	direct_first(&rules_iptables, POD_A, POD_B, true);
}

static void test_direct_first_host_port(void **state)
{
	direct_first(&rules_portmap, REMOTE, POD_B, false);
}

static void test_direct_first_host_port_outside(void **state)
{
	direct_first(&rules_portmap, OUTSIDE, POD_B, false);
}

/* A closed port says so directly, and then, from the same port, through the service. */
static void test_refused(void **state)
{
	static const int backends[] = {1, 2};
	uint16_t port = 40000;
	int r;

	set_up_rules(&rules_iptables);
	for (int i = 0; i < 4; i++, port++) {
		int family = i % 2, service = backends[i / 2], backend = backend_of(service);

		for (int turn = 0; turn < 2; turn++) {
			r = tcp_open(POD_A, family, port, places[backend].address[family],
				     CLOSED_PORT, PATIENCE_MS);
			if (r != -ECONNREFUSED)
				fail_msg("%s itself: %s", places[backend].name, strerror(-r));
			r = tcp_open(POD_A, family, port, services[service].address[family],
				     CLOSED_PORT, PATIENCE_MS);
			if (r != -ECONNREFUSED)
				fail_msg("%s: %s", services[service].name, strerror(-r));
		}
	}
}

/* Both ends ask with one identifier: each answer finds who asked. */
static void test_echo(void **state)
{
	struct sockaddr_storage from;
	char text[INET6_ADDRSTRLEN];
	int r;

	set_up_rules(&rules_nftables);
	for (int family = V4; family <= V6; family++) {
		const char *service = services[2].address[family];

		r = ping_exchange(REMOTE, family, 7, places[POD_A].address[family], 1, 64,
				  PATIENCE_MS, &from);
		if (r)
			fail_msg("from the other node: %s", strerror(-r));
		r = ping_exchange(POD_A, family, 7, service, 1, 64, PATIENCE_MS, &from);
		if (r)
			fail_msg("of the service: %s", strerror(-r));
		assert_string_equal(address_of(&from, text), service);
	}
}

/* While the service's connection is open: conntrack gives the direct one another port. */
static void test_at_the_same_time(void **state)
{
	static const int backends[] = {1, 2};
	struct held service, direct;

	set_up_rules(&rules_iptables);
	for (int i = 0; i < 2; i++) {
		int backend = backend_of(backends[i]);

		for (int family = V4; family <= V6; family++) {
			hold(&service, POD_A, family, 40000, services[backends[i]].address[family],
			     SERVICE_TCP);
			hold(&direct, POD_A, family, 40000, places[backend].address[family],
			     TCP_PORT);
			check_held(&service, "a direct connection from its port");
			check_held(&direct, "the service's exchange");
			end(&service);
			check_held(&direct, "the end of the service's connection");
			end(&direct);
		}
	}
}

/* The open direct connection lives, whatever becomes of the service's. */
static void test_direct_survives(void **state)
{
	static const int backends[] = {1, 2};
	struct held direct;
	int fd;

	set_up_rules(&rules_iptables);
	for (int i = 0; i < 2; i++) {
		int backend = backend_of(backends[i]);

		for (int family = V4; family <= V6; family++) {
			hold(&direct, POD_A, family, 40000, places[backend].address[family],
			     TCP_PORT);
			fd = tcp_open(POD_A, family, 40000, services[backends[i]].address[family],
				      SERVICE_TCP, 100);
			check_held(&direct, "a connection through the service from its port");
			if (fd >= 0) {
				reset_on_close(fd);
				close(fd);
			}
			check_held(&direct, "the end of that connection");
			end_by_reset(&direct);
		}
	}
}

static void must_answer(int fd, const char *address, uint16_t port, int n)
{
	struct sockaddr_storage to, from;
	char text[INET6_ADDRSTRLEN];
	struct message answer;
	int r;

	to_sockaddr(address, port, &to);
	r = udp_exchange(fd, &to, ++ids, 1, 100, PATIENCE_MS, &answer, &from);
	if (r)
		fail_msg("datagram %d to %s: %s", n, address, strerror(-r));
	if (strcmp(address_of(&from, text), address))
		fail_msg("datagram %d to %s: answered by %s", n, address, text);
}

/* One socket asks the service, then its backend, then both in turn. */
static void test_datagrams(void **state)
{
	static const int backends[] = {1, 2};
	int fd, n = 0;

	set_up_rules(&rules_iptables);
	for (int i = 0; i < 2; i++) {
		int backend = backend_of(backends[i]);

		for (int family = V4; family <= V6; family++) {
			fd = bound_at(POD_A, family, SOCK_DGRAM, 0, 40000);
			for (int turn = 0; turn < 5; turn++) {
				must_answer(fd, services[backends[i]].address[family], SERVICE_UDP,
					    n++);
				must_answer(fd, places[backend].address[family], UDP_PORT, n++);
			}
			close(fd);
		}
	}
}

/* To a pod of this node the direct exchange may also come first: the stack tells of the other. */
static void test_datagrams_direct_first(void **state)
{
	int fd;

	set_up_rules(&rules_iptables);
	for (int family = V4; family <= V6; family++) {
		fd = bound_at(POD_A, family, SOCK_DGRAM, 0, 40000);
		for (int turn = 0; turn < 5; turn++) {
			must_answer(fd, places[POD_B].address[family], UDP_PORT, turn);
			must_answer(fd, services[1].address[family], SERVICE_UDP, turn);
		}
		close(fd);
	}
}

/* A few may be the stack's: conntrack gave their port to a connection whose own one was taken. */
static bool is_fast(int family, uint16_t port, int backend)
{
	int fd = tcp_open(POD_A, family, port, places[backend].address[family], TCP_PORT, 300);

	if (fd < 0)
		return false;
	reset_on_close(fd);
	close(fd);
	return true;
}

static void many(int service)
{
	int backend = backend_of(service), family = V4;
	uint16_t first = 33000;
	struct held h;
	int fast = 0;

	set_up_rules(&rules_iptables);
	for (int i = 0; i < MANY; i++) {
		hold(&h, POD_A, family, (uint16_t)(first + i), services[service].address[family],
		     SERVICE_TCP);
		i % 3 ? end_by_reset(&h) : end(&h);
	}
	for (int i = 0; i < THEN; i++) { /* half of the ports were used */
		hold(&h, POD_A, family, (uint16_t)(first + MANY - THEN / 2 + i),
		     places[backend].address[family], TCP_PORT);
		end(&h);
	}
	if (detached())
		return;
	witness_up("meta l4proto { tcp, udp }");
	for (int i = 0; i < THEN; i++)
		fast += is_fast(i % 2, (uint16_t)(first + MANY + THEN + i), backend);
	if (fast < THEN - THEN / 20)
		fail_msg("%d of %d connections took the fast path", fast, THEN);
}

static void test_many_remote(void **state)
{
	many(2);
}

static void test_many_local(void **state)
{
	many(1);
}

int main(void)
{
#define T(test) cmocka_unit_test_teardown(test, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_one_after_the_other),
		T(test_at_the_same_time),
		T(test_direct_survives),
		T(test_datagrams),
		T(test_datagrams_direct_first),
		T(test_direct_first_remote),
		T(test_direct_first_local),
		T(test_direct_first_host_port),
		T(test_direct_first_host_port_outside),
		T(test_refused),
		T(test_echo),
		T(test_many_remote),
		T(test_many_local),
	};
#undef T

	return run_flow_tests(tests);
}
