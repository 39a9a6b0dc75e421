/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rtnetlink messages to values: pure functions of the bytes, which they do not trust, so that
 * the same code runs on recorded messages and under a fuzzer. Attributes that are absent, or not
 * of the size that they should have, leave the field at its "none".
 */
#include <arpa/inet.h>
#include "netlink/internal.h"

/* The fixed header of a message and the attributes behind it. */
struct body {
	const struct nlmsghdr *nlh;
	const void *header;
	const char *attrs;
	size_t attrs_len;
};

static int open_body(const void *buf, size_t len, size_t header_size, struct body *ret)
{
	const struct nlmsghdr *nlh = buf;
	size_t offset = MNL_NLMSG_HDRLEN + MNL_ALIGN(header_size);

	if (len < sizeof(*nlh) || nlh->nlmsg_len > len || nlh->nlmsg_len < offset)
		return -EBADMSG;
	ret->nlh = nlh;
	ret->header = (const char *)buf + MNL_NLMSG_HDRLEN;
	ret->attrs = (const char *)buf + offset;
	ret->attrs_len = nlh->nlmsg_len - offset;
	return 0;
}

static void get_bytes(const struct nlattr *attr, void *ret, size_t size)
{
	if (mnl_attr_get_payload_len(attr) == size)
		memcpy(ret, mnl_attr_get_payload(attr), size);
}

static void get_u32(const struct nlattr *attr, uint32_t *ret)
{
	get_bytes(attr, ret, sizeof(*ret));
}

static void get_string(const struct nlattr *attr, char *ret, size_t size)
{
	size_t n = strnlen(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));

	if (n >= size)
		return;
	memcpy(ret, mnl_attr_get_payload(attr), n);
	ret[n] = '\0';
}

static void get_ip(const struct nlattr *attr, uint8_t family, struct pl_ip *ret)
{
	size_t size = family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;

	if (size == 0 || mnl_attr_get_payload_len(attr) != size)
		return;
	*ret = (struct pl_ip){.family = family};
	memcpy(ret->bytes, mnl_attr_get_payload(attr), size);
}

static int32_t get_nsid(const struct nlattr *attr)
{
	int32_t nsid = -1;

	get_bytes(attr, &nsid, sizeof(nsid));
	return nsid < 0 ? PL_NL_NSID_UNKNOWN : nsid;
}

/* Links. */

static void netkit_data(const struct nlattr *data, struct pl_nl_link *link)
{
	const struct nlattr *attr;
	uint32_t mode;

	pl_nl_for_each_attr (attr, mnl_attr_get_payload(data), mnl_attr_get_payload_len(data)) {
		switch (mnl_attr_get_type(attr)) {
		case PL_IFLA_NETKIT_MODE:
			mode = UINT32_MAX;
			get_u32(attr, &mode);
			if (mode <= PL_NETKIT_L3)
				link->netkit_mode = (uint8_t)(1 + mode);
			break;
		case PL_IFLA_NETKIT_PRIMARY:
			link->netkit_primary =
				mnl_attr_get_payload_len(attr) == 1 && mnl_attr_get_u8(attr);
			break;
		}
	}
}

/* Kinds that receive by UDP, and the attribute of their port: two bytes in network order. */
static void tunnel_data(const struct nlattr *data, struct pl_nl_link *link)
{
	enum { BAREUDP_PORT = 1, GENEVE_PORT = 5, VXLAN_PORT = 15 };
	static const struct {
		const char *kind;
		uint16_t attr;
	} kinds[] = {{"vxlan", VXLAN_PORT}, {"geneve", GENEVE_PORT}, {"bareudp", BAREUDP_PORT}};
	const struct nlattr *attr;
	size_t i = 0;

	while (i < PL_ARRAY_SIZE(kinds) && strcmp(link->kind, kinds[i].kind) != 0)
		i++;
	if (i == PL_ARRAY_SIZE(kinds))
		return;
	pl_nl_for_each_attr (attr, mnl_attr_get_payload(data), mnl_attr_get_payload_len(data)) {
		uint16_t port = 0;

		if (mnl_attr_get_type(attr) != kinds[i].attr)
			continue;
		get_bytes(attr, &port, sizeof(port));
		link->tunnel_port = ntohs(port);
	}
}

