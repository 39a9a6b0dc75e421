/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The network in which the tests of connections play. The node is a network namespace of the
 * test's own, a new one for each test, so that no connection of an earlier one is known there:
 *
 *   pod a, b, c (10.201.0.11 to .13) --- node (192.0.2.1) up0 --- router --- remote (10.202.0.0/16)
 *                                                                     \----- outside (198.51.100.2)
 *
 * "remote" holds the pods of another node: a native network. "outside" is not native. The router's
 * route to 10.202.16.0/20 has an MTU of 1400, so that it answers with ICMP errors. Every address
 * has its IPv6 twin. This file starts and ends podlaned, and says what it counted.
 */
#ifndef FLOW_WORLD_H
#define FLOW_WORLD_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

enum place_id { POD_A, POD_B, POD_C, NODE, REMOTE, REMOTE2, OUTSIDE, N_PLACES, NOWHERE };
enum family { V4, V6, N_FAMILIES };

struct place {
	const char *name;
	const char *netns;
	const char *address[N_FAMILIES];
	int fd; /* of the network namespace */
};

static struct place places[N_PLACES] = {
	[POD_A] = {"a", "a", {"10.201.0.11", "fd42:706c::11"}, -1},
	[POD_B] = {"b", "b", {"10.201.0.12", "fd42:706c::12"}, -1},
	[POD_C] = {"c", "c", {"10.201.0.13", "fd42:706c::13"}, -1},
	[NODE] = {"node", NULL, {"192.0.2.1", "2001:db8:1::1"}, -1},
	[REMOTE] = {"remote", "remote", {"10.202.0.2", "fd42:706c:1::2"}, -1},
	[REMOTE2] = {"remote2", "remote", {"10.202.0.3", "fd42:706c:1::3"}, -1},
	[OUTSIDE] = {"outside", "outside", {"198.51.100.2", "2001:db8:2::2"}, -1},
};

#define POD_NET4  "10.201.0.0/24"
#define POD_NET6  "fd42:706c::/64"
#define NATIVE	  POD_NET4 "," POD_NET6 ",10.202.0.0/16,fd42:706c:1::/64,fd42:706c:2::/64"
#define SMALL_NET "10.202.16.0/20" /* and fd42:706c:2::/64 */

static char build_dir[4096];
static char work_dir[4096];
static pid_t daemon_pid;

static inline bool is_pod(int place)
{
	return place <= POD_C;
}

static inline double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static inline void pause_ms(int ms)
{
	const struct timespec ts = {ms / 1000, ms % 1000 * 1000000L};

	nanosleep(&ts, NULL);
}

static char last_command[8192];

__attribute__((format(printf, 1, 2))) static inline int try_run(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(last_command, sizeof(last_command), format, args);
	va_end(args);
	return system(last_command);
}

#define run(...)                                                                                   \
	do {                                                                                       \
		int status_ = try_run(__VA_ARGS__);                                                \
		if (status_)                                                                       \
			fail_msg("status %d of: %s", status_, last_command);                       \
	} while (0)

/* Feeds @text to a command, as `nft -f -`. */
static inline void feed(const char *command, const char *text)
{
	FILE *p = popen(command, "we");
	int status;

	assert_non_null(p);
	fputs(text, p);
	status = pclose(p);
	if (status)
		fail_msg("%s: status %d, of:\n%s", command, status, text);
}

static inline long number_of(const char *command)
{
	FILE *p = popen(command, "re");
	long n = -1;

	assert_non_null(p);
	if (fscanf(p, "%ld", &n) != 1)
		n = -1;
	pclose(p);
	return n;
}

static inline void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (!f || fputs(text, f) < 0 || fclose(f))
		fail_msg("write %s: %s", path, strerror(errno));
}

/* A kernel that lacks the setting has not what the setting limits. */
static inline void set(const char *key, const char *value)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", key);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, value, strlen(value)) < 0)
		print_message("# %s: %s\n", path, strerror(errno));
	close(fd);
}

static inline void enter(int place)
{
	assert_int_equal(setns(places[place].fd, CLONE_NEWNET), 0);
}

static inline void back_to_node(void)
{
	enter(NODE);
}

/* Errors without limits of their number; the ports of many connections for few addresses. */
static inline void set_up_netns(int place)
{
	enter(place);
	set("ipv4/ping_group_range", "0 2147483647");
	set("ipv4/icmp_ratemask", "0");
	set("ipv6/icmp/ratelimit", "0");
	set("ipv6/icmp/ratemask", "0");
	set("ipv4/tcp_timestamps", "2"); /* no offset by destination: see flow_model.h */
	set("ipv4/tcp_tw_reuse", "1");
	set("ipv4/tcp_tw_reuse_delay", "1");
	back_to_node();
}

