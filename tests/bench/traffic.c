/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The workloads of traffic.h. A transaction costs the system calls that it consists of and two
 * readings of the clock, and nothing else: time limits are set once a slice, by a timer.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <time.h>

#include "traffic.h"

enum {
	CHUNK = 64 * 1024,
	BATCH = 32,
	RECEIVE_BUFFER = 8 << 20,
	TIMEOUT_S = 2,
	BACKLOG = 16,
	WARM_UP = 8, /* the first eighth of a slice is not counted */
};

/* To the server's process, and back. */
struct order {
	uint64_t target;
	uint64_t slice_ns;
};

struct answer {
	int32_t result; /* 0 or -errno */
	uint16_t port;
	uint64_t cpu_ns;
};

/* The byte of a request. */
enum { AGAIN = 'a', LAST = 'z' };

static unsigned int bucket_of(uint64_t v)
{
	unsigned int shift;

	if (v < 1U << HISTOGRAM_BITS)
		return (unsigned int)v;
	shift = 63U - (unsigned int)__builtin_clzll(v) - HISTOGRAM_BITS;
	return (shift << HISTOGRAM_BITS) + (unsigned int)(v >> shift);
}

/* The lowest value that falls into it. */
static double bucket_begin(unsigned int b)
{
	unsigned int shift = b >> HISTOGRAM_BITS ? (b >> HISTOGRAM_BITS) - 1 : 0;

	return (double)((uint64_t)(b - (shift << HISTOGRAM_BITS)) << shift);
}

static void histogram_add(struct histogram *h, uint64_t v)
{
	h->buckets[bucket_of(v)]++;
	h->n++;
}

/* Within a bucket, values count as evenly spread. */
double histogram_quantile(const struct histogram *h, double q)
{
	double wanted = q * (double)h->n, seen = 0;

	for (unsigned int b = 0; b < HISTOGRAM_BUCKETS; b++) {
		double here = h->buckets[b];

		if (here > 0 && seen + here >= wanted)
			return bucket_begin(b) +
			       (bucket_begin(b + 1) - bucket_begin(b)) * (wanted - seen) / here;
		seen += here;
	}
	return 0;
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void slice_begin(struct slice *s, const struct workload *w)
{
	memset(s, 0, sizeof(*s));
	s->begin = pl_now_ns();
	s->counted_from = s->begin + w->slice_ns / WARM_UP;
	s->end = s->begin + w->slice_ns;
}

/* One piece of work, begun at @from, is done. Returns the time, which begins the next. */
static uint64_t slice_count(struct slice *s, uint64_t from, uint64_t amount, uint64_t divisor)
{
	uint64_t now = pl_now_ns();

	if (from >= s->counted_from) {
		s->done += amount;
		s->counted_to = now;
		histogram_add(&s->times, (now - from) / divisor);
	} else if (now >= s->counted_from) {
		s->counted_from = now; /* the piece that straddles it */
	}
	return now;
}

static int enter(int ns)
{
	return setns(ns, CLONE_NEWNET) ? -errno : 0;
}

static void on_alarm(int sig)
{
}

/* Whatever blocks too long ends with EINTR. */
static int arm_timer(uint64_t slice_ns)
{
	const struct sigaction act = {.sa_handler = on_alarm};
	const struct itimerval t = {
		.it_value = {(time_t)(slice_ns / 1000000000) + TIMEOUT_S, 0},
		.it_interval = {0, 100000}, /* should the first one come just before the block */
	};

	return sigaction(SIGALRM, &act, NULL) || setitimer(ITIMER_REAL, &t, NULL) ? -errno : 0;
}

static void disarm_timer(void)
{
	const struct itimerval never = {0};

	setitimer(ITIMER_REAL, &never, NULL);
}

static int last_error(void)
{
	return errno == EINTR ? -ETIMEDOUT : -errno;
}

static int set_nodelay(int fd)
{
	const int on = 1;

	return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ? -errno : 0;
}

static void set_port(struct sockaddr_storage *addr, uint16_t port)
{
	if (addr->ss_family == AF_INET)
		((struct sockaddr_in *)addr)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)addr)->sin6_port = htons(port);
}

