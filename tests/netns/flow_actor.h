/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Clients and servers of all places in one process: a socket stays in the network namespace in
 * which it was made, so one thread plays them all, and a step costs no process. A server sends
 * every message back, and writes into it where it is and which address it sees. What a client
 * waits for, it waits for in client_wait(), where the servers do their work meanwhile.
 */
#ifndef FLOW_ACTOR_H
#define FLOW_ACTOR_H

#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include "flow_rules.h"

struct message {
	uint64_t id; /* of the connection */
	uint32_t seq;
	uint32_t len; /* of all of it */
	uint8_t place;
	uint8_t pad;
	uint16_t seen_port;
	char seen[INET6_ADDRSTRLEN + 2]; /* the client's address, as the server sees it */
};

enum { MESSAGE_MAX = 9000 };

enum server_kind { LISTENER, STREAM, DATAGRAM };

struct server {
	struct server *next;
	int fd;
	int place;
	enum server_kind kind;
	uint64_t id;
	struct sockaddr_storage peer;
	size_t have;
	uint8_t buffer[MESSAGE_MAX];
};

static struct server *servers;
static int server_epoll = -1;

static inline int socket_at(int place, int domain, int type, int protocol)
{
	int fd, on = 1, room = 1 << 18;

	enter(place);
	fd = socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	back_to_node();
	if (fd < 0)
		fail_msg("a socket at %s: %s", places[place].name, strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	return fd;
}

static inline socklen_t size_of(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

/* A socket with the place's address and this port; -errno where that is in use. */
static inline int bound_at(int place, int family, int type, int protocol, uint16_t port)
{
	struct sockaddr_storage at;
	int r, fd;

	to_sockaddr(places[place].address[family], port, &at);
	fd = socket_at(place, at.ss_family, type, protocol);
	/* Large datagrams go in fragments, whatever is known of the path. */
	if (type == SOCK_DGRAM && family == V4)
		setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &(int){IP_PMTUDISC_DONT}, sizeof(int));
	if (!bind(fd, (struct sockaddr *)&at, size_of(&at)))
		return fd;
	r = -errno;
	close(fd);
	return r;
}

static inline struct server *server_new(int fd, int place, enum server_kind kind)
{
	struct server *s = calloc(1, sizeof(*s));
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};

	assert_non_null(s);
	s->fd = fd;
	s->place = place;
	s->kind = kind;
	s->next = servers;
	servers = s;
	assert_int_equal(epoll_ctl(server_epoll, EPOLL_CTL_ADD, fd, &event), 0);
	return s;
}

static inline void server_free(struct server *s)
{
	struct server **at = &servers;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	epoll_ctl(server_epoll, EPOLL_CTL_DEL, s->fd, NULL); /* a child may hold it, too */
	close(s->fd);
	free(s);
}

static inline struct server *server_of(uint64_t id)
{
	struct server *s = servers;

	while (s && !(s->kind == STREAM && s->id == id))
		s = s->next;
	return s;
}

static inline void server_fill(const struct server *s, struct message *m,
			       const struct sockaddr_storage *a)
{
	char text[INET6_ADDRSTRLEN];

	m->place = (uint8_t)s->place;
	m->seen_port = port_of(a);
	snprintf(m->seen, sizeof(m->seen), "%s", address_of(a, text));
}

/* Each connection's and each message's bytes differ, so that none is taken for another's. */
static inline void fill_payload(uint8_t *buffer, size_t len, uint64_t id, uint32_t seq)
{
	for (size_t i = sizeof(struct message); i < len; i++)
		buffer[i] = (uint8_t)(i * 7 + id * 31 + seq);
}

/* Sends a message of its own accord. */
static inline bool server_push(struct server *s, uint32_t seq)
{
	struct message m = {.id = s->id, .seq = seq, .len = sizeof(m)};

	server_fill(s, &m, &s->peer);
	return send(s->fd, &m, sizeof(m), MSG_NOSIGNAL) == sizeof(m);
}

