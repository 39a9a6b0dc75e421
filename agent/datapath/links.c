// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tcx and netkit links. They are pinned, outlive the daemon, and are brought to another program in
 * place, without a moment in which none runs.
 */
#include "datapath/attach.h"

enum {
	LINK_TYPE_TCX = 11,
	LINK_TYPE_NETKIT = 13,
	PROGS_PER_HOOK_MAX = 64, /* BPF_MPROG_MAX */
};

/* struct bpf_link_info with the member that Debian 12's header lacks; 0 device: gone. */
struct link_state {
	uint32_t type;
	uint32_t prog_id;
	uint32_t ifindex;
	uint32_t attach_type;
};

void dp_link_name(char buf[DP_NAME_SIZE], enum pl_hook hook, uint32_t ifindex)
{
	snprintf(buf, DP_NAME_SIZE, "%s-%u", dp_hooks[hook].name, ifindex);
}

static int link_state(int fd, struct link_state *ret)
{
	struct bpf_link_info info = {0};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	if (info.type != LINK_TYPE_TCX && info.type != LINK_TYPE_NETKIT)
		return -EINVAL;
	/* Both kinds say { ifindex, attach_type } where xdp says { ifindex }. */
	ret->type = info.type;
	ret->prog_id = info.prog_id;
	memcpy(&ret->ifindex, &info.xdp.ifindex, sizeof(ret->ifindex));
	memcpy(&ret->attach_type, (const char *)&info.xdp.ifindex + sizeof(uint32_t),
	       sizeof(ret->attach_type));
	return 0;
}

bool dp_hook_runs(enum pl_hook hook, uint32_t ifindex, uint32_t prog_id)
{
	__u32 ids[PROGS_PER_HOOK_MAX], n = PL_ARRAY_SIZE(ids), flags;

	if (bpf_prog_query((int)ifindex, dp_hooks[hook].attach_type, 0, &flags, ids, &n))
		return false;
	for (__u32 i = 0; i < n; i++)
		if (ids[i] == prog_id)
			return true;
	return false;
}

/*
 * A device that moved to another netns keeps its links, and may keep its number: hence the query.
 * A link at netkit's peer hook gives the number that the pod's end has in the pod.
 */
static bool link_is_here(enum pl_hook hook, uint32_t ifindex, const struct link_state *link)
{
	bool same_device =
		link->type == LINK_TYPE_NETKIT ? link->ifindex != 0 : link->ifindex == ifindex;

	return same_device && link->attach_type == (uint32_t)dp_hooks[hook].attach_type &&
	       dp_hook_runs(hook, ifindex, link->prog_id);
}

/* At once; closing the last fd and pin would do it at some later time. */
static void detach_link(struct dp_expedite *expedite, int fd)
{
	dp_expedite_begin(expedite);
	bpf_link_detach(fd); /* fails where the device is gone */
	dp_expedite_end(expedite);
}

int dp_link_drop(struct dp_expedite *expedite, const char *dir, const char *name)
{
	pl_autoclose int fd = dp_pin_get(dir, "links", name);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	detach_link(expedite, fd);
	return dp_unpin(dir, "links", name);
}

static int create_link(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
		       enum pl_attach_kind kind, struct pl_error *err)
{
	pl_autoclose int fd = -1;
	char name[DP_NAME_SIZE];
	int r;

	dp_expedite_begin(&dp->expedite);
	fd = bpf_link_create(dp->progs[dp_hooks[hook].prog], (int)ifindex,
			     dp_hooks[hook].attach_type, NULL);
	r = fd < 0 ? -errno : 0;
	dp_expedite_end(&dp->expedite);
	if (r < 0)
		return dp_fail_attach(err, r, hook, ifindex, kind,
				      r == -EPERM ? dp_eperm_hint() : strerror(-r));
	dp_link_name(name, hook, ifindex);
	r = dp_pin(fd, dp->dir, "links", name);
	if (r < 0)
		return dp_fail_attach(err, r, hook, ifindex, kind,
				      "the link cannot be pinned, so it was taken away again");
	return 0;
}

/* Brings a pinned link to our program. -ESTALE: it serves this device no longer. */
static int update_link(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex, int fd)
{
	const enum pl_prog_index prog = dp_hooks[hook].prog;
	struct link_state link;
	int r;

	r = link_state(fd, &link);
	if (r < 0)
		return r;
	if (!link_is_here(hook, ifindex, &link))
		return -ESTALE;
	if (link.prog_id == dp->prog_ids[prog])
		return 0;
	if (bpf_link_update(fd, dp->progs[prog], NULL))
		return errno == ENOLINK ? -ESTALE : -errno;
	return 0;
}

int dp_link_attach(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
		   enum pl_attach_kind kind, struct pl_error *err)
{
	pl_autoclose int fd = -1;
	char name[DP_NAME_SIZE];
	int r;

	dp_link_name(name, hook, ifindex);
	fd = dp_pin_get(dp->dir, "links", name);
	if (fd == -ENOENT)
		return create_link(dp, hook, ifindex, kind, err);
	r = fd < 0 ? fd : update_link(dp, hook, ifindex, fd);
	if (r != -ESTALE)
		return r < 0 ? dp_fail_attach(err, r, hook, ifindex, kind, strerror(-r)) : 0;
	r = create_link(dp, hook, ifindex, kind, err);
	if (r < 0)
		dp_link_drop(&dp->expedite, dp->dir, name);
	else
		detach_link(&dp->expedite, fd);
	return r;
}

enum pl_attach_kind dp_link_kind(struct dp_expedite *expedite, const char *dir, enum pl_hook hook,
				 uint32_t ifindex, uint32_t *ret_prog_id)
{
	pl_autoclose int fd = -1;
	struct link_state link;
	char name[DP_NAME_SIZE];

	dp_link_name(name, hook, ifindex);
	fd = dp_pin_get(dir, "links", name);
	if (fd < 0 || link_state(fd, &link))
		return PL_ATTACHED_NONE;
	if (!link_is_here(hook, ifindex, &link)) {
		dp_link_drop(expedite, dir, name);
		return PL_ATTACHED_NONE;
	}
	*ret_prog_id = link.prog_id;
	return link.type == LINK_TYPE_NETKIT ? PL_ATTACHED_NETKIT : PL_ATTACHED_TCX;
}