/* The test makes devices and rules, and deletes what it finds: never on the machine itself. */
static inline bool in_sandbox(void)
{
	return !access("/run/podlane-sandbox", F_OK);
}

static inline void find_folders(void)
{
	char *tmp = getenv("TMPDIR");
	ssize_t n = readlink("/proc/self/exe", build_dir, sizeof(build_dir) - 1);

	assert_true(n > 0);
	build_dir[n] = 0;
	for (int up = 0; up < 3; up++) /* BUILD/tests/netns/test_x */
		*strrchr(build_dir, '/') = 0;
	snprintf(work_dir, sizeof(work_dir), "%s", tmp ? tmp : "/tmp");
}

static inline void links_up(void)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/links", work_dir);
	write_file(path, "link add up0 type veth peer name eth0 netns router\n"
			 "addr add 192.0.2.1/24 dev up0\n"
			 "addr add 2001:db8:1::1/64 dev up0 nodad\n"
			 "link set lo up\nlink set up0 up\n"
			 "route add default via 192.0.2.2\n"
			 "route add default via 2001:db8:1::2\n");
	run("ip -batch %s", path);
	write_file(path, "link add remote0 type veth peer name eth0 netns remote\n"
			 "link add outside0 type veth peer name eth0 netns outside\n"
			 "addr add 192.0.2.2/24 dev eth0\n"
			 "addr add 2001:db8:1::2/64 dev eth0 nodad\n"
			 "addr add 198.51.100.129/25 dev remote0\n"
			 "addr add 2001:db8:3::1/64 dev remote0 nodad\n"
			 "addr add 198.51.100.1/25 dev outside0\n"
			 "addr add 2001:db8:2::1/64 dev outside0 nodad\n"
			 "link set eth0 up\nlink set remote0 up\nlink set outside0 up\n"
			 "route add " POD_NET4 " via 192.0.2.1\n"
			 "route add " POD_NET6 " via 2001:db8:1::1\n"
			 "route add 10.202.0.0/16 via 198.51.100.130\n"
			 "route add 10.202.0.9/32 via 198.51.100.130 mtu 1400\n"
			 "route add " SMALL_NET " via 198.51.100.130 mtu 1400\n"
			 "route add fd42:706c:1::/64 via 2001:db8:3::2\n"
			 "route add fd42:706c:1::9/128 via 2001:db8:3::2 mtu 1400\n"
			 "route add fd42:706c:2::/64 via 2001:db8:3::2 mtu 1400\n");
	run("ip -n router -batch %s", path);
	run("ip netns exec router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
	write_file(path, "link set lo up\naddr add 198.51.100.130/25 dev eth0\n"
			 "addr add 2001:db8:3::2/64 dev eth0 nodad\nlink set eth0 up\n"
			 "route add default via 198.51.100.129\n"
			 "route add default via 2001:db8:3::1\n"
			 "route add local 10.202.0.0/16 dev lo\n"
			 "route add local fd42:706c:1::/64 dev lo\n"
			 "route add local fd42:706c:2::/64 dev lo\n"
			 "addr add fd42:706c:1::2/128 dev lo nodad\n"
			 "addr add fd42:706c:1::3/128 dev lo nodad\n");
	run("ip -n remote -batch %s", path);
	write_file(path, "link set lo up\naddr add 198.51.100.2/25 dev eth0\n"
			 "addr add 2001:db8:2::2/64 dev eth0 nodad\nlink set eth0 up\n"
			 "route add default via 198.51.100.1\n"
			 "route add default via 2001:db8:2::1\n");
	run("ip -n outside -batch %s", path);
}

static inline void show_log(void)
{
	try_run("tail -n 20 %s/podlaned.log >&2", work_dir);
}

/* PODLANE_DETACHED=1 plays everything by the plain stack: what is asked of podlane must work there.
 */
static inline bool detached(void)
{
	return getenv("PODLANE_DETACHED");
}

static inline void daemon_start(void)
{
	char config[4200], log[4200], program[4200];
	double end = now() + 60;

	snprintf(config, sizeof(config), "%s/podlaned.json", work_dir);
	snprintf(log, sizeof(log), "%s/podlaned.log", work_dir);
	snprintf(program, sizeof(program), "%s/podlaned", build_dir);
	daemon_pid = fork();
	assert_true(daemon_pid >= 0);
	if (!daemon_pid) {
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

		if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
			_exit(1);
		execl(program, "podlaned", "--config", config, NULL);
		_exit(1);
	}
	while (try_run("%s/podlane status >/dev/null 2>&1", build_dir)) {
		if (now() > end || waitpid(daemon_pid, NULL, WNOHANG)) {
			show_log();
			fail_msg("podlaned did not start");
		}
		pause_ms(20);
	}
}

