/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP errors about connections on the fast path arrive: of a router that cannot pass a packet on,
 * of a router where its time is up, of a port where nobody listens; to pods and from pods. The
 * rules drop what conntrack calls invalid, as it calls an error about a connection that it does
 * not know. The witness proves the connections fast: it drops TCP and UDP that the stack forwards.
 * time limit: 60
 * kernels: no
 */
#include "flow_held.h"

static const char tcp_and_udp[] = "meta l4proto { tcp, udp }";

static void set_up_fast(const struct rules *rules)
{
	set_up_rules(rules);
	if (!detached())
		witness_up(tcp_and_udp);
}

static int connected(int client, int family, uint16_t from, const char *address, uint16_t port)
{
	struct sockaddr_storage to;
	int fd = bound_at(client, family, SOCK_DGRAM, 0, from), on = 1;

	assert_true(fd >= 0);
	to_sockaddr(address, port, &to);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, size_of(&to)), 0);
	if (family == V4)
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	return fd;
}

/* The next error that an ICMP message made, in full. */
static void wait_for_error(int fd, const char *what, struct sock_extended_err *ret)
{
	char control[512], data[2048];
	struct iovec iov = {data, sizeof(data)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	struct cmsghdr *c;

	if (!(client_wait(fd, 0, PATIENCE_MS) & POLLERR))
		fail_msg("%s: no error arrived", what);
	assert_true(recvmsg(fd, &msg, MSG_ERRQUEUE) >= 0);
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
		    (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) {
			memcpy(ret, CMSG_DATA(c), sizeof(*ret));
			return;
		}
	}
	fail_msg("%s: an error without its message", what);
}

/* Datagrams that may not be cut, and are too big for what lies behind the router. */
static void test_too_big_datagram(void **state)
{
	static const char *const behind[] = {"10.202.16.1", "fd42:706c:2::1"};
	struct sock_extended_err error;
	char data[1450] = "";
	int fd, only = IP_PMTUDISC_DO, only6 = IPV6_PMTUDISC_DO;

	set_up_fast(&rules_iptables);
	for (int family = V4; family <= V6; family++) {
		fd = connected(POD_A, family, 41000, behind[family], UDP_PORT);
		if (family == V4)
			setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &only, sizeof(only));
		else
			setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &only6, sizeof(only6));
		assert_int_equal(send(fd, data, sizeof(data), 0), sizeof(data));
		wait_for_error(fd, "too big a datagram", &error);
		assert_int_equal(error.ee_errno, EMSGSIZE);
		assert_int_equal(error.ee_info, 1400);
		close(fd);
	}
}

/* Long after it was opened, too: whoever answers does not keep the connection alive. */
static void test_too_big_segment(void **state)
{
	static const char *const behind[] = {"10.202.16.2", "fd42:706c:2::2"};
	struct message answer;
	struct held h;
	int r;

	set_up_fast(&rules_iptables);
	for (int family = V4; family <= V6; family++) {
		hold(&h, POD_A, family, 41000, behind[family], BIG_PORT);
		pause_ms(200);
		r = tcp_exchange(h.fd, h.id, ++h.seq, 8000, PATIENCE_MS, &answer);
		if (r)
			fail_msg("large segments to %s: %s", behind[family], strerror(-r));
		close(h.fd);
	}
}

/* The same through a service: the stack must translate what the error quotes. */
static void test_too_big_through_service(void **state)
{
	static const char *const service[] = {"10.96.16.1", "fd96:1::1"};
	static const char *const behind[] = {"10.202.16.3", "fd42:706c:2::3"};
	struct message answer;
	struct held h;
	int r;

	set_up_rules(&rules_iptables);
	for (int i = 0; i < 4; i++) { /* the direct one opens the pod's path to the backend */
		int family = i % 2;
		const char *to = i < 2 ? behind[family] : service[family];

		hold(&h, POD_A, family, 41000, to, BIG_PORT);
		r = tcp_exchange(h.fd, h.id, ++h.seq, 8000, PATIENCE_MS, &answer);
		if (r)
			fail_msg("large segments to %s: %s", to, strerror(-r));
		reset_on_close(h.fd);
		close(h.fd);
		wait_until(server_gone, h.id, PATIENCE_MS);
	}
}

