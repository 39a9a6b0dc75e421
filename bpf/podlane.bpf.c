/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The path of a packet, one program per hook. Nothing here ends another program's way: what is
 * not ours is passed on with TC_ACT_UNSPEC.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "lib/maps.h"

static __always_inline int pass(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;

	bpf_map_lookup_elem(&pl_links, &ifindex);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int pl_from_pod(struct __sk_buff *skb)
{
	return pass(skb);
}

SEC("tc")
int pl_to_pod(struct __sk_buff *skb)
{
	return pass(skb);
}

SEC("tc")
int pl_from_wire(struct __sk_buff *skb)
{
	return pass(skb);
}

SEC("tc")
int pl_from_netkit(struct __sk_buff *skb)
{
	return pass(skb);
}

SEC("tc")
int pl_mirror(struct __sk_buff *skb)
{
	return pass(skb);
}

SEC("tc")
int pl_stage(struct __sk_buff *skb)
{
	return TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
