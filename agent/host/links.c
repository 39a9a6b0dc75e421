/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A sorted array: thousands of links at most, looked up far more often than changed.
 */
#include "host/links.h"

static size_t lower_bound(const struct pl_devices *links, uint32_t ifindex)
{
	size_t lo = 0, hi = links->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (links->v[mid].ifindex < ifindex)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int make_room(struct pl_devices *links)
{
	if (links->n == links->size) {
		size_t size = links->size ? links->size * 2 : 64;
		struct pl_nl_link *v = reallocarray(links->v, size, sizeof(*v));

		if (!v)
			return -ENOMEM;
		links->v = v;
		links->size = size;
	}
	return 0;
}

int pl_links_append(struct pl_devices *links, const struct pl_nl_link *link)
{
	int r = make_room(links);

	if (!r)
		links->v[links->n++] = *link;
	return r;
}

static int by_ifindex(const void *a, const void *b)
{
	const struct pl_nl_link *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

void pl_links_sort(struct pl_devices *links)
{
	size_t n = 0;

	if (!links->n)
		return;
	qsort(links->v, links->n, sizeof(*links->v), by_ifindex);
	for (size_t i = 0; i < links->n; i++)
		if (!n || links->v[i].ifindex != links->v[n - 1].ifindex)
			links->v[n++] = links->v[i];
	links->n = n;
}

int pl_links_set(struct pl_devices *links, const struct pl_nl_link *link)
{
	size_t at = lower_bound(links, link->ifindex);

	if (at < links->n && links->v[at].ifindex == link->ifindex) {
		links->v[at] = *link;
		return 0;
	}
	if (make_room(links) < 0)
		return -ENOMEM;
	memmove(&links->v[at + 1], &links->v[at], (links->n - at) * sizeof(*links->v));
	links->v[at] = *link;
	links->n++;
	return 0;
}

void pl_links_del(struct pl_devices *links, uint32_t ifindex)
{
	size_t at = lower_bound(links, ifindex);

	if (at == links->n || links->v[at].ifindex != ifindex)
		return;
	links->n--;
	memmove(&links->v[at], &links->v[at + 1], (links->n - at) * sizeof(*links->v));
}

const struct pl_nl_link *pl_links_get(const struct pl_devices *links, uint32_t ifindex)
{
	size_t at = lower_bound(links, ifindex);

	return at < links->n && links->v[at].ifindex == ifindex ? &links->v[at] : NULL;
}

const struct pl_nl_link *pl_links_by_name(const struct pl_devices *links, const char *name)
{
	for (size_t i = 0; i < links->n; i++)
		if (!strcmp(links->v[i].name, name))
			return &links->v[i];
	return NULL;
}

static bool has_group(const struct pl_devices *links, uint32_t group)
{
	for (size_t i = 0; i < links->n; i++)
		if (links->v[i].group == group)
			return true;
	return false;
}

uint32_t pl_links_free_group(const struct pl_devices *links, uint32_t wish)
{
	uint32_t group = wish;

	while (!group || has_group(links, group))
		group++;
	return group;
}

void pl_links_clear(struct pl_devices *links)
{
	free(links->v);
	*links = (struct pl_devices){0};
}
