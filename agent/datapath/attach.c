// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Programs at hooks: which way, and in which set's name. The replacement is always attached before
 * anything is detached. What a set of another ABI version holds at a hook is moved into ours and
 * brought to our program there, so that a device is never without.
 */
#include "common/log.h"
#include "datapath/attach.h"

struct place {
	enum pl_hook hook;
	uint32_t ifindex;
	bool clsact;
};

/* The inverse of both. -EINVAL: no name of ours. */
static int parse_name(const char *name, struct place *ret)
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
		*ret = (struct place){hook, (uint32_t)ifindex, name[digits] != '\0'};
		return 0;
	}
	return -EINVAL;
}

static enum pl_attach_kind wanted_kind(const struct pl_datapath *dp, enum pl_hook hook)
{
	if (hook == PL_HOOK_FROM_NETKIT)
		return dp->features.netkit ? PL_ATTACHED_NETKIT : PL_ATTACHED_NONE;
	return dp->features.tcx && dp->choice != PL_ATTACH_CLSACT ? PL_ATTACHED_TCX
								  : PL_ATTACHED_CLSACT;
}

void pl_datapath_wanted(const struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
			struct pl_attachment *ret)
{
	*ret = (struct pl_attachment){
		.hook = hook,
		.ifindex = ifindex,
		.kind = wanted_kind(dp, hook),
		.abi = PL_ABI,
		.program = dp->prog_ids[dp_hooks[hook].prog],
	};
}

/* Moves what another set has at this hook into ours, where it is then updated. */
static void take_over(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex)
{
	char name[DP_NAME_SIZE];

	dp_link_name(name, hook, ifindex);
	for (size_t i = 0; i < dp->n_others && !dp_pin_exists(dp->dir, "links", name); i++)
		dp_pin_move(dp->others[i].dir, dp->dir, "links", name);
}

/*
 * What other sets have at this hook beside ours. @replaced: our filter took the place of one, so
 * that only notes are left.
 */
static int drop_in_others(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
			  uint32_t keep, bool replaced)
{
	char link[DP_NAME_SIZE], marker[DP_NAME_SIZE];
	int first = 0;

	dp_link_name(link, hook, ifindex);
	dp_marker_name(marker, hook, ifindex);
	for (size_t i = 0; i < dp->n_others; i++) {
		const char *dir = dp->others[i].dir;
		int r = dp_link_drop(&dp->expedite, dir, link);
		int r2 = replaced ? dp_unpin(dir, "links", marker)
				  : dp_filter_drop(dir, hook, ifindex, keep);

		first = first ?: r ?: r2;
	}
	return first;
}

static int attach_by(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
		     enum pl_attach_kind kind, bool *ret_replaced, struct pl_error *err)
{
	*ret_replaced = false;
	if (kind == PL_ATTACHED_CLSACT)
		return dp_filter_attach(dp, hook, ifindex, ret_replaced, err);
	take_over(dp, hook, ifindex);
	return dp_link_attach(dp, hook, ifindex, kind, err);
}

int pl_datapath_attach(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
		       struct pl_error *err)
{
	const enum pl_attach_kind kind = wanted_kind(dp, hook);
	char link[DP_NAME_SIZE];
	bool replaced;
	int r, r2;

	if (!ifindex || ifindex > INT32_MAX)
		return dp_fail_attach(err, -ENODEV, hook, ifindex, kind, "no such device");
	if (kind == PL_ATTACHED_NONE)
		return dp_fail_attach(
			err, -ENOTSUP, hook, ifindex, PL_ATTACHED_NETKIT,
			"this kernel has no netkit (Linux 6.7, CONFIG_NETKIT); use veth");
	r = attach_by(dp, hook, ifindex, kind, &replaced, err);
	if (r < 0)
		return r;
	/* The other kind, where the choice has changed since it was attached. */
	dp_link_name(link, hook, ifindex);
	if (kind == PL_ATTACHED_CLSACT)
		r = dp_link_drop(&dp->expedite, dp->dir, link);
	else if (kind == PL_ATTACHED_TCX)
		r = dp_filter_drop(dp->dir, hook, ifindex, 0);
	r2 = drop_in_others(dp, hook, ifindex,
			    kind == PL_ATTACHED_CLSACT ? dp->prog_ids[dp_hooks[hook].prog] : 0,
			    replaced);
	r = r ?: r2;
	if (r < 0)
		return dp_fail_attach(err, r, hook, ifindex, kind,
				      "done, but what was attached before remains beside it");
	return 0;
}

int pl_datapath_detach(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
		       struct pl_error *err)
{
	char link[DP_NAME_SIZE];
	int r, r2, r3;

	dp_link_name(link, hook, ifindex);
	r = dp_link_drop(&dp->expedite, dp->dir, link);
	r2 = dp_filter_drop(dp->dir, hook, ifindex, 0);
	r3 = drop_in_others(dp, hook, ifindex, 0, false);
	r = r ?: r2 ?: r3;
	if (r < 0)
		return pl_fail(err, r, "detach %s from device %u: %s", dp_hooks[hook].prog_name,
			       ifindex, strerror(-r));
	return 0;
}

