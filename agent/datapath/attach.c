// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Programs at hooks: tcx and netkit links, which are pinned, and clsact filters, of which a
 * symbolic link among the pins keeps note. The replacement is always attached before anything is
 * detached. Never touches a filter, a program or a qdisc of others; a clsact qdisc stays even when
 * empty, for there is no way to delete it that could not take a filter added meanwhile with it.
 */
#include <net/if.h>
#include <sys/stat.h>
#include "common/log.h"
#include "datapath/internal.h"
#include "netlink/netlink.h"

/*
 * Our place in tc: after those that asked for an early priority, before those that let the kernel
 * choose (49152 and down). Priority and handle together name our filters; a filter of ours is one
 * that stands there and runs a program of the hook's name. Part of the ABI: never change them.
 */
enum {
	TC_PRIORITY = 0x504c,
	TC_HANDLE = 0x504c0000, /* + hook + 1: two hooks may share a device's ingress */
};

enum {
	LINK_TYPE_TCX = 11,
	LINK_TYPE_NETKIT = 13,
	PROGS_PER_HOOK_MAX = 64, /* BPF_MPROG_MAX */
	NAME_SIZE = 64,
};

#define CLSACT_SUFFIX "-clsact"

static const struct hook {
	const char *name;
	const char *prog_name;
	enum pl_prog_index prog;
	int attach_type;
	enum bpf_tc_attach_point point;
} hooks[PL_HOOK_COUNT] = {
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

static void link_name(char buf[NAME_SIZE], enum pl_hook hook, uint32_t ifindex)
{
	snprintf(buf, NAME_SIZE, "%s-%u", hooks[hook].name, ifindex);
}

static void marker_name(char buf[NAME_SIZE], enum pl_hook hook, uint32_t ifindex)
{
	snprintf(buf, NAME_SIZE, "%s-%u" CLSACT_SUFFIX, hooks[hook].name, ifindex);
}

/* The inverse of both. -EINVAL: no name of ours. */
static int parse_name(const char *name, struct attachment *ret)
{
	for (enum pl_hook hook = 0; hook < PL_HOOK_COUNT; hook++) {
		size_t len = strlen(hooks[hook].name);
		char number[16];
		size_t digits;
		uint64_t ifindex;

		if (strncmp(name, hooks[hook].name, len) || name[len] != '-')
			continue;
		name += len + 1;
		digits = strspn(name, "0123456789");
		if (digits >= sizeof(number))
			return -EINVAL;
		memcpy(number, name, digits);
		number[digits] = '\0';
		if (pl_parse_u64(number, 1, INT32_MAX, &ifindex) ||
		    (name[digits] && strcmp(name + digits, CLSACT_SUFFIX)))
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

static int fail_attach(struct pl_error *err, int code, enum pl_hook hook, uint32_t ifindex,
		       enum pl_attach_kind kind, const char *why)
{
	char name[IFNAMSIZ];

	return pl_fail(err, code, "attach %s by %s to %s (%u): %s", hooks[hook].prog_name,
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

	if (bpf_prog_query((int)ifindex, hooks[hook].attach_type, 0, &flags, ids, &n))
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

	return same_device && link->attach_type == (uint32_t)hooks[hook].attach_type &&
	       hook_runs(hook, ifindex, link->prog_id);
}

/* At once; closing the last fd and pin would do it at some later time. */
static void detach_link(struct dp_haste *haste, int fd)
{
	dp_haste_begin(haste);
	bpf_link_detach(fd); /* fails where the device is gone */
	dp_haste_end(haste);
}

static int drop_link(struct dp_haste *haste, const char *dir, enum pl_hook hook, uint32_t ifindex)
{
	pl_autoclose int fd = -1;
	char name[NAME_SIZE];

	link_name(name, hook, ifindex);
	fd = dp_pin_get(dir, "links", name);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	detach_link(haste, fd);
	return dp_unpin(dir, "links", name);
}

static int create_link(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
		       enum pl_attach_kind kind, struct pl_error *err)
{
	pl_autoclose int fd = -1;
	char name[NAME_SIZE];
	int r;

	dp_haste_begin(&dp->haste);
	fd = bpf_link_create(dp->progs[hooks[hook].prog], (int)ifindex, hooks[hook].attach_type,
			     NULL);
	r = fd < 0 ? -errno : 0;
	dp_haste_end(&dp->haste);
	if (r < 0)
		return fail_attach(err, r, hook, ifindex, kind,
				   r == -EPERM ? dp_eperm_hint() : strerror(-r));
	link_name(name, hook, ifindex);
	r = dp_pin(fd, dp->dir, "links", name);
	if (r < 0)
		return fail_attach(err, r, hook, ifindex, kind,
				   "the link cannot be pinned, so it was taken away again");
	return 0;
}

/* Brings a pinned link to our program. -ESTALE: it serves this device no longer. */
static int update_link(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex, int fd)
{
	const enum pl_prog_index prog = hooks[hook].prog;
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
	char name[NAME_SIZE];
	int r;

	link_name(name, hook, ifindex);
	fd = dp_pin_get(dp->dir, "links", name);
	if (fd == -ENOENT)
		return create_link(dp, hook, ifindex, kind, err);
	r = fd < 0 ? fd : update_link(dp, hook, ifindex, fd);
	if (r != -ESTALE)
		return r < 0 ? fail_attach(err, r, hook, ifindex, kind, strerror(-r)) : 0;
	r = create_link(dp, hook, ifindex, kind, err);
	if (r < 0)
		drop_link(&dp->haste, dp->dir, hook, ifindex);
	else
		detach_link(&dp->haste, fd);
	return r;
}

static struct bpf_tc_hook tc_hook(enum pl_hook hook, uint32_t ifindex)
{
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook),
		.ifindex = (int)ifindex,
		.attach_point = hooks[hook].point,
	};
}

static struct bpf_tc_opts tc_opts(enum pl_hook hook)
{
	return (struct bpf_tc_opts){
		.sz = sizeof(struct bpf_tc_opts),
		.handle = TC_HANDLE + hook + 1,
		.priority = TC_PRIORITY,
	};
}

/* The program that stands at our priority and handle. -ENOENT: none, no qdisc, no device. */
static int query_filter(enum pl_hook hook, uint32_t ifindex, uint32_t *ret_prog_id)
{
	struct bpf_tc_hook h = tc_hook(hook, ifindex);
	struct bpf_tc_opts o = tc_opts(hook);
	int r = bpf_tc_query(&h, &o);

	if (r == -EINVAL || r == -ENODEV)
		return -ENOENT;
	if (r < 0)
		return r;
	*ret_prog_id = o.prog_id;
	return 0;
}

static bool filter_is_ours(enum pl_hook hook, uint32_t ifindex)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);
	uint32_t prog_id;

	if (query_filter(hook, ifindex, &prog_id))
		return false;

	pl_autoclose int fd = bpf_prog_get_fd_by_id(prog_id);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) &&
	       !strcmp(info.name, hooks[hook].prog_name);
}

