/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of the datapath share: object.c (open, adopt, remove), libbpf_log.c, pins.c and
 * pinned.c (the bpffs), sets.c, carry.c and layout.c (other versions), probe.c (features),
 * skb_layout.c, attach.c, links.c and clsact.c (hooks), expedite.c (grace periods), maps.c,
 * networks.c, mirror_maps.c, counters.c and reset.c (contents). Nobody else includes it.
 */
#ifndef PODLANE_DATAPATH_INTERNAL_H
#define PODLANE_DATAPATH_INTERNAL_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <limits.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include "datapath/write.h"

/* Named as in bpf/podlane.bpf.c; pinned as maps/NAME. */
#define PL_MAPS(X)                                                                                 \
	X(pl_endpoints)                                                                            \
	X(pl_addrs4)                                                                               \
	X(pl_addrs6)                                                                               \
	X(pl_devices)                                                                              \
	X(pl_addr_hints)                                                                           \
	X(pl_networks4)                                                                            \
	X(pl_networks6)                                                                            \
	X(pl_tunnel_ports)                                                                         \
	X(pl_config)                                                                               \
	X(pl_route_cache)                                                                          \
	X(pl_traffic)                                                                              \
	X(pl_reasons)                                                                              \
	X(pl_flows4)                                                                               \
	X(pl_flows6)                                                                               \
	X(pl_budgets)                                                                              \
	X(pl_scratch)                                                                              \
	X(pl_closed)                                                                               \
	X(pl_mirrors)                                                                              \
	X(pl_mirror_state)                                                                         \
	X(pl_mirror_stats)                                                                         \
	X(pl_programs)

enum pl_map_index {
#define PL_MAP_ENUM(name) MAP_##name,
	PL_MAPS(PL_MAP_ENUM)
#undef PL_MAP_ENUM
		MAP_COUNT
};

/* Pinned as progs/NAME. The last two are attached nowhere: a tail call, and the kernel's clock. */
#define PL_PROGS(X)                                                                                \
	X(pl_from_pod)                                                                             \
	X(pl_to_pod)                                                                               \
	X(pl_from_uplink)                                                                          \
	X(pl_from_netkit)                                                                          \
	X(pl_stage)                                                                                \
	X(pl_mirror)                                                                               \
	X(pl_clock)

enum pl_prog_index {
#define PL_PROG_ENUM(name) PROG_##name,
	PL_PROGS(PL_PROG_ENUM)
#undef PL_PROG_ENUM
		PROG_COUNT
};

/* Attach types of Linux 6.6 and 6.7, which Debian 12's headers do not name. */
enum {
	PL_BPF_TCX_INGRESS = 46,
	PL_BPF_TCX_EGRESS = 47,
	PL_BPF_NETKIT_PEER = 55,
};

struct dp_expedite {
	int fd; /* -1: none can be made */
	bool on;
	unsigned int depth;  /* calls that are not over */
	char note[PATH_MAX]; /* a symbolic link that is there while we have it set */
};

struct dp_set {
	char *dir;
	uint32_t abi;
	size_t links;
};

enum { DP_FLOW_TABLES = 2 };

/* Where the sweep of the flow tables stands. */
struct dp_sweep {
	int table;
	bool started;	 /* cursor is the kernel's word for where to go on */
	uint32_t cursor; /* of BPF_MAP_LOOKUP_BATCH on a hash */
	uint32_t counted;
};