/* A closed port says so: to pods, and of pods. */
static void refused(const struct rules *rules)
{
	static const int pairs[][2] = {{POD_A, POD_B},
				       {POD_A, REMOTE},
				       {REMOTE, POD_A},
				       {OUTSIDE, POD_A},
				       {OUTSIDE, POD_B}};
	int r;

	set_up_fast(rules);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		for (int family = V4; family <= V6; family++) {
			int client = pairs[i][0], server = pairs[i][1];

			r = udp_refused(client, family, 41000, places[server].address[family],
					CLOSED_PORT, PATIENCE_MS);
			if (r)
				fail_msg("udp %s -> %s, IPv%d, closed port: %s",
					 places[client].name, places[server].name, family ? 6 : 4,
					 strerror(-r));
			r = tcp_open(client, family, 41000, places[server].address[family],
				     CLOSED_PORT, PATIENCE_MS);
			if (r != -ECONNREFUSED)
				fail_msg("tcp %s -> %s, IPv%d, closed port: %s",
					 places[client].name, places[server].name, family ? 6 : 4,
					 strerror(-r));
		}
	}
}

static void test_refused(void **state)
{
	refused(&rules_iptables);
}

static void test_refused_beside_masquerading(void **state)
{
	refused(&rules_iptables_masquerade);
}

/* A flow that has long exchanged: its server ends, and says so. */
static void test_server_ends(void **state)
{
	struct sock_extended_err error;
	int fd;

	set_up_fast(&rules_iptables);
	for (int family = V4; family <= V6; family++) {
		for (int server = POD_B; server <= REMOTE; server += REMOTE - POD_B) {
			char data[100] = "";
			struct message m = {.id = 1, .len = sizeof(data)};
			int own = bound_at(server, family, SOCK_DGRAM, 0, 7000);
			struct server *s = server_new(own, server, DATAGRAM);

			memcpy(data, &m, sizeof(m));
			fd = connected(POD_A, family, 41000, places[server].address[family], 7000);
			for (int i = 0; i < 3; i++) {
				assert_int_equal(send(fd, data, sizeof(data), 0), sizeof(data));
				assert_true(client_wait(fd, POLLIN, PATIENCE_MS) & POLLIN);
				assert_int_equal(recv(fd, data, sizeof(data), 0), sizeof(data));
			}
			server_free(s);
			assert_int_equal(send(fd, data, sizeof(data), 0), sizeof(data));
			wait_for_error(fd, "a server that ended", &error);
			assert_int_equal(error.ee_errno, ECONNREFUSED);
			close(fd);
		}
	}
}

/* As traceroute sees it: each router's error arrives. */
static void test_time_exceeded(void **state)
{
	struct sock_extended_err error;
	int fd;

	set_up_fast(&rules_iptables);
	for (int family = V4; family <= V6; family++) {
		for (int hops = 1; hops <= 2; hops++) { /* the node, the router */
			fd = connected(POD_A, family, (uint16_t)(41000 + hops),
				       places[REMOTE].address[family], UDP_PORT);
			if (family == V4)
				setsockopt(fd, IPPROTO_IP, IP_TTL, &hops, sizeof(hops));
			else
				setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops,
					   sizeof(hops));
			assert_int_equal(send(fd, "?", 1, 0), 1);
			wait_for_error(fd, "time exceeded", &error);
			assert_int_equal(error.ee_type,
					 family == V4 ? ICMP_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED);
			close(fd);
		}
	}
}

int main(void)
{
#define T(test) cmocka_unit_test_teardown(test, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_too_big_datagram),
		T(test_too_big_segment),
		T(test_too_big_through_service),
		T(test_refused),
		T(test_refused_beside_masquerading),
		T(test_server_ends),
		T(test_time_exceeded),
	};
#undef T

	return run_flow_tests(tests);
}
