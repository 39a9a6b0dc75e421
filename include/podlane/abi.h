/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What BPF and user space share: keys and values of the pinned maps, tail-call slots, constants.
 * A change of size, meaning or number in this file needs a new PL_ABI, which is part of the
 * pin path: the daemon then builds the new set beside the old one and swaps.
 * All integers are in host byte order unless the field says otherwise; addresses and MACs are
 * bytes in wire order, so that `bpftool map dump` prints them as they are written.
 */
#ifndef PODLANE_ABI_H
#define PODLANE_ABI_H

#include <linux/bpf.h>
#include <linux/types.h>

#include "hooks.h"
#include "reasons.h"

/* The build may set another one: see the upgrade tests. */
#ifndef PL_ABI
#define PL_ABI 3
#endif

/*
 * From one version to another (up or down), the daemon takes over maps by name, and what is in
 * them field by field, by name: a name keeps its meaning in all versions. What changes its meaning
 * (or may not become zero where it is new) gets a new name; the numbers of an enum stay.
 * PL_ABI_TRIAL makes a version for tests: some values have a field more.
 */
#ifdef PL_ABI_TRIAL
#define PL_TRIAL_FIELD __u64 trial;
#else
#define PL_TRIAL_FIELD
#endif

#include "flow.h"

enum {
	PL_NODE = 0, /* endpoint id 0 is the node itself: packets that concern no endpoint */
	PL_MIRRORS_MAX = 64, /* sessions; one bit each in pl_endpoint.mirror_* */
};

/* As the pod sees it. */
enum pl_direction {
	PL_OUT = 0, /* the pod sent it */
	PL_IN = 1,  /* the pod gets it */
};

enum pl_link_kind {
	PL_LINK_VETH = 0,
	PL_LINK_NETKIT_L3 = 1, /* its frames carry a zeroed Ethernet header */
	PL_LINK_NETKIT_L2 = 2,
};

/* pl_endpoint.flags: written by the agent alone. */
enum pl_endpoint_flag {
	PL_EP_READY = 1 << 0,	/* both ends up, pod end in another netns: redirects arrive */
	PL_EP_SHAPED = 1 << 1,	/* a qdisc shapes it: everything through the stack */
	PL_EP_TRUSTED = 1 << 2, /* anti-spoofing is off for this endpoint */
	/* What an untrusted endpoint may send all the same. The stack gets it, never the fast path.
	 */
	PL_EP_ALLOW_VLAN = 1 << 3,	 /* frames with a VLAN tag, but for VID 0 */
	PL_EP_ALLOW_NON_IP = 1 << 4,	 /* frames of any type */
	PL_EP_ALLOW_LINK_LOCAL = 1 << 5, /* any IPv6 link-local source, not that of its MAC alone */
};

/*
 * pl_endpoints[id]: mmapable array, one cache line an endpoint. The agent stores single fields
 * in place; it clears READY, changes the others, then sets READY again (release).
 */
struct pl_endpoint_info {
	__u32 ifindex;	 /* host end; 0: free slot */
	__u16 flags;	 /* enum pl_endpoint_flag */
	__u8 link_kind;	 /* enum pl_link_kind */
	__u8 stack_only; /* 1: a note did not fit its budget: it opens nothing on the fast path */
	__u8 pad[2];
	__u16 mtu; /* of the pod end: L3 bytes */
	__u8 pod_mac[6];
	__u8 host_mac[6];
	__u8 ip4[4];	  /* first address of each family, zero: none. */
	__u8 ip6[16];	  /* Further ones are found through pl_addrs6/4 */
	__u32 generation; /* counts uses of this slot: entries of earlier ones are void */
	__u64 mirror_out; /* sessions that want what the pod sends: bit = slot in pl_mirrors */
	__u64 mirror_in;  /* sessions that want what the pod gets */
	PL_TRIAL_FIELD
} __attribute__((aligned(64)));

/* pl_addrs4, pl_addrs6: hash, whose is this destination? */
struct pl_addr4 {
	__u8 addr[4];
};