/* False: the connection ended. */
static inline bool server_read(struct server *s)
{
	struct message m;
	ssize_t n;

	n = recv(s->fd, s->buffer + s->have, sizeof(s->buffer) - s->have, 0);
	if (n < 0 && errno == EAGAIN)
		return true;
	if (n <= 0)
		return false;
	s->have += (size_t)n;
	for (;;) {
		if (s->have < sizeof(m))
			return true;
		memcpy(&m, s->buffer, sizeof(m));
		if (m.len < sizeof(m) || m.len > sizeof(s->buffer))
			return false;
		if (s->have < m.len)
			return true;
		s->id = m.id;
		server_fill(s, &m, &s->peer);
		memcpy(s->buffer, &m, sizeof(m));
		if (send(s->fd, s->buffer, m.len, MSG_NOSIGNAL) != (ssize_t)m.len)
			return false;
		s->have -= m.len;
		memmove(s->buffer, s->buffer + m.len, s->have);
	}
}

static inline void server_accept(struct server *s)
{
	struct sockaddr_storage peer;
	struct server *stream;
	socklen_t len;
	int fd, room = 1 << 18;

	while (len = sizeof(peer), (fd = accept4(s->fd, (struct sockaddr *)&peer, &len,
						 SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
		stream = server_new(fd, s->place, STREAM);
		stream->peer = peer;
	}
}

static inline void server_answer(struct server *s)
{
	struct sockaddr_storage peer;
	struct message m;
	socklen_t len;
	ssize_t n;

	for (int i = 0; i < 64; i++) {
		len = sizeof(peer);
		n = recvfrom(s->fd, s->buffer, sizeof(s->buffer), 0, (struct sockaddr *)&peer,
			     &len);
		if (n < 0)
			return;
		if (n < (ssize_t)sizeof(m))
			continue;
		memcpy(&m, s->buffer, sizeof(m));
		server_fill(s, &m, &peer);
		memcpy(s->buffer, &m, sizeof(m));
		sendto(s->fd, s->buffer, (size_t)n, 0, (struct sockaddr *)&peer, len);
	}
}

/* All that the servers can do now. */
static inline void servers_work(void)
{
	struct epoll_event events[32];
	int n;

	for (int turn = 0; turn < 64; turn++) {
		n = epoll_wait(server_epoll, events, 32, 0);
		if (n <= 0)
			return;
		for (int i = 0; i < n; i++) {
			struct server *s = events[i].data.ptr;

			if (s->kind == LISTENER)
				server_accept(s);
			else if (s->kind == DATAGRAM)
				server_answer(s);
			else if (!server_read(s))
				server_free(s);
		}
	}
}

static inline void server_start(int place, int family, int type, uint16_t port)
{
	int fd = bound_at(place, family, type, 0, port);

	if (fd < 0)
		fail_msg("a server at %s, port %u: %s", places[place].name, port, strerror(-fd));
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 4096), 0);
	server_new(fd, place, type == SOCK_STREAM ? LISTENER : DATAGRAM);
}

/* On all addresses of the other node, also those that no device bears. */
static inline void server_start_big(void)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(BIG_PORT)};
	int fd = socket_at(REMOTE, AF_INET6, SOCK_STREAM, 0), off = 0;

	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 4096), 0);
	server_new(fd, REMOTE, LISTENER);
}

static inline void servers_start(void)
{
	server_epoll = epoll_create1(EPOLL_CLOEXEC);
	assert_true(server_epoll >= 0);
	for (int place = 0; place < N_PLACES; place++) {
		for (int family = V4; family <= V6; family++) {
			server_start(place, family, SOCK_STREAM, TCP_PORT);
			server_start(place, family, SOCK_DGRAM, UDP_PORT);
		}
	}
	server_start_big();
}

static inline void servers_stop(void)
{
	while (servers)
		server_free(servers);
	if (server_epoll >= 0)
		close(server_epoll);
	server_epoll = -1;
}

/* What poll() says of @fd, 0 after @ms. */
static inline int client_wait(int fd, short events, int ms)
{
	struct pollfd fds[2] = {{.fd = fd, .events = events},
				{.fd = server_epoll, .events = POLLIN}};
	double end = now() + ms / 1e3;
	int left = ms;

	for (;;) {
		servers_work();
		if (poll(fds, 2, left) > 0 && fds[0].revents)
			return fds[0].revents;
		left = (int)((end - now()) * 1e3);
		if (left <= 0)
			return 0;
	}
}

