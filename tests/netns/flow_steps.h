/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The random steps. Each one is drawn, carried out, and judged by the reference in flow_model.h. A
 * step that the client's own stack does not begin (the address is in use) counts as unused. What
 * the exception allows to fail is closed at once, so that both runs go on from the same state.
 */
#ifndef FLOW_STEPS_H
#define FLOW_STEPS_H

#include "flow_model.h"

enum {
	PATIENCE_MS = 2500, /* a SYN that got lost is sent again after a second */
	EXCUSED_MS = 30,
	LATE_MS = 900,
};

/* How the connection is called in notes: "a:40001 tcp -> b (10.201.0.12 8080)". */
static inline void step_fail_connection(struct model *m, struct connection *c, const char *what,
					int r)
{
	note(m, "%s: %s: %s", c->name, what, outcome(r));
	failed(m, c->port, "%s: %s: %s", c->name, what, outcome(r));
	reset_on_close(c->fd);
	close(c->fd);
	c->open = false;
}

/* The open direct connections of this port must have survived; beside IPVS they end. */
static inline void check_neighbours(struct model *m, int client, int family, uint16_t port)
{
	struct message answer;
	int r;

	for (int i = 0; i < CONNECTIONS; i++) {
		struct connection *c = &m->connections[i];

		if (!c->open || !c->direct || c->client != client || c->family != family ||
		    c->port != port)
			continue;
		if (features(m, HAS_IPVS)) {
			reset_on_close(c->fd);
			close(c->fd);
			c->open = false;
			continue;
		}
		r = tcp_exchange(c->fd, c->id, ++c->seq, 200, PATIENCE_MS, &answer);
		if (r)
			step_fail_connection(m, c, "after another one of its port", r);
	}
}

static inline struct connection *free_connection(struct model *m)
{
	for (int i = 0; i < CONNECTIONS; i++)
		if (!m->connections[i].open)
			return &m->connections[i];
	return NULL;
}

static inline void step_open(struct model *m)
{
	struct connection *c = free_connection(m);
	struct message answer = {0};
	struct target t;
	bool allowed_to_fail;
	double begin = now();
	unsigned int *used;
	uint16_t to;
	int r, i;

	if (!c)
		return;
	memset(c, 0, sizeof(*c));
	choose(m, &c->client, &c->family, &t);
	i = (int)draw(m, PORTS);
	c->port = port_number(m, i);
	if (c->client == POD_C &&
	    !draw(m, 4)) { /* c alone, or both ends of a tuple would be the same */
		c->port = TCP_PORT;
		i = PORTS;
	}
	to = tcp_port(m, &t);
	used = &m->tcp_service[c->client][c->family][i];
	allowed_to_fail =
		excused(m, c->client, &t, open_direct(m, c->client, c->family, c->port), *used);
	if (t.kind == SERVICE)
		*used |= t.backends;
	name_step(c->name, sizeof(c->name), c->client, c->port, "tcp", &t, to);
	c->id = ++m->ids;
	c->direct = t.kind == DIRECT;
	r = tcp_open(c->client, c->family, c->port, t.address, to,
		     allowed_to_fail ? EXCUSED_MS : PATIENCE_MS);
	if (r == -EADDRNOTAVAIL || r == -EADDRINUSE) {
		m->unused++;
		return;
	}
	m->late += (now() - begin) * 1e3 > LATE_MS;
	if (r < 0 && allowed_to_fail) {
		m->excused++;
		note(m, "%s: %s, as it may", c->name, outcome(r));
		check_neighbours(m, c->client, c->family, c->port);
		return;
	}
	if (r < 0) {
		note(m, "%s: open: %s", c->name, outcome(r));
		failed(m, c->port, "%s: open: %s", c->name, outcome(r));
		return;
	}
	c->fd = r;
	c->open = true;
	r = tcp_exchange(c->fd, c->id, ++c->seq, draw(m, 8) ? 100 : 8000,
			 allowed_to_fail ? EXCUSED_MS : PATIENCE_MS, &answer);
	if (r && !allowed_to_fail) {
		step_fail_connection(m, c, "first exchange", r);
		return;
	}
	if (!r && !seen_right(m, c->client, c->family, &t, &answer)) {
		note(m, "%s: seen by %s as %s", c->name, places[answer.place].name, answer.seen);
		failed(m, c->port, "%s: seen by %s as %s", c->name, places[answer.place].name,
		       answer.seen);
	}
	c->backend = answer.place;
	note(m, "%s: open, seen by %s as %s %u", c->name, places[answer.place].name, answer.seen,
	     answer.seen_port);
	if (allowed_to_fail) {
		reset_on_close(c->fd);
		close(c->fd);
		c->open = false;
		wait_until(server_gone, c->id, EXCUSED_MS);
		check_neighbours(m, c->client, c->family, c->port);
	}
}

