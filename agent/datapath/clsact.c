/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Programs as clsact filters, of which a symbolic link among the pins keeps note. Never touches a
 * filter or a qdisc of others; a clsact qdisc stays even when empty, for there is no way to delete
 * it that could not take a filter added meanwhile with it.
 */
#include <sys/stat.h>

#include "datapath/attach.h"
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

static struct bpf_tc_hook tc_hook(enum pl_hook hook, uint32_t ifindex)
{
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook),
		.ifindex = (int)ifindex,
		.attach_point = dp_hooks[hook].point,
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
int dp_filter_query(enum pl_hook hook, uint32_t ifindex, uint32_t *ret_prog_id)
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

bool dp_filter_is_ours(enum pl_hook hook, uint32_t ifindex)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);
	uint32_t prog_id;

	if (dp_filter_query(hook, ifindex, &prog_id))
		return false;

	pl_autoclose int fd = bpf_prog_get_fd_by_id(prog_id);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) &&
	       !strcmp(info.name, dp_hooks[hook].prog_name);
}

static int marker_path(char buf[PATH_MAX], const char *dir, enum pl_hook hook, uint32_t ifindex)
{
	char name[DP_NAME_SIZE];

	dp_marker_name(name, hook, ifindex);
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
	char path[PATH_MAX], target[DP_NAME_SIZE];
	int r;

	r = marker_path(path, dir, hook, ifindex);
	if (r < 0)
		return r;
	snprintf(target, sizeof(target), "../progs/%s", dp_hooks[hook].prog_name);
	return symlink(target, path) && errno != EEXIST ? -errno : 0;
}

int dp_marker_drop(const char *dir, enum pl_hook hook, uint32_t ifindex)
{
	char name[DP_NAME_SIZE];

	dp_marker_name(name, hook, ifindex);
	return dp_unpin(dir, "links", name);
}

int dp_filter_drop(const char *dir, enum pl_hook hook, uint32_t ifindex)
{
	struct bpf_tc_hook h = tc_hook(hook, ifindex);
	struct bpf_tc_opts o = tc_opts(hook);
	int r;

	if (!marker_exists(dir, hook, ifindex))
		return 0;
	r = dp_filter_is_ours(hook, ifindex) ? bpf_tc_detach(&h, &o) : 0;
	if (r < 0 && r != -ENOENT && r != -EINVAL && r != -ENODEV)
		return r;
	return dp_marker_drop(dir, hook, ifindex);
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

	dp_libbpf_error_reset();
	r = bpf_tc_hook_create(&h);
	if (r < 0 && r != -EEXIST)
		return dp_fail_attach(err, r, hook, ifindex, PL_ATTACHED_CLSACT,
				      r == -ENODEV ? strerror(-r) : dp_libbpf_error());
	if (!r || dp_hooks[hook].point == BPF_TC_INGRESS)
		return 0;
	r = has_plain_ingress(ifindex);
	if (r < 0)
		return dp_fail_attach(err, r, hook, ifindex, PL_ATTACHED_CLSACT, strerror(-r));
	if (r)
		return dp_fail_attach(
			err, -EBUSY, hook, ifindex, PL_ATTACHED_CLSACT,
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

	o.prog_fd = dp->progs[dp_hooks[hook].prog];
	r = bpf_tc_attach(&h, &o);
	if (r != -EEXIST || !dp_filter_is_ours(hook, ifindex))
		return r;
	o = tc_opts(hook);
	o.prog_fd = dp->progs[dp_hooks[hook].prog];
	o.flags = BPF_TC_F_REPLACE;
	return bpf_tc_attach(&h, &o);
}

int dp_filter_attach(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
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
		return dp_fail_attach(err, r, hook, ifindex, PL_ATTACHED_CLSACT,
				      "the filter cannot be noted among the pins");
	r = add_filter(dp, hook, ifindex);
	if (r < 0) {
		if (!noted)
			dp_marker_drop(dp->dir, hook, ifindex);
		return dp_fail_attach(err, r, hook, ifindex, PL_ATTACHED_CLSACT,
				      r == -EEXIST
					      ? "a filter of others has priority 20556 and our "
						"handle; remove it or attach by tcx"
				      : r == -ENODEV ? strerror(-r)
						     : dp_libbpf_error());
	}
	return 0;
}
