/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of endpoints: by slot, by container and interface name, by the index of the host end.
 */
#include "endpoint/internal.h"

struct pl_endpoint *pl_endpoints_find(const struct pl_endpoints *t, const char *container_id,
				      const char *ifname)
{
	uint64_t hash = pl_endpoint_hash(container_id, ifname);
	struct pl_endpoint *pod = t->by_key[hash & (t->n_buckets - 1)];

	while (pod && (pod->key_hash != hash || strcmp(pod->rec.container_id, container_id) ||
		       strcmp(pod->rec.ifname, ifname)))
		pod = pod->next_by_key;
	return pod;
}

struct pl_endpoint *pl_endpoints_by_ifindex(const struct pl_endpoints *t, uint32_t ifindex)
{
	struct pl_endpoint *pod = t->by_link[ifindex & (t->n_buckets - 1)];

	while (pod && pod->rec.ifindex != ifindex)
		pod = pod->next_by_link;
	return ifindex ? pod : NULL;
}

static struct pl_endpoint **key_bucket(struct pl_endpoints *t, const struct pl_endpoint *pod)
{
	return &t->by_key[pod->key_hash & (t->n_buckets - 1)];
}

static void index_link(struct pl_endpoints *t, struct pl_endpoint *pod)
{
	struct pl_endpoint **bucket = &t->by_link[pod->rec.ifindex & (t->n_buckets - 1)];

	pod->next_by_link = *bucket;
	*bucket = pod;
}

static void unindex_link(struct pl_endpoints *t, struct pl_endpoint *pod)
{
	struct pl_endpoint **at = &t->by_link[pod->rec.ifindex & (t->n_buckets - 1)];

	while (*at != pod)
		at = &(*at)->next_by_link;
	*at = pod->next_by_link;
}

void pl_endpoints_set_index(struct pl_endpoints *t, struct pl_endpoint *pod, uint32_t ifindex)
{
	unindex_link(t, pod);
	t->n_away -= !pod->rec.ifindex;
	if (!ifindex && pod->rec.ifindex)
		pod->former_ifindex = pod->rec.ifindex;
	pod->rec.ifindex = ifindex;
	t->n_away += !ifindex;
	index_link(t, pod);
}

static void unindex_key(struct pl_endpoints *t, struct pl_endpoint *pod)
{
	struct pl_endpoint **at = key_bucket(t, pod);

	while (*at != pod)
		at = &(*at)->next_by_key;
	*at = pod->next_by_key;
}

static uint32_t free_id(struct pl_endpoints *t, uint32_t ifindex)
{
	uint32_t guessed = PL_SLOT_HINT(ifindex);

	if (guessed && guessed < t->max && !t->v[guessed])
		return guessed;
	for (uint32_t i = 0; i + 1 < t->max; i++) {
		uint32_t id = 1 + (t->next_id + i) % (t->max - 1);

		if (!t->v[id]) {
			t->next_id = id; /* the search goes on behind it */
			return id;
		}
	}
	return 0;
}

/* A slot that the datapath still holds for this very link keeps its number over a restart. */
static uint32_t known_id(struct pl_endpoints *t, uint32_t ifindex)
{
	struct pl_device link;

	if (ifindex && !pl_datapath_link_get(t->opts.dp, ifindex, &link) &&
	    link.role == PL_ROLE_ENDPOINT && link.endpoint && link.endpoint < t->max &&
	    !t->v[link.endpoint])
		return link.endpoint;
	return 0;
}

int pl_endpoints_insert(struct pl_endpoints *t, const struct pl_record *rec,
			struct pl_endpoint **ret, struct pl_error *err)
{
	uint32_t id = known_id(t, rec->ifindex);
	struct pl_endpoint *pod;

	if (!id)
		id = free_id(t, rec->ifindex);
	if (!id)
		return pl_fail(err, -ENOSPC,
			       "all %u endpoints of this node are in use: raise maxEndpoints",
			       t->max - 1);
	pod = calloc(1, sizeof(*pod));
	if (!pod)
		return pl_fail(err, -ENOMEM, "out of memory for an endpoint");
	pod->rec = *rec;
	pod->id = id;
	pod->key_hash = pl_endpoint_hash(rec->container_id, rec->ifname);
	pod->next_by_key = *key_bucket(t, pod);
	*key_bucket(t, pod) = pod;
	index_link(t, pod);
	t->n_away += !rec->ifindex;
	t->v[id] = pod;
	t->n++;
	*ret = pod;
	return 0;
}

void pl_endpoints_drop(struct pl_endpoints *t, struct pl_endpoint *pod)
{
	unindex_key(t, pod);
	unindex_link(t, pod);
	t->n_away -= !pod->rec.ifindex;
	t->v[pod->id] = NULL;
	t->n--;
	pl_reconcile_drop(t->opts.reconcile, &pod->facts);
	free(pod);
}

void pl_endpoint_copy_text(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

int pl_endpoint_save(struct pl_endpoints *t, const struct pl_record *rec, struct pl_error *err)
{
	int r = pl_record_save(t->opts.run_dir, rec);

	return r < 0 ? pl_fail(err, r, "write the record of %s:%s under %s: %s", rec->container_id,
			       rec->ifname, t->opts.run_dir, strerror(-r))
		     : 0;
}
