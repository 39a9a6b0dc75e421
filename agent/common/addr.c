/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Addresses as bytes in wire order, the same form as in the BPF maps. Text is taken strictly:
 * what two readers could take for different addresses ("010.0.0.1") is refused.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <sys/random.h>

#include "common/addr.h"
#include "common/util.h"

static size_t ip_bytes(uint8_t family)
{
	return pl_ip_bits(family) / 8;
}

uint8_t pl_ip_bits(uint8_t family)
{
	switch (family) {
	case AF_INET:
		return 32;
	case AF_INET6:
		return 128;
	default:
		return 0;
	}
}

int pl_ip_parse(const char *s, struct pl_ip *ret)
{
	struct pl_ip ip = {.family = strchr(s, ':') ? AF_INET6 : AF_INET};

	if (inet_pton(ip.family, s, ip.bytes) != 1)
		return -EINVAL;
	*ret = ip;
	return 0;
}

int pl_prefix_parse(const char *s, struct pl_prefix *ret)
{
	const char *slash = strchr(s, '/');
	size_t len = slash ? (size_t)(slash - s) : strlen(s);
	char address[PL_IP_STRLEN];
	struct pl_prefix p;
	uint64_t bits;

	if (len >= sizeof(address))
		return -EINVAL;
	memcpy(address, s, len);
	address[len] = '\0';
	if (pl_ip_parse(address, &p.ip) < 0)
		return -EINVAL;
	bits = pl_ip_bits(p.ip.family);
	if (slash && pl_parse_u64(slash + 1, 0, bits, &bits) < 0)
		return -EINVAL;
	p.len = (uint8_t)bits;
	*ret = p;
	return 0;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int pl_mac_parse(const char *s, struct pl_mac *ret)
{
	struct pl_mac mac;
	char separator = ':';

	if (strlen(s) != PL_MAC_STRLEN - 1)
		return -EINVAL;
	if (s[2] == '-')
		separator = '-';
	for (size_t i = 0; i < sizeof(mac.bytes); i++) {
		int high = hex_value(s[3 * i]), low = hex_value(s[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && s[3 * i + 2] != separator))
			return -EINVAL;
		mac.bytes[i] = (uint8_t)(high << 4 | low);
	}
	*ret = mac;
	return 0;
}

const char *pl_ip_format(const struct pl_ip *ip, char buf[PL_IP_STRLEN])
{
	if (!inet_ntop(ip->family, ip->bytes, buf, PL_IP_STRLEN))
		snprintf(buf, PL_IP_STRLEN, "none");
	return buf;
}

const char *pl_prefix_format(const struct pl_prefix *p, char buf[PL_PREFIX_STRLEN])
{
	char ip[PL_IP_STRLEN];

	snprintf(buf, PL_PREFIX_STRLEN, "%s/%u", pl_ip_format(&p->ip, ip), p->len);
	return buf;
}

const char *pl_mac_format(const struct pl_mac *mac, char buf[PL_MAC_STRLEN])
{
	const uint8_t *b = mac->bytes;

	snprintf(buf, PL_MAC_STRLEN, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
		 b[5]);
	return buf;
}

int pl_ip_cmp(const struct pl_ip *a, const struct pl_ip *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, ip_bytes(a->family));
}

/* The first @bits bits of @ip, the rest all zeros or all ones. */
static struct pl_ip fill_host_bits(const struct pl_ip *ip, uint8_t bits, bool ones)
{
	struct pl_ip out = *ip;

	for (size_t i = 0; i < ip_bytes(ip->family); i++) {
		unsigned int kept = bits > 8 * i ? bits - 8 * (unsigned int)i : 0;
		uint8_t mask = kept >= 8 ? 0xff : (uint8_t)(0xff00 >> kept);

		out.bytes[i] = (uint8_t)((ip->bytes[i] & mask) | (ones ? ~mask : 0));
	}
	return out;
}

bool pl_prefix_contains(const struct pl_prefix *p, const struct pl_ip *ip)
{
	struct pl_ip a, b;

	if (p->ip.family != ip->family)
		return false;
	a = fill_host_bits(&p->ip, p->len, false);
	b = fill_host_bits(ip, p->len, false);
	return pl_ip_cmp(&a, &b) == 0;
}

void pl_prefix_range(const struct pl_prefix *p, struct pl_ip *ret_first, struct pl_ip *ret_last)
{
	struct pl_ip ip = p->ip; /* *ret_first may be p->ip itself */

	*ret_first = fill_host_bits(&ip, p->len, false);
	*ret_last = fill_host_bits(&ip, p->len, true);
}

int pl_ip_add(const struct pl_ip *ip, uint64_t n, struct pl_ip *ret)
{
	struct pl_ip sum = *ip;

	for (size_t i = ip_bytes(ip->family); i-- > 0 && n > 0;) {
		uint64_t low = (n & 0xff) + sum.bytes[i];

		sum.bytes[i] = (uint8_t)low;
		n = (n >> 8) + (low >> 8);
	}
	if (n > 0)
		return -ERANGE;
	*ret = sum;
	return 0;
}

int pl_ip_distance(const struct pl_ip *a, const struct pl_ip *b, uint64_t *ret)
{
	uint64_t distance = 0;
	uint8_t difference[16];
	int borrow = 0;

	if (a->family != b->family || pl_ip_cmp(a, b) > 0)
		return -EINVAL;
	for (size_t i = ip_bytes(a->family); i-- > 0;) {
		int d = b->bytes[i] - a->bytes[i] - borrow;

		borrow = d < 0;
		difference[i] = (uint8_t)(d + (borrow ? 256 : 0));
	}
	for (size_t i = 0; i < ip_bytes(a->family); i++) {
		if (distance >> 56) {
			distance = UINT64_MAX;
			break;
		}
		distance = distance << 8 | difference[i];
	}
	*ret = distance;
	return 0;
}

static bool in_any(const struct pl_ip *ip, const struct pl_prefix *prefixes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (pl_prefix_contains(&prefixes[i], ip))
			return true;
	}
	return false;
}

bool pl_ip_is_pod_usable(const struct pl_ip *ip)
{
	static const struct pl_prefix unusable[] = {
		{{AF_INET, {0}}, 8}, /* "this network" */
		{{AF_INET, {127}}, 8},
		{{AF_INET, {169, 254}}, 16},
		{{AF_INET, {224}}, 4},
		{{AF_INET, {255, 255, 255, 255}}, 32},
		{{AF_INET6, {0}}, 127},		       /* unspecified and loopback */
		{{AF_INET6, {[10] = 0xff, 0xff}}, 96}, /* IPv4 in disguise */
		{{AF_INET6, {0xfe, 0x80}}, 10},
		{{AF_INET6, {0xff}}, 8},
	};

	return pl_ip_bits(ip->family) > 0 && !in_any(ip, unusable, PL_ARRAY_SIZE(unusable));
}

void pl_mac_random(struct pl_mac *ret)
{
	size_t have = 0;

	/* Fails for a signal alone: 6 bytes are below the size that getrandom() may cut. */
	while (have < sizeof(ret->bytes)) {
		ssize_t n = getrandom(ret->bytes + have, sizeof(ret->bytes) - have, 0);

		if (n > 0)
			have += (size_t)n;
	}
	ret->bytes[0] = (uint8_t)((ret->bytes[0] & 0xfc) | 0x02);
}