static void link_info(const struct nlattr *info, struct pl_nl_link *link)
{
	const struct nlattr *data = NULL;
	const struct nlattr *attr;

	pl_nl_for_each_attr (attr, mnl_attr_get_payload(info), mnl_attr_get_payload_len(info)) {
		switch (mnl_attr_get_type(attr)) {
		case IFLA_INFO_KIND:
			get_string(attr, link->kind, sizeof(link->kind));
			break;
		case IFLA_INFO_DATA:
			data = attr;
			break;
		}
	}
	if (data && strcmp(link->kind, "netkit") == 0)
		netkit_data(data, link);
	if (data)
		tunnel_data(data, link);
}

static void link_attr(const struct nlattr *attr, struct pl_nl_link *link)
{
	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		get_string(attr, link->name, sizeof(link->name));
		break;
	case IFLA_MTU:
		get_u32(attr, &link->mtu);
		break;
	case IFLA_ADDRESS:
		/* Tunnels have addresses of other sizes: no MAC. */
		get_bytes(attr, link->mac.bytes, sizeof(link->mac.bytes));
		break;
	case IFLA_LINK:
		get_u32(attr, &link->peer_ifindex);
		break;
	case IFLA_LINK_NETNSID:
		link->peer_nsid = get_nsid(attr);
		break;
	case IFLA_MASTER:
		get_u32(attr, &link->master);
		break;
	case IFLA_GROUP:
		get_u32(attr, &link->group);
		break;
	case IFLA_QDISC:
		get_string(attr, link->qdisc, sizeof(link->qdisc));
		break;
	case IFLA_LINKINFO:
		link_info(attr, link);
		break;
	case IFLA_NEW_NETNSID:
		link->new_nsid = get_nsid(attr);
		break;
	}
}

int pl_nl_parse_link(const void *buf, size_t len, struct pl_nl_link *ret)
{
	struct pl_nl_link link = {
		.peer_nsid = PL_NL_NSID_HERE,
		.new_nsid = PL_NL_NSID_HERE,
	};
	const struct ifinfomsg *ifi;
	const struct nlattr *attr;
	struct body body;

	if (open_body(buf, len, sizeof(*ifi), &body) < 0)
		return -EBADMSG;
	ifi = body.header;
	/* A bridge tells of its ports by messages that look like the birth and death of links. */
	if (ifi->ifi_family != AF_UNSPEC)
		return -EBADMSG;
	link.ifindex = (uint32_t)ifi->ifi_index;
	link.type = ifi->ifi_type;
	link.flags = ifi->ifi_flags;
	pl_nl_for_each_attr (attr, body.attrs, body.attrs_len)
		link_attr(attr, &link);
	*ret = link;
	return 0;
}

static bool is_type(const void *buf, size_t len, uint16_t a, uint16_t b)
{
	const struct nlmsghdr *nlh = buf;

	return len >= sizeof(*nlh) && (nlh->nlmsg_type == a || nlh->nlmsg_type == b);
}

int pl_nl_decode_link(const void *buf, size_t len, struct pl_nl_link *ret)
{
	if (!is_type(buf, len, RTM_NEWLINK, RTM_DELLINK))
		return -EBADMSG;
	return pl_nl_parse_link(buf, len, ret);
}

/* Addresses. */

int pl_nl_decode_addr(const void *buf, size_t len, struct pl_nl_addr *ret)
{
	struct pl_nl_addr addr = {0};
	struct pl_ip local = {0};
	const struct ifaddrmsg *ifa;
	const struct nlattr *attr;
	struct body body;

	if (!is_type(buf, len, RTM_NEWADDR, RTM_DELADDR) ||
	    open_body(buf, len, sizeof(*ifa), &body) < 0)
		return -EBADMSG;
	ifa = body.header;
	addr.ifindex = ifa->ifa_index;
	addr.scope = ifa->ifa_scope;
	addr.flags = ifa->ifa_flags;
	addr.ip.len = ifa->ifa_prefixlen;
	pl_nl_for_each_attr (attr, body.attrs, body.attrs_len) {
		switch (mnl_attr_get_type(attr)) {
		case IFA_ADDRESS:
			get_ip(attr, ifa->ifa_family, &addr.ip.ip);
			break;
		case IFA_LOCAL:
			get_ip(attr, ifa->ifa_family, &local);
			break;
		case IFA_FLAGS:
			get_u32(attr, &addr.flags);
			break;
		}
	}
	/* On a point-to-point link IFA_ADDRESS is the other side's. */
	if (local.family)
		addr.ip.ip = local;
	if (!addr.ip.ip.family || addr.ip.len > pl_ip_bits(addr.ip.ip.family))
		return -EBADMSG;
	*ret = addr;
	return 0;
}

