// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * clsact filters, of which a symbolic link among the pins keeps note. Never touches a filter or a
 * qdisc of others; a clsact qdisc stays even when empty, for there is no way to delete it that
 * could not take a filter added meanwhile with it.
 */
#include <sys/stat.h>
#include "datapath/attach.h"
#include "netlink/netlink.h"

/*
 * Our place in tc: after those that asked for an early priority, before those that let the kernel
 * choose (49152 and down). Priority and handle together name our filters; a filter of ours is one
 * that stands there and runs a program whose name begins as all of ours do, in every ABI version.
 */
enum {
	TC_PRIORITY = 0x504c,
	TC_HANDLE = 0x504c0000, /* + hook + 1: two hooks may share a device's ingress */
	TC_HANDLES = 16, /* more hooks than any version has; an older one may number them so */
};

#define PROGRAM_PREFIX "pl_"

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

/* The program at this place. -ENOENT: none, no qdisc, no device. */
static int query(const struct bpf_tc_hook *hook, struct bpf_tc_opts opts, uint32_t *ret_prog_id)
{
	int r = bpf_tc_query(hook, &opts);

	if (r == -EINVAL || r == -ENODEV)
		return -ENOENT;
	if (r < 0)
		return r;
	*ret_prog_id = opts.prog_id;
	return 0;
}

int dp_filter_query(enum pl_hook hook, uint32_t ifindex, uint32_t *ret_prog_id)
{
	const struct bpf_tc_hook h = tc_hook(hook, ifindex);

	return query(&h, tc_opts(hook), ret_prog_id);
}

static bool has_name(uint32_t prog_id, const char *name, size_t len)
{
	pl_autoclose int fd = bpf_prog_get_fd_by_id(prog_id);
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &size) &&
	       !strncmp(info.name, name, len);
}

static bool is_ours(uint32_t prog_id)
{
	return has_name(prog_id, PROGRAM_PREFIX, strlen(PROGRAM_PREFIX));
}

