/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections that a test holds open while something else goes on, and what tests of single cases
 * share: a world with rules, with podlane's programs, or without (PODLANE_DETACHED=1).
 */
#ifndef FLOW_HELD_H
#define FLOW_HELD_H

#include "flow_raw.h"

enum { PATIENCE_MS = 3000 };

struct held {
	int fd, client, family, server;
	uint64_t id;
	uint32_t seq;
	uint16_t port;
};

static uint64_t ids;

static inline void hold(struct held *h, int client, int family, uint16_t port, const char *address,
			uint16_t to)
{
	struct message answer;
	int r;

	*h = (struct held){.client = client, .family = family, .port = port, .id = ++ids};
	h->fd = tcp_open(client, family, port, address, to, PATIENCE_MS);
	if (h->fd < 0) {
		show_counts();
		fail_msg("%s:%u -> %s: open: %s", places[client].name, port, address,
			 strerror(-h->fd));
	}
	r = tcp_exchange(h->fd, h->id, ++h->seq, 100, PATIENCE_MS, &answer);
	if (r)
		fail_msg("%s:%u -> %s: %s", places[client].name, port, address, strerror(-r));
	h->server = answer.place;
}

/* The server speaks first: what comes from it must find its way without the client's help. */
static inline void check_server_speaks(struct held *h, const char *after)
{
	struct server *s = server_of(h->id);
	struct message m;

	if (!s || !server_push(s, ++h->seq))
		fail_msg("%s:%u, IPv%d: after %s: the server's end is gone", places[h->client].name,
			 h->port, h->family ? 6 : 4, after);
	if (!client_wait(h->fd, POLLIN, PATIENCE_MS) ||
	    recv(h->fd, &m, sizeof(m), MSG_WAITALL) != sizeof(m) || m.seq != h->seq)
		fail_msg("%s:%u, IPv%d: after %s: the server is not heard: %s",
			 places[h->client].name, h->port, h->family ? 6 : 4, after,
			 strerror(errno));
}

/* Twice: an answer that does harm may be under way the first time. */
static inline void check_held(struct held *h, const char *after)
{
	struct message answer;
	int r = 0;

	for (int i = 0; i < 2 && !r; i++) {
		wait_until(server_gone, h->id, 20);
		r = tcp_exchange(h->fd, h->id, ++h->seq, 100, PATIENCE_MS, &answer);
	}
	if (r)
		fail_msg("%s:%u, IPv%d: after %s: %s", places[h->client].name, h->port,
			 h->family ? 6 : 4, after, strerror(-r));
}

static inline void set_up_rules(const struct rules *rules)
{
	world_up(rules->config);
	rules->load(rules);
	servers_start();
	if (detached())
		programs_detach();
	wait_for_network();
}

static inline int tear_down(void **state)
{
	servers_stop();
	world_down();
	return 0;
}

/* @to: a place, or a service's number with a minus. */
static inline const char *address_to(int to, int family)
{
	return to < 0 ? services[-to].address[family] : places[to].address[family];
}

/* Skips where the kernel or the caller is not as the tests need it; else the tests' status. */
#define run_flow_tests(tests)                                                                      \
	(getuid() || !in_sandbox()                                                                 \
	 ? printf("1..0 # SKIP needs root in tests/sandbox: network namespaces and BPF\n"),        \
	 0                                                                                         \
	 : (find_folders(), cmocka_set_test_filter(getenv("PODLANE_TEST")),                        \
	    cmocka_run_group_tests(tests, NULL, NULL)))

#endif