static inline struct connection *some_connection(struct model *m)
{
	uint32_t first = draw(m, CONNECTIONS);

	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		struct connection *c = &m->connections[(first + i) % CONNECTIONS];

		if (c->open)
			return c;
	}
	return NULL;
}

static inline void step_exchange(struct model *m)
{
	struct connection *c = some_connection(m);
	struct message answer;
	struct server *s;
	int r;

	if (!c)
		return;
	if (draw(m, 3) == 0) { /* the server speaks first */
		s = server_of(c->id);
		c->seq++;
		if (!s || !server_push(s, c->seq))
			step_fail_connection(m, c, "the server's end", -EPIPE);
		else if (!client_wait(c->fd, POLLIN, PATIENCE_MS))
			step_fail_connection(m, c, "a word of the server", -ETIMEDOUT);
		else if (recv(c->fd, &answer, sizeof(answer), MSG_WAITALL) != sizeof(answer) ||
			 answer.seq != c->seq)
			step_fail_connection(m, c, "a word of the server", -EBADMSG);
		return;
	}
	r = tcp_exchange(c->fd, c->id, ++c->seq, draw(m, 8) ? 100 : 8000, PATIENCE_MS, &answer);
	if (r)
		step_fail_connection(m, c, "exchange", r);
	else
		note(m, "%s: exchange", c->name);
}

static inline void step_close(struct model *m)
{
	static const char *const how[] = {"closed by the client", "reset by the client",
					  "closed by the server", "reset by the server"};
	struct connection *c = some_connection(m);
	uint32_t kind = draw(m, 4);
	struct server *s;
	int r = 0;

	if (!c)
		return;
	s = server_of(c->id);
	if (!s) {
		step_fail_connection(m, c, "the server's end", -EPIPE);
		return;
	}
	if (kind & 1)
		reset_on_close(kind == 1 ? c->fd : s->fd);
	if (kind >= 2) {
		server_free(s);
		r = tcp_wait_end(c->fd, kind == 3, PATIENCE_MS);
	}
	if (r) {
		step_fail_connection(m, c, how[kind], r);
		return;
	}
	close(c->fd);
	c->open = false;
	note(m, "%s: %s", c->name, how[kind]);
	if (!wait_until(server_gone, c->id, PATIENCE_MS))
		failed(m, c->port, "%s: %s: the server did not hear of it", c->name, how[kind]);
}