struct pl_addr6 {
	__u8 addr[16];
};

enum pl_addr_kind {
	PL_ADDR_POD = 1,
	PL_ADDR_HOST = 2,
};

struct pl_addr {
	__u32 endpoint;		/* index in pl_endpoints; PL_NODE for the host's own */
	enum pl_addr_kind kind; /* an enum, so that bpftool prints the name */
};

/*
 * Guesses, which save the fast path its two hash lookups, some 35 ns each: a slot of pl_endpoints
 * that is right where the endpoint itself agrees (its ifindex, its address), and else nothing.
 *
 *   sender    The agent gives an endpoint the slot PL_SLOT_HINT(ifindex) where that is free.
 *   receiver  pl_addr_hints[PL_ADDR_HINT(the address' last two bytes)], mmapable array.
 */
enum { PL_ADDR_HINTS = 16384 };
#define PL_SLOT_HINT(ifindex) ((ifindex)&4095)
#define PL_ADDR_HINT(hi, lo)  (((__u32)(hi) << 8 | (lo)) & (PL_ADDR_HINTS - 1))

/* pl_devices: hash by ifindex in the host's netns (host ends of pods, and uplinks). */
enum pl_link_role {
	PL_ROLE_ENDPOINT = 1,
	PL_ROLE_UPLINK = 2,
};

struct pl_device {
	PL_TRIAL_FIELD
	__u32 endpoint; /* index in pl_endpoints; PL_NODE for an uplink */
	enum pl_link_role role;
};

/* pl_networks4, pl_networks6: LPM tries of the native networks (reached by FIB, without NAT). */
struct pl_net4 {
	__u32 prefixlen;
	__u8 addr[4];
};

struct pl_net6 {
	__u32 prefixlen;
	__u8 addr[16];
};

struct pl_network {
	__u32 native; /* 1: route by FIB; 0: a hole in a wider native prefix */
};

/*
 * pl_tunnel_ports: hash, the UDP ports (host byte order) at which tunnel devices of this node
 * listen, beside those that PL_TUNNEL_PORTS names.
 */
struct pl_tunnel_port {
	__u16 port;
};

struct pl_tunnel {
	__u32 ifindex; /* of such a device */
};

/* Held for a tunnel's, whether a device of this network namespace is known to listen or not. */
#define PL_TUNNEL_PORTS(X)                                                                         \
	X(4789, "VXLAN")                                                                           \
	X(6081, "Geneve")                                                                          \
	X(8472, "VXLAN by Linux' own default")

/*
 * Where the running kernel keeps a packet's checksum offload in its struct sk_buff: byte offsets
 * of a window that is read at once, and within it. The agent finds them in the kernel's BTF before
 * the programs are loaded. window_bytes 0: not known, nothing is read.
 */
enum { PL_SKB_WINDOW_MAX = 96 };

struct pl_skb_layout {
	__u16 window; /* in struct sk_buff */
	__u16 window_bytes;
	__u16 ip_summed; /* the byte with its two bits, within the window as all below */
	__u8 ip_summed_shift;
	__u8 pad;
	__u16 csum_start;  /* u16: from the skb's head to where the sum begins */
	__u16 csum_offset; /* u16: from there to the checksum's place */
	__u16 mac_header;  /* u16: from the skb's head to the frame */
	__u16 pad2;
};

/* pl_config[0]: mmapable array; switches that may change while programs run. */
struct pl_config {
	__u32 native4; /* number of native prefixes in pl_networks4: 0 skips the lookup */
	__u32 native6;
	__u32 epoch; /* counted up by the agent: every entry of pl_route_cache of before is void */
	__u32 flow_budget; /* entries that each of an endpoint's two budgets pays for */
	__u32 flow_rate;   /* new entries per second and budget */
	__u32 pad;
};

