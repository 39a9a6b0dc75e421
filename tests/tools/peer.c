/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A peer for traffic tests: `peer udp PORT` sends each datagram back to where it came from; `peer
 * tick PORT` sends every TCP client a line ten times a second, as long as it stays. Dual stack.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_at(int type, const char *port)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6,
				  .sin6_port = htons((uint16_t)atoi(port))};
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);
	int off = 0, on = 1;

	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) ||
	    (type == SOCK_STREAM && listen(fd, 16))) {
		fprintf(stderr, "peer: port %s: %s\n", port, strerror(errno));
		exit(1);
	}
	return fd;
}

static int serve_udp(int fd)
{
	char buf[2048];

	for (;;) {
		struct sockaddr_in6 from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);

		if (n >= 0)
			(void)sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
		else if (errno != EINTR && errno != ECONNREFUSED)
			return 1;
	}
}

static void tick(int client)
{
	for (int i = 0;; i++) {
		char line[32];
		int n = snprintf(line, sizeof(line), "tick %d\n", i);

		if (write(client, line, (size_t)n) != n)
			_exit(0);
		usleep(100000);
	}
}

static int serve_tick(int fd)
{
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int client = accept(fd, NULL, NULL);

		if (client < 0)
			return 1;
		if (fork() == 0)
			tick(client);
		close(client);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "udp"))
		return serve_udp(open_at(SOCK_DGRAM, argv[2]));
	if (argc == 3 && !strcmp(argv[1], "tick"))
		return serve_tick(open_at(SOCK_STREAM, argv[2]));
	fprintf(stderr, "usage: peer udp|tick PORT\n");
	return 2;
}
