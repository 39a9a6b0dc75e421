/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prefixes are split in halves until each is wholly in or wholly out. That ends after at most as
 * many steps as an address has bits for each prefix that was given.
 */
#include "common/prefixes.h"

#include "common/util.h"

void pl_prefixes_clear(struct pl_prefixes *set)
{
	free(set->v);
	*set = (struct pl_prefixes){0};
}

static struct pl_ip first_of(const struct pl_prefix *p)
{
	struct pl_ip first, last;

	pl_prefix_range(p, &first, &last);
	return first;
}

static struct pl_ip last_of(const struct pl_prefix *p)
{
	struct pl_ip first, last;

	pl_prefix_range(p, &first, &last);
	return last;
}

bool pl_prefix_same(const struct pl_prefix *a, const struct pl_prefix *b)
{
	return a->len == b->len && pl_prefix_contains(a, &b->ip);
}

bool pl_prefixes_has(const struct pl_prefixes *set, const struct pl_prefix *p)
{
	for (size_t i = 0; i < set->n; i++)
		if (pl_prefix_same(&set->v[i], p))
			return true;
	return false;
}

int pl_prefixes_add(struct pl_prefixes *set, const struct pl_prefix *p)
{
	if (set->n == set->size) {
		size_t size = set->size ? set->size * 2 : 8;
		struct pl_prefix *v = reallocarray(set->v, size, sizeof(*v));

		if (!v)
			return -ENOMEM;
		set->v = v;
		set->size = size;
	}
	set->v[set->n++] = (struct pl_prefix){first_of(p), p->len};
	return 0;
}

/* The longest step from @first: the widest prefix that begins there and ends by @last. */
static struct pl_prefix widest(const struct pl_ip *first, const struct pl_ip *last)
{
	struct pl_prefix p = {*first, pl_ip_bits(first->family)};

	while (p.len) {
		struct pl_prefix wider = {*first, (uint8_t)(p.len - 1)};
		struct pl_ip begin, end;

		pl_prefix_range(&wider, &begin, &end);
		if (pl_ip_cmp(&begin, first) || pl_ip_cmp(&end, last) > 0)
			break;
		p = wider;
	}
	return p;
}

int pl_prefixes_add_range(struct pl_prefixes *set, const struct pl_ip *first,
			  const struct pl_ip *last)
{
	struct pl_ip at = *first;

	while (pl_ip_cmp(&at, last) <= 0) {
		struct pl_prefix p = widest(&at, last);
		struct pl_ip end = last_of(&p);
		int r = pl_prefixes_add(set, &p);

		if (r < 0)
			return r;
		if (pl_ip_add(&end, 1, &at) < 0) /* that was the last address there is */
			break;
	}
	return 0;
}

/* @ip - 1; @ip is not the first address there is. */
static struct pl_ip before(const struct pl_ip *ip)
{
	struct pl_ip out = *ip;
	size_t i = pl_ip_bits(ip->family) / 8;

	while (i-- > 0 && !out.bytes[i]--)
		;
	return out;
}

int pl_prefixes_add_range_without(struct pl_prefixes *set, const struct pl_ip *first,
				  const struct pl_ip *last, const struct pl_prefix *except,
				  size_t n)
{
	for (; n; except++, n--) {
		struct pl_ip begin = first_of(except), end = last_of(except);
		struct pl_ip edge;
		int r = 0;

		if (begin.family != first->family || pl_ip_cmp(&end, first) < 0 ||
		    pl_ip_cmp(&begin, last) > 0)
			continue;
		if (pl_ip_cmp(&begin, first) > 0) {
			edge = before(&begin);
			r = pl_prefixes_add_range_without(set, first, &edge, except + 1, n - 1);
		}
		if (!r && pl_ip_cmp(&end, last) < 0 && !pl_ip_add(&end, 1, &edge))
			r = pl_prefixes_add_range_without(set, &edge, last, except + 1, n - 1);
		return r;
	}
	return pl_prefixes_add_range(set, first, last);
}

struct rules {
	const struct pl_network_rule *v;
	size_t n;
};

static bool is_in(const struct rules *rules, const struct pl_prefix *p, bool inherited)
{
	for (size_t i = 0; i < rules->n; i++)
		if (pl_prefix_same(&rules->v[i].net, p))
			return !rules->v[i].except;
	return inherited;
}

/* Whether a part of @p, but not all of it, is other than @in. */
static bool differs_inside(const struct rules *rules, const struct pl_prefix *p, bool in)
{
	for (size_t i = 0; i < rules->n; i++)
		if (rules->v[i].net.len > p->len && rules->v[i].except == in &&
		    pl_prefix_contains(p, &rules->v[i].net.ip))
			return true;
	return false;
}

static int add_half(struct pl_prefixes *set, const struct rules *rules, struct pl_prefix p, bool in)
{
	int r;

	in = is_in(rules, &p, in);
	if (!differs_inside(rules, &p, in))
		return in ? pl_prefixes_add(set, &p) : 0;
	p.len++;
	r = add_half(set, rules, p, in);
	p.ip.bytes[(p.len - 1) / 8] |= (uint8_t)(0x80 >> ((p.len - 1) % 8));
	return r < 0 ? r : add_half(set, rules, p, in);
}

int pl_prefixes_add_rules(struct pl_prefixes *set, uint8_t family,
			  const struct pl_network_rule *rules, size_t n)
{
	const struct rules all = {rules, n};
	const struct pl_prefix root = {.ip.family = family};

	return add_half(set, &all, root, false);
}