static int marker_path(char buf[PATH_MAX], const char *dir, enum pl_hook hook, uint32_t ifindex)
{
	char name[NAME_SIZE];

	marker_name(name, hook, ifindex);
	return (size_t)snprintf(buf, PATH_MAX, "%s/links/%s", dir, name) >= PATH_MAX ? -ENAMETOOLONG
										     : 0;
}

static bool marker_exists(const char *dir, enum pl_hook hook, uint32_t ifindex)
{
	char path[PATH_MAX];
	struct stat st;

	return !marker_path(path, dir, hook, ifindex) && !lstat(path, &st);
}

/* Points to the program's pin, so that bpftool follows it. Existing is success. */
static int make_marker(const char *dir, enum pl_hook hook, uint32_t ifindex)
{
	char path[PATH_MAX], target[NAME_SIZE];
	int r;

	r = marker_path(path, dir, hook, ifindex);
	if (r < 0)
		return r;
	snprintf(target, sizeof(target), "../progs/%s", hooks[hook].prog_name);
	return symlink(target, path) && errno != EEXIST ? -errno : 0;
}

static int drop_marker(const char *dir, enum pl_hook hook, uint32_t ifindex)
{
	char name[NAME_SIZE];

	marker_name(name, hook, ifindex);
	return dp_unpin(dir, "links", name);
}

static int drop_filter(const char *dir, enum pl_hook hook, uint32_t ifindex)
{
	struct bpf_tc_hook h = tc_hook(hook, ifindex);
	struct bpf_tc_opts o = tc_opts(hook);
	int r;

	if (!marker_exists(dir, hook, ifindex))
		return 0;
	r = filter_is_ours(hook, ifindex) ? bpf_tc_detach(&h, &o) : 0;
	if (r < 0 && r != -ENOENT && r != -EINVAL && r != -ENODEV)
		return r;
	return drop_marker(dir, hook, ifindex);
}

static int has_plain_ingress(uint32_t ifindex)
{
	pl_cleanup(pl_nl_closep) struct pl_nl *nl = NULL;
	int r = pl_nl_open(-1, &nl, NULL);

	return r < 0 ? r : pl_nl_has_ingress_qdisc(nl, ifindex);
}

/*
 * Makes a clsact qdisc where there is none. A plain ingress qdisc in its place would take an
 * egress filter without complaint, and run it on ingress.
 */
