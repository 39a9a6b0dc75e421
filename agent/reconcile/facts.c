/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Facts: made, compared, ordered.
 */
#include "reconcile/facts.h"

void pl_facts_clear(struct pl_facts *f)
{
	free(f->v);
	*f = (struct pl_facts){0};
}

struct pl_fact *pl_facts_add(struct pl_facts *f, enum pl_fact_kind kind)
{
	struct pl_fact *fact;

	if (f->n == f->size) {
		size_t size = f->size ? f->size * 2 : 8;
		struct pl_fact *v = reallocarray(f->v, size, sizeof(*v));

		if (!v)
			return NULL;
		f->v = v;
		f->size = size;
	}
	fact = &f->v[f->n++];
	memset(fact, 0, sizeof(*fact));
	fact->kind = kind;
	return fact;
}

static int compare_u32(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

int pl_fact_compare(const struct pl_fact *a, const struct pl_fact *b)
{
	int c = compare_u32(a->kind, b->kind);

	if (c)
		return c;
	switch (a->kind) {
	case PL_FACT_NETWORKS:
		return 0;
	case PL_FACT_ENDPOINT:
	case PL_FACT_LINK:
	case PL_FACT_TUNNEL:
	case PL_FACT_PROGRAM:
		return compare_u32(a->index, b->index);
	case PL_FACT_MIRROR:
		c = compare_u32(a->index, b->index);
		return c ? c : compare_u32(a->mirror.id, b->mirror.id);
	case PL_FACT_ATTACH:
		c = compare_u32(a->index, b->index);
		return c ? c : compare_u32(a->hook, b->hook);
	case PL_FACT_ADDR:
		return pl_ip_cmp(&a->ip, &b->ip);
	}
	return 0;
}

static bool same_endpoint(const struct pl_endpoint_info *a, const struct pl_endpoint_info *b)
{
	return a->ifindex == b->ifindex && a->flags == b->flags && a->link_kind == b->link_kind &&
	       a->mtu == b->mtu && !memcmp(a->pod_mac, b->pod_mac, sizeof(a->pod_mac)) &&
	       !memcmp(a->host_mac, b->host_mac, sizeof(a->host_mac)) &&
	       !memcmp(a->ip4, b->ip4, sizeof(a->ip4)) && !memcmp(a->ip6, b->ip6, sizeof(a->ip6)) &&
	       a->mirror_out == b->mirror_out && a->mirror_in == b->mirror_in;
}

static bool same_networks(const struct pl_fact *a, const struct pl_fact *b)
{
	if (a->networks.n != b->networks.n)
		return false;
	for (size_t i = 0; i < a->networks.n; i++) {
		const struct pl_network_rule *x = &a->networks.rules[i], *y = &b->networks.rules[i];

		if (x->except != y->except || x->net.len != y->net.len ||
		    pl_ip_cmp(&x->net.ip, &y->net.ip))
			return false;
	}
	return true;
}

bool pl_fact_same(const struct pl_fact *a, const struct pl_fact *b)
{
	switch (a->kind) {
	case PL_FACT_NETWORKS:
		return same_networks(a, b);
	case PL_FACT_PROGRAM:
		return a->program.id == b->program.id;
	case PL_FACT_MIRROR:
		return !memcmp(&a->mirror, &b->mirror, sizeof(a->mirror));
	case PL_FACT_ENDPOINT:
		return same_endpoint(&a->endpoint, &b->endpoint);
	case PL_FACT_LINK:
		return a->link.endpoint == b->link.endpoint && a->link.role == b->link.role;
	case PL_FACT_TUNNEL:
		return a->tunnel.ifindex == b->tunnel.ifindex;
	case PL_FACT_ATTACH:
		return a->attach.kind == b->attach.kind && a->attach.abi == b->attach.abi &&
		       a->attach.program == b->attach.program;
	case PL_FACT_ADDR:
		return a->addr.endpoint == b->addr.endpoint && a->addr.kind == b->addr.kind;
	}
	return false;
}
