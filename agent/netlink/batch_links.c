/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Messages that make links.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <linux/if_tunnel.h>
#include <linux/ip6_tunnel.h>
#include <linux/veth.h>
#include "netlink/batch.h"

static bool mac_is_zero(const struct pl_mac *mac)
{
	static const struct pl_mac zero;

	return memcmp(mac, &zero, sizeof(zero)) == 0;
}

static void put_end(struct nlmsghdr *nlh, const char *name, const struct pl_mac *mac, uint32_t mtu)
{
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	if (!mac_is_zero(mac))
		mnl_attr_put(nlh, IFLA_ADDRESS, sizeof(mac->bytes), mac->bytes);
	if (mtu)
		mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
}

static struct nlmsghdr *begin_link(struct pl_nl_batch *b, uint32_t ifindex)
{
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh =
		pl_nl_batch_begin(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(*ifi), &ifi);

	if (nlh)
		ifi->ifi_index = (int)ifindex;
	return nlh;
}

static void put_peer(struct nlmsghdr *nlh, uint16_t type, const struct pl_nl_pair *pair,
		     const struct pl_mac *mac)
{
	struct nlattr *peer = mnl_attr_nest_start(nlh, type);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	ifi->ifi_index = (int)pair->peer_ifindex;
	put_end(nlh, pair->peer_name, mac, pair->mtu);
	if (pair->peer_netns_fd >= 0)
		mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)pair->peer_netns_fd);
	mnl_attr_nest_end(nlh, peer);
}

static int check_pair(struct pl_nl_batch *b, const struct pl_nl_pair *pair)
{
	if (!pl_nl_name_fits(pair->name) || !pl_nl_name_fits(pair->peer_name) ||
	    (pair->peer_ifindex && !pair->ifindex))
		return pl_nl_batch_give_up(b, -EINVAL);
	return 0;
}

int pl_nl_add_veth(struct pl_nl_batch *b, const struct pl_nl_pair *pair)
{
	struct nlattr *info, *data;
	struct nlmsghdr *nlh;
	int r = check_pair(b, pair);

	if (r < 0)
		return r;
	nlh = begin_link(b, pair->ifindex);
	if (!nlh)
		return b->failed;
	put_end(nlh, pair->name, &pair->mac, pair->mtu);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	put_peer(nlh, VETH_INFO_PEER, pair, &pair->peer_mac);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	return pl_nl_batch_end(b, nlh);
}

int pl_nl_add_netkit(struct pl_nl_batch *b, const struct pl_nl_pair *pair, bool l2)
{
	static const struct pl_mac none;
	struct nlattr *info, *data;
	struct nlmsghdr *nlh;
	int r = check_pair(b, pair);

	if (r < 0)
		return r;
	nlh = begin_link(b, pair->ifindex);
	if (!nlh)
		return b->failed;
	/* In L3 mode any address, even the zero one, is refused. */
	put_end(nlh, pair->name, l2 ? &pair->mac : &none, pair->mtu);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "netkit");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put_u32(nlh, PL_IFLA_NETKIT_MODE, l2 ? PL_NETKIT_L2 : PL_NETKIT_L3);
	/* Both by name of the sender: the primary's packets go to the pod. */
	mnl_attr_put_u32(nlh, PL_IFLA_NETKIT_POLICY, PL_NETKIT_PASS);
	mnl_attr_put_u32(nlh, PL_IFLA_NETKIT_PEER_POLICY, PL_NETKIT_DROP);
	put_peer(nlh, PL_IFLA_NETKIT_PEER_INFO, pair, l2 ? &pair->peer_mac : &none);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	return pl_nl_batch_end(b, nlh);
}

/* @local may be NULL or of family 0. */
static bool tunnel_ends_match(const struct pl_ip *remote, const struct pl_ip *local)
{
	if (remote->family != AF_INET && remote->family != AF_INET6)
		return false;
	return !local || !local->family || local->family == remote->family;
}