static int port_of(int fd, uint16_t *ret)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	if (getsockname(fd, (struct sockaddr *)&addr, &len))
		return -errno;
	*ret = ntohs(addr.ss_family == AF_INET ? ((struct sockaddr_in *)&addr)->sin_port
					       : ((struct sockaddr_in6 *)&addr)->sin6_port);
	return 0;
}

/* A socket at the target's address, in the server's netns. Returns an fd or -errno. */
static int server_socket(const struct target *t, int type, uint16_t *ret_port)
{
	const int on = 1; /* a service's port is taken by each of its slices */
	pl_autoclose int fd = -1;
	int r = enter(t->server_ns);

	if (r < 0)
		return r;
	fd = socket(t->server.ss_family, type | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (const struct sockaddr *)&t->server, t->server_len))
		return -errno;
	if (type == SOCK_STREAM && listen(fd, BACKLOG))
		return -errno;
	if (type == SOCK_STREAM)
		r = set_nodelay(fd); /* what it accepts inherits it */
	if (r >= 0)
		r = port_of(fd, ret_port);
	return r < 0 ? r : TAKE_FD(fd);
}

/* From the netns that the process is in. Returns an fd or -errno. */
static int client_socket(const struct target *t, int type, uint16_t port)
{
	struct sockaddr_storage to = t->via;
	pl_autoclose int fd = socket(to.ss_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	set_port(&to, port);
	if (connect(fd, (const struct sockaddr *)&to, t->server_len))
		return last_error();
	return TAKE_FD(fd);
}

/* ---- rr and crr: the server's process ---- */

static int accept_one(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	return fd < 0 ? last_error() : fd;
}

/* Answers one connection to its end. 1: the client said that it was the last. */
static int answer(int fd)
{
	bool last = false;
	ssize_t n;
	char c;

	while ((n = recv(fd, &c, 1, 0)) == 1) {
		last = c == LAST;
		if (send(fd, &c, 1, MSG_NOSIGNAL) != 1)
			return last_error();
	}
	return n < 0 ? last_error() : last;
}

static int serve(const struct target *t, int control)
{
	pl_autoclose int listener = -1;
	struct answer ready = {0};
	int r = 0;

	listener = server_socket(t, SOCK_STREAM, &ready.port);
	ready.result = listener < 0 ? listener : 0;
	if (send(control, &ready, sizeof(ready), 0) != sizeof(ready))
		return -errno;
	while (listener >= 0 && !r) {
		pl_autoclose int fd = accept_one(listener);

		r = fd < 0 ? fd : answer(fd);
	}
	return r < 0 ? r : 0;
}

static void server_main(const struct target *targets, int control)
{
	struct order order;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (recv(control, &order, sizeof(order), 0) == sizeof(order)) {
		uint64_t cpu = cpu_ns();
		struct answer done = {.result = arm_timer(order.slice_ns)};

		if (!done.result)
			done.result = serve(&targets[order.target], control);
		disarm_timer();
		done.cpu_ns = cpu_ns() - cpu;
		if (send(control, &done, sizeof(done), 0) != sizeof(done))
			break;
	}
	_exit(0);
}

/* ---- rr and crr: the client's process ---- */

static int ask(int fd, char c)
{
	if (send(fd, &c, 1, MSG_NOSIGNAL) != 1)
		return last_error();
	switch (recv(fd, &c, 1, 0)) {
	case 1:
		return 0;
	case 0:
		return -ECONNRESET;
	default:
		return last_error();
	}
}

static int run_rr(const struct target *t, uint16_t port, struct slice *s)
{
	pl_autoclose int fd = client_socket(t, SOCK_STREAM, port);
	uint64_t now = pl_now_ns();
	int r = fd < 0 ? fd : 0;

	while (!r && now < s->end) {
		r = ask(fd, AGAIN);
		now = slice_count(s, now, 1, 1);
	}
	return r ?: ask(fd, LAST);
}

static int connect_ask_close(const struct target *t, uint16_t port, char c)
{
	pl_autoclose int fd = client_socket(t, SOCK_STREAM, port);

	return fd < 0 ? fd : ask(fd, c);
}

static int run_crr(const struct target *t, uint16_t port, struct slice *s)
{
	uint64_t now = pl_now_ns();
	int r = 0;

	while (!r && now < s->end) {
		r = connect_ask_close(t, port, AGAIN);
		now = slice_count(s, now, 1, 1);
	}
	return r ?: connect_ask_close(t, port, LAST);
}

static int hear(int control, struct answer *ret)
{
	ssize_t n = recv(control, ret, sizeof(*ret), 0);

	if (n != sizeof(*ret))
		return n < 0 ? -errno : -EPIPE;
	return ret->result;
}

static int run_with_server(const struct target *targets, size_t index, const struct workload *w,
			   int control, struct slice *s)
{
	const struct target *t = &targets[index];
	const struct order order = {index, w->slice_ns};
	struct answer ready, done;
	uint64_t cpu;
	int r, r2;

	if (send(control, &order, sizeof(order), 0) != sizeof(order))
		return -errno;
	r = hear(control, &ready);
	if (!r)
		r = enter(t->client_ns);
	cpu = cpu_ns();
	slice_begin(s, w);
	if (!r)
		r = arm_timer(w->slice_ns);
	if (!r)
		r = w->kind == TRAFFIC_RR ? run_rr(t, ready.port, s) : run_crr(t, ready.port, s);
	disarm_timer();
	s->cpu_ns = cpu_ns() - cpu;
	r2 = hear(control, &done); /* at the latest when its own timer ends it */
	s->cpu_ns += done.cpu_ns;
	return r ?: r2;
}

/* ---- streams and datagrams: both ends in the client's process ---- */

struct flow {
	int client, server;
	size_t to_read;
};

static void flows_close(struct flow *flows, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		pl_closep(&flows[i].client);
		pl_closep(&flows[i].server);
	}
}