void dp_marker_name(char buf[DP_NAME_SIZE], enum pl_hook hook, uint32_t ifindex)
{
	snprintf(buf, DP_NAME_SIZE, "%s-%u" DP_CLSACT_SUFFIX, dp_hooks[hook].name, ifindex);
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

static int drop_marker(const char *dir, enum pl_hook hook, uint32_t ifindex)
{
	char name[DP_NAME_SIZE];

	dp_marker_name(name, hook, ifindex);
	return dp_unpin(dir, "links", name);
}

/* The program that a note names. */
static int marker_program(const char *dir, const char *marker, char ret[BPF_OBJ_NAME_LEN])
{
	char path[PATH_MAX], target[DP_NAME_SIZE];
	const char *name;
	ssize_t n;

	if ((size_t)snprintf(path, sizeof(path), "%s/links/%s", dir, marker) >= sizeof(path))
		return -ENAMETOOLONG;
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	name = strrchr(target, '/');
	if (!name || strncmp(name + 1, PROGRAM_PREFIX, strlen(PROGRAM_PREFIX)))
		return -EINVAL;
	snprintf(ret, BPF_OBJ_NAME_LEN, "%s", name + 1);
	return 0;
}

/*
 * Removes what runs a program called @name at any place of ours, but for program @keep: other
 * versions number the hooks in another order.
 */
static int drop_by_name(const struct bpf_tc_hook *hook, const char *name, uint32_t keep)
{
	int first = 0;

	for (uint32_t n = 1; n <= TC_HANDLES; n++) {
		struct bpf_tc_opts o = {
			.sz = sizeof(o),
			.handle = TC_HANDLE + n,
			.priority = TC_PRIORITY,
		};
		uint32_t prog_id;
		int r = query(hook, o, &prog_id);

		if (r || prog_id == keep || !has_name(prog_id, name, BPF_OBJ_NAME_LEN))
			continue;
		r = bpf_tc_detach(hook, &o);
		if (r < 0 && r != -ENOENT && r != -EINVAL && r != -ENODEV && !first)
			first = r;
	}
	return first;
}

int dp_filter_drop(const char *dir, enum pl_hook hook, uint32_t ifindex, uint32_t keep)
{
	const struct bpf_tc_hook h = tc_hook(hook, ifindex);
	char marker[DP_NAME_SIZE], name[BPF_OBJ_NAME_LEN];
	int r;

	dp_marker_name(marker, hook, ifindex);
	r = marker_program(dir, marker, name);
	if (r == -ENOENT)
		return 0;
	if (!r)
		r = drop_by_name(&h, name, keep);
	return r == -EINVAL || !r ? dp_unpin(dir, "links", marker) : r;
}

int dp_filter_drop_unknown(const char *dir, const char *marker)
{
	static const enum bpf_tc_attach_point points[] = {BPF_TC_INGRESS, BPF_TC_EGRESS};
	const char *number = strrchr(marker, '-');
	char name[BPF_OBJ_NAME_LEN];
	int r;

	r = marker_program(dir, marker, name);
	if (r < 0)
		return r == -EINVAL || r == -ENOENT ? dp_unpin(dir, "links", marker) : r;
	while (number && number > marker && number[-1] >= '0' && number[-1] <= '9')
		number--;
	for (size_t i = 0; i < PL_ARRAY_SIZE(points) && !r; i++) {
		struct bpf_tc_hook h = {
			.sz = sizeof(h),
			.ifindex = number ? atoi(number) : 0,
			.attach_point = points[i],
		};

		r = h.ifindex > 0 ? drop_by_name(&h, name, 0) : 0;
	}
	return r ?: dp_unpin(dir, "links", marker);
}

static bool find_by_name(const struct bpf_tc_hook *hook, const char *name, uint32_t *ret_prog_id)
{
	for (uint32_t n = 1; n <= TC_HANDLES; n++) {
		const struct bpf_tc_opts o = {
			.sz = sizeof(o),
			.handle = TC_HANDLE + n,
			.priority = TC_PRIORITY,
		};

		if (!query(hook, o, ret_prog_id) && has_name(*ret_prog_id, name, BPF_OBJ_NAME_LEN))
			return true;
	}
	return false;
}

bool dp_filter_there(const char *dir, enum pl_hook hook, uint32_t ifindex, uint32_t *ret_prog_id)
{
	const struct bpf_tc_hook h = tc_hook(hook, ifindex);
	char marker[DP_NAME_SIZE], name[BPF_OBJ_NAME_LEN];

	dp_marker_name(marker, hook, ifindex);
	if (!marker_program(dir, marker, name)) {
		if (!query(&h, tc_opts(hook), ret_prog_id) &&
		    has_name(*ret_prog_id, name, BPF_OBJ_NAME_LEN))
			return true;
		if (find_by_name(&h, name, ret_prog_id))
			return true;
	}
	dp_unpin(dir, "links", marker);
	return false;
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
static int add_filter(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
		      bool *ret_replaced)
{
	struct bpf_tc_hook h = tc_hook(hook, ifindex);
	struct bpf_tc_opts o = tc_opts(hook);
	uint32_t there;
	int r;

	*ret_replaced = false;
	o.prog_fd = dp->progs[dp_hooks[hook].prog];
	r = bpf_tc_attach(&h, &o);
	if (r != -EEXIST || query(&h, tc_opts(hook), &there) || !is_ours(there))
		return r;
	o = tc_opts(hook);
	o.prog_fd = dp->progs[dp_hooks[hook].prog];
	o.flags = BPF_TC_F_REPLACE;
	*ret_replaced = true;
	return bpf_tc_attach(&h, &o);
}

int dp_filter_attach(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
		     bool *ret_replaced, struct pl_error *err)
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
	r = add_filter(dp, hook, ifindex, ret_replaced);
	if (r < 0) {
		if (!noted)
			drop_marker(dp->dir, hook, ifindex);
		return dp_fail_attach(err, r, hook, ifindex, PL_ATTACHED_CLSACT,
				      r == -EEXIST
					      ? "a filter of others has priority 20556 and our "
						"handle; remove it or attach by tcx"
				      : r == -ENODEV ? strerror(-r)
						     : dp_libbpf_error());
	}
	return 0;
}
