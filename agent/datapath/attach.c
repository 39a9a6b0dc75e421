// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Programs at hooks: tcx and netkit links, which are pinned, and clsact filters (clsact.c). The
 * replacement is always attached before anything is detached. Never touches a program of others.
 */
#include <net/if.h>
#include "common/log.h"
#include "datapath/attach.h"

enum {
	LINK_TYPE_TCX = 11,
	LINK_TYPE_NETKIT = 13,
	PROGS_PER_HOOK_MAX = 64, /* BPF_MPROG_MAX */
};

const struct dp_hook dp_hooks[PL_HOOK_COUNT] = {
#define ATTACH_TC_INGRESS  PL_BPF_TCX_INGRESS, BPF_TC_INGRESS
#define ATTACH_TC_EGRESS   PL_BPF_TCX_EGRESS, BPF_TC_EGRESS
#define ATTACH_NETKIT_PEER PL_BPF_NETKIT_PEER, 0
#define HOOK(id, name, program, attach, text)                                                      \
	[PL_HOOK_##id] = {#name, #program, PROG_##program, ATTACH_##attach},
	PL_HOOKS(HOOK)
#undef HOOK
};

struct attachment {
	enum pl_hook hook;
	uint32_t ifindex;
	bool clsact;
};

/* struct bpf_link_info with the member that Debian 12's header lacks; 0 device: gone. */
struct link_state {
	uint32_t type;
	uint32_t prog_id;
	uint32_t ifindex;
	uint32_t attach_type;
};

static void link_name(char buf[DP_NAME_SIZE], enum pl_hook hook, uint32_t ifindex)
{
	snprintf(buf, DP_NAME_SIZE, "%s-%u", dp_hooks[hook].name, ifindex);
}

void dp_marker_name(char buf[DP_NAME_SIZE], enum pl_hook hook, uint32_t ifindex)
{
	snprintf(buf, DP_NAME_SIZE, "%s-%u" DP_CLSACT_SUFFIX, dp_hooks[hook].name, ifindex);
}

/* The inverse of both. -EINVAL: no name of ours. */
static int parse_name(const char *name, struct attachment *ret)
{
	for (enum pl_hook hook = 0; hook < PL_HOOK_COUNT; hook++) {
		size_t len = strlen(dp_hooks[hook].name);
		char number[16];
		size_t digits;
		uint64_t ifindex;

		if (strncmp(name, dp_hooks[hook].name, len) || name[len] != '-')
			continue;
		name += len + 1;
		digits = strspn(name, "0123456789");
		if (digits >= sizeof(number))
			return -EINVAL;
		memcpy(number, name, digits);
		number[digits] = '\0';
		if (pl_parse_u64(number, 1, INT32_MAX, &ifindex) ||
		    (name[digits] && strcmp(name + digits, DP_CLSACT_SUFFIX)))
			return -EINVAL;
		*ret = (struct attachment){hook, (uint32_t)ifindex, name[digits] != '\0'};
		return 0;
	}
	return -EINVAL;
}

static const char *kind_name(enum pl_attach_kind kind)
{
	switch (kind) {
	case PL_ATTACHED_TCX:
		return "tcx";
	case PL_ATTACHED_CLSACT:
		return "clsact";
	case PL_ATTACHED_NETKIT:
		return "netkit";
	case PL_ATTACHED_NONE:
		break;
	}
	return "nothing";
}

int dp_fail_attach(struct pl_error *err, int code, enum pl_hook hook, uint32_t ifindex,
		   enum pl_attach_kind kind, const char *why)
{
	char name[IFNAMSIZ];

	return pl_fail(err, code, "attach %s by %s to %s (%u): %s", dp_hooks[hook].prog_name,
		       kind_name(kind), if_indextoname(ifindex, name) ?: "device", ifindex, why);
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

/* Whether device @ifindex of this netns runs the program at the hook: the kernel's word. */
static bool hook_runs(enum pl_hook hook, uint32_t ifindex, uint32_t prog_id)
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
	       hook_runs(hook, ifindex, link->prog_id);
}

/* At once; closing the last fd and pin would do it at some later time. */
static void detach_link(struct dp_expedite *expedite, int fd)
{
	dp_expedite_begin(expedite);
	bpf_link_detach(fd); /* fails where the device is gone */
	dp_expedite_end(expedite);
}

static int drop_link(struct dp_expedite *expedite, const char *dir, enum pl_hook hook,
		     uint32_t ifindex)
{
	pl_autoclose int fd = -1;
	char name[DP_NAME_SIZE];

	link_name(name, hook, ifindex);
	fd = dp_pin_get(dir, "links", name);
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
	link_name(name, hook, ifindex);
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

static int attach_link(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
		       enum pl_attach_kind kind, struct pl_error *err)
{
	pl_autoclose int fd = -1;
	char name[DP_NAME_SIZE];
	int r;

	link_name(name, hook, ifindex);
	fd = dp_pin_get(dp->dir, "links", name);
	if (fd == -ENOENT)
		return create_link(dp, hook, ifindex, kind, err);
	r = fd < 0 ? fd : update_link(dp, hook, ifindex, fd);
	if (r != -ESTALE)
		return r < 0 ? dp_fail_attach(err, r, hook, ifindex, kind, strerror(-r)) : 0;
	r = create_link(dp, hook, ifindex, kind, err);
	if (r < 0)
		drop_link(&dp->expedite, dp->dir, hook, ifindex);
	else
		detach_link(&dp->expedite, fd);
	return r;
}

static enum pl_attach_kind wanted_kind(const struct pl_datapath *dp, enum pl_hook hook)
{
	if (hook == PL_HOOK_FROM_NETKIT)
		return dp->features.netkit ? PL_ATTACHED_NETKIT : PL_ATTACHED_NONE;
	return dp->features.tcx && dp->choice != PL_ATTACH_CLSACT ? PL_ATTACHED_TCX
								  : PL_ATTACHED_CLSACT;
}

/* Moves what another ABI version's set has at this hook into ours, where it is then updated. */
static void take_over(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex)
{
	pl_cleanup(dp_names_clear) struct dp_names sets = {0};
	char link[DP_NAME_SIZE], marker[DP_NAME_SIZE];

	if (!dp->old_sets || dp_list_sets(dp->root, &sets))
		return;
	link_name(link, hook, ifindex);
	dp_marker_name(marker, hook, ifindex);
	for (size_t i = 0; i < sets.n; i++) {
		if (!strcmp(sets.names[i], dp->dir))
			continue;
		dp_pin_move(sets.names[i], dp->dir, "links", link);
		dp_pin_move(sets.names[i], dp->dir, "links", marker);
	}
	dp_sync_old_sets(dp);
}

int pl_datapath_attach(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
		       struct pl_error *err)
{
	const enum pl_attach_kind kind = wanted_kind(dp, hook);
	int r;

	if (!ifindex || ifindex > INT32_MAX)
		return dp_fail_attach(err, -ENODEV, hook, ifindex, kind, "no such device");
	if (kind == PL_ATTACHED_NONE)
		return dp_fail_attach(
			err, -ENOTSUP, hook, ifindex, PL_ATTACHED_NETKIT,
			"this kernel has no netkit (Linux 6.7, CONFIG_NETKIT); use veth");
	take_over(dp, hook, ifindex);
	r = kind == PL_ATTACHED_CLSACT ? dp_filter_attach(dp, hook, ifindex, err)
				       : attach_link(dp, hook, ifindex, kind, err);
	if (r < 0 || kind == PL_ATTACHED_NETKIT)
		return r;
	/* The other kind, where the choice has changed since it was attached. */
	r = kind == PL_ATTACHED_CLSACT ? drop_link(&dp->expedite, dp->dir, hook, ifindex)
				       : dp_filter_drop(dp->dir, hook, ifindex);
	if (r < 0)
		return dp_fail_attach(err, r, hook, ifindex, kind,
				      "done, but what was attached by the other way remains");
	return 0;
}

int pl_datapath_detach(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
		       struct pl_error *err)
{
	int r, r2;

	take_over(dp, hook, ifindex);
	r = drop_link(&dp->expedite, dp->dir, hook, ifindex);
	r2 = hook == PL_HOOK_FROM_NETKIT ? 0 : dp_filter_drop(dp->dir, hook, ifindex);
	r = r ?: r2;
	if (r < 0)
		return pl_fail(err, r, "detach %s from device %u: %s", dp_hooks[hook].prog_name,
			       ifindex, strerror(-r));
	return 0;
}

void pl_datapath_forget(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex)
{
	char name[DP_NAME_SIZE];

	take_over(dp, hook, ifindex);
	link_name(name, hook, ifindex);
	dp_unpin(dp->dir, "links", name);
	dp_marker_drop(dp->dir, hook, ifindex);
}

enum pl_attach_kind pl_datapath_attached(struct pl_datapath *dp, enum pl_hook hook,
					 uint32_t ifindex)
{
	const uint32_t ours = dp->prog_ids[dp_hooks[hook].prog];
	uint32_t prog_id;

	if (hook == PL_HOOK_FROM_NETKIT)
		return dp->features.netkit && hook_runs(hook, ifindex, ours) ? PL_ATTACHED_NETKIT
									     : PL_ATTACHED_NONE;
	if (dp->features.tcx && hook_runs(hook, ifindex, ours))
		return PL_ATTACHED_TCX;
	if (!dp_filter_query(hook, ifindex, &prog_id) && prog_id == ours)
		return PL_ATTACHED_CLSACT;
	return PL_ATTACHED_NONE;
}

/* What a pin or note stands for now; stale ones are cleared away. NONE: nothing. */
static enum pl_attach_kind attachment_kind(struct dp_expedite *expedite, const char *dir,
					   const struct attachment *a)
{
	struct link_state link;
	char name[DP_NAME_SIZE];

	if (a->clsact) {
		if (dp_filter_is_ours(a->hook, a->ifindex))
			return PL_ATTACHED_CLSACT;
		dp_marker_drop(dir, a->hook, a->ifindex);
		return PL_ATTACHED_NONE;
	}
	link_name(name, a->hook, a->ifindex);

	pl_autoclose int fd = dp_pin_get(dir, "links", name);

	if (fd < 0 || link_state(fd, &link))
		return PL_ATTACHED_NONE;
	if (!link_is_here(a->hook, a->ifindex, &link)) {
		drop_link(expedite, dir, a->hook, a->ifindex);
		return PL_ATTACHED_NONE;
	}
	return link.type == LINK_TYPE_NETKIT ? PL_ATTACHED_NETKIT : PL_ATTACHED_TCX;
}

static int each_in_set(struct dp_expedite *expedite, const char *dir,
		       int (*fn)(enum pl_hook hook, uint32_t ifindex, enum pl_attach_kind kind,
				 void *arg),
		       void *arg)
{
	pl_cleanup(dp_names_clear) struct dp_names names = {0};
	int r;

	r = dp_list_links(dir, &names);
	for (size_t i = 0; i < names.n && !r; i++) {
		enum pl_attach_kind kind;
		struct attachment a;

		if (parse_name(names.names[i], &a))
			continue;
		kind = attachment_kind(expedite, dir, &a);
		if (kind != PL_ATTACHED_NONE)
			r = fn(a.hook, a.ifindex, kind, arg);
	}
	return r;
}

int pl_datapath_each_attachment(struct pl_datapath *dp,
				int (*fn)(enum pl_hook hook, uint32_t ifindex,
					  enum pl_attach_kind kind, void *arg),
				void *arg)
{
	pl_cleanup(dp_names_clear) struct dp_names sets = {0};
	int r;

	r = dp_list_sets(dp->root, &sets);
	for (size_t i = 0; i < sets.n && !r; i++)
		r = each_in_set(&dp->expedite, sets.names[i], fn, arg);
	return r;
}

static int relink_one(enum pl_hook hook, uint32_t ifindex, enum pl_attach_kind kind, void *arg)
{
	struct pl_datapath *dp = arg;
	struct pl_error err = {0};

	/* Not fatal: the old program goes on, and the caller attaches what it wants anyway. */
	if (pl_datapath_attach(dp, hook, ifindex, &err))
		pl_warn("datapath update failed, the old program stays hook=%s ifindex=%u "
			"kind=%s reason=\"%s\"",
			dp_hooks[hook].name, ifindex, kind_name(kind), err.text);
	return 0;
}

int dp_relink(struct pl_datapath *dp, struct pl_error *err)
{
	int r = each_in_set(&dp->expedite, dp->dir, relink_one, dp);

	if (r < 0)
		return pl_fail(err, r, "list the attachments in %s: %s", dp->dir, strerror(-r));
	return 0;
}

int dp_detach_set(struct dp_expedite *expedite, const char *dir, struct pl_error *err)
{
	pl_cleanup(dp_names_clear) struct dp_names names = {0};
	int r, first = 0;

	r = dp_list_links(dir, &names);
	if (r < 0)
		return pl_fail(err, r, "list the attachments in %s: %s", dir, strerror(-r));
	for (size_t i = 0; i < names.n; i++) {
		struct attachment a;

		if (parse_name(names.names[i], &a))
			continue;
		r = a.clsact ? dp_filter_drop(dir, a.hook, a.ifindex)
			     : drop_link(expedite, dir, a.hook, a.ifindex);
		if (r < 0 && !first)
			first = pl_fail(err, r, "detach %s: %s", names.names[i], strerror(-r));
	}
	return first;
}
