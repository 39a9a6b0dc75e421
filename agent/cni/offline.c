/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DEL while the daemon is dead or hung: the plugin finishes by itself what can be finished on
 * disk and by netlink. A link is deleted only where index, MAC and kind are those of the record,
 * or, where the record was lost, by the name that was derived from container and interface. The
 * rest (map entries, masquerade rules) is derived from the records: the daemon settles it when it
 * starts. Must never touch a record of another network.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "cni/cni.h"
#include "common/record.h"
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

/* By index: a rename keeps it. 0: gone now, -ENOENT: it was not there. */
static int delete_if_ours(struct pl_nl *nl, uint32_t ifindex, const struct pl_mac *mac,
			  struct pl_error *err)
{
	struct pl_nl_link link;

	if (!ifindex || pl_nl_link_get(nl, NULL, ifindex, &link) < 0)
		return -ENOENT;
	if (!pl_nl_is_pair(&link) || memcmp(&link.mac, mac, sizeof(*mac)) != 0)
		return -ENOENT;
	return delete_link(nl, ifindex, err);
}

/* The recorded netns, if @path still leads to it. */
static int open_recorded_netns(const char *path, uint64_t inode)
{
	pl_autoclose int fd = -1;
	struct stat st;

	if (!path || !*path)
		return -ENOENT;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || st.st_ino != inode)
		return -ENOENT;
	return TAKE_FD(fd);
}

static int delete_pair(const struct pl_record *record, const char *netns, struct pl_error *err)
{
	pl_cleanup(pl_nl_closep) struct pl_nl *host = NULL;
	pl_cleanup(pl_nl_closep) struct pl_nl *pod = NULL;
	pl_autoclose int fd = -1;
	int code;

	code = pl_nl_open(-1, &host, err);
	if (code < 0)
		return code;
	code = delete_if_ours(host, record->ifindex, &record->host_mac, err);
	if (code != -ENOENT)
		return code;
	/* The host end may have been moved away; the pod's end takes it along. */
	fd = open_recorded_netns(netns && *netns ? netns : record->netns, record->netns_inode);
	if (fd < 0)
		return 0;
	code = pl_nl_open(fd, &pod, err);
	if (code < 0)
		return code;
	code = delete_if_ours(pod, record->pod_ifindex, &record->pod_mac, err);
	return code == -ENOENT ? 0 : code;
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
				       : delete_leftover(container_id, ifname, err);
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