int pl_nl_add_vxlan(struct pl_nl_batch *b, const char *name, uint32_t vni,
		    const struct pl_ip *remote, const struct pl_ip *local, uint16_t port,
		    uint32_t mtu)
{
	bool v6 = remote->family == AF_INET6;
	struct nlattr *info, *data;
	struct nlmsghdr *nlh;

	if (!pl_nl_name_fits(name) || !tunnel_ends_match(remote, local))
		return pl_nl_batch_give_up(b, -EINVAL);
	nlh = begin_link(b, 0);
	if (!nlh)
		return b->failed;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	if (mtu)
		mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "vxlan");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put_u32(nlh, IFLA_VXLAN_ID, vni);
	pl_nl_put_ip(nlh, v6 ? IFLA_VXLAN_GROUP6 : IFLA_VXLAN_GROUP, remote);
	if (local && local->family)
		pl_nl_put_ip(nlh, v6 ? IFLA_VXLAN_LOCAL6 : IFLA_VXLAN_LOCAL, local);
	mnl_attr_put_u16(nlh, IFLA_VXLAN_PORT, htons(port));
	/* One remote for every destination: nothing is to be learned from what comes back. */
	mnl_attr_put_u8(nlh, IFLA_VXLAN_LEARNING, 0);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	return pl_nl_batch_end(b, nlh);
}

/* A copy that outgrows the path is fragmented outside, whatever its own DF bit says. */
static void put_gre_fragmenting(struct nlmsghdr *nlh, bool v6)
{
	if (v6) {
		mnl_attr_put_u32(nlh, IFLA_GRE_FLAGS, IP6_TNL_F_IGN_ENCAP_LIMIT);
		return;
	}
	mnl_attr_put_u8(nlh, IFLA_GRE_PMTUDISC, 0);
	mnl_attr_put_u8(nlh, IFLA_GRE_IGNORE_DF, 1);
}

static void put_gre_key(struct nlmsghdr *nlh, bool erspan, uint32_t key)
{
	/* ERSPAN has both by definition: the key is its session id. */
	uint16_t flags = erspan ? GRE_KEY | GRE_SEQ : key ? GRE_KEY : 0;

	if (!flags)
		return;
	mnl_attr_put_u16(nlh, IFLA_GRE_IFLAGS, flags);
	mnl_attr_put_u16(nlh, IFLA_GRE_OFLAGS, flags);
	mnl_attr_put_u32(nlh, IFLA_GRE_IKEY, htonl(key));
	mnl_attr_put_u32(nlh, IFLA_GRE_OKEY, htonl(key));
	if (erspan)
		mnl_attr_put_u8(nlh, IFLA_GRE_ERSPAN_VER, 1);
}

static bool gre_kind_fits(const char *kind, bool v6)
{
	if (v6)
		return strcmp(kind, "ip6gretap") == 0 || strcmp(kind, "ip6erspan") == 0;
	return strcmp(kind, "gretap") == 0 || strcmp(kind, "erspan") == 0;
}

int pl_nl_add_gre(struct pl_nl_batch *b, const char *name, const char *kind,
		  const struct pl_ip *remote, const struct pl_ip *local, uint32_t key, uint32_t mtu)
{
	enum { TTL = 64 };
	bool v6 = remote->family == AF_INET6;
	struct nlattr *info, *data;
	struct nlmsghdr *nlh;

	if (!pl_nl_name_fits(name) || !tunnel_ends_match(remote, local) || !gre_kind_fits(kind, v6))
		return pl_nl_batch_give_up(b, -EINVAL);
	nlh = begin_link(b, 0);
	if (!nlh)
		return b->failed;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	if (mtu)
		mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, kind);
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	pl_nl_put_ip(nlh, IFLA_GRE_REMOTE, remote);
	if (local && local->family)
		pl_nl_put_ip(nlh, IFLA_GRE_LOCAL, local);
	mnl_attr_put_u8(nlh, IFLA_GRE_TTL, TTL);
	put_gre_fragmenting(nlh, v6);
	put_gre_key(nlh, strstr(kind, "erspan") != NULL, key);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	return pl_nl_batch_end(b, nlh);
}