/*
 * pl_route_cache: per-CPU array, written by BPF: what the FIB last said of a packet that leaves by
 * an uplink. An entry is found by a hash of its question and holds where
 * all of that is the same; it is good for PL_ROUTE_JIFFIES (8 to 80 ms, as the kernel's HZ is), so
 * that a route that changes without the agent's knowledge is followed as soon, and never beyond
 * pl_config.epoch. It saves some 400 ns a packet: most of what the FIB reads is in no cache.
 */
enum {
	PL_ROUTE_CACHE_SLOTS = 1024,
	PL_ROUTE_JIFFIES = 8,
};

struct pl_route_key {
	__u8 to[16]; /* IPv4 as ::ffff:a.b.c.d */
	__u8 from[16];
	__u32 ifindex;	 /* host end of the sender's link */
	__be32 flowinfo; /* IPv6: traffic class and flow label; IPv4: 0 */
	__u8 tos;	 /* IPv4: what of it routes */
	__u8 protocol;	 /* IPPROTO_* */
	__u8 pad[2];
};

struct pl_route {
	struct pl_route_key key;
	__u32 ifindex; /* an uplink */
	__u32 size;    /* L3 bytes that are known to fit its MTU */
	__u32 epoch;   /* pl_config.epoch before the question */
	__u32 jiffies; /* when the FIB was asked: their lower half */
	struct bpf_redir_neigh next;
};

/* pl_traffic[id]: per-CPU array, the hot counters: packets that the fast path handed over. */
struct pl_count {
	__u64 packets; /* skbs: a GSO packet counts once */
	__u64 bytes;   /* L2 length of the skb */
};

struct pl_traffic {
	struct pl_count forwarded[2]; /* FORWARD_LOCAL, by enum pl_direction */
	struct pl_count native;	      /* FORWARD_NATIVE, PL_OUT */
	PL_TRIAL_FIELD
};

/* pl_reasons: per-CPU hash of pl_count, every other reason. Allocated as it first happens. */
struct pl_reason_key {
	__u32 endpoint;
	enum pl_reason reason;
	enum pl_direction direction;
};

/* pl_mirrors[slot]: array, written by the agent; active is stored last. */
enum pl_mirror_flag {
	PL_MIRROR_ACTIVE = 1 << 0, /* off: paused, its target is away */
	PL_MIRROR_FILTER = 1 << 1, /* pl_programs[PL_PROG_MATCH] decides, none matches without it */
	PL_MIRROR_DROPS = 1 << 2,  /* also what was dropped */
	PL_MIRROR_FLOWS = 1 << 3,  /* sample whole flows rather than packets */
	PL_MIRROR_STAGE = 1 << 4,  /* clone to the stage, behind which pl_stage goes on */
	PL_MIRROR_WRAPS = 1 << 5,  /* the target is a tunnel: copies go on inside of its packets */
};

struct pl_mirror {
	__u32 target;	   /* ifindex in the host's netns */
	__u32 flags;	   /* enum pl_mirror_flag */
	__u32 sample;	   /* 1 in this many; 0 and 1: all */
	__u32 snaplen;	   /* bytes from the Ethernet header; 0: whole */
	__u64 pps;	   /* token bucket; 0: no limit */
	__u64 bps;	   /* bytes per second; 0: no limit */
	__u64 expires_ns;  /* CLOCK_MONOTONIC; 0: never */
	__u64 max_packets; /* 0: no limit */
	__u32 id;	   /* the agent's number of the session: tells reuses of a slot apart */
	__u32 stage;	   /* ifindex of the stage device; 0: none */
};

/* pl_mirror_state[slot]: array, shared over CPUs, written by BPF under its lock. */
struct pl_mirror_state {
	struct bpf_spin_lock lock;
	__u32 pad;
	__u64 sent;	      /* of max_packets */
	__u64 tokens_packets; /* in 1/1000; at most one second's worth */
	__s64 tokens_bytes;   /* in 1/1000; below zero after a packet larger than the rest */
	__u64 refilled_ns;    /* CLOCK_MONOTONIC; 0: the buckets are full */
};

