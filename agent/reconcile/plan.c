/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The pure middle of every control event: two sorted sets of facts, one merge.
 */
#include "reconcile/plan.h"

struct sort_entry {
	struct pl_fact fact;
	size_t order;
};

static int compare_entry(const void *a, const void *b)
{
	const struct sort_entry *x = a, *y = b;
	int c = pl_fact_compare(&x->fact, &y->fact);

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
		if (!i || pl_fact_compare(&entries[i].fact, &entries[i - 1].fact))
			f->v[n++] = entries[i].fact;
	f->n = n;
	free(entries);
	return 0;
}

static void reverse(struct pl_op *ops, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct pl_op swap = ops[i];

		ops[i] = ops[n - 1 - i];
		ops[n - 1 - i] = swap;
	}
}

static int turn_of(const struct pl_op *op)
{
	return op->pauses ? 0 : op->swaps ? 2 : 1;
}

/* Sets that swap programs go behind the others; the order is kept otherwise. */
static void append_sets(struct pl_op *ops, const struct pl_op *sets, size_t n)
{
	for (int turn = 0; turn < 3; turn++)
		for (size_t i = 0; i < n; i++)
			if (turn_of(&sets[i]) == turn)
				*ops++ = sets[i];
}

/* Between its old and its new target, masks change too: no packet may meet a half of that. */
static bool must_pause(const struct pl_fact *actual)
{
	return actual->kind == PL_FACT_MIRROR && actual->mirror.flags & PL_MIRROR_ACTIVE;
}

static struct pl_op pause_of(const struct pl_fact *actual)
{
	struct pl_op op = {.pauses = true, .fact = *actual};

	op.fact.mirror.flags &= ~(uint32_t)PL_MIRROR_ACTIVE;
	return op;
}

int pl_plan_make(struct pl_facts *desired, struct pl_facts *actual, struct pl_plan *ret)
{
	size_t d = 0, a = 0, n_set = 0, n_del = 0;
	struct pl_op *ops, *sets;

	if (sort_unique(desired) || sort_unique(actual))
		return -ENOMEM;
	ops = reallocarray(NULL, desired->n + actual->n + 1, sizeof(*ops));
	sets = reallocarray(NULL, desired->n + actual->n + 1, sizeof(*sets));
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
			c = pl_fact_compare(&desired->v[d], &actual->v[a]);
		if (c > 0) {
			ops[n_del++] = (struct pl_op){.del = true, .fact = actual->v[a++]};
			continue;
		}
		if (!c && must_pause(&actual->v[a]) && !pl_fact_same(&desired->v[d], &actual->v[a]))
			sets[n_set++] = pause_of(&actual->v[a]);
		if (c < 0 || !pl_fact_same(&desired->v[d], &actual->v[a]))
			sets[n_set++] = (struct pl_op){
				.swaps = !c && desired->v[d].kind == PL_FACT_ATTACH,
				.fact = desired->v[d],
			};
		d++;
		a += c == 0;
	}
	reverse(ops, n_del);
	append_sets(ops + n_del, sets, n_set);
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
