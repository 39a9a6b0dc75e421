/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The addresses of the host: a sorted array.
 */
#include "host/addrs.h"

static int compare_host_addr(const struct pl_host_addr *a, const struct pl_host_addr *b)
{
	int c = pl_ip_cmp(&a->ip, &b->ip);

	return c ? c : (a->ifindex > b->ifindex) - (a->ifindex < b->ifindex);
}

static size_t bound(const struct pl_host_addrs *addrs, const struct pl_host_addr *key)
{
	size_t lo = 0, hi = addrs->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (compare_host_addr(&addrs->v[mid], key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int pl_host_addrs_add(struct pl_host_addrs *addrs, const struct pl_nl_addr *addr)
{
	const struct pl_host_addr key = {addr->ip.ip, addr->ifindex};
	size_t at = bound(addrs, &key);

	if (at < addrs->n && !compare_host_addr(&addrs->v[at], &key))
		return 0;
	if (addrs->n == addrs->size) {
		size_t size = addrs->size ? addrs->size * 2 : 32;
		struct pl_host_addr *v = reallocarray(addrs->v, size, sizeof(*v));

		if (!v)
			return -ENOMEM;
		addrs->v = v;
		addrs->size = size;
	}
	memmove(&addrs->v[at + 1], &addrs->v[at], (addrs->n - at) * sizeof(key));
	addrs->v[at] = key;
	addrs->n++;
	return 1;
}

bool pl_host_addrs_del(struct pl_host_addrs *addrs, const struct pl_nl_addr *addr)
{
	const struct pl_host_addr key = {addr->ip.ip, addr->ifindex};
	size_t at = bound(addrs, &key);

	if (at == addrs->n || compare_host_addr(&addrs->v[at], &key))
		return false;
	addrs->n--;
	memmove(&addrs->v[at], &addrs->v[at + 1], (addrs->n - at) * sizeof(key));
	return true;
}

bool pl_host_addrs_has(const struct pl_host_addrs *addrs, uint32_t ifindex, const struct pl_ip *ip)
{
	const struct pl_host_addr key = {*ip, ifindex};
	size_t at = bound(addrs, &key);

	return at < addrs->n && !pl_ip_cmp(&addrs->v[at].ip, ip) &&
	       (!ifindex || addrs->v[at].ifindex == ifindex);
}

void pl_host_addrs_clear(struct pl_host_addrs *addrs)
{
	free(addrs->v);
	*addrs = (struct pl_host_addrs){0};
}
