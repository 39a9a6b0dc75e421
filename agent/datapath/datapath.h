/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The BPF object from user space: opened, and read; write.h changes it. Pins live in
 * BPFFS_DIR/v<PL_ABI>/{maps,progs,links}, maps and programs under the names they have in
 * bpf/podlane.bpf.c, attachments as HOOK-IFINDEX (a link) or HOOK-IFINDEX-clsact (a symbolic
 * link to the program of a filter). They outlive the daemon, so closing loses no packet.
 * Nothing here knows of endpoint records.
 */
#ifndef PODLANE_DATAPATH_H
#define PODLANE_DATAPATH_H

#include "common/addr.h"
#include "common/prefixes.h"
#include "common/util.h"
#include "podlane/abi.h"

enum pl_attach_choice {
	PL_ATTACH_AUTO, /* tcx where the kernel has it, probed by trying */
	PL_ATTACH_TCX,
	PL_ATTACH_CLSACT,
};

struct pl_datapath_opts {
	const char *bpffs_dir;	/* e.g. PL_BPFFS_DIR; made when missing; must lie on a bpffs */
	uint32_t max_endpoints; /* slots in pl_endpoints, slot 0 included */
	uint32_t max_flows;	/* entries of each flow table, IPv4 and IPv6 */
	uint32_t flow_budget;	/* of these, what one endpoint may open; as many be opened to it */
	uint32_t flow_rate;	/* new ones per second, likewise */
	enum pl_attach_choice attach;
	/*
	 * Set /sys/kernel/rcu_expedited for the moment of each attaching and detaching, which the
	 * kernel does with the RTNL lock held through a grace period: 0.1 ms instead of 8 to 20 ms,
	 * for one interrupt on every CPU.
	 */
	bool expedite;
};

enum pl_attach_kind {
	PL_ATTACHED_NONE,
	PL_ATTACHED_TCX,
	PL_ATTACHED_CLSACT,
	PL_ATTACHED_NETKIT,
	PL_ATTACH_KINDS,
};

/* What was found by trying on this kernel. */
struct pl_features {
	bool tcx;
	bool netkit; /* links can be made and programs attached */
	bool redirect_neigh;
	bool checksum_check; /* programs can see where a sender wants a checksum made */
	bool btf;	     /* the kernel accepted the object's BTF */
	bool kfuncs; /* it has BTF of its own: programs may call functions that it exports */
	enum pl_conntrack_mode conntrack;
};

struct pl_datapath;

/*
 * Takes flows that have ended out of the tables, a slice a call, some 2 ms at most. To be called
 * every few seconds. 0 or -errno; a failure costs memory, never packets.
 */
int pl_datapath_flows_sweep(struct pl_datapath *dp);
/* Of both flow tables together. */
struct pl_flow_use {
	uint32_t entries; /* as the last whole round of the sweep found them */
	uint32_t budget;  /* see pl_datapath_opts */
	uint32_t rate;
};

struct pl_flow_use pl_datapath_flow_use(const struct pl_datapath *dp);
/*
 * Loads programs that ask conntrack once nf_conntrack is there, and swaps them in; packets go on.
 * 1: swapped; 0: nothing to do; or -errno.
 */
int pl_datapath_follow_conntrack(struct pl_datapath *dp, struct pl_error *err);

/*
 * Adopts pinned maps that fit; one that does not (another size) is built anew beside the old one,
 * gets its contents and takes its place. Where devices run the set of another ABI version, that
 * set's maps are shared if all of them is the same, else copied field by field, by name. Nothing
 * that is attached changes: the caller compares each attachment with what is wanted, once it has
 * filled the maps, and ends with pl_datapath_settle(). Fails with -EPERM, -EEXIST (another process
 * holds the set: the caller keeps a lock, this is the second line of defence), -ENOTSUP with the
 * missing feature named (no bpffs: how to mount one).
 */
int pl_datapath_open(const struct pl_datapath_opts *opts, struct pl_datapath **ret,
		     struct pl_error *err);
/* Whether @dir lies, or would lie, on a bpffs: 0, else -ENOTSUP with what to do. */
int pl_datapath_check_folder(const char *dir, struct pl_error *err);
/* Frees; pins and attachments stay. */
void pl_datapath_closep(struct pl_datapath **dp);
/* Detaches everything and removes the pins of all ABI versions: for uninstalling. */
int pl_datapath_remove(const char *bpffs_dir, struct pl_error *err);

const struct pl_features *pl_datapath_features(const struct pl_datapath *dp);
/* True where maps were taken over from an earlier run. */
bool pl_datapath_adopted(const struct pl_datapath *dp);
uint32_t pl_datapath_max_endpoints(const struct pl_datapath *dp);

