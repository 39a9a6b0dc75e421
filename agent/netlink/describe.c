/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a request asks for, in words: for the sentence of an error.
 */
#include <linux/rtnetlink.h>

#include "netlink/internal.h"

static void describe_link(const void *buf, size_t len, char *text, size_t size)
{
	const struct nlmsghdr *nlh = buf;
	const char *verb = nlh->nlmsg_type == RTM_DELLINK    ? "delete"
			   : nlh->nlmsg_type == RTM_GETLINK  ? "read"
			   : nlh->nlmsg_flags & NLM_F_CREATE ? "create"
							     : "change";
	struct pl_nl_link link = {0};

	pl_nl_parse_link(buf, len, &link);
	if (link.name[0])
		snprintf(text, size, "%s %s%slink %s", verb, link.kind, link.kind[0] ? " " : "",
			 link.name);
	else
		snprintf(text, size, "%s device %u", verb, link.ifindex);
}

static void describe_addr(const void *buf, size_t len, char *text, size_t size)
{
	const struct nlmsghdr *nlh = buf;
	struct pl_nl_addr addr = {0};
	char ip[PL_PREFIX_STRLEN] = "?";

	if (pl_nl_decode_addr(buf, len, &addr) == 0)
		pl_prefix_format(&addr.ip, ip);
	snprintf(text, size, "%s address %s on device %u",
		 nlh->nlmsg_type == RTM_NEWADDR ? "add" : "delete", ip, addr.ifindex);
}

static void describe_route(const void *buf, size_t len, char *text, size_t size)
{
	const struct nlmsghdr *nlh = buf;
	struct pl_nl_route route = {0};
	char dst[PL_PREFIX_STRLEN] = "default";
	char where[PL_IP_STRLEN + 32] = "";
	char ip[PL_IP_STRLEN];

	if (pl_nl_parse_route(buf, len, 0, &route) == 0 && route.dst.len)
		pl_prefix_format(&route.dst, dst);
	if (route.gateway.family)
		snprintf(where, sizeof(where), " via %s on device %u",
			 pl_ip_format(&route.gateway, ip), route.oif);
	else if (route.oif)
		snprintf(where, sizeof(where), " on device %u", route.oif);
	snprintf(text, size, "%s %sroute %s%s", nlh->nlmsg_type == RTM_NEWROUTE ? "add" : "delete",
		 route.type == RTN_UNREACHABLE ? "unreachable " : "", dst, where);
}

static void describe_neigh(const void *buf, size_t len, char *text, size_t size)
{
	struct pl_nl_neigh neigh = {0};
	char ip[PL_IP_STRLEN] = "?";

	if (pl_nl_decode_neigh(buf, len, &neigh) == 0)
		pl_ip_format(&neigh.ip, ip);
	snprintf(text, size, "add neighbour %s on device %u", ip, neigh.ifindex);
}

void pl_nl_describe(const void *buf, size_t len, char *text, size_t size)
{
	const struct nlmsghdr *nlh = buf;

	if (len < sizeof(*nlh)) {
		snprintf(text, size, "empty request");
		return;
	}
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
	case RTM_GETLINK:
		describe_link(buf, len, text, size);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		describe_addr(buf, len, text, size);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		describe_route(buf, len, text, size);
		break;
	case RTM_NEWNEIGH:
		describe_neigh(buf, len, text, size);
		break;
	default:
		snprintf(text, size, "request %u", nlh->nlmsg_type);
		break;
	}
}