static inline void step_udp(struct model *m)
{
	int client, family, i = (int)draw(m, PORTS), r, *fd, ms;
	uint16_t from = port_number(m, i), to;
	struct sockaddr_storage asked, answered;
	char name[160], text[INET6_ADDRSTRLEN];
	struct message answer = {0};
	struct target t;
	bool allowed_to_fail;
	size_t len;

	choose(m, &client, &family, &t);
	fd = &m->udp[client][family][i];
	if (*fd < 0)
		*fd = bound_at(client, family, SOCK_DGRAM, 0, from);
	assert_true(*fd >= 0);
	to = udp_port(&t);
	len = draw(m, 4) ? 100 : 3000; /* in fragments */
	allowed_to_fail = excused(m, client, &t, m->udp_direct[client][family][i],
				  m->udp_service[client][family][i]);
	if (t.kind == DIRECT)
		m->udp_direct[client][family][i] |= t.backends;
	else if (t.kind == SERVICE)
		m->udp_service[client][family][i] |= t.backends;
	name_step(name, sizeof(name), client, from, len > 1500 ? "udp, fragments" : "udp", &t, to);
	to_sockaddr(t.address, to, &asked);
	ms = allowed_to_fail ? EXCUSED_MS : PATIENCE_MS;
	r = udp_exchange(*fd, &asked, ++m->ids, 1, len, ms, &answer, &answered);
	if (!r && strcmp(address_of(&answered, text), t.address))
		r = -EREMCHG;
	if (r && allowed_to_fail) {
		m->excused++;
		note(m, "%s: %s, as it may", name, outcome(r));
	} else if (r == -EREMCHG) {
		note(m, "%s: answered by %s", name, text);
		failed(m, from, "%s: answered by %s", name, text);
	} else if (r) {
		note(m, "%s: %s", name, outcome(r));
		failed(m, from, "%s: %s", name, outcome(r));
	} else if (!seen_right(m, client, family, &t, &answer)) {
		note(m, "%s: seen as %s", name, answer.seen);
		failed(m, from, "%s: seen by %s as %s", name, places[answer.place].name,
		       answer.seen);
	} else {
		note(m, "%s: seen by %s as %s %u", name, places[answer.place].name, answer.seen,
		     answer.seen_port);
	}
	if (!draw(m, 4)) {
		close(*fd);
		*fd = -1;
	}
}

static inline void step_ping(struct model *m)
{
	int client, family, i = (int)draw(m, PORTS), r;
	uint16_t ident = port_number(m, i);
	struct sockaddr_storage answered;
	char name[160], text[INET6_ADDRSTRLEN];
	struct target t;
	bool allowed_to_fail;

	choose(m, &client, &family, &t);
	if (!t.any || t.kind > SERVICE)
		return; /* these services do not know of ping */
	allowed_to_fail = excused(m, client, &t, m->ping_direct[client][family][i], 0);
	if (t.kind == DIRECT)
		m->ping_direct[client][family][i] |= t.backends;
	name_step(name, sizeof(name), client, ident, "ping", &t, 0);
	r = ping_exchange(client, family, ident, t.address, (uint16_t)m->step,
			  draw(m, 4) ? 64 : 1900, allowed_to_fail ? EXCUSED_MS : PATIENCE_MS,
			  &answered);
	if (!r && strcmp(address_of(&answered, text), t.address))
		r = -EREMCHG;
	if (r && allowed_to_fail)
		m->excused++;
	note(m, "%s: %s", name, r == -EREMCHG ? text : outcome(r));
	if (r == -EREMCHG && !allowed_to_fail)
		failed(m, ident, "%s: answered by %s", name, text);
	else if (r && !allowed_to_fail)
		failed(m, ident, "%s: %s", name, outcome(r));
}

/* A closed port says so, by RST or by an ICMP error. */
static inline void step_refused(struct model *m)
{
	int client, family, r, i = (int)draw(m, PORTS), *fd, ms;
	uint16_t from = port_number(m, i);
	bool udp = draw(m, 2), allowed_to_fail;
	char name[160];
	struct target t;

	choose(m, &client, &family, &t);
	if (t.kind > SERVICE || (t.kind == SERVICE && !features(m, HAS_V6)))
		return;
	allowed_to_fail = udp && excused(m, client, &t, m->refused_direct[client][family][i], 0);
	ms = allowed_to_fail ? EXCUSED_MS : PATIENCE_MS;
	if (udp && t.kind == DIRECT)
		m->refused_direct[client][family][i] |= t.backends;
	name_step(name, sizeof(name), client, from, udp ? "udp" : "tcp", &t, CLOSED_PORT);
	fd = &m->udp[client][family][i];
	if (udp && *fd >= 0) {
		close(*fd);
		*fd = -1;
	}
	if (udp)
		r = udp_refused(client, family, from, t.address, CLOSED_PORT, ms);
	else
		r = tcp_open(client, family, from, t.address, CLOSED_PORT, ms);
	r = r == -ECONNREFUSED ? 0 : r;
	note(m, "%s: refused: %s", name, outcome(r));
	if (r && allowed_to_fail)
		m->excused++;
	else if (r)
		failed(m, from, "%s: refused: %s", name, outcome(r));
}

