/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The bench's traffic, a slice at a time, between two network namespaces. One core does
 * everything: what it spends on a packet is what is measured.
 *
 *   rr, crr     two processes, client and server, that block in recv: one byte there and back over
 *               one connection; connect, one byte there and back, close. The times are of these.
 *   streamN     one process writes 64 KiB to each of N connections in turn and reads it at the
 *               other end; the times are of one such chunk.
 *   udpSIZE     one process sends a batch of datagrams of SIZE bytes, then reads it; the times are
 *               of a batch, divided by its size. Nothing can overflow, so nothing is lost.
 *
 * Sockets live as long as their slice: nothing of one contender lingers while another is measured.
 */
#ifndef PODLANE_BENCH_TRAFFIC_H
#define PODLANE_BENCH_TRAFFIC_H

#include <sys/socket.h>

#include "common/util.h"

enum {
	TRAFFIC_NAME_LEN = 32,
	TRAFFIC_FLOWS_MAX = 64,
	TRAFFIC_DATAGRAM_MAX = 65507,
	HISTOGRAM_BITS = 7, /* a bucket is at most 1/128 wide */
	HISTOGRAM_BUCKETS = (64 - HISTOGRAM_BITS) << HISTOGRAM_BITS,
};

enum traffic_kind { TRAFFIC_RR, TRAFFIC_CRR, TRAFFIC_STREAM, TRAFFIC_UDP };

struct workload {
	char name[TRAFFIC_NAME_LEN];
	enum traffic_kind kind;
	uint32_t n; /* flows, or bytes of a datagram */
	uint32_t rounds;
	uint64_t slice_ns;
};

struct target {
	char path[TRAFFIC_NAME_LEN];
	char family[TRAFFIC_NAME_LEN];
	char contender[TRAFFIC_NAME_LEN];
	int client_ns, server_ns;	/* fds */
	struct sockaddr_storage server; /* port 0: any that is free */
	struct sockaddr_storage via;	/* where the client connects to, at the server's port */
	socklen_t server_len;
	bool dead; /* it failed: left out from then on */
};

struct histogram {
	uint64_t n;
	uint32_t buckets[HISTOGRAM_BUCKETS];
};

struct slice {
	uint64_t begin, end; /* CLOCK_MONOTONIC */
	uint64_t counted_from, counted_to;
	uint64_t done; /* transactions, bits or datagrams, since counted_from */
	uint64_t lost;
	uint64_t cpu_ns;	/* of client and server */
	struct histogram times; /* ns */
};

/* "rr", "crr", "stream8", "udp64": fills kind and n. 0 or -EINVAL. */
int traffic_parse(const char *name, struct workload *w);

/*
 * Forks the server's process, which knows @targets as they are now. Returns the fd of its control
 * socket, whose end is the server's, or -errno.
 */
int traffic_start_server(const struct target *targets);

/* Leaves the caller in the client's netns. @control: of the server. 0 or -errno. */
int traffic_run(const struct target *targets, size_t index, const struct workload *w, int control,
		struct slice *ret);

/* 0 where nothing was measured. */
double histogram_quantile(const struct histogram *h, double q);

#endif