void pl_datapath_forget(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex)
{
	char link[DP_NAME_SIZE], marker[DP_NAME_SIZE];

	dp_link_name(link, hook, ifindex);
	dp_marker_name(marker, hook, ifindex);
	for (size_t i = 0; i <= dp->n_others; i++) {
		const char *dir = i < dp->n_others ? dp->others[i].dir : dp->dir;

		dp_unpin(dir, "links", link);
		dp_unpin(dir, "links", marker);
	}
}

enum pl_attach_kind pl_datapath_attached(struct pl_datapath *dp, enum pl_hook hook,
					 uint32_t ifindex)
{
	const uint32_t ours = dp->prog_ids[dp_hooks[hook].prog];
	uint32_t prog_id;

	if (hook == PL_HOOK_FROM_NETKIT)
		return dp->features.netkit && dp_hook_runs(hook, ifindex, ours) ? PL_ATTACHED_NETKIT
										: PL_ATTACHED_NONE;
	if (dp->features.tcx && dp_hook_runs(hook, ifindex, ours))
		return PL_ATTACHED_TCX;
	if (!dp_filter_query(hook, ifindex, &prog_id) && prog_id == ours)
		return PL_ATTACHED_CLSACT;
	return PL_ATTACHED_NONE;
}

bool pl_datapath_attached_as(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
			     enum pl_attach_kind kind)
{
	char name[DP_NAME_SIZE];

	if (pl_datapath_attached(dp, hook, ifindex) != kind)
		return false;
	if (kind != PL_ATTACHED_CLSACT)
		return true;
	dp_marker_name(name, hook, ifindex);
	return dp_pin_exists(dp->dir, "links", name);
}

/* What a pin or note stands for now; a stale one is cleared away. NONE: nothing. */
static enum pl_attach_kind kind_now(struct dp_expedite *expedite, const char *dir,
				    const struct place *p, uint32_t *ret_prog_id)
{
	if (!p->clsact)
		return dp_link_kind(expedite, dir, p->hook, p->ifindex, ret_prog_id);
	return dp_filter_there(dir, p->hook, p->ifindex, ret_prog_id) ? PL_ATTACHED_CLSACT
								      : PL_ATTACHED_NONE;
}

static int each_in_set(struct dp_expedite *expedite, const char *dir, uint32_t abi,
		       int (*fn)(const struct pl_attachment *a, void *arg), void *arg)
{
	pl_cleanup(dp_names_clear) struct dp_names names = {0};
	int r;

	r = dp_list_links(dir, &names);
	for (size_t i = 0; i < names.n && !r; i++) {
		struct pl_attachment a = {.abi = abi};
		struct place p;

		if (parse_name(names.names[i], &p))
			continue;
		a.hook = p.hook;
		a.ifindex = p.ifindex;
		a.kind = kind_now(expedite, dir, &p, &a.program);
		if (a.kind != PL_ATTACHED_NONE)
			r = fn(&a, arg);
	}
	return r;
}

int pl_datapath_each_attachment(struct pl_datapath *dp,
				int (*fn)(const struct pl_attachment *a, void *arg), void *arg)
{
	int r = each_in_set(&dp->expedite, dp->dir, PL_ABI, fn, arg);

	for (size_t i = 0; i < dp->n_others && !r; i++)
		r = each_in_set(&dp->expedite, dp->others[i].dir, dp->others[i].abi, fn, arg);
	return r;
}

/* Of a hook that this version does not have. */
static int drop_unknown(struct dp_expedite *expedite, const char *dir, const char *name)
{
	const size_t len = strlen(name), suffix = strlen(DP_CLSACT_SUFFIX);

	if (len > suffix && !strcmp(name + len - suffix, DP_CLSACT_SUFFIX))
		return dp_filter_drop_unknown(dir, name);
	return dp_link_drop(expedite, dir, name);
}

int dp_detach_set(struct dp_expedite *expedite, const char *dir, struct pl_error *err)
{
	pl_cleanup(dp_names_clear) struct dp_names names = {0};
	int r, first = 0;

	r = dp_list_links(dir, &names);
	if (r < 0)
		return pl_fail(err, r, "list the attachments in %s: %s", dir, strerror(-r));
	for (size_t i = 0; i < names.n; i++) {
		const char *name = names.names[i];
		struct place p;

		if (parse_name(name, &p))
			r = drop_unknown(expedite, dir, name);
		else
			r = p.clsact ? dp_filter_drop(dir, p.hook, p.ifindex, 0)
				     : dp_link_drop(expedite, dir, name);
		if (r < 0 && !first)
			first = pl_fail(err, r, "detach %s: %s", name, strerror(-r));
	}
	return first;
}

int dp_drain_set(struct dp_expedite *expedite, const char *dir)
{
	pl_cleanup(dp_names_clear) struct dp_names names = {0};
	uint32_t prog_id;
	struct place p;
	int r;

	r = dp_list_links(dir, &names);
	if (r < 0)
		return r;
	for (size_t i = 0; i < names.n; i++)
		if (!parse_name(names.names[i], &p) &&
		    kind_now(expedite, dir, &p, &prog_id) != PL_ATTACHED_NONE)
			return -EBUSY;
	for (size_t i = 0; i < names.n && !r; i++)
		if (parse_name(names.names[i], &p))
			r = drop_unknown(expedite, dir, names.names[i]);
	return r;
}