/* Large segments meet a small MTU on their way: the router's error must arrive. */
static inline void step_small_mtu(struct model *m)
{
	int client = (int)draw(m, POD_C + 1), family = (int)draw(m, 2), fd, r;
	bool service = features(m, HAS_SMALL) && draw(m, 2);
	uint16_t from = port_number(m, (int)draw(m, PORTS));
	unsigned int n = ++m->small;
	char address[INET6_ADDRSTRLEN];
	struct message answer;

	if (family == V4)
		snprintf(address, sizeof(address), "10.%d.%u.%u", service ? 96 : 202, 16 + n / 256,
			 n % 256);
	else
		snprintf(address, sizeof(address), service ? "fd96:1::%x" : "fd42:706c:2::%x", n);
	fd = tcp_open(client, family, from, address, BIG_PORT, PATIENCE_MS);
	if (fd == -EADDRNOTAVAIL || fd == -EADDRINUSE)
		return;
	r = fd < 0 ? fd : tcp_exchange(fd, ++m->ids, 1, 8000, PATIENCE_MS, &answer);
	note(m, "%s:%u tcp -> small MTU at %s: %s", places[client].name, from, address, outcome(r));
	if (r)
		failed(m, from, "%s:%u tcp -> small MTU at %s: %s", places[client].name, from,
		       address, outcome(r));
	if (fd < 0)
		return;
	reset_on_close(fd);
	close(fd);
	wait_until(server_gone, m->ids, PATIENCE_MS);
}

static inline void random_step(struct model *m)
{
	uint32_t kind;

	begin_step(m);
	kind = draw(m, 100);
	if (m->step % WINDOW == 0) /* the next ports */
		for (int client = 0; client < N_PLACES; client++)
			for (int i = 0; i < N_FAMILIES * PORTS; i++) {
				int *fd = &m->udp[client][i / PORTS][i % PORTS];

				if (*fd >= 0)
					close(*fd);
				*fd = -1;
				m->udp_direct[client][i / PORTS][i % PORTS] = 0;
				m->udp_service[client][i / PORTS][i % PORTS] = 0;
				m->tcp_service[client][i / PORTS][i % PORTS] = 0;
				m->ping_direct[client][i / PORTS][i % PORTS] = 0;
				m->refused_direct[client][i / PORTS][i % PORTS] = 0;
			}
	if (kind < 34)
		step_open(m);
	else if (kind < 50)
		step_exchange(m);
	else if (kind < 72)
		step_close(m);
	else if (kind < 87)
		step_udp(m);
	else if (kind < 92)
		step_ping(m);
	else if (kind < 97)
		step_refused(m);
	else if (kind < 99)
		step_small_mtu(m);
	else
		pause_ms(2);
	m->step++;
	m->done++;
}

static inline void close_all(struct model *m)
{
	for (int i = 0; i < CONNECTIONS; i++) {
		if (!m->connections[i].open)
			continue;
		reset_on_close(m->connections[i].fd);
		close(m->connections[i].fd);
		m->connections[i].open = false;
	}
	for (int i = 0; i < N_PLACES * N_FAMILIES * PORTS; i++) {
		int *fd = &m->udp[0][0][0] + i;

		if (*fd >= 0)
			close(*fd);
		*fd = -1;
	}
}

#endif
