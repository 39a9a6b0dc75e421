/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * IP addresses, prefixes and MACs as values: parse, print, compare. Bytes in wire order.
 */
#ifndef PODLANE_ADDR_H
#define PODLANE_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define PL_IP_STRLEN	 46 /* INET6_ADDRSTRLEN */
#define PL_PREFIX_STRLEN 50
#define PL_MAC_STRLEN	 18

struct pl_ip {
	uint8_t family;	   /* AF_INET, AF_INET6, 0: none */
	uint8_t bytes[16]; /* wire order; IPv4 in the first four, rest zero */
};

struct pl_prefix {
	struct pl_ip ip;
	uint8_t len; /* bits */
};

struct pl_mac {
	uint8_t bytes[6];
};

/* 0 or -EINVAL; *ret untouched on failure. */
int pl_ip_parse(const char *s, struct pl_ip *ret);
/* "10.0.0.0/8", or an address alone (all bits). Host bits are kept. 0 or -EINVAL. */
int pl_prefix_parse(const char *s, struct pl_prefix *ret);
int pl_mac_parse(const char *s, struct pl_mac *ret);

/* Print into @buf and return it. */
const char *pl_ip_format(const struct pl_ip *ip, char buf[PL_IP_STRLEN]);
const char *pl_prefix_format(const struct pl_prefix *p, char buf[PL_PREFIX_STRLEN]);
const char *pl_mac_format(const struct pl_mac *mac, char buf[PL_MAC_STRLEN]);

/* Bits of an address of this family: 32 or 128. */
uint8_t pl_ip_bits(uint8_t family);
/* memcmp order, families apart. */
int pl_ip_cmp(const struct pl_ip *a, const struct pl_ip *b);
bool pl_prefix_contains(const struct pl_prefix *p, const struct pl_ip *ip);
/* @ip + @n in its family, no carry out of the address: 0 or -ERANGE. */
int pl_ip_add(const struct pl_ip *ip, uint64_t n, struct pl_ip *ret);
/* Number of addresses from @a to @b (b - a), capped at UINT64_MAX; -EINVAL where b < a. */
int pl_ip_distance(const struct pl_ip *a, const struct pl_ip *b, uint64_t *ret);
/* First and last address of the prefix. */
void pl_prefix_range(const struct pl_prefix *p, struct pl_ip *ret_first, struct pl_ip *ret_last);
/* Neither unspecified, loopback, multicast, link-local nor limited broadcast: fit for a pod. */
bool pl_ip_is_pod_usable(const struct pl_ip *ip);

/* A random, locally administered unicast MAC. */
void pl_mac_random(struct pl_mac *ret);

#endif
