// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Numbered messages to an echo server, at a steady rate, for tests of what a change loses.
 *
 *   talk serve PORT...                both protocols, until killed
 *   talk udp|tcp ADDRESS PORT RATE    RATE messages a second until SIGINT, then one line:
 *                                     "sent N lost N retransmitted N longest gap N ms"
 *
 * Ends with 0 if each message came back (TCP: without a segment sent again). IPv4 and IPv6.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	SERVERS_MAX = 32,
	BUFFER_BYTES = 8 << 20, /* a slow machine reads late */
	WAIT_MS = 2000,		/* for answers after the last message */
	MS = 1000000,
	SECOND = 1000000000,
};

struct message {
	uint64_t number;
	uint64_t pad[7];
};

static volatile sig_atomic_t stopped;

static void on_stop(int sig)
{
	stopped = 1;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static void large_buffers(int fd)
{
	const int bytes = BUFFER_BYTES;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
}

/* ---- server ---- */

static int listen_at(int type, uint16_t port)
{
	const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	const int on = 1, off = 0;
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	large_buffers(fd);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) ||
	    (type == SOCK_STREAM && listen(fd, 16)))
		return -1;
	return fd;
}

static void echo_datagram(int fd)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	char data[2048];
	ssize_t n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &len);

	if (n > 0)
		sendto(fd, data, (size_t)n, 0, (struct sockaddr *)&from, len);
}

/* 0: the peer has gone. */
static bool echo_stream(int fd)
{
	char data[16384];
	ssize_t n = read(fd, data, sizeof(data));

	for (ssize_t done = 0, w; done < n; done += w) {
		w = write(fd, data + done, (size_t)(n - done));
		if (w <= 0)
			return false;
	}
	return n > 0;
}

enum role { DATAGRAMS, LISTENER, STREAM };

static int serve(int argc, char **argv)
{
	struct pollfd fds[SERVERS_MAX];
	enum role roles[SERVERS_MAX];
	const int on = 1;
	nfds_t n = 0;

	for (int i = 0; i < argc && n + 2 <= SERVERS_MAX; i++) {
		uint16_t port = (uint16_t)atoi(argv[i]);

		roles[n] = DATAGRAMS;
		fds[n++] = (struct pollfd){listen_at(SOCK_DGRAM, port), POLLIN, 0};
		roles[n] = LISTENER;
		fds[n++] = (struct pollfd){listen_at(SOCK_STREAM, port), POLLIN, 0};
		if (fds[n - 1].fd < 0 || fds[n - 2].fd < 0)
			return fail(argv[i]);
	}
	while (poll(fds, n, -1) >= 0)
		for (nfds_t i = 0; i < n; i++) {
			int fd;

			if (!fds[i].revents)
				continue;
			if (roles[i] == DATAGRAMS) {
				echo_datagram(fds[i].fd);
			} else if (roles[i] == STREAM && !echo_stream(fds[i].fd)) {
				close(fds[i].fd);
				fds[i].fd = -1;
			} else if (roles[i] == LISTENER) {
				fd = accept(fds[i].fd, NULL, NULL);
				if (fd < 0 || n == SERVERS_MAX)
					continue;
				setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
				roles[n] = STREAM;
				fds[n++] = (struct pollfd){fd, POLLIN, 0};
			}
		}
	return fail("poll");
}

/* ---- client ---- */

struct client {
	int fd;
	bool stream;
	uint64_t sent, back;
	uint64_t last_ns, gap_ns; /* of answers: the last one, the longest pause */
	size_t partial;		  /* bytes of a message of the stream that are here */
};

static int connect_to(const char *address, const char *port, bool stream)
{
	const struct addrinfo hints = {.ai_socktype = stream ? SOCK_STREAM : SOCK_DGRAM,
				       .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	const int on = 1;
	struct addrinfo *to;
	int fd;

	if (getaddrinfo(address, port, &hints, &to))
		return -1;
	fd = socket(to->ai_family, to->ai_socktype | SOCK_CLOEXEC, 0);
	large_buffers(fd);
	if (fd < 0 || connect(fd, to->ai_addr, to->ai_addrlen))
		return -1;
	if (stream)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	freeaddrinfo(to);
	return fd;
}

static void count_back(struct client *c)
{
	uint64_t now = now_ns();

	if (c->last_ns && now - c->last_ns > c->gap_ns)
		c->gap_ns = now - c->last_ns;
	c->last_ns = now;
	c->back++;
}

/* Answers that are here, all of them. */
static int receive(struct client *c)
{
	struct message m[64];
	ssize_t n;

	while ((n = recv(c->fd, m, c->stream ? sizeof(m) : sizeof(m[0]), MSG_DONTWAIT)) > 0) {
		if (!c->stream) {
			count_back(c);
			continue;
		}
		for (c->partial += (size_t)n; c->partial >= sizeof(m[0]);
		     c->partial -= sizeof(m[0]))
			count_back(c);
	}
	/* ECONNREFUSED tells of one message, which counts as lost. */
	return n < 0 && (errno == EAGAIN || errno == ECONNREFUSED) ? 0 : -1;
}

/* Segments that were sent twice, but for those that the peer had: a busy machine acknowledges late.
 */
static uint32_t retransmitted(const struct client *c)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (!c->stream || getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len) ||
	    info.tcpi_total_retrans <= info.tcpi_dsack_dups)
		return 0;
	return info.tcpi_total_retrans - info.tcpi_dsack_dups;
}

static int talk(const char *address, const char *port, bool stream, uint64_t rate)
{
	struct client c = {.fd = connect_to(address, port, stream), .stream = stream};
	const uint64_t begin = now_ns();
	uint64_t ended = 0, twice;

	if (c.fd < 0)
		return fail(address);
	while (!ended || (c.back < c.sent && now_ns() - ended < (uint64_t)WAIT_MS * MS)) {
		struct pollfd p = {c.fd, POLLIN, 0};
		struct message m = {c.sent, {0}};

		if (!ended && stopped)
			ended = now_ns();
		if (!ended && c.sent < (now_ns() - begin) * rate / SECOND) {
			if (send(c.fd, &m, sizeof(m), MSG_NOSIGNAL) != sizeof(m) &&
			    errno != ECONNREFUSED)
				return fail("send");
			c.sent++;
		} else {
			poll(&p, 1, 1);
		}
		if (receive(&c) && (ended || c.stream))
			break;
	}
	twice = retransmitted(&c);
	printf("sent %llu lost %llu retransmitted %llu longest gap %llu ms\n",
	       (unsigned long long)c.sent, (unsigned long long)(c.sent - c.back),
	       (unsigned long long)twice, (unsigned long long)(c.gap_ns / MS));
	return !c.sent || c.back != c.sent || twice;
}

int main(int argc, char **argv)
{
	const struct sigaction stop = {.sa_handler = on_stop};

	if (argc > 2 && !strcmp(argv[1], "serve"))
		return serve(argc - 2, argv + 2);
	if (argc != 5 || (strcmp(argv[1], "udp") && strcmp(argv[1], "tcp"))) {
		fprintf(stderr, "usage: talk serve PORT... | talk udp|tcp ADDRESS PORT RATE\n");
		return 2;
	}
	sigaction(SIGINT, &stop, NULL);
	return talk(argv[2], argv[3], !strcmp(argv[1], "tcp"), strtoull(argv[4], NULL, 10));
}
