/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps, all pinned by the daemon, all with BTF-typed keys and values so that `bpftool map
 * dump` reads well. Sizes given here are defaults: the daemon sizes them between open and load.
 * Who writes what is said in podlane/abi.h.
 */
#ifndef PODLANE_BPF_MAPS_H
#define PODLANE_BPF_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "podlane/abi.h"

enum {
	PL_DEFAULT_ENDPOINTS = 1024,
	PL_DEFAULT_ADDRS = 4096,
	PL_DEFAULT_NETWORKS = 1024,
	PL_DEFAULT_REASONS = 16384,
	PL_DEFAULT_FLOWS = 131072,
	PL_TUNNEL_PORTS_MAX = 1024,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PL_DEFAULT_ENDPOINTS);
	__type(key, __u32);
	__type(value, struct pl_endpoint_info);
} pl_endpoints SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PL_DEFAULT_ADDRS);
	__type(key, struct pl_addr4);
	__type(value, struct pl_addr);
} pl_addrs4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PL_DEFAULT_ADDRS);
	__type(key, struct pl_addr6);
	__type(value, struct pl_addr);
} pl_addrs6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PL_DEFAULT_ENDPOINTS);
	__type(key, __u32); /* ifindex in the host's netns */
	__type(value, struct pl_device);
} pl_devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PL_ADDR_HINTS);
	__type(key, __u32);   /* PL_ADDR_HINT() */
	__type(value, __u32); /* endpoint */
} pl_addr_hints SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PL_DEFAULT_NETWORKS);
	__type(key, struct pl_net4);
	__type(value, struct pl_network);
} pl_networks4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PL_DEFAULT_NETWORKS);
	__type(key, struct pl_net6);
	__type(value, struct pl_network);
} pl_networks6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PL_TUNNEL_PORTS_MAX);
	__type(key, struct pl_tunnel_port);
	__type(value, struct pl_tunnel);
} pl_tunnel_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pl_config);
} pl_config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PL_ROUTE_CACHE_SLOTS);
	__type(key, __u32); /* hash of the question */
	__type(value, struct pl_route);
} pl_route_cache SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PL_DEFAULT_ENDPOINTS);
	__type(key, __u32); /* endpoint */
	__type(value, struct pl_traffic);
} pl_traffic SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PL_DEFAULT_REASONS);
	__type(key, struct pl_reason_key);
	__type(value, struct pl_count);
} pl_reasons SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PL_DEFAULT_FLOWS);
	__type(key, struct pl_flow4_key);
	__type(value, struct pl_flow);
} pl_flows4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PL_DEFAULT_FLOWS);
	__type(key, struct pl_flow6_key);
	__type(value, struct pl_flow);
} pl_flows6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PL_DEFAULT_ENDPOINTS);
	__type(key, __u32); /* endpoint */
	__type(value, struct pl_budgets);
} pl_budgets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pl_closed);
} pl_closed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PL_MIRRORS_MAX);
	__type(key, __u32); /* slot */
	__type(value, struct pl_mirror);
} pl_mirrors SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PL_MIRRORS_MAX);
	__type(key, __u32);
	__type(value, struct pl_mirror_state);
} pl_mirror_state SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PL_MIRRORS_MAX);
	__type(key, __u32);
	__type(value, struct pl_mirror_stats);
} pl_mirror_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, PL_PROG_SLOTS);
	__type(key, __u32); /* enum pl_program_slot */
	__type(value, __u32);
} pl_programs SEC(".maps");

#endif