/* Lets the servers work until nothing is under way any more, or something true. */
static inline bool wait_until(bool (*done)(uint64_t), uint64_t arg, int ms)
{
	double end = now() + ms / 1e3;

	while (servers_work(), !done(arg)) {
		struct pollfd fd = {.fd = server_epoll, .events = POLLIN};

		if (now() > end)
			return false;
		poll(&fd, 1, 1);
	}
	return true;
}

static inline bool server_gone(uint64_t id)
{
	return !server_of(id);
}

/*
 * A connected socket, or -errno: -ETIMEDOUT after @ms, -EADDRNOTAVAIL or -EADDRINUSE where the
 * client's own stack does not have it try.
 */
static inline int tcp_open(int place, int family, uint16_t from, const char *address, uint16_t port,
			   int ms)
{
	struct sockaddr_storage to;
	socklen_t len = sizeof(int);
	int fd, error = 0, on = 1;

	fd = bound_at(place, family, SOCK_STREAM, 0, from);
	if (fd < 0)
		return fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	to_sockaddr(address, port, &to);
	if (connect(fd, (struct sockaddr *)&to, size_of(&to)) && errno != EINPROGRESS)
		error = errno;
	else if (!client_wait(fd, POLLOUT, ms))
		error = ETIMEDOUT;
	else
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (!error)
		return fd;
	close(fd);
	return -error;
}

/* Sends a message of @len bytes and receives it back; 0 or -errno. */
static inline int tcp_exchange(int fd, uint64_t id, uint32_t seq, size_t len, int ms,
			       struct message *ret)
{
	static uint8_t sent[MESSAGE_MAX], got[MESSAGE_MAX];
	struct message m = {.id = id, .seq = seq, .len = (uint32_t)len};
	size_t out = 0, in = 0;
	ssize_t n;
	int ready;

	fill_payload(sent, len, id, seq);
	memcpy(sent, &m, sizeof(m));
	while (in < len) {
		ready = client_wait(fd, out < len ? POLLIN | POLLOUT : POLLIN, ms);
		if (!ready)
			return -ETIMEDOUT;
		if (out < len && ready & POLLOUT) {
			n = send(fd, sent + out, len - out, MSG_NOSIGNAL);
			if (n < 0 && errno != EAGAIN)
				return -errno;
			out += n > 0 ? (size_t)n : 0;
		}
		n = recv(fd, got + in, len - in, 0);
		if (!n)
			return -EPIPE;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		in += n > 0 ? (size_t)n : 0;
	}
	memcpy(ret, got, sizeof(*ret));
	if (ret->id != id || ret->seq != seq ||
	    memcmp(sent + sizeof(m), got + sizeof(m), len - sizeof(m)))
		return -EBADMSG;
	return 0;
}

