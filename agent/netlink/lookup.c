/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One neighbour, or one route, read by itself: a dump's time grows with all that there are.
 */
#include "netlink/internal.h"

static int on_neigh(unsigned int index, const struct nlmsghdr *nlh, void *arg)
{
	return nlh->nlmsg_type == NLMSG_ERROR ? pl_nl_error_of(nlh)
					      : pl_nl_decode_neigh(nlh, nlh->nlmsg_len, arg);
}

int pl_nl_neigh_get(struct pl_nl *nl, uint32_t ifindex, const struct pl_ip *ip,
		    struct pl_nl_neigh *ret)
{
	_Alignas(struct nlmsghdr) char buf[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ndmsg *ndm;

	nlh->nlmsg_type = RTM_GETNEIGH;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	ndm->ndm_family = ip->family;
	ndm->ndm_ifindex = (int)ifindex;
	mnl_attr_put(nlh, NDA_DST, pl_ip_bits(ip->family) / 8, ip->bytes);
	return pl_nl_exchange(nl, buf, nlh->nlmsg_len, on_neigh, ret);
}

static int on_route(unsigned int index, const struct nlmsghdr *nlh, void *arg)
{
	return nlh->nlmsg_type == NLMSG_ERROR ? pl_nl_error_of(nlh)
					      : pl_nl_decode_route(nlh, nlh->nlmsg_len, arg);
}

int pl_nl_route_get(struct pl_nl *nl, const struct pl_ip *ip, struct pl_nl_route *ret)
{
	_Alignas(struct nlmsghdr) char buf[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = ip->family;
	rtm->rtm_dst_len = pl_ip_bits(ip->family);
	rtm->rtm_flags = RTM_F_FIB_MATCH;
	if (ip->family == AF_INET) /* IPv6 names the table in any case, and refuses to be asked */
		rtm->rtm_flags |= RTM_F_LOOKUP_TABLE;
	mnl_attr_put(nlh, RTA_DST, pl_ip_bits(ip->family) / 8, ip->bytes);
	return pl_nl_exchange(nl, buf, nlh->nlmsg_len, on_route, ret);
}