/* A program at a hook of a device. */
struct pl_attachment {
	enum pl_hook hook;
	uint32_t ifindex;
	enum pl_attach_kind kind;
	uint32_t abi;	  /* of the set that holds it */
	uint32_t program; /* the kernel's id of what runs there */
};

/* What pl_datapath_attach() makes: another program, set or kind there is a difference. */
void pl_datapath_wanted(const struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
			struct pl_attachment *ret);
/*
 * Around a deletion of links with programs, which waits as attaching does: see expedite. In the
 * end as often as begun.
 */
void pl_datapath_expedite_begin(struct pl_datapath *dp);
void pl_datapath_expedite_end(struct pl_datapath *dp);
/* Links are being deleted: what asks the kernel for a link, or a program at it, waits for the end.
 */
bool pl_datapath_expediting(const struct pl_datapath *dp);
/* "none", "tcx": as replies say it. */
const char *pl_datapath_kind_name(enum pl_attach_kind kind);
/* "from_pod": as pins are called. */
const char *pl_datapath_hook_name(enum pl_hook hook);
/* What the kernel says now (not what we remember). PL_ATTACHED_NONE where nothing of ours is. */
enum pl_attach_kind pl_datapath_attached(struct pl_datapath *dp, enum pl_hook hook,
					 uint32_t ifindex);
/* The same, and noted as it should be: a filter without its note would be nobody's. */
bool pl_datapath_attached_as(struct pl_datapath *dp, enum pl_hook hook, uint32_t ifindex,
			     enum pl_attach_kind kind);
/* All attachments of all sets: one (hook, ifindex) may come more than once. */
int pl_datapath_each_attachment(struct pl_datapath *dp,
				int (*fn)(const struct pl_attachment *a, void *arg), void *arg);

/* The endpoint array, mapped: pl_datapath_max_endpoints() entries, shared with the programs. */
const struct pl_endpoint_info *pl_datapath_slots(const struct pl_datapath *dp);

/* Whether the maps hold these native networks and exceptions, and pl_config is as it should be. */
bool pl_datapath_networks_hold(struct pl_datapath *dp, const struct pl_network_rule *rules,
			       size_t n);
/* The kernel's id of the program in a slot of pl_programs; 0: none. */
uint32_t pl_datapath_program_id(struct pl_datapath *dp, enum pl_program_slot slot);
/* The id of pl_mirror, which belongs into PL_PROG_MIRROR. */
uint32_t pl_datapath_mirror_program(const struct pl_datapath *dp);
/* Whether the pins are in place. -ENETDOWN: some are gone, and attachments with them. */
int pl_datapath_intact(struct pl_datapath *dp, struct pl_error *err);

int pl_datapath_addr_get(struct pl_datapath *dp, const struct pl_ip *ip, struct pl_addr *ret);
int pl_datapath_addr_each(struct pl_datapath *dp,
			  int (*fn)(const struct pl_ip *ip, const struct pl_addr *v, void *arg),
			  void *arg);
int pl_datapath_link_get(struct pl_datapath *dp, uint32_t ifindex, struct pl_device *ret);
int pl_datapath_link_each(struct pl_datapath *dp,
			  int (*fn)(uint32_t ifindex, const struct pl_device *v, void *arg),
			  void *arg);
int pl_datapath_tunnel_get(struct pl_datapath *dp, uint16_t port, struct pl_tunnel *ret);
int pl_datapath_tunnel_each(struct pl_datapath *dp,
			    int (*fn)(uint16_t port, const struct pl_tunnel *v, void *arg),
			    void *arg);

/* Sums over CPUs. */
int pl_datapath_traffic(struct pl_datapath *dp, uint32_t endpoint, struct pl_traffic *ret);
/* Each (endpoint, reason, direction) that ever happened, FORWARD_LOCAL included. */
int pl_datapath_reasons_each(struct pl_datapath *dp,
			     int (*fn)(const struct pl_reason_key *key, const struct pl_count *sum,
				       void *arg),
			     void *arg);

int pl_datapath_mirror_get(struct pl_datapath *dp, unsigned int slot, struct pl_mirror *ret);
/* Sums over CPUs; last_error: one that is not zero. */
int pl_datapath_mirror_stats(struct pl_datapath *dp, unsigned int slot,
			     struct pl_mirror_stats *ret);
int pl_datapath_mirror_state(struct pl_datapath *dp, unsigned int slot,
			     struct pl_mirror_state *ret);
/* pl_programs, for the tail call of a generated program. Borrowed. */
int pl_datapath_programs_fd(const struct pl_datapath *dp);

#endif
