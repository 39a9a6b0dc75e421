/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Does the kernel's conntrack know this packet's connection? It is asked once a connection, for 41
 * ns a tuple, and alone knows who is translated. bpf_skb_ct_lookup() is there since Linux 5.18, for
 * TCP and UDP; it belongs to nf_conntrack, which may be a module that is not loaded.
 */
#ifndef PODLANE_BPF_CONNTRACK_H
#define PODLANE_BPF_CONNTRACK_H

#include "packet.h"

/* enum pl_conntrack_mode, set at load. */
const volatile __u32 pl_conntrack_mode;

#ifdef PL_NO_KFUNCS
/* For kernels without BTF (agent/datapath/skel.c): pl_conntrack_mode is never PL_CT_ASK there. */
PL_INLINE int pl_ct_knows_tuple(const struct pl_packet *p, int reverse)
{
	return 1;
}
#else
/* The kernel's own, of net/netfilter/nf_conntrack_bpf.c: only its name and size matter here. */
struct nf_conn {
	unsigned long status;
} __attribute__((preserve_access_index));

struct pl_ct_opts {
	__s32 netns_id; /* -1: of the packet's device */
	__s32 error;
	__u8 l4proto;
	__u8 dir;
	__u8 reserved[2];
};

extern struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *skb_ctx, struct bpf_sock_tuple *tuple,
					 __u32 tuple__sz, struct pl_ct_opts *opts,
					 __u32 opts__sz) __weak __ksym;
extern void bpf_ct_release(struct nf_conn *nfct) __weak __ksym;

/* @reverse: the tuple of the answers. An answer that is neither yes nor no is a yes. */
PL_INLINE int pl_ct_knows_tuple(const struct pl_packet *p, int reverse)
{
	enum { NOT_FOUND = -2 /* -ENOENT */ };
	struct pl_ct_opts opts = {.netns_id = -1, .l4proto = p->l4.protocol};
	__be16 source = reverse ? p->l4.destination : p->l4.source;
	__be16 destination = reverse ? p->l4.source : p->l4.destination;
	struct bpf_sock_tuple tuple = {};
	struct nf_conn *known;

	if (p->family == 4) {
		tuple.ipv4.saddr = reverse ? p->ip4->daddr : p->ip4->saddr;
		tuple.ipv4.daddr = reverse ? p->ip4->saddr : p->ip4->daddr;
		tuple.ipv4.sport = source;
		tuple.ipv4.dport = destination;
		known = bpf_skb_ct_lookup(p->skb, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
	} else if (p->family == 6) {
		pl_copy6(tuple.ipv6.saddr, reverse ? &p->ip6->daddr : &p->ip6->saddr);
		pl_copy6(tuple.ipv6.daddr, reverse ? &p->ip6->saddr : &p->ip6->daddr);
		tuple.ipv6.sport = source;
		tuple.ipv6.dport = destination;
		known = bpf_skb_ct_lookup(p->skb, &tuple, sizeof(tuple.ipv6), &opts, sizeof(opts));
	} else {
		return 1;
	}
	if (known) {
		bpf_ct_release(known);
		return 1;
	}
	return opts.error != NOT_FOUND;
}
#endif

/*
 * 1: conntrack has the packet's connection; @reverse: or one whose answers look like it. A function
 * of its own, which the verifier follows once.
 */
__attribute__((noinline)) int pl_ct_knows(struct __sk_buff *skb, __u32 reverse)
{
	struct pl_packet p = {.skb = skb};

	/* Here, too: the verifier follows this function whoever calls it, and 5.10 knows no kfunc.
	 */
	if (pl_conntrack_mode != PL_CT_ASK)
		return 0;
	if (pl_read_headers(&p, 1) != PL_CONTINUE)
		return 1;
	pl_parse_l4(&p);
	if (p.l4.protocol != IPPROTO_TCP && p.l4.protocol != IPPROTO_UDP)
		return 0;
	return pl_ct_knows_tuple(&p, 0) || (reverse && pl_ct_knows_tuple(&p, 1));
}

#endif
