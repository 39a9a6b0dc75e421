// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The life of the BPF set: open, adopt what is pinned, load, pin, hand the attachments over,
 * close, remove. Every step leaves pins that the next start can adopt, and attached programs that
 * carry traffic; nothing is detached before its replacement is attached.
 */
#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>
#include "common/log.h"
#include "datapath/internal.h"
#include "podlane.skel.h"

enum {
	ADDRS_PER_ENDPOINT = 4,
	REASONS_PER_ENDPOINT = 16,
	UPLINKS_MAX = 256,
};

/* The object between open and the hand-over. */
struct loading {
	struct podlane_bpf *skel;
	struct bpf_map *maps[MAP_COUNT];
	struct bpf_program *progs[PROG_COUNT];
	int old[MAP_COUNT];	  /* maps that do not fit: contents are copied */
	int late[MAP_COUNT];	  /* maps that programs still write: see pl_datapath.late */
	bool replaced[MAP_COUNT]; /* our set's pin is of another map */
	unsigned int reused;
};

static void loading_init(struct loading *l)
{
	*l = (struct loading){0};
	for (size_t i = 0; i < MAP_COUNT; i++)
		l->old[i] = l->late[i] = -1;
}

static void loading_clear(struct loading *l)
{
	podlane_bpf__destroy(l->skel);
	for (size_t i = 0; i < MAP_COUNT; i++) {
		pl_closep(&l->old[i]);
		pl_closep(&l->late[i]);
	}
	loading_init(l);
}

static int loading_open(struct loading *l, bool kfuncs, struct pl_error *err)
{
	l->skel = dp_skel_open(kfuncs);
	if (!l->skel)
		return pl_fail(err, -errno, "open the embedded BPF object: %s", strerror(errno));
#define PL_MAP_TAKE(name) l->maps[MAP_##name] = l->skel->maps.name;
	PL_MAPS(PL_MAP_TAKE)
#undef PL_MAP_TAKE
#define PL_PROG_TAKE(name) l->progs[PROG_##name] = l->skel->progs.name;
	PL_PROGS(PL_PROG_TAKE)
#undef PL_PROG_TAKE
	return 0;
}

static int loading_size(struct loading *l, const struct pl_datapath_opts *opts,
			struct pl_error *err)
{
	const uint32_t n = opts->max_endpoints;
	const struct {
		enum pl_map_index map;
		uint64_t entries;
	} sizes[] = {
		{MAP_pl_endpoints, n},
		{MAP_pl_traffic, n},
		{MAP_pl_devices, (uint64_t)n + UPLINKS_MAX},
		{MAP_pl_addrs4, (uint64_t)n * ADDRS_PER_ENDPOINT},
		{MAP_pl_addrs6, (uint64_t)n * ADDRS_PER_ENDPOINT},
		{MAP_pl_reasons, (uint64_t)n * REASONS_PER_ENDPOINT},
		{MAP_pl_budgets, n},
		{MAP_pl_flows4, opts->max_flows},
		{MAP_pl_flows6, opts->max_flows},
	};

	for (size_t i = 0; i < PL_ARRAY_SIZE(sizes); i++) {
		int r = sizes[i].entries > UINT32_MAX
				? -ERANGE
				: bpf_map__set_max_entries(l->maps[sizes[i].map],
							   (uint32_t)sizes[i].entries);

		if (r < 0)
			return pl_fail(err, r, "size map %s to %llu entries: %s",
				       dp_map_names[sizes[i].map],
				       (unsigned long long)sizes[i].entries, strerror(-r));
	}
	return 0;
}

static bool map_fits(const struct bpf_map *map, const struct bpf_map_info *pinned)
{
	return pinned->type == bpf_map__type(map) && pinned->key_size == bpf_map__key_size(map) &&
	       pinned->value_size == bpf_map__value_size(map) &&
	       pinned->max_entries == bpf_map__max_entries(map) &&
	       pinned->map_flags == bpf_map__map_flags(map);
}

