/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of endpoints: by slot, by container and interface name, by the index of the host end.
 */
#include "endpoint/internal.h"

struct pl_endpoint *pl_endpoints_find(const struct pl_daemon *d, const char *container_id,
				      const char *ifname)
{
	uint64_t hash = pl_endpoint_hash(container_id, ifname);
	struct pl_endpoint *pod = d->by_key[hash & (d->n_buckets - 1)];

	while (pod && (pod->key_hash != hash || strcmp(pod->rec.container_id, container_id) ||
		       strcmp(pod->rec.ifname, ifname)))
		pod = pod->next_by_key;
	return pod;
}

struct pl_endpoint *pl_endpoints_by_ifindex(const struct pl_daemon *d, uint32_t ifindex)
{
	struct pl_endpoint *pod = d->by_link[ifindex & (d->n_buckets - 1)];

	while (pod && pod->rec.ifindex != ifindex)
		pod = pod->next_by_link;
	return pod;
}

int pl_endpoints_init(struct pl_daemon *d, uint32_t max)
{
	d->max_pods = max;
	d->n_buckets = 1;
	while (d->n_buckets < max)
		d->n_buckets *= 2;
	d->pods = calloc(max, sizeof(struct pl_endpoint *));
	d->by_key = calloc(d->n_buckets, sizeof(struct pl_endpoint *));
	d->by_link = calloc(d->n_buckets, sizeof(struct pl_endpoint *));
	return d->pods && d->by_key && d->by_link ? 0 : -ENOMEM;
}

static struct pl_endpoint **key_bucket(struct pl_daemon *d, const struct pl_endpoint *pod)
{
	return &d->by_key[pod->key_hash & (d->n_buckets - 1)];
}

void pl_endpoints_index_link(struct pl_daemon *d, struct pl_endpoint *pod)
{
	struct pl_endpoint **bucket = &d->by_link[pod->rec.ifindex & (d->n_buckets - 1)];

	pod->next_by_link = *bucket;
	*bucket = pod;
}

void pl_endpoints_unindex_link(struct pl_daemon *d, struct pl_endpoint *pod)
{
	struct pl_endpoint **at = &d->by_link[pod->rec.ifindex & (d->n_buckets - 1)];

	while (*at != pod)
		at = &(*at)->next_by_link;
	*at = pod->next_by_link;
}

static void unindex_key(struct pl_daemon *d, struct pl_endpoint *pod)
{
	struct pl_endpoint **at = key_bucket(d, pod);

	while (*at != pod)
		at = &(*at)->next_by_key;
	*at = pod->next_by_key;
}

static uint32_t free_id(struct pl_daemon *d, uint32_t ifindex)
{
	uint32_t guessed = PL_SLOT_HINT(ifindex);

	if (guessed && guessed < d->max_pods && !d->pods[guessed])
		return guessed;
	for (uint32_t i = 0; i + 1 < d->max_pods; i++) {
		uint32_t id = 1 + (d->next_id + i) % (d->max_pods - 1);

		if (!d->pods[id]) {
			d->next_id = id; /* the search goes on behind it */
			return id;
		}
	}
	return 0;
}

/* A slot that the datapath still holds for this very link keeps its number over a restart. */
static uint32_t known_id(struct pl_daemon *d, uint32_t ifindex)
{
	struct pl_device link;

	if (ifindex && !pl_datapath_link_get(d->dp, ifindex, &link) &&
	    link.role == PL_ROLE_ENDPOINT && link.endpoint && link.endpoint < d->max_pods &&
	    !d->pods[link.endpoint])
		return link.endpoint;
	return 0;
}

int pl_endpoints_insert(struct pl_daemon *d, const struct pl_record *rec, struct pl_endpoint **ret,
			struct pl_error *err)
{
	uint32_t id = known_id(d, rec->ifindex);
	struct pl_endpoint *pod;

	if (!id)
		id = free_id(d, rec->ifindex);
	if (!id)
		return pl_fail(err, -ENOSPC,
			       "all %u endpoints of this node are in use: raise maxEndpoints",
			       d->max_pods - 1);
	pod = calloc(1, sizeof(*pod));
	if (!pod)
		return pl_fail(err, -ENOMEM, "out of memory for an endpoint");
	pod->rec = *rec;
	pod->id = id;
	pod->key_hash = pl_endpoint_hash(rec->container_id, rec->ifname);
	pod->next_by_key = *key_bucket(d, pod);
	*key_bucket(d, pod) = pod;
	pl_endpoints_index_link(d, pod);
	d->pods[id] = pod;
	d->n_pods++;
	*ret = pod;
	return 0;
}

void pl_endpoints_drop(struct pl_daemon *d, struct pl_endpoint *pod)
{
	unindex_key(d, pod);
	pl_endpoints_unindex_link(d, pod);
	d->pods[pod->id] = NULL;
	d->n_pods--;
	pl_facts_clear(&pod->applied);
	free(pod);
}

void pl_endpoint_copy_text(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

int pl_endpoint_save(struct pl_daemon *d, const struct pl_record *rec, struct pl_error *err)
{
	int r = pl_record_save(d->settings.run_dir, rec);

	return r < 0 ? pl_fail(err, r, "write the record of %s:%s under %s: %s", rec->container_id,
			       rec->ifname, d->settings.run_dir, strerror(-r))
		     : 0;
}

void pl_endpoints_clear(struct pl_daemon *d)
{
	for (uint32_t id = 1; d->pods && id < d->max_pods; id++)
		if (d->pods[id])
			pl_endpoints_drop(d, d->pods[id]);
	free(d->pods);
	free(d->by_key);
	free(d->by_link);
	d->pods = NULL;
}