/* pl_mirror_stats[slot]: per-CPU array. */
#define PL_MIRROR_COUNTERS(X)                                                                      \
	X(matched, "packets that the session's selection and filter took")                         \
	X(sampled_out, "matched, not in the sample")                                               \
	X(rate_limited, "matched, over the token bucket")                                          \
	X(sent, "copies that the target's device accepted")                                        \
	X(sent_bytes, "bytes of these")                                                            \
	X(congested, "copies that the target lost: down, queue full")                              \
	X(failed, "copies that the kernel refused")                                                \
	X(truncated, "copies cut to the snap length")                                              \
	X(looped, "copies that came back: dropped, never copied again")

struct pl_mirror_stats {
#define PL_MIRROR_FIELD(name, text) __u64 name;
	PL_MIRROR_COUNTERS(PL_MIRROR_FIELD)
#undef PL_MIRROR_FIELD
	__s64 last_error; /* -errno of the last failed copy */
};

/* pl_programs: prog_array of the tail calls. */
enum pl_program_slot {
	PL_PROG_MATCH = 0,  /* generated: clears in skb->cb the sessions whose filter rejects */
	PL_PROG_MIRROR = 1, /* makes the copies, then ends the packet's way */
	PL_PROG_SLOTS = 4,
};

/*
 * skb->cb[] between tail calls. MATCH reads and writes MASK_LO/HI alone and ends by a tail call
 * to PL_PROG_MIRROR.
 */
enum pl_cb {
	PL_CB_STATE = 0, /* hook, stage and reason: private to bpf/ */
	PL_CB_SRC = 1,	 /* endpoint id or PL_NODE */
	PL_CB_DST = 2,
	PL_CB_MASK_LO = 3, /* candidates, then matches: bits of pl_mirrors */
	PL_CB_MASK_HI = 4,
};

/*
 * skb->mark within the node. None of these has a bit of kube-proxy's (0x4000, 0x8000), for a copy
 * may leave through a tunnel, where the host's rules see its mark.
 */
enum {
	PL_MARK_MASK = 0xffffff00,
	PL_MARK_MIRROR = 0x504c2000,  /* | slot: a mirror's copy on its way to the target */
	PL_MARK_STAGED = 0x504c2200,  /* | slot: a copy on its way through the stage, to pl_stage */
	PL_MARK_HANDLED = 0x504c2100, /* from-netkit dealt with it: to-pod lets it through */
};

#ifdef PL_ABI_TRIAL
#define PL_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) >= (size), #type " is ABI")
#else
#define PL_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " is ABI")
#endif
PL_ASSERT_SIZE(struct pl_endpoint_info, 64);
_Static_assert(__builtin_offsetof(struct pl_endpoint_info, pod_mac) == 12 &&
		       __builtin_offsetof(struct pl_endpoint_info, host_mac) == 18,
	       "the two MACs lie as an Ethernet header wants them");
PL_ASSERT_SIZE(struct pl_addr4, 4);
PL_ASSERT_SIZE(struct pl_addr6, 16);
PL_ASSERT_SIZE(struct pl_addr, 8);
PL_ASSERT_SIZE(struct pl_device, 8);
PL_ASSERT_SIZE(struct pl_net4, 8);
PL_ASSERT_SIZE(struct pl_net6, 20);
PL_ASSERT_SIZE(struct pl_tunnel_port, 2);
PL_ASSERT_SIZE(struct pl_tunnel, 4);
PL_ASSERT_SIZE(struct pl_skb_layout, 16);
PL_ASSERT_SIZE(struct pl_config, 24);
PL_ASSERT_SIZE(struct pl_route_key, 44);
PL_ASSERT_SIZE(struct pl_route, 80);
PL_ASSERT_SIZE(struct pl_traffic, 48);
PL_ASSERT_SIZE(struct pl_reason_key, 12);
PL_ASSERT_SIZE(struct pl_mirror, 56);
PL_ASSERT_SIZE(struct pl_mirror_state, 40);
PL_ASSERT_SIZE(struct pl_mirror_stats, 80);

#endif