/* Routes. */

static void get_via(const struct nlattr *attr, struct pl_ip *ret)
{
	const struct rtvia *via = mnl_attr_get_payload(attr);
	size_t len = mnl_attr_get_payload_len(attr);
	size_t size;

	if (len < sizeof(*via))
		return;
	size = via->rtvia_family == AF_INET ? 4 : via->rtvia_family == AF_INET6 ? 16 : 0;
	if (size == 0 || len != sizeof(*via) + size)
		return;
	*ret = (struct pl_ip){.family = (uint8_t)via->rtvia_family};
	memcpy(ret->bytes, via->rtvia_addr, size);
}

static void route_metrics(const struct nlattr *metrics, struct pl_nl_route *route)
{
	const struct nlattr *attr;

	pl_nl_for_each_attr (attr, mnl_attr_get_payload(metrics),
			     mnl_attr_get_payload_len(metrics)) {
		switch (mnl_attr_get_type(attr)) {
		case RTAX_MTU:
			get_u32(attr, &route->mtu);
			break;
		case RTAX_ADVMSS:
			get_u32(attr, &route->advmss);
			break;
		}
	}
}

/* Next hop number @hop of RTA_MULTIPATH into @route. */
static int route_hop(const struct nlattr *multipath, uint8_t family, unsigned int hop,
		     struct pl_nl_route *route)
{
	const char *at = mnl_attr_get_payload(multipath);
	size_t left = mnl_attr_get_payload_len(multipath);
	const struct nlattr *attr;
	const struct rtnexthop *nh;

	for (;; hop--) {
		nh = (const struct rtnexthop *)at;
		if (left < sizeof(*nh))
			return -ENOENT;
		if (nh->rtnh_len < sizeof(*nh) || nh->rtnh_len > left)
			return -EBADMSG;
		if (hop == 0)
			break;
		if (MNL_ALIGN((size_t)nh->rtnh_len) >= left)
			return -ENOENT;
		at += MNL_ALIGN((size_t)nh->rtnh_len);
		left -= MNL_ALIGN((size_t)nh->rtnh_len);
	}
	route->oif = (uint32_t)nh->rtnh_ifindex;
	route->onlink = nh->rtnh_flags & RTNH_F_ONLINK;
	pl_nl_for_each_attr (attr, at + sizeof(*nh), nh->rtnh_len - sizeof(*nh)) {
		if (mnl_attr_get_type(attr) == RTA_GATEWAY)
			get_ip(attr, family, &route->gateway);
		else if (mnl_attr_get_type(attr) == RTA_VIA)
			get_via(attr, &route->gateway);
	}
	return 0;
}