/* A pinned map of the set @dir. 0 with *ret_fd -1: it has none of that name. */
static int pinned_map(const char *dir, size_t i, int *ret_fd, struct bpf_map_info *ret_info,
		      struct pl_error *err)
{
	pl_autoclose int fd = dp_pin_get(dir, "maps", dp_map_names[i]);
	int r;

	*ret_fd = -1;
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return pl_fail(err, fd, "open pinned map %s/maps/%s: %s", dir, dp_map_names[i],
			       strerror(-fd));
	r = dp_map_info(fd, ret_info);
	if (r < 0)
		return pl_fail(err, r, "ask for pinned map %s/maps/%s: %s", dir, dp_map_names[i],
			       strerror(-r));
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int reuse(struct loading *l, size_t i, int fd, const char *dir, struct pl_error *err)
{
	int r = bpf_map__reuse_fd(l->maps[i], fd);

	if (r < 0)
		return pl_fail(err, r, "take over pinned map %s/maps/%s: %s", dir, dp_map_names[i],
			       strerror(-r));
	l->reused++;
	return 0;
}

/* Our own set's map: taken over where it fits, else its contents are. */
static int reuse_own(struct loading *l, size_t i, const char *dir, bool afresh, bool *ret_found,
		     struct pl_error *err)
{
	pl_autoclose int fd = -1;
	struct bpf_map_info info;
	int r = pinned_map(dir, i, &fd, &info, err);

	*ret_found = fd >= 0;
	if (r < 0 || fd < 0)
		return r;
	if (!afresh && map_fits(l->maps[i], &info))
		return reuse(l, i, fd, dir, err);
	pl_info("datapath map=%s rebuilt entries=%u was=%u", dp_map_names[i],
		bpf_map__max_entries(l->maps[i]), info.max_entries);
	l->replaced[i] = true;
	l->old[i] = TAKE_FD(fd);
	return 0;
}

/*
 * Another version's map: shared where all of it is the same, for the programs of both work on it
 * until the last device is swapped; else its contents are copied. @have: ours is there already,
 * for an upgrade was cut short: then only what was made since is missing.
 */
static int reuse_other(struct loading *l, size_t i, const char *dir, bool have, bool afresh,
		       struct pl_error *err)
{
	pl_autoclose int fd = -1;
	struct bpf_map_info info;
	int r = pinned_map(dir, i, &fd, &info, err);

	if (r < 0 || fd < 0)
		return r;
	if (have) {
		if (dp_map_grows(i))
			l->late[i] = TAKE_FD(fd);
		return 0;
	}
	r = afresh || !map_fits(l->maps[i], &info)
		    ? 0
		    : dp_map_alike(fd, l->maps[i], bpf_object__btf(l->skel->obj));
	if (r < 0)
		return pl_fail(err, r, "compare pinned map %s/maps/%s with ours: %s", dir,
			       dp_map_names[i], strerror(-r));
	if (r)
		return reuse(l, i, fd, dir, err);
	l->old[i] = TAKE_FD(fd);
	return 0;
}

static int loading_reuse(struct loading *l, const struct pl_datapath *dp, bool afresh,
			 struct pl_error *err)
{
	const char *donor = dp_sets_donor(dp);
	int r = 0;

