/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The pure middle of every control event: two sorted sets of facts, one merge.
 */
#include "reconcile/plan.h"

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

static int compare_key(const struct pl_fact *a, const struct pl_fact *b)
{
	int c = compare_u32(a->kind, b->kind);

	if (c)
		return c;
	switch (a->kind) {
	case PL_FACT_ENDPOINT:
	case PL_FACT_LINK:
		return compare_u32(a->index, b->index);
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
	       !memcmp(a->ip4, b->ip4, sizeof(a->ip4)) && !memcmp(a->ip6, b->ip6, sizeof(a->ip6));
}

bool pl_fact_same(const struct pl_fact *a, const struct pl_fact *b)
{
	switch (a->kind) {
	case PL_FACT_ENDPOINT:
		return same_endpoint(&a->endpoint, &b->endpoint);
	case PL_FACT_LINK:
		return a->link.endpoint == b->link.endpoint && a->link.role == b->link.role;
	case PL_FACT_ATTACH:
		return true;
	case PL_FACT_ADDR:
		return a->addr.endpoint == b->addr.endpoint && a->addr.kind == b->addr.kind;
	}
	return false;
}

struct sort_entry {
	struct pl_fact fact;
	size_t order;
};

static int compare_entry(const void *a, const void *b)
{
	const struct sort_entry *x = a, *y = b;
	int c = compare_key(&x->fact, &y->fact);

	return c ? c : (x->order > y->order) - (x->order < y->order);
}

/* qsort() is not stable: the position decides between equal keys, then only the first stays. */
static int sort_unique(struct pl_facts *f)
{
	struct sort_entry *entries;
	size_t n = 0;

	if (!f->n)
		return 0;
	entries = reallocarray(NULL, f->n, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < f->n; i++)
		entries[i] = (struct sort_entry){f->v[i], i};
	qsort(entries, f->n, sizeof(*entries), compare_entry);
	for (size_t i = 0; i < f->n; i++)
		if (!i || compare_key(&entries[i].fact, &entries[i - 1].fact))
			f->v[n++] = entries[i].fact;
	f->n = n;
	free(entries);
	return 0;
}

int pl_plan_make(struct pl_facts *desired, struct pl_facts *actual, struct pl_plan *ret)
{
	size_t d = 0, a = 0, n_set = 0, n_del = 0;
	struct pl_op *ops, *sets;

	if (sort_unique(desired) || sort_unique(actual))
		return -ENOMEM;
	ops = reallocarray(NULL, desired->n + actual->n + 1, sizeof(*ops));
	sets = reallocarray(NULL, desired->n + 1, sizeof(*sets));
	if (!ops || !sets) {
		free(ops);
		free(sets);
		return -ENOMEM;
	}
	while (d < desired->n || a < actual->n) {
		int c;

		if (d == desired->n)
			c = 1;
		else if (a == actual->n)
			c = -1;
		else
			c = compare_key(&desired->v[d], &actual->v[a]);
		if (c > 0) {
			ops[n_del++] = (struct pl_op){true, actual->v[a++]};
			continue;
		}
		if (c < 0 || !pl_fact_same(&desired->v[d], &actual->v[a]))
			sets[n_set++] = (struct pl_op){false, desired->v[d]};
		d++;
		a += c == 0;
	}
	for (size_t i = 0; i < n_del / 2; i++) {
		struct pl_op swap = ops[i];

		ops[i] = ops[n_del - 1 - i];
		ops[n_del - 1 - i] = swap;
	}
	memcpy(ops + n_del, sets, n_set * sizeof(*sets));
	free(sets);
	ret->v = ops;
	ret->n = n_del + n_set;
	return 0;
}

void pl_plan_clear(struct pl_plan *p)
{
	free(p->v);
	*p = (struct pl_plan){0};
}
