/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What netlink tells of host ends, and what that means for their endpoints.
 */
#include "common/log.h"
#include "endpoint/internal.h"
#include "endpoint/remove.h"

static struct pl_endpoint *find_by_host_link(struct pl_endpoints *t, const struct pl_nl_link *link)
{
	for (uint32_t id = 1; id < t->max; id++) {
		struct pl_endpoint *pod = t->v[id];

		if (pod && !strcmp(pod->rec.host_ifname, link->name) &&
		    !memcmp(pod->rec.host_mac.bytes, link->mac.bytes, 6))
			return pod;
	}
	return NULL;
}

void pl_endpoints_link_changed(struct pl_endpoints *t, const struct pl_nl_link *link)
{
	struct pl_endpoint *pod = pl_endpoints_by_ifindex(t, link->ifindex);
	struct pl_error err = {0};

	if (!pod) {
		/* A host end that left and came back has a new index. */
		pod = find_by_host_link(t, link);
		if (!pod || pod->state == PL_STATE_DELETING ||
		    pl_links_get(pl_host_links(t->opts.host), pod->rec.ifindex))
			return;
		pl_endpoints_unindex_link(t, pod);
		pod->rec.ifindex = link->ifindex;
		pl_endpoints_index_link(t, pod);
		if (pl_endpoint_save(t, &pod->rec, &err) < 0)
			pl_warn("record not saved error=\"%s\"", err.text);
	}
	if (strcmp(pod->rec.host_ifname, link->name)) {
		pl_info("host end renamed from=%s to=%s", pod->rec.host_ifname, link->name);
		pl_endpoint_copy_text(pod->rec.host_ifname, sizeof(pod->rec.host_ifname),
				      link->name);
		if (pl_endpoint_save(t, &pod->rec, &err) < 0)
			pl_warn("record not saved error=\"%s\"", err.text);
	}
	pod->shaped = pl_endpoint_is_shaped(t, link);
	pl_endpoint_sync(t, pod);
}

void pl_endpoints_link_gone(struct pl_endpoints *t, const struct pl_nl_link *link)
{
	struct pl_endpoint *pod = pl_endpoints_by_ifindex(t, link->ifindex);

	if (!pod)
		return;
	/* Moved: it may come back, its address stays taken. */
	if (link->new_nsid != PL_NL_NSID_HERE) {
		if (!pl_endpoint_is_leaving(pod))
			pl_endpoint_sync(t, pod);
		return;
	}
	if (!pl_endpoint_is_leaving(pod))
		pl_info("link gone host=%s container=%s", pod->rec.host_ifname,
			pod->rec.container_id);
	pl_endpoint_link_gone(t, pod);
}

bool pl_endpoint_has_link(const struct pl_record *rec, const struct pl_nl_link *link)
{
	return link->ifindex == rec->ifindex &&
	       (!strcmp(link->name, rec->host_ifname) ||
		!memcmp(link->mac.bytes, rec->host_mac.bytes, sizeof(link->mac.bytes)));
}

const struct pl_nl_link *pl_endpoint_link_of(const struct pl_endpoints *t,
					     const struct pl_record *rec)
{
	const struct pl_nl_link *link = pl_links_get(pl_host_links(t->opts.host), rec->ifindex);

	return link && pl_endpoint_has_link(rec, link) ? link : NULL;
}

void pl_endpoints_sweep(struct pl_endpoints *t)
{
	for (uint32_t id = 1; id < t->max; id++) {
		struct pl_endpoint *pod = t->v[id];
		const struct pl_nl_link *link;

		if (!pod)
			continue;
		link = pl_endpoint_link_of(t, &pod->rec);
		if (!link) {
			pl_info("record without link removed container=%s ifname=%s host=%s",
				pod->rec.container_id, pod->rec.ifname, pod->rec.host_ifname);
			pl_endpoint_release(t, pod);
			continue;
		}
		pl_endpoint_copy_text(pod->rec.host_ifname, sizeof(pod->rec.host_ifname),
				      link->name);
		pod->shaped = pl_endpoint_is_shaped(t, link);
	}
}
