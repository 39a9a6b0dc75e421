/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is it? Endpoints by device and by address, networks by prefix. Only the agent writes what is
 * read here; nothing that a pod says is believed.
 */
#ifndef PODLANE_BPF_LOOKUP_H
#define PODLANE_BPF_LOOKUP_H

#include "packet.h"

PL_INLINE struct pl_endpoint_info *pl_endpoint_of(__u32 id)
{
	return id == PL_NODE ? NULL : bpf_map_lookup_elem(&pl_endpoints, &id);
}

/*
 * The endpoint whose host end is @ifindex. The endpoint must agree: an ifindex may have come back
 * to another device, and a netkit program of an old kernel may see an index of the pod's netns.
 */
PL_INLINE struct pl_endpoint_info *pl_endpoint_at(__u32 ifindex, __u32 *id)
{
	struct pl_endpoint_info *ep = pl_endpoint_of(PL_SLOT_HINT(ifindex));
	struct pl_device *link;

	*id = PL_SLOT_HINT(ifindex);
	if (likely(ep && ep->ifindex == ifindex))
		return ep;
	link = bpf_map_lookup_elem(&pl_devices, &ifindex);
	if (!link || link->role != PL_ROLE_ENDPOINT)
		return NULL;
	*id = link->endpoint;
	ep = pl_endpoint_of(link->endpoint);
	return ep && ep->ifindex == ifindex ? ep : NULL;
}

/* from-pod: who sends? */
PL_INLINE int pl_lookup_src(struct pl_packet *p)
{
	__u32 id = PL_NODE;

	p->src = pl_endpoint_at(p->skb->ifindex, &id);
	if (unlikely(!p->src))
		return PL_PASS_NO_ENDPOINT;
	p->src_id = id;
	return PL_CONTINUE;
}

/* to-pod: who receives? */
PL_INLINE int pl_lookup_dst(struct pl_packet *p)
{
	__u32 id = PL_NODE;

	p->dst = pl_endpoint_at(p->skb->ifindex, &id);
	if (unlikely(!p->dst))
		return PL_PASS_NO_ENDPOINT;
	p->dst_id = id;
	return PL_CONTINUE;
}

/* The endpoint whose first address this is, if the guess is good. */
PL_INLINE struct pl_endpoint_info *pl_lookup_hint(const struct pl_packet *p, __u32 *id)
{
	const __u8 *addr = p->family == 4 ? (const __u8 *)&p->ip4->daddr + 2
					  : (const __u8 *)&p->ip6->daddr + 14;
	__u32 key = PL_ADDR_HINT(addr[0], addr[1]);
	__u32 *slot = bpf_map_lookup_elem(&pl_addr_hints, &key);
	struct pl_endpoint_info *ep;

	if (!slot)
		return NULL;
	*id = *slot;
	ep = pl_endpoint_of(*slot);
	if (!ep)
		return NULL;
	if (p->family == 4)
		return *(const __be32 *)ep->ip4 == p->ip4->daddr ? ep : NULL;
	return pl_equal6(ep->ip6, &p->ip6->daddr) ? ep : NULL;
}

/* Does the address lie in a network that is reached by FIB and without NAT? */
PL_INLINE int pl_is_native4(__be32 addr)
{
	struct pl_net4 key = {.prefixlen = 32};
	struct pl_network *net;

	*(__be32 *)key.addr = addr;
	net = bpf_map_lookup_elem(&pl_networks4, &key);
	return net && net->native;
}

PL_INLINE int pl_is_native6(const void *addr)
{
	struct pl_net6 key = {.prefixlen = 128};
	struct pl_network *net;

	pl_copy6(key.addr, addr);
	net = bpf_map_lookup_elem(&pl_networks6, &key);
	return net && net->native;
}

PL_INLINE struct pl_config *pl_config_of_node(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&pl_config, &zero);
}

/* Is the destination native? */
PL_INLINE int pl_is_native(const struct pl_packet *p)
{
	struct pl_config *config = pl_config_of_node();

	if (!config)
		return 0;
	if (p->family == 4)
		return config->native4 && pl_is_native4(p->ip4->daddr);
	return config->native6 && pl_is_native6(&p->ip6->daddr);
}

#endif