static int ensure_clsact(enum pl_hook hook, uint32_t ifindex, struct pl_error *err)
{
	struct bpf_tc_hook h = tc_hook(hook, ifindex);
	int r;

	dp_libbpf_words_reset();
	r = bpf_tc_hook_create(&h);
	if (r < 0 && r != -EEXIST)
		return fail_attach(err, r, hook, ifindex, PL_ATTACHED_CLSACT,
				   r == -ENODEV ? strerror(-r) : dp_libbpf_words());
	if (!r || hooks[hook].point == BPF_TC_INGRESS)
		return 0;
	r = has_plain_ingress(ifindex);
	if (r < 0)
		return fail_attach(err, r, hook, ifindex, PL_ATTACHED_CLSACT, strerror(-r));
	if (r)
		return fail_attach(err, -EBUSY, hook, ifindex, PL_ATTACHED_CLSACT,
				   "it has an ingress qdisc, which knows no egress; put clsact in "
				   "its place (tc qdisc del dev DEVICE ingress; tc qdisc add dev "
				   "DEVICE clsact)");
	return 0;
}

/* The first try does not replace: a filter that stands there may be somebody else's. */
static int add_filter(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex)
{
	struct bpf_tc_hook h = tc_hook(hook, ifindex);
	struct bpf_tc_opts o = tc_opts(hook);
	int r;

	o.prog_fd = dp->progs[hooks[hook].prog];
	r = bpf_tc_attach(&h, &o);
	if (r != -EEXIST || !filter_is_ours(hook, ifindex))
		return r;
	o = tc_opts(hook);
	o.prog_fd = dp->progs[hooks[hook].prog];
	o.flags = BPF_TC_F_REPLACE;
	return bpf_tc_attach(&h, &o);
}

static int attach_filter(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
			 struct pl_error *err)
{
	bool noted = marker_exists(dp->dir, hook, ifindex);
	int r;

	r = ensure_clsact(hook, ifindex, err);
	if (r < 0)
		return r;
	/* Noted first: a crash leaves a note without a filter, never a filter without a note. */
	r = make_marker(dp->dir, hook, ifindex);
	if (r < 0)
		return fail_attach(err, r, hook, ifindex, PL_ATTACHED_CLSACT,
				   "the filter cannot be noted among the pins");
	r = add_filter(dp, hook, ifindex);
	if (r < 0) {
		if (!noted)
			drop_marker(dp->dir, hook, ifindex);
		return fail_attach(err, r, hook, ifindex, PL_ATTACHED_CLSACT,
				   r == -EEXIST	  ? "a filter of others has priority 20556 and our "
						    "handle; remove it or attach by tcx"
				   : r == -ENODEV ? strerror(-r)
						  : dp_libbpf_words());
	}
	return 0;
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
	char link[NAME_SIZE], marker[NAME_SIZE];

	if (!dp->old_sets || dp_list_sets(dp->root, &sets))
		return;
	link_name(link, hook, ifindex);
	marker_name(marker, hook, ifindex);
	for (size_t i = 0; i < sets.n; i++) {
		if (!strcmp(sets.names[i], dp->dir))
			continue;
		dp_pin_move(sets.names[i], dp->dir, "links", link);
		dp_pin_move(sets.names[i], dp->dir, "links", marker);
	}
	dp_settle_old_sets(dp);
}

int pl_datapath_attach(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
		       struct pl_error *err)
{
	const enum pl_attach_kind kind = wanted_kind(dp, hook);
	int r;

	if (!ifindex || ifindex > INT32_MAX)
		return fail_attach(err, -ENODEV, hook, ifindex, kind, "no such device");
	if (kind == PL_ATTACHED_NONE)
		return fail_attach(
			err, -ENOTSUP, hook, ifindex, PL_ATTACHED_NETKIT,
			"this kernel has no netkit (Linux 6.7, CONFIG_NETKIT); use veth");
	take_over(dp, hook, ifindex);
	r = kind == PL_ATTACHED_CLSACT ? attach_filter(dp, hook, ifindex, err)
				       : attach_link(dp, hook, ifindex, kind, err);
	if (r < 0 || kind == PL_ATTACHED_NETKIT)
		return r;
	/* The other kind, where the choice has changed since it was attached. */
	r = kind == PL_ATTACHED_CLSACT ? drop_link(&dp->haste, dp->dir, hook, ifindex)
				       : drop_filter(dp->dir, hook, ifindex);
	if (r < 0)
		return fail_attach(err, r, hook, ifindex, kind,
				   "done, but what was attached by the other way remains");
	return 0;
}

int pl_datapath_detach(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
		       struct pl_error *err)
{
	int r, r2;

	take_over(dp, hook, ifindex);
	r = drop_link(&dp->haste, dp->dir, hook, ifindex);
	r2 = hook == PL_HOOK_FROM_NETKIT ? 0 : drop_filter(dp->dir, hook, ifindex);
	r = r ?: r2;
	if (r < 0)
		return pl_fail(err, r, "detach %s from device %u: %s", hooks[hook].prog_name,
			       ifindex, strerror(-r));
	return 0;
}