	for (size_t i = 0; i < MAP_COUNT && !r; i++) {
		bool have;

		r = reuse_own(l, i, dp->dir, afresh, &have, err);
		if (!r && donor)
			r = reuse_other(l, i, donor, have, afresh, err);
	}
	return r;
}

static int loading_load(struct loading *l, struct pl_features *features, struct pl_error *err)
{
	struct pl_skb_layout layout = {0};
	int r;

	if (features->checksum_check && dp_skb_layout(&layout) < 0)
		features->checksum_check = false;
	l->skel->rodata->pl_skb_layout = layout;
	l->skel->rodata->pl_hz = dp_hz();
	l->skel->rodata->pl_conntrack_mode = features->conntrack;
	/* A third of the verifier's work, for a hook that is not there. */
	bpf_program__set_autoload(l->skel->progs.pl_from_netkit, features->netkit);
	dp_libbpf_error_reset();
	r = podlane_bpf__load(l->skel);
	/* A program that the verifier refuses is EACCES or EINVAL. */
	if (r == -EPERM)
		return pl_fail(err, r, "load the BPF programs: %s (%s); %s", strerror(-r),
			       dp_libbpf_error(), dp_eperm_hint());
	if (r < 0)
		return pl_fail(err, r,
			       "load the BPF programs: %s (%s); --log-level debug shows the "
			       "verifier's log",
			       strerror(-r), dp_libbpf_error());
	return 0;
}

static int loading_run(struct loading *l, struct pl_datapath *dp,
		       const struct pl_datapath_opts *opts, bool afresh, struct pl_error *err)
{
	int r;

	r = loading_open(l, dp->features.kfuncs, err);
	if (!r)
		r = loading_size(l, opts, err);
	if (!r)
		r = loading_reuse(l, dp, afresh, err);
	if (!r)
		r = loading_load(l, &dp->features, err);
	return r;
}

/* Somebody may translate once nf_conntrack is there, as a module or built in. */
static bool conntrack_is_loaded(void)
{
	return !access("/sys/module/nf_conntrack", F_OK);
}

/*
 * A map that looks right may still be refused, such as a prog array that belongs to programs of
 * another kind (JIT switched since). Then all maps are made anew beside the old ones.
 */
static int loading_build_maps(struct loading *l, struct pl_datapath *dp,
			      const struct pl_datapath_opts *opts, struct pl_error *err)
{
	int r = loading_run(l, dp, opts, false, err);

	if (r != -EINVAL || !l->reused)
		return r;
	pl_warn("datapath maps refused, building new ones reason=\"%s\"", err ? err->text : "");
	loading_clear(l);
	return loading_run(l, dp, opts, true, err);
}

static bool is_final(int r)
{
	return !r || r == -EPERM || r == -ENOMEM;
}

/*
 * Whether the kernel lets a program ask conntrack (Linux 5.18, with BTF of its module) is found by
 * trying: where it does not, the programs remember what the stack delivered. Then the kernel may
 * have no BTF at all.
 */
static int loading_build(struct loading *l, struct pl_datapath *dp, struct pl_error *err)
{
	int r;

	dp->features.kfuncs = true;
	dp->features.conntrack = conntrack_is_loaded() ? PL_CT_ASK : PL_CT_NONE;
	r = loading_build_maps(l, dp, &dp->opts, err);
	if (!is_final(r) && dp->features.conntrack == PL_CT_ASK) {
		pl_debug("conntrack cannot be asked reason=\"%s\"", err ? err->text : "");
		loading_clear(l);
		dp->features.conntrack = PL_CT_REMEMBER;
		r = loading_build_maps(l, dp, &dp->opts, err);
	}
	if (!is_final(r)) {
		pl_debug("no function of the kernel can be called reason=\"%s\"",
			 err ? err->text : "");
		loading_clear(l);
		dp->features.kfuncs = false;
		r = loading_build_maps(l, dp, &dp->opts, err);
	}
	return r;
}

static uint32_t prog_id(int fd)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

static int take_progs(struct pl_datapath *dp, const struct loading *l, struct pl_error *err)
{
	for (size_t i = 0; i < PROG_COUNT; i++) {
		int fd;

		if (!bpf_program__autoload(l->progs[i]))
			continue;
		fd = fcntl(bpf_program__fd(l->progs[i]), F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			return pl_fail(err, -errno, "keep program %s: %s", dp_prog_names[i],
				       strerror(errno));
		pl_closep(&dp->progs[i]);
		dp->progs[i] = fd;
		dp->prog_ids[i] = prog_id(fd);
	}
	return 0;
}

/* libbpf's object costs more memory than the rest of the daemon: keep the fds alone. */
static int take_fds(struct pl_datapath *dp, const struct loading *l, struct pl_error *err)
{
	for (size_t i = 0; i < MAP_COUNT; i++) {
		dp->max_entries[i] = bpf_map__max_entries(l->maps[i]);
		dp->maps[i] = fcntl(bpf_map__fd(l->maps[i]), F_DUPFD_CLOEXEC, 3);
		if (dp->maps[i] < 0)
			return pl_fail(err, -errno, "keep map %s: %s", dp_map_names[i],
				       strerror(errno));
	}
	dp->features.btf = bpf_object__btf_fd(l->skel->obj) >= 0;
	return take_progs(dp, l, err);
}

/* Before the pins are swapped: a crash in between leaves pins with contents. */
static int copy_contents(struct pl_datapath *dp, struct loading *l, struct pl_error *err)
{
	for (size_t i = 0; i < MAP_COUNT; i++) {
		int r = l->old[i] < 0 ? 0 : dp_map_carry(l->old[i], dp->maps[i], BPF_ANY);

		if (r < 0)
			return pl_fail(err, r, "copy map %s into the new one: %s", dp_map_names[i],
				       strerror(-r));
		if (l->late[i] < 0 && (dp_map_grows(i) || i == MAP_pl_endpoints))
			l->late[i] = TAKE_FD(l->old[i]);
	}
	return 0;
}

static int datapath_new(const struct pl_datapath_opts *opts, struct pl_datapath **ret)
{
	pl_cleanup(pl_datapath_closep) struct pl_datapath *dp = calloc(1, sizeof(*dp));

	if (!dp)
		return -ENOMEM;
	dp->lock_fd = -1;
	dp->expedite.fd = -1;
	for (size_t i = 0; i < MAP_COUNT; i++)
		dp->maps[i] = dp->late[i] = -1;
	for (size_t i = 0; i < PROG_COUNT; i++)
		dp->progs[i] = -1;
	dp->choice = opts->attach;
	dp->opts = *opts;
	dp->hz = dp_hz();
	dp->root = strdup(opts->bpffs_dir);
	if (!dp->root || asprintf(&dp->dir, "%s/v%d", dp->root, PL_ABI) < 0) {
		dp->dir = NULL;
		return -ENOMEM;
	}
	dp->cpus = libbpf_num_possible_cpus();
	if (dp->cpus < 0)
		return dp->cpus;
	dp->opts.bpffs_dir = dp->root;
	*ret = TAKE_PTR(dp);
	return 0;
}

static int check_opts(const struct pl_datapath_opts *opts, struct pl_error *err)
{
	/* Slot 0 is the node's. */
	if (opts->max_endpoints < 2)
		return pl_fail(err, -EINVAL, "a datapath for %u endpoints: at least 2 are needed",
			       opts->max_endpoints);
	if (!opts->max_flows || !opts->flow_budget || !opts->flow_rate)
		return pl_fail(err, -EINVAL, "a datapath for 0 flows: at least 1 is needed");
	return 0;
}

static int check_choice(const struct pl_datapath *dp, struct pl_error *err)
{
	if (dp->choice == PL_ATTACH_TCX && !dp->features.tcx)
		return pl_fail(err, -ENOTSUP,
			       "attach by tcx: this kernel has no tcx (Linux 6.6); use --attach "
			       "auto or clsact");
	return 0;
}

/* Pins what was loaded: whoever compares attachments brings them to it. */
static int publish_programs(struct pl_datapath *dp, const struct loading *l, struct pl_error *err)
{
	const uint32_t slot = PL_PROG_MIRROR;
	int r = dp_pin_all(dp, l->replaced, err);

	if (r < 0)
		return r;
	if (bpf_map_update_elem(dp->maps[MAP_pl_programs], &slot, &dp->progs[PROG_pl_mirror],
				BPF_ANY))
		return pl_fail(err, -errno, "put pl_mirror into pl_programs: %s", strerror(errno));
	return 0;
}

int pl_datapath_open(const struct pl_datapath_opts *opts, struct pl_datapath **ret,
		     struct pl_error *err)
{
	pl_cleanup(pl_datapath_closep) struct pl_datapath *dp = NULL;
	pl_cleanup(loading_clear) struct loading loading;
	bool copied;
	int r;

	loading_init(&loading);
	libbpf_set_print(dp_libbpf_print);
	r = check_opts(opts, err);
	if (r < 0)
		return r;
	r = datapath_new(opts, &dp);
	if (r < 0)
		return pl_fail(err, r, "prepare the datapath: %s", strerror(-r));
	r = dp_make_folders(dp, err);
	if (r < 0)
		return r;
	dp->lock_fd = dp_lock(dp->root, err);
	if (dp->lock_fd < 0)
		return dp->lock_fd;
	/* In any case, for it puts back what a crash left set. */
	dp_expedite_open(&dp->expedite, dp->root, DP_RCU_EXPEDITED);
	if (!opts->expedite)
		dp_expedite_close(&dp->expedite);
	r = dp_probe(&dp->features, err);
	if (!r)
		r = check_choice(dp, err);
	if (r < 0)
		return r;

	dp_tidy(dp->dir);
	r = dp_sets_open(dp, err);
	if (r < 0)
		return r;
	r = loading_build(&loading, dp, err);
	copied = loading.old[MAP_pl_endpoints] >= 0;
	if (!r)
		r = take_fds(dp, &loading, err);
	if (!r)
		r = copy_contents(dp, &loading, err);
	if (!r)
		r = dp_maps_mmap(dp, err);
	if (!r)
		r = dp_addr_hints_fill(dp);
	if (r < 0)
		return r;
	dp_config_budgets_set(dp);
	r = publish_programs(dp, &loading, err);
	if (r < 0)
		return r;
	dp->adopted = loading.reused || copied;
	for (size_t i = 0; i < MAP_COUNT; i++)
		dp->late[i] = TAKE_FD(loading.late[i]);

	loading_clear(&loading);
	malloc_trim(0);
	*ret = TAKE_PTR(dp);
	return 0;
}

int pl_datapath_follow_conntrack(struct pl_datapath *dp, struct pl_error *err)
{
	pl_cleanup(loading_clear) struct loading loading;
	int r;

	loading_init(&loading);
	if (dp->features.conntrack != PL_CT_NONE || !conntrack_is_loaded())
		return 0;
	r = loading_build(&loading, dp, err);
	if (!r && loading.reused != MAP_COUNT)
		r = pl_fail(err, -ENETDOWN, "not all maps are pinned in %s any more", dp->dir);
	if (!r)
		r = take_progs(dp, &loading, err);
	if (!r)
		r = publish_programs(dp, &loading, err);
	if (r < 0)
		dp->features.conntrack = PL_CT_NONE; /* to be tried again */
	loading_clear(&loading);
	malloc_trim(0);
	return r < 0 ? r : 1;
}

void pl_datapath_closep(struct pl_datapath **p)
{
	struct pl_datapath *dp = *p;

	if (!dp)
		return;
	dp_maps_munmap(dp);
	for (size_t i = 0; i < MAP_COUNT; i++) {
		pl_closep(&dp->maps[i]);
		pl_closep(&dp->late[i]);
	}
	dp_sets_close(dp);
	for (size_t i = 0; i < PROG_COUNT; i++)
		pl_closep(&dp->progs[i]);
	dp_expedite_close(&dp->expedite);
	pl_closep(&dp->lock_fd);
	free(dp->dir);
	free(dp->root);
	free(dp);
	*p = NULL;
}

const struct pl_features *pl_datapath_features(const struct pl_datapath *dp)
{
	return &dp->features;
}

bool pl_datapath_adopted(const struct pl_datapath *dp)
{
	return dp->adopted;
}

uint32_t pl_datapath_max_endpoints(const struct pl_datapath *dp)
{
	return dp->max_entries[MAP_pl_endpoints];
}