int pl_nl_parse_route(const void *buf, size_t len, unsigned int hop, struct pl_nl_route *ret)
{
	const struct nlattr *multipath = NULL;
	struct pl_nl_route route = {0};
	const struct rtmsg *rtm;
	const struct nlattr *attr;
	struct body body;

	if (open_body(buf, len, sizeof(*rtm), &body) < 0)
		return -EBADMSG;
	rtm = body.header;
	if ((rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6) ||
	    rtm->rtm_dst_len > pl_ip_bits(rtm->rtm_family))
		return -EBADMSG;
	/* Without RTA_DST it is the default route: all zero. */
	route.dst.ip.family = rtm->rtm_family;
	route.dst.len = rtm->rtm_dst_len;
	route.table = rtm->rtm_table;
	route.scope = rtm->rtm_scope;
	route.type = rtm->rtm_type;
	route.protocol = rtm->rtm_protocol;
	route.onlink = rtm->rtm_flags & RTNH_F_ONLINK;
	pl_nl_for_each_attr (attr, body.attrs, body.attrs_len) {
		switch (mnl_attr_get_type(attr)) {
		case RTA_DST:
			get_ip(attr, rtm->rtm_family, &route.dst.ip);
			break;
		case RTA_GATEWAY:
			get_ip(attr, rtm->rtm_family, &route.gateway);
			break;
		case RTA_VIA:
			get_via(attr, &route.gateway);
			break;
		case RTA_OIF:
			get_u32(attr, &route.oif);
			break;
		case RTA_TABLE:
			get_u32(attr, &route.table);
			break;
		case RTA_PRIORITY:
			get_u32(attr, &route.priority);
			break;
		case RTA_METRICS:
			route_metrics(attr, &route);
			break;
		case RTA_MULTIPATH:
			multipath = attr;
			break;
		}
	}
	if (multipath) {
		int r = route_hop(multipath, rtm->rtm_family, hop, &route);

		if (r < 0)
			return r;
	} else if (hop) {
		return -ENOENT;
	}
	*ret = route;
	return 0;
}

int pl_nl_decode_route_hop(const void *buf, size_t len, unsigned int hop, struct pl_nl_route *ret)
{
	if (!is_type(buf, len, RTM_NEWROUTE, RTM_DELROUTE))
		return -EBADMSG;
	return pl_nl_parse_route(buf, len, hop, ret);
}

int pl_nl_decode_route(const void *buf, size_t len, struct pl_nl_route *ret)
{
	int r = pl_nl_decode_route_hop(buf, len, 0, ret);

	return r == -ENOENT ? -EBADMSG : r;
}

/* Neighbours. */

int pl_nl_decode_neigh(const void *buf, size_t len, struct pl_nl_neigh *ret)
{
	struct pl_nl_neigh neigh = {0};
	const struct ndmsg *ndm;
	const struct nlattr *attr;
	struct body body;

	if (!is_type(buf, len, RTM_NEWNEIGH, RTM_DELNEIGH) ||
	    open_body(buf, len, sizeof(*ndm), &body) < 0)
		return -EBADMSG;
	ndm = body.header;
	neigh.ifindex = (uint32_t)ndm->ndm_ifindex;
	neigh.state = ndm->ndm_state;
	pl_nl_for_each_attr (attr, body.attrs, body.attrs_len) {
		if (mnl_attr_get_type(attr) == NDA_DST)
			get_ip(attr, ndm->ndm_family, &neigh.ip);
		else if (mnl_attr_get_type(attr) == NDA_LLADDR)
			get_bytes(attr, neigh.mac.bytes, sizeof(neigh.mac.bytes));
	}
	if (!neigh.ip.family)
		return -EBADMSG;
	*ret = neigh;
	return 0;
}

/* Events. */

static int link_event(const void *buf, size_t len, struct pl_nl_event *ret)
{
	const struct ifinfomsg *ifi;
	struct pl_nl_link link;
	struct body body;

	if (open_body(buf, len, sizeof(*ifi), &body) < 0)
		return -EBADMSG;
	ifi = body.header;
	if (ifi->ifi_family != AF_UNSPEC)
		return 1;
	if (pl_nl_parse_link(buf, len, &link) < 0)
		return -EBADMSG;
	*ret = (struct pl_nl_event){
		.type = body.nlh->nlmsg_type == RTM_NEWLINK ? PL_NL_LINK_NEW : PL_NL_LINK_DEL,
		.link = link,
	};
	return 0;
}

static int addr_event(const void *buf, size_t len, struct pl_nl_event *ret)
{
	const struct nlmsghdr *nlh = buf;
	struct pl_nl_addr addr;

	if (pl_nl_decode_addr(buf, len, &addr) < 0)
		return -EBADMSG;
	*ret = (struct pl_nl_event){
		.type = nlh->nlmsg_type == RTM_NEWADDR ? PL_NL_ADDR_NEW : PL_NL_ADDR_DEL,
		.addr = addr,
	};
	return 0;
}

