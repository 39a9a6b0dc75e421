/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DEL while the daemon is dead or hung: the plugin finishes by itself what can be finished on
 * disk and by netlink. A link is deleted only where it is the one that the record names, or,
 * where the record was lost, by the name that was derived from container and interface. The
 * rest (map entries, masquerade rules) is derived from the records: the daemon settles it when it
 * starts. Must never touch a record of another network.
 */
#include "cni/cni.h"
#include "common/record.h"
#include "netlink/identity.h"
#include "netlink/netlink.h"

static int delete_link(struct pl_nl *nl, uint32_t ifindex, struct pl_error *err)
{
	pl_cleanup(pl_nl_batch_freep) struct pl_nl_batch *batch = NULL;
	int code;

	code = pl_nl_batch_new(nl, &batch);
	if (!code)
		code = pl_nl_del_link(batch, NULL, ifindex);
	if (!code)
		code = pl_nl_batch_commit(batch, err);
	return code == -ENODEV ? 0 : code;
}

/* By index, or by name where it has a new one. 0: gone now, -ENOENT: it was not there. */
static int delete_if_ours(struct pl_nl *nl, const struct pl_identity *id, struct pl_error *err)
{
	struct pl_nl_link link;

	if (!id->ifindex || pl_nl_link_get(nl, NULL, id->ifindex, &link) < 0 ||
	    !pl_identity_matches(id, &link)) {
		if (pl_nl_link_get(nl, id->name, 0, &link) < 0 || !pl_identity_matches(id, &link))
			return -ENOENT;
	}
	return delete_link(nl, link.ifindex, err);
}

static int delete_pair(const struct pl_record *record, const char *netns, struct pl_error *err)
{
	const struct pl_identity host_end = pl_identity_of_host_end(record);
	const struct pl_identity pod_end = pl_identity_of_pod_end(record);
	pl_cleanup(pl_nl_closep) struct pl_nl *host = NULL;
	pl_cleanup(pl_nl_closep) struct pl_nl *pod = NULL;
	pl_autoclose int fd = -1;
	int code;

	code = pl_nl_open(-1, &host, err);
	if (code < 0)
		return code;
	code = delete_if_ours(host, &host_end, err);
	if (code != -ENOENT)
		return code;
	/* The host end may have been moved away; the pod's end takes it along. */
	fd = pl_identity_open_netns(netns && *netns ? netns : record->netns, record->netns_inode);
	if (fd < 0)
		return 0;
	code = pl_nl_open(fd, &pod, err);
	if (code < 0)
		return code;
	code = delete_if_ours(pod, &pod_end, err);
	return code == -ENOENT ? 0 : code;
}

/* What an ADD that was cut short has made, if it got that far. */
static int delete_half_made(const struct pl_record *record, struct pl_error *err)
{
	pl_cleanup(pl_nl_closep) struct pl_nl *host = NULL;
	struct pl_nl_link link;
	int code = pl_nl_open(-1, &host, err);

	if (code < 0)
		return code;
	if (pl_nl_link_get(host, record->host_ifname, 0, &link) < 0 ||
	    !pl_identity_is_half_made(record, &link))
		return 0;
	return delete_link(host, link.ifindex, err);
}

/* By the name that ADD derives; what it is called like is nobody else's. */
static int delete_leftover(const char *container_id, const char *ifname, struct pl_error *err)
{
	pl_cleanup(pl_nl_closep) struct pl_nl *host = NULL;
	struct pl_nl_link link;
	char name[IFNAMSIZ];
	int code = pl_nl_open(-1, &host, err);

	if (code < 0)
		return code;
	pl_host_ifname(container_id, ifname, name);
	if (pl_nl_link_get(host, name, 0, &link) < 0 || !pl_nl_is_pair(&link))
		return 0;
	return delete_link(host, link.ifindex, err);
}

int cni_offline_del(const char *run_dir, const char *container_id, const char *ifname,
		    const char *network, const char *netns, struct pl_error *err)
{
	pl_autofree struct pl_record *record = malloc(sizeof(*record));
	int code;

	if (!record)
		return pl_fail(err, -ENOMEM, "No memory left");
	code = pl_record_load(run_dir, container_id, ifname, record, err);
	if (code == -ENOENT || code == -ENOTDIR)
		return delete_leftover(container_id, ifname, err);
	if (!code && network && strcmp(record->network, network) != 0)
		return 0;
	if (!code && record->mode == PL_MODE_POD) {
		/* Without an index: of an ADD that was under way, and may have made its link. */
		code = record->ifindex ? delete_pair(record, netns, err)
				       : delete_half_made(record, err);
		if (code < 0)
			return code;
	}
	if (code == -EACCES || code == -EPERM)
		return code;
	if (code < 0 && delete_leftover(container_id, ifname, err) < 0)
		return err->code;
	/* A broken record is of use to nobody: it goes as well. */
	code = pl_record_remove(run_dir, container_id, ifname);
	return code < 0 ? pl_fail(err, code, "Remove the record of %s:%s: %s", container_id, ifname,
				  strerror(-code))
			: 0;
}
