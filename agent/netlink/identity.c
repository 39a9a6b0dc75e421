/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One rule for what makes two sightings of a link the same link.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "netlink/identity.h"

struct pl_identity pl_identity_of_host_end(const struct pl_record *rec)
{
	struct pl_identity id = {
		.ifindex = rec->ifindex,
		.peer_ifindex = rec->pod_ifindex,
		.mac = rec->host_mac,
		.kind = rec->link_kind,
	};

	memcpy(id.name, rec->host_ifname, sizeof(id.name));
	if (rec->link_kind == PL_LINK_NETKIT_L3) /* what is recorded is not on the device */
		id.mac = (struct pl_mac){0};
	return id;
}

struct pl_identity pl_identity_of_pod_end(const struct pl_record *rec)
{
	struct pl_identity id = {
		.ifindex = rec->pod_ifindex,
		.peer_ifindex = rec->ifindex,
		.mac = rec->pod_mac,
		.kind = rec->link_kind,
	};

	memcpy(id.name, rec->ifname, sizeof(id.name));
	if (rec->link_kind == PL_LINK_NETKIT_L3)
		id.mac = (struct pl_mac){0};
	return id;
}

static bool same_kind(uint8_t kind, const struct pl_nl_link *link)
{
	enum { L2 = 1, L3 = 2 };

	switch (kind) {
	case PL_LINK_VETH:
		return !strcmp(link->kind, "veth");
	case PL_LINK_NETKIT_L2:
		return !strcmp(link->kind, "netkit") && link->netkit_mode != L3;
	case PL_LINK_NETKIT_L3:
		return !strcmp(link->kind, "netkit") && link->netkit_mode != L2;
	}
	return false;
}

bool pl_identity_matches(const struct pl_identity *id, const struct pl_nl_link *link)
{
	static const struct pl_mac none;
	bool name = !strcmp(link->name, id->name);
	bool index = id->ifindex && link->ifindex == id->ifindex;
	bool peer = id->peer_ifindex && link->peer_ifindex == id->peer_ifindex &&
		    link->peer_nsid != PL_NL_NSID_HERE;

	if (!same_kind(id->kind, link))
		return false;
	if (!memcmp(&id->mac, &none, sizeof(none)))
		return (name && index) || (peer && (name || index));
	if (!memcmp(&id->mac, &link->mac, sizeof(id->mac)))
		return name || index;
	return name && index && peer;
}

bool pl_identity_has_given_name(const struct pl_record *rec)
{
	char name[IFNAMSIZ];

	pl_host_ifname(rec->container_id, rec->ifname, name);
	return !strcmp(name, rec->host_ifname);
}

bool pl_identity_is_half_made(const struct pl_record *rec, const struct pl_nl_link *link)
{
	if (!pl_identity_has_given_name(rec) || strcmp(link->name, rec->host_ifname) ||
	    !same_kind(rec->link_kind, link))
		return false;
	/* A netkit may have got another MAC than the one asked for. */
	return rec->link_kind != PL_LINK_VETH ||
	       !memcmp(&link->mac, &rec->host_mac, sizeof(link->mac));
}

int pl_identity_open_netns(const char *path, uint64_t inode)
{
	pl_autoclose int fd = -1;
	struct stat st;

	if (!path || !*path)
		return -ENOENT;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_ino != inode)
		return -ENOENT;
	return TAKE_FD(fd);
}

int pl_identity_ask_pod(const struct pl_record *rec, uint32_t *ret_ifindex)
{
	const struct pl_identity id = pl_identity_of_pod_end(rec);
	pl_autoclose int fd = pl_identity_open_netns(rec->netns, rec->netns_inode);
	pl_autoclose int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	pl_cleanup(pl_nl_closep) struct pl_nl *pod = NULL;
	struct pl_nl_link link;
	int32_t nsid;
	int r;

	if (fd < 0 || own < 0)
		return fd < 0 ? -ENOENT : -errno;
	r = pl_nl_open(fd, &pod, NULL);
	if (r < 0)
		return r;
	if (pl_nl_link_get(pod, NULL, rec->pod_ifindex, &link) < 0 ||
	    !pl_identity_matches(&id, &link))
		return -ENOENT;
	r = pl_nl_nsid_get(pod, own, &nsid);
	if (r < 0 && r != -ENOENT)
		return r;
	*ret_ifindex = !r && link.peer_nsid == nsid ? link.peer_ifindex : 0;
	return 0;
}

bool pl_identity_is_elsewhere(const struct pl_record *rec)
{
	uint32_t ifindex;

	return !pl_identity_ask_pod(rec, &ifindex) && !ifindex;
}
