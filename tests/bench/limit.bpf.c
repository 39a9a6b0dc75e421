/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs that do nothing but redirect to a constant: what the mechanism itself costs, and so
 * the most that any datapath built on it can reach. They decide nothing, protect from nothing and
 * count nothing; both ends of the bench's node are wired so that this is enough.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "limit.h"

const volatile struct limit limit;

SEC("tc")
int limit_peer(struct __sk_buff *skb)
{
	return bpf_redirect_peer(limit.target, 0);
}

SEC("tc")
int limit_neigh(struct __sk_buff *skb)
{
	struct bpf_redir_neigh next = {};

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		next.nh_family = 2; /* AF_INET */
		next.ipv4_nh = limit.next4;
	} else {
		next.nh_family = 10; /* AF_INET6 */
		next.ipv6_nh[0] = limit.next6[0];
		next.ipv6_nh[1] = limit.next6[1];
		next.ipv6_nh[2] = limit.next6[2];
		next.ipv6_nh[3] = limit.next6[3];
	}
	return bpf_redirect_neigh(limit.target, &next, sizeof(next), 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