void pl_datapath_forget(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex)
{
	char name[NAME_SIZE];

	take_over(dp, hook, ifindex);
	link_name(name, hook, ifindex);
	dp_unpin(dp->dir, "links", name);
	drop_marker(dp->dir, hook, ifindex);
}

void pl_datapath_haste_begin(struct pl_datapath *dp)
{
	dp_haste_begin(&dp->haste);
}

void pl_datapath_haste_end(struct pl_datapath *dp)
{
	dp_haste_end(&dp->haste);
}

enum pl_attach_kind pl_datapath_attached(struct pl_datapath *dp, enum pl_hook hook,
					 uint32_t ifindex)
{
	const uint32_t ours = dp->prog_ids[hooks[hook].prog];
	uint32_t prog_id;

	if (hook == PL_HOOK_FROM_NETKIT)
		return dp->features.netkit && hook_runs(hook, ifindex, ours) ? PL_ATTACHED_NETKIT
									     : PL_ATTACHED_NONE;
	if (dp->features.tcx && hook_runs(hook, ifindex, ours))
		return PL_ATTACHED_TCX;
	if (!query_filter(hook, ifindex, &prog_id) && prog_id == ours)
		return PL_ATTACHED_CLSACT;
	return PL_ATTACHED_NONE;
}

static int list_links(const char *dir, struct dp_names *ret)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s/links", dir) >= sizeof(path))
		return -ENAMETOOLONG;
	return dp_list(path, ret);
}

/* What a pin or note stands for now; stale ones are cleared away. NONE: nothing. */
static enum pl_attach_kind attachment_kind(struct dp_haste *haste, const char *dir,
					   const struct attachment *a)
{
	struct link_state link;
	char name[NAME_SIZE];

	if (a->clsact) {
		if (filter_is_ours(a->hook, a->ifindex))
			return PL_ATTACHED_CLSACT;
		drop_marker(dir, a->hook, a->ifindex);
		return PL_ATTACHED_NONE;
	}
	link_name(name, a->hook, a->ifindex);

	pl_autoclose int fd = dp_pin_get(dir, "links", name);

	if (fd < 0 || link_state(fd, &link))
		return PL_ATTACHED_NONE;
	if (!link_is_here(a->hook, a->ifindex, &link)) {
		drop_link(haste, dir, a->hook, a->ifindex);
		return PL_ATTACHED_NONE;
	}
	return link.type == LINK_TYPE_NETKIT ? PL_ATTACHED_NETKIT : PL_ATTACHED_TCX;
}

static int each_in_set(struct dp_haste *haste, const char *dir,
		       int (*fn)(enum pl_hook hook, uint32_t ifindex, enum pl_attach_kind kind,
				 void *arg),
		       void *arg)
{
	pl_cleanup(dp_names_clear) struct dp_names names = {0};
	int r;

	r = list_links(dir, &names);
	for (size_t i = 0; i < names.n && !r; i++) {
		enum pl_attach_kind kind;
		struct attachment a;

		if (parse_name(names.names[i], &a))
			continue;
		kind = attachment_kind(haste, dir, &a);
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
		r = each_in_set(&dp->haste, sets.names[i], fn, arg);
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
			hooks[hook].name, ifindex, kind_name(kind), err.text);
	return 0;
}

int dp_relink(struct pl_datapath *dp, struct pl_error *err)
{
	int r = each_in_set(&dp->haste, dp->dir, relink_one, dp);

	if (r < 0)
		return pl_fail(err, r, "list the attachments in %s: %s", dp->dir, strerror(-r));
	return 0;
}

int dp_detach_set(struct dp_haste *haste, const char *dir, struct pl_error *err)
{
	pl_cleanup(dp_names_clear) struct dp_names names = {0};
	int r, first = 0;

	r = list_links(dir, &names);
	if (r < 0)
		return pl_fail(err, r, "list the attachments in %s: %s", dir, strerror(-r));
	for (size_t i = 0; i < names.n; i++) {
		struct attachment a;

		if (parse_name(names.names[i], &a))
			continue;
		r = a.clsact ? drop_filter(dir, a.hook, a.ifindex)
			     : drop_link(haste, dir, a.hook, a.ifindex);
		if (r < 0 && !first)
			first = pl_fail(err, r, "detach %s: %s", names.names[i], strerror(-r));
	}
	return first;
}

bool dp_set_in_use(const char *dir)
{
	pl_cleanup(dp_names_clear) struct dp_names names = {0};

	/* In doubt, yes: it is then left alone. */
	return list_links(dir, &names) || names.n;
}