struct pl_datapath {
	char *root; /* BPFFS_DIR */
	char *dir;  /* BPFFS_DIR/v<PL_ABI> */
	int lock_fd;
	struct dp_expedite expedite;
	struct dp_set *others; /* sets of other ABI versions that hold attachments */
	size_t n_others;
	bool adopted;
	enum pl_attach_choice choice;
	struct pl_datapath_opts opts; /* .bpffs_dir is root */
	struct pl_features features;
	int cpus; /* possible ones: the width of per-CPU values */
	int maps[MAP_COUNT];
	int late[MAP_COUNT]; /* maps whose contents were copied, and old programs still write */
	uint32_t max_entries[MAP_COUNT];
	int progs[PROG_COUNT];
	uint32_t prog_ids[PROG_COUNT];
	struct pl_endpoint_info *endpoints;
	struct pl_config *config;
	struct pl_budgets *budgets;
	uint32_t hz; /* of the kernel's jiffies */
	struct dp_sweep sweep;
	uint32_t flow_entries; /* as the last whole round of the sweep found them */
	uint64_t *addr_hints;  /* PL_ADDR_HINTS; an array map's elements lie 8 bytes apart */
};

/* skel.c */

/*
 * NULL with errno; podlane_bpf__destroy() frees it. @kfuncs: the one whose programs may call
 * functions of the kernel, which PL_CT_ASK needs, and which needs BTF of the kernel.
 */
struct podlane_bpf *dp_skel_open(bool kfuncs);

/* libbpf_log.c */

int dp_libbpf_print(enum libbpf_print_level level, const char *fmt, va_list ap) PL_PRINTF(2, 0);
/* What libbpf complained of since the reset: the kernel's own words, for an error. */
const char *dp_libbpf_error(void);
void dp_libbpf_error_reset(void);

/* probe.c */

/* -ENOTSUP where the floor is missing (bpf_redirect_peer), -EPERM. */
int dp_probe(struct pl_features *ret, struct pl_error *err);
/* The way out of EPERM, as the end of a sentence. */
const char *dp_eperm_hint(void);

/* skb_layout.c */

/* 0, or -errno with an empty layout: no BTF of the kernel, or a struct sk_buff of another kind. */
int dp_skb_layout(struct pl_skb_layout *ret);

/* flows.c */

/* Ticks per second of the kernel's jiffies. */
uint32_t dp_hz(void);
/* Counts anew what each budget pays for, after entries were copied or a daemon was killed. */
int dp_flows_recount(struct pl_datapath *dp);
/* What pl_config says of budgets, as the options have it; where it is 0, nothing is fast. */
void dp_config_budgets_set(struct pl_datapath *dp);
bool dp_config_budgets_hold(const struct pl_datapath *dp);

/* expedite.c: grace periods that do not last. */

#define DP_RCU_EXPEDITED "/sys/kernel/rcu_expedited"

/* @knob: DP_RCU_EXPEDITED. What a crash left set is put back. Failing is only slow. */
void dp_expedite_open(struct dp_expedite *expedite, const char *root, const char *knob);
void dp_expedite_close(struct dp_expedite *expedite);
void dp_expedite_begin(struct dp_expedite *expedite);
void dp_expedite_end(struct dp_expedite *expedite);

/* pins.c: paths, folders, pins. Names never hold a dot: the bpffs forbids it. */

#define DP_NEW_SUFFIX "-new" /* a pin on its way to replace the one without the suffix */

/* Makes @dir, which must lie on a bpffs. */
int dp_bpffs_mkdir(const char *dir, struct pl_error *err);
/* An fd that keeps other daemons out until closed; -EEXIST: one is there. */
int dp_lock(const char *dir, struct pl_error *err);
/* Pins in place of whatever is pinned at DIR/SUB/NAME, atomically. */
int dp_pin(int fd, const char *dir, const char *sub, const char *name);
/* fd of what is pinned at DIR/SUB/NAME, or -errno. */
int dp_pin_get(const char *dir, const char *sub, const char *name);
/* Gone is success. */
int dp_unpin(const char *dir, const char *sub, const char *name);
/* Moves a pin to another set, replacing what is there. */
int dp_pin_move(const char *from, const char *to, const char *sub, const char *name);

bool dp_pin_exists(const char *dir, const char *sub, const char *name);
/* Makes the same symbolic link among the links of another folder. */
int dp_note_copy(const char *from, const char *to, const char *name);

