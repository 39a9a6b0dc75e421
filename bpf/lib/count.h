/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counters, per CPU. Those that forwarded packets need are array slots; the others are
 * allocated as they first happen. A full or failing map loses counts, never packets.
 */
#ifndef PODLANE_BPF_COUNT_H
#define PODLANE_BPF_COUNT_H

#include "packet.h"

PL_INLINE void pl_count_in(struct pl_count *count, __u32 bytes)
{
	count->packets++;
	count->bytes += bytes;
}

PL_INLINE void pl_count_forwarded(__u32 endpoint, enum pl_direction direction, __u32 bytes)
{
	struct pl_traffic *traffic = bpf_map_lookup_elem(&pl_traffic, &endpoint);

	if (traffic)
		pl_count_in(&traffic->forwarded[direction], bytes);
}

PL_INLINE void pl_count_native(__u32 endpoint, __u32 bytes)
{
	struct pl_traffic *traffic = bpf_map_lookup_elem(&pl_traffic, &endpoint);

	if (traffic)
		pl_count_in(&traffic->native, bytes);
}

PL_INLINE void pl_count_reason(__u32 endpoint, enum pl_reason reason, enum pl_direction direction,
			       __u32 bytes)
{
	struct pl_reason_key key = {.endpoint = endpoint, .reason = reason, .direction = direction};
	struct pl_count *count = bpf_map_lookup_elem(&pl_reasons, &key);

	if (unlikely(!count)) {
		struct pl_count none = {};

		bpf_map_update_elem(&pl_reasons, &key, &none, BPF_NOEXIST);
		count = bpf_map_lookup_elem(&pl_reasons, &key);
		if (!count)
			return;
	}
	pl_count_in(count, bytes);
}

/*
 * Once a packet. A pod's packet counts at its sender as OUT, one that the network or the stack
 * brings at its receiver as IN; handed from pod to pod it counts at both.
 */
PL_INLINE void pl_count(const struct pl_packet *p, enum pl_reason reason)
{
	int out = p->hook == PL_HOOK_FROM_POD || p->hook == PL_HOOK_FROM_NETKIT;
	__u32 bytes = p->skb->len;

	if (likely(reason == PL_FORWARD_LOCAL)) {
		if (out)
			pl_count_forwarded(p->src_id, PL_OUT, bytes);
		pl_count_forwarded(p->dst_id, PL_IN, bytes);
	} else if (reason == PL_FORWARD_NATIVE) {
		pl_count_native(p->src_id, bytes);
	} else {
		pl_count_reason(out ? p->src_id : p->dst_id, reason, out ? PL_OUT : PL_IN, bytes);
	}
}

#endif