static int route_event(const void *buf, size_t len, struct pl_nl_event *ret)
{
	const struct nlmsghdr *nlh = buf;
	struct pl_nl_route route;

	if (pl_nl_decode_route(buf, len, &route) < 0)
		return -EBADMSG;
	if (route.protocol == PL_NL_PROTOCOL) {
		*ret = (struct pl_nl_event){.type = PL_NL_OWN_ROUTE_GONE};
		return nlh->nlmsg_type == RTM_DELROUTE ? 0 : 1;
	}
	if (route.table != RT_TABLE_MAIN)
		return 1;
	if (route.dst.len == 0) {
		*ret = (struct pl_nl_event){.type = PL_NL_ROUTE_CHANGED};
		return 0;
	}
	if (route.dst.len != pl_ip_bits(route.dst.ip.family) ||
	    (nlh->nlmsg_type == RTM_NEWROUTE && !(nlh->nlmsg_flags & NLM_F_REPLACE)))
		return 1;
	*ret = (struct pl_nl_event){.type = PL_NL_HOST_ROUTE_GONE, .route = route};
	return 0;
}

static int neigh_event(const void *buf, size_t len, struct pl_nl_event *ret)
{
	const struct nlmsghdr *nlh = buf;
	const struct ndmsg *ndm;
	struct pl_nl_neigh neigh;
	struct body body;

	if (open_body(buf, len, sizeof(*ndm), &body) < 0)
		return -EBADMSG;
	ndm = body.header;
	if (ndm->ndm_family != AF_INET && ndm->ndm_family != AF_INET6) /* a bridge's */
		return 1;
	if (pl_nl_decode_neigh(buf, len, &neigh) < 0)
		return -EBADMSG;
	if (nlh->nlmsg_type == RTM_DELNEIGH)
		neigh.state = 0;
	else if (neigh.state != NUD_PERMANENT)
		return 1;
	*ret = (struct pl_nl_event){.type = PL_NL_NEIGH_CHANGED, .neigh = neigh};
	return 0;
}

static int qdisc_event(const void *buf, size_t len, struct pl_nl_event *ret)
{
	const struct tcmsg *tcm;
	struct body body;

	if (open_body(buf, len, sizeof(*tcm), &body) < 0)
		return -EBADMSG;
	tcm = body.header;
	*ret = (struct pl_nl_event){.type = PL_NL_QDISC_CHANGED};
	ret->link.ifindex = (uint32_t)tcm->tcm_ifindex;
	return 0;
}

int pl_nl_decode_event(const void *buf, size_t len, struct pl_nl_event *ret)
{
	const struct nlmsghdr *nlh = buf;

	if (len < sizeof(*nlh))
		return -EBADMSG;
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return link_event(buf, len, ret);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return addr_event(buf, len, ret);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return route_event(buf, len, ret);
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		return neigh_event(buf, len, ret);
	case RTM_NEWQDISC:
	case RTM_DELQDISC:
		return qdisc_event(buf, len, ret);
	default:
		return 1;
	}
}

/* Answers. */

int pl_nl_decode_ack(const void *buf, size_t len, int *ret_code, char *text, size_t size)
{
	const struct nlmsgerr *error;
	const struct nlattr *attr;
	struct body body;
	size_t skip = 0;

	if (!is_type(buf, len, NLMSG_ERROR, NLMSG_ERROR) ||
	    open_body(buf, len, sizeof(*error), &body) < 0)
		return -EBADMSG;
	error = body.header;
	if (error->error > 0)
		return -EBADMSG;
	*ret_code = error->error;
	text[0] = '\0';
	if (!(body.nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return 0;
	/* The request's payload comes first, where the kernel was not told to leave it out. */
	if (!(body.nlh->nlmsg_flags & NLM_F_CAPPED) && error->msg.nlmsg_len > MNL_NLMSG_HDRLEN)
		skip = MNL_ALIGN((size_t)error->msg.nlmsg_len) - MNL_NLMSG_HDRLEN;
	if (skip > body.attrs_len)
		return 0;
	pl_nl_for_each_attr (attr, body.attrs + skip, body.attrs_len - skip) {
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
			get_string(attr, text, size);
	}
	return 0;
}