struct dp_names {
	char **names;
	size_t n;
};
/* What is in @dir, without dots. No such folder: none. */
int dp_list(const char *dir, struct dp_names *ret);
void dp_names_clear(struct dp_names *names);

/* The sets under @root, "v1", "v2" ...; as paths. */
int dp_list_sets(const char *root, struct dp_names *ret);
bool dp_set_version(const char *path, uint32_t *ret);
/* What a crash left half-way: finished for links, dropped for maps and programs. */
void dp_tidy(const char *dir);
/* Removes maps, programs and folders of a set without attachments; -ENOTEMPTY otherwise. */
int dp_remove_set(const char *dir);

/* The attachments that are noted in the set @dir. */
int dp_list_links(const char *dir, struct dp_names *ret);

/* pinned.c: the pins of our set */

extern const char *const dp_map_names[MAP_COUNT];
extern const char *const dp_prog_names[PROG_COUNT];
int dp_make_folders(const struct pl_datapath *dp, struct pl_error *err);
/* Pins what is not pinned, and the maps that are @replaced in place of what is. */
int dp_pin_all(const struct pl_datapath *dp, const bool *replaced, struct pl_error *err);

/* sets.c: our set beside those of other ABI versions */

/* Fills dp->others; sets without attachments are removed. */
int dp_sets_open(struct pl_datapath *dp, struct pl_error *err);
void dp_sets_close(struct pl_datapath *dp);
/* The set of another version that most devices run, whose maps are taken over; NULL: none. */
const char *dp_sets_donor(const struct pl_datapath *dp);

/* carry.c: what one set takes over from another */

/* 1: the pinned map @fd can be @map of the object with @btf; 0: not, -errno. */
int dp_map_alike(int fd, const struct bpf_map *map, const struct btf *btf);
/*
 * Copies entries, field by field where the layouts differ; what has too little in common is left
 * out. @flags: BPF_ANY or BPF_NOEXIST, under which existing keys stay.
 */
int dp_map_carry(int from, int to, uint64_t flags);
/* Whether programs make entries in it, so that some come while devices are swapped. */
bool dp_map_grows(enum pl_map_index map);

/* attach.c */

/* Detaches all that the set @dir holds. The first error is kept, the rest still tried. */
int dp_detach_set(struct dp_expedite *expedite, const char *dir, struct pl_error *err);
/* Detaches at hooks that this version does not have. -EBUSY: others have an attachment yet. */
int dp_drain_set(struct dp_expedite *expedite, const char *dir);

/* counters.c */

/* The kernel's stride of per-CPU values. */
#define PL_ALIGN8(n) (((n) + 7UL) & ~7UL)

void dp_count_add(struct pl_count *sum, const struct pl_count *c);
/* One value for each CPU, at the kernel's stride. The caller frees. */
int dp_get_per_cpu(const struct pl_datapath *dp, enum pl_map_index map, const void *key,
		   size_t value_size, void **ret);
int dp_zero_per_cpu(const struct pl_datapath *dp, enum pl_map_index map, const void *key,
		    size_t value_size);

/* maps.c */

int dp_map_set(int fd, const void *key, const void *value);
int dp_map_get(int fd, const void *key, void *ret);
int dp_map_del(int fd, const void *key); /* gone: success */
/* Every entry; @fn may delete the one that it is given. Stops at what it returns, unless 0. */
int dp_map_walk(int fd, int (*fn)(const void *key, const void *value, void *arg), void *arg);

int dp_map_info(int fd, struct bpf_map_info *ret);
bool dp_is_per_cpu(uint32_t type);
/* Marks in @dp's endpoints what @old_fd's marked since it was copied. */
void dp_endpoints_merge(struct pl_datapath *dp, int old_fd);
/* From pl_addrs and pl_endpoints: the guesses may be older than these, or new and empty. */
int dp_addr_hints_fill(struct pl_datapath *dp);
int dp_maps_mmap(struct pl_datapath *dp, struct pl_error *err);
void dp_maps_munmap(struct pl_datapath *dp);

#endif