static inline void reset_on_close(int fd)
{
	const struct linger at_once = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

/* Waits for the end of the connection that the other side made: 0, or -errno. */
static inline int tcp_wait_end(int fd, bool reset, int ms)
{
	char c;
	ssize_t n;

	if (!client_wait(fd, POLLIN, ms))
		return -ETIMEDOUT;
	n = recv(fd, &c, 1, 0);
	if (n > 0)
		return -EBADMSG;
	if (reset)
		return n < 0 && errno == ECONNRESET ? 0 : -EPIPE;
	return n == 0 ? 0 : -errno;
}

/*
 * Sends a datagram from an unconnected socket and waits for it to come back. The source of what
 * comes back is told to the caller, whatever it is. 0 or -errno.
 */
static inline int udp_exchange(int fd, const struct sockaddr_storage *to, uint64_t id, uint32_t seq,
			       size_t len, int ms, struct message *ret,
			       struct sockaddr_storage *ret_from)
{
	static uint8_t sent[MESSAGE_MAX], got[MESSAGE_MAX];
	struct message m = {.id = id, .seq = seq, .len = (uint32_t)len};
	double end = now() + ms / 1e3;
	socklen_t from_len;
	ssize_t n;
	int left;

	while (recv(fd, got, sizeof(got), 0) >= 0)
		; /* late answers to earlier ones */
	fill_payload(sent, len, id, seq);
	memcpy(sent, &m, sizeof(m));
	n = sendto(fd, sent, len, 0, (const struct sockaddr *)to, size_of(to));
	if (n != (ssize_t)len)
		return -errno;
	for (;;) {
		left = (int)((end - now()) * 1e3);
		if (left <= 0 || !client_wait(fd, POLLIN, left))
			return -ETIMEDOUT;
		from_len = sizeof(*ret_from);
		n = recvfrom(fd, got, sizeof(got), 0, (struct sockaddr *)ret_from, &from_len);
		if (n < (ssize_t)sizeof(*ret))
			continue;
		memcpy(ret, got, sizeof(*ret));
		if (ret->id == id && ret->seq == seq)
			break;
	}
	if (n != (ssize_t)len || memcmp(sent + sizeof(m), got + sizeof(m), len - sizeof(m)))
		return -EBADMSG;
	return 0;
}

/* A datagram to a closed port: 0 once the error arrived. Its socket is connected. */
static inline int udp_refused(int place, int family, uint16_t from, const char *address,
			      uint16_t port, int ms)
{
	struct sockaddr_storage to;
	socklen_t len = sizeof(int);
	int error = 0, fd = bound_at(place, family, SOCK_DGRAM, 0, from);

	if (fd < 0)
		return fd;
	to_sockaddr(address, port, &to);
	if (connect(fd, (struct sockaddr *)&to, size_of(&to)) || send(fd, "?", 1, 0) != 1)
		error = errno;
	else if (!client_wait(fd, POLLIN, ms))
		error = ETIMEDOUT;
	else
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	close(fd);
	return error == ECONNREFUSED ? 0 : error ? -error : -EBADMSG;
}

/* An echo request with this identifier: 0 once the reply came; its source is told. */
static inline int ping_exchange(int place, int family, uint16_t ident, const char *address,
				uint16_t seq, size_t len, int ms, struct sockaddr_storage *ret_from)
{
	uint8_t sent[2048] = {0}, got[2048];
	struct icmphdr *echo = (struct icmphdr *)sent; /* ICMPv6's looks the same */
	int fd = bound_at(place, family, SOCK_DGRAM, family == V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
			  ident);
	struct sockaddr_storage to;
	socklen_t from_len = sizeof(*ret_from);
	double end = now() + ms / 1e3;
	int r = -ETIMEDOUT, left;

	if (fd < 0)
		return fd;
	assert_true(len <= sizeof(sent));
	to_sockaddr(address, 0, &to);
	fill_payload(sent, len, ident, seq);
	echo->type = family == V4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
	echo->un.echo.sequence = htons(seq);
	if (sendto(fd, sent, len, 0, (struct sockaddr *)&to, size_of(&to)) != (ssize_t)len)
		r = -errno;
	while (r == -ETIMEDOUT) {
		left = (int)((end - now()) * 1e3);
		if (left <= 0 || !client_wait(fd, POLLIN, left))
			break;
		if (recvfrom(fd, got, sizeof(got), 0, (struct sockaddr *)ret_from, &from_len) !=
			    (ssize_t)len ||
		    memcmp(got + 6, sent + 6, 2)) /* an earlier one's */
			continue;
		r = memcmp(got + sizeof(*echo), sent + sizeof(*echo), len - sizeof(*echo))
			    ? -EBADMSG
			    : 0;
	}
	close(fd);
	return r;
}

/* Addresses and neighbours take a moment: until every place answers every other one. */
static inline void wait_for_network(void)
{
	struct sockaddr_storage to, from;
	struct message answer;
	double end = now() + 20;
	int fd;

	for (int i = 0; i < N_PLACES * N_PLACES * N_FAMILIES; i++) {
		int family = i % 2, client = i / 2 % N_PLACES, server = i / 2 / N_PLACES;

		if (client == server)
			continue;
		to_sockaddr(places[server].address[family], UDP_PORT, &to);
		fd = bound_at(client, family, SOCK_DGRAM, 0, 0);
		assert_true(fd >= 0);
		while (udp_exchange(fd, &to, 1, 1, 100, 100, &answer, &from))
			if (now() > end)
				fail_msg("%s does not reach %s", places[client].name,
					 places[server].address[family]);
		close(fd);
	}
}

#endif