static int flows_open(const struct target *t, struct flow *flows, uint32_t n)
{
	pl_autoclose int listener = -1;
	uint16_t port;
	int r;

	for (uint32_t i = 0; i < n; i++)
		flows[i] = (struct flow){-1, -1, 0};
	listener = server_socket(t, SOCK_STREAM, &port);
	if (listener < 0)
		return listener;
	r = enter(t->client_ns);
	for (uint32_t i = 0; i < n && r >= 0; i++) {
		r = flows[i].client = client_socket(t, SOCK_STREAM, port);
		if (r >= 0)
			r = flows[i].server = accept_one(listener);
	}
	return r < 0 ? r : 0;
}

/* Reads what has come; waits for it where nothing has. Returns bytes or -errno. */
static ssize_t drain(struct flow *f, char *buf)
{
	ssize_t n = recv(f->server, buf, CHUNK, MSG_DONTWAIT);
	struct pollfd p = {.fd = f->server, .events = POLLIN};

	if (n < 0 && errno == EAGAIN && poll(&p, 1, TIMEOUT_S * 1000) == 1)
		n = recv(f->server, buf, CHUNK, MSG_DONTWAIT);
	if (n <= 0)
		return !n ? -ECONNRESET : errno == EAGAIN ? -ETIMEDOUT : last_error();
	f->to_read -= (size_t)n;
	return n;
}

/* Writes a chunk and reads it whole. */
static int push(struct flow *f, char *buf)
{
	size_t to_write = CHUNK;

	while (to_write || f->to_read) {
		ssize_t n =
			to_write ? send(f->client, buf, to_write, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n > 0) {
			to_write -= (size_t)n;
			f->to_read += (size_t)n;
		}
		n = f->to_read ? drain(f, buf) : 0;
		if (n < 0)
			return (int)n;
	}
	return 0;
}