static inline void daemon_end(int signal)
{
	int status;

	if (!daemon_pid)
		return;
	kill(daemon_pid, signal);
	waitpid(daemon_pid, &status, 0);
	daemon_pid = 0;
}

/* The programs are gone, the pods remain: the plain stack. */
static inline void programs_detach(void)
{
	daemon_end(SIGTERM);
	run("%s/podlaned --remove >>%s/podlaned.log 2>&1", build_dir, work_dir);
}

static inline void world_down(void)
{
	daemon_end(SIGTERM);
	for (int i = 0; i < N_PLACES; i++) {
		if (places[i].fd >= 0)
			close(places[i].fd);
		places[i].fd = -1;
	}
	try_run("for n in a b c router remote outside; do ip netns del $n 2>/dev/null; done\n"
		"%s/podlaned --remove >/dev/null 2>&1\n"
		"rm -rf /run/podlane",
		build_dir);
}

/* @config: of podlaned. The daemon runs afterwards, with three pods. */
static inline void world_up(const char *config)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/podlaned.json", work_dir);
	write_file(path, config);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	places[NODE].fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	run("for n in a b c router remote outside; do ip netns add $n &&\n"
	    "ip netns exec $n sysctl -qw net.ipv6.conf.default.accept_dad=0 || exit; done");
	set("ipv6/conf/default/accept_dad", "0");
	links_up();
	for (int i = 0; i < N_PLACES; i++) {
		if (i != NODE) {
			snprintf(path, sizeof(path), "/run/netns/%s", places[i].netns);
			places[i].fd = open(path, O_RDONLY | O_CLOEXEC);
		}
		assert_true(places[i].fd >= 0);
	}
	daemon_start();
	for (int i = POD_A; i <= POD_C; i++) {
		run("ip -n %s link set lo up", places[i].netns);
		run("%s/podlane endpoint add %s --ip %s --ip %s >/dev/null", build_dir,
		    places[i].netns, places[i].address[V4], places[i].address[V6]);
	}
	for (int i = 0; i < N_PLACES; i++)
		set_up_netns(i);
}

/* Packets counted under a reason for an endpoint and a direction ("in", "out") so far. */
static inline long reason(const char *endpoint, const char *direction, const char *reason_name)
{
	char command[8192];

	snprintf(command, sizeof(command),
		 "%s/podlane -j stats | jq -s '[.. | objects | select(.reasons? and "
		 ".containerId == \"%s\") | .reasons[] | select(.reason == \"%s\" and "
		 ".direction == \"%s\") | .packets] | add // 0'",
		 build_dir, endpoint, reason_name, direction);
	return number_of(command);
}

/* Conntrack cannot be asked here: no datagram from an uplink opens a connection. */
static inline bool conntrack_is_remembered(void)
{
	char command[8192];

	snprintf(
		command, sizeof(command),
		"%s/podlane -j status | jq '[.. | .conntrack? | select(. == \"remembered\")] | length'",
		build_dir);
	return number_of(command) > 0;
}

/* For whoever reads a failure: which paths the packets took, and why. */
static inline void show_counts(void)
{
	if (daemon_pid)
		try_run("%s/podlane stats >&2", build_dir);
}

/* What the stack would forward, and @match says, is dropped: what still arrives took the fast path.
 */
static inline void witness_up(const char *match)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "table inet witness {\nchain forward {\n"
		 "type filter hook forward priority -400;\n%s drop\n}\n}\n",
		 match);
	feed("nft -f -", text);
}

static inline void witness_down(void)
{
	run("nft delete table inet witness");
}

static inline void to_sockaddr(const char *address, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, address, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(port);
	} else {
		assert_int_equal(inet_pton(AF_INET6, address, &in6->sin6_addr), 1);
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
	}
}

static inline uint16_t port_of(const struct sockaddr_storage *a)
{
	return ntohs(a->ss_family == AF_INET ? ((const struct sockaddr_in *)a)->sin_port
					     : ((const struct sockaddr_in6 *)a)->sin6_port);
}

/* The address as text, without a port; one of IPv4 that an IPv6 socket saw is one of IPv4. */
static inline const char *address_of(const struct sockaddr_storage *a, char text[INET6_ADDRSTRLEN])
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;

	if (a->ss_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)a)->sin_addr, text,
			  INET6_ADDRSTRLEN);
	else if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], text, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, &in6->sin6_addr, text, INET6_ADDRSTRLEN);
	return text;
}

#endif