static int run_stream(const struct target *t, const struct workload *w, struct slice *s)
{
	static char buf[CHUNK];
	struct flow flows[TRAFFIC_FLOWS_MAX];
	uint64_t cpu, now;
	int r = flows_open(t, flows, w->n);

	cpu = cpu_ns();
	slice_begin(s, w);
	now = s->begin;
	for (uint32_t i = 0; !r && now < s->end; i = (i + 1) % w->n) {
		r = push(&flows[i], buf);
		now = slice_count(s, now, CHUNK * 8ULL, 1);
	}
	s->cpu_ns = cpu_ns() - cpu;
	flows_close(flows, w->n);
	return r;
}

static int send_all(int fd, struct mmsghdr *messages)
{
	int sent = 0;

	while (sent < BATCH) {
		int n = sendmmsg(fd, messages + sent, (unsigned int)(BATCH - sent), 0);

		if (n < 0)
			return -errno;
		sent += n;
	}
	return 0;
}

/* Returns how many of the batch came. */
static int receive_all(int fd, struct mmsghdr *messages)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int got = 0, n;

	do {
		n = recvmmsg(fd, messages, (unsigned int)(BATCH - got), MSG_DONTWAIT, NULL);
		got += n > 0 ? n : 0;
	} while (got < BATCH && (n > 0 || poll(&p, 1, 20) == 1));
	return got;
}

static int run_udp(const struct target *t, const struct workload *w, struct slice *s)
{
	static char buf[TRAFFIC_DATAGRAM_MAX];
	const int room = RECEIVE_BUFFER;
	struct iovec iov = {buf, w->n};
	struct mmsghdr messages[BATCH] = {0};
	pl_autoclose int client = -1, server = -1;
	uint64_t now, cpu = cpu_ns();
	uint16_t port;
	int r;

	for (int i = 0; i < BATCH; i++)
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1};
	server = server_socket(t, SOCK_DGRAM, &port);
	if (server < 0)
		return server;
	if (setsockopt(server, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		return -errno;
	r = enter(t->client_ns);
	client = r < 0 ? r : client_socket(t, SOCK_DGRAM, port);
	if (client < 0)
		return client;
	slice_begin(s, w);
	now = s->begin;
	while (!r && now < s->end) {
		int got = 0;

		r = send_all(client, messages);
		if (!r)
			got = receive_all(server, messages);
		s->lost += (uint64_t)(BATCH - got);
		now = slice_count(s, now, (uint64_t)got, BATCH);
		if (!r && !got)
			r = -ETIMEDOUT;
	}
	s->cpu_ns = cpu_ns() - cpu;
	return r;
}

int traffic_run(const struct target *targets, size_t index, const struct workload *w, int control,
		struct slice *ret)
{
	int r;

	if (w->kind == TRAFFIC_RR || w->kind == TRAFFIC_CRR)
		return run_with_server(targets, index, w, control, ret);
	r = arm_timer(w->slice_ns);
	if (!r)
		r = w->kind == TRAFFIC_STREAM ? run_stream(&targets[index], w, ret)
					      : run_udp(&targets[index], w, ret);
	disarm_timer();
	return r;
}

int traffic_parse(const char *name, struct workload *w)
{
	uint64_t n = 0;

	if (!strcmp(name, "rr") || !strcmp(name, "crr")) {
		w->kind = name[0] == 'r' ? TRAFFIC_RR : TRAFFIC_CRR;
		return 0;
	}
	if (!strncmp(name, "stream", 6) && !pl_parse_u64(name + 6, 1, TRAFFIC_FLOWS_MAX, &n))
		w->kind = TRAFFIC_STREAM;
	else if (!strncmp(name, "udp", 3) && !pl_parse_u64(name + 3, 1, TRAFFIC_DATAGRAM_MAX, &n))
		w->kind = TRAFFIC_UDP;
	else
		return -EINVAL;
	w->n = (uint32_t)n;
	return 0;
}

int traffic_start_server(const struct target *targets)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		close(pair[0]);
		server_main(targets, pair[1]);
	}
	close(pair[1]);
	return pair[0];
}
