/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Netlink decoders on recorded messages, whole, cut short and bent: no kernel is asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <libmnl/libmnl.h>
#include <net/if_arp.h>
#include "netlink/netlink.h"
#include "nl_messages.h"

/* Exactly as long as the message: a read beyond its end is an error under ASan. */
struct message {
	uint8_t *bytes;
	size_t len;
};

static int digit(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

static struct message message(const char *hex)
{
	struct message m = {.len = strlen(hex) / 2};

	m.bytes = malloc(m.len);
	assert_non_null(m.bytes);
	for (size_t i = 0; i < m.len; i++)
		m.bytes[i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
	return m;
}

static struct pl_nl_link link_of(const char *hex)
{
	struct message m = message(hex);
	struct pl_nl_link link;

	assert_int_equal(pl_nl_decode_link(m.bytes, m.len, &link), 0);
	free(m.bytes);
	return link;
}

static struct pl_nl_addr addr_of(const char *hex)
{
	struct message m = message(hex);
	struct pl_nl_addr addr;

	assert_int_equal(pl_nl_decode_addr(m.bytes, m.len, &addr), 0);
	free(m.bytes);
	return addr;
}

static int try_hop(const char *hex, unsigned int hop, struct pl_nl_route *ret)
{
	struct message m = message(hex);
	int r = pl_nl_decode_route_hop(m.bytes, m.len, hop, ret);

	free(m.bytes);
	return r;
}

static struct pl_nl_route route_of(const char *hex)
{
	struct pl_nl_route route;

	assert_int_equal(try_hop(hex, 0, &route), 0);
	return route;
}

static struct pl_nl_neigh neigh_of(const char *hex)
{
	struct message m = message(hex);
	struct pl_nl_neigh neigh;

	assert_int_equal(pl_nl_decode_neigh(m.bytes, m.len, &neigh), 0);
	free(m.bytes);
	return neigh;
}

static int event_of(const char *hex, struct pl_nl_event *ret)
{
	struct message m = message(hex);
	int r = pl_nl_decode_event(m.bytes, m.len, ret);

	free(m.bytes);
	return r;
}

static enum pl_nl_event_type type_of(const char *hex)
{
	struct pl_nl_event event;

	assert_int_equal(event_of(hex, &event), 0);
	return event.type;
}

static void assert_ip(const struct pl_ip *ip, const char *text)
{
	char buf[PL_IP_STRLEN];

	assert_string_equal(pl_ip_format(ip, buf), text);
}

static void assert_prefix(const struct pl_prefix *p, const char *text)
{
	char buf[PL_PREFIX_STRLEN];

	assert_string_equal(pl_prefix_format(p, buf), text);
}

static void assert_mac(const struct pl_mac *mac, const char *text)
{
	char buf[PL_MAC_STRLEN];

	assert_string_equal(pl_mac_format(mac, buf), text);
}

static void test_veth_with_its_peer_elsewhere(void **state)
{
	struct pl_nl_link link = link_of(veth_up);

	assert_int_equal(link.ifindex, 1007);
	assert_string_equal(link.name, "host0");
	assert_string_equal(link.kind, "veth");
	assert_int_equal(link.type, ARPHRD_ETHER);
	assert_true(link.flags & IFF_UP);
	assert_true(link.flags & IFF_LOWER_UP);
	assert_int_equal(link.mtu, 1400);
	assert_mac(&link.mac, "02:00:00:00:00:01");
	assert_int_equal(link.peer_ifindex, 2007);
	assert_int_equal(link.peer_nsid, 0);
	assert_int_equal(link.new_nsid, PL_NL_NSID_HERE);
	assert_int_equal(link.master, 0);
	assert_string_equal(link.qdisc, "noqueue");
	assert_int_equal(link.netkit_mode, 0);
}

static void test_veth_with_its_peer_here(void **state)
{
	struct pl_nl_link link = link_of(veth_local_enslaved);

	assert_int_equal(link.ifindex, 1009);
	assert_int_equal(link.peer_ifindex, 1010);
	assert_int_equal(link.peer_nsid, PL_NL_NSID_HERE);
	assert_int_equal(link.master, 1008);
	assert_int_equal(link.flags & IFF_UP, 0);
}

/* A link of @kind with one attribute of two bytes in its data. */
static uint16_t port_of(const char *kind, uint16_t attr, const void *value, size_t len)
{
	_Alignas(struct nlmsghdr) char buf[256] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nlattr *info, *data;
	struct pl_nl_link link;

	nlh->nlmsg_type = RTM_NEWLINK;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, kind);
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put(nlh, attr, len, value);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	assert_int_equal(pl_nl_decode_link(buf, nlh->nlmsg_len, &link), 0);
	return link.tunnel_port;
}

static void test_ports_of_tunnels(void **state)
{
	const uint8_t port[4] = {0x12, 0xb5}; /* 4789 */

	assert_int_equal(port_of("vxlan", 15, port, 2), 4789);
	assert_int_equal(port_of("geneve", 5, port, 2), 4789);
	assert_int_equal(port_of("bareudp", 1, port, 2), 4789);
	assert_int_equal(port_of("vxlan", 5, port, 2), 0);
	assert_int_equal(port_of("vxlan", 15, port, 4), 0);
	assert_int_equal(port_of("gretap", 15, port, 2), 0);
}

static void test_netkit(void **state)
{
	struct pl_nl_link link = link_of(netkit_l3);

	assert_string_equal(link.kind, "netkit");
	assert_int_equal(link.netkit_mode, 2);
	assert_true(link.netkit_primary);
	assert_mac(&link.mac, "00:00:00:00:00:00");
	assert_true(link.flags & IFF_NOARP);
	link = link_of(netkit_l2);
	assert_int_equal(link.netkit_mode, 1);
	assert_mac(&link.mac, "02:00:00:00:00:01");
	assert_int_equal(link.flags & IFF_NOARP, 0);
}

static void test_move_and_deletion(void **state)
{
	assert_int_equal(link_of(veth_moved).new_nsid, 0);
	assert_int_equal(link_of(veth_moved).ifindex, 1009);
	assert_int_equal(type_of(veth_moved), PL_NL_LINK_DEL);
	assert_int_equal(link_of(veth_del).new_nsid, PL_NL_NSID_HERE);
	assert_int_equal(link_of(veth_del).ifindex, 1007);
	assert_int_equal(type_of(veth_del), PL_NL_LINK_DEL);
}

static void test_a_netns_without_a_number_is_not_this_one(void **state)
{
	struct message m = message(veth_up);
	static const uint8_t nsid_0[] = {8, 0, 37, 0, 0, 0, 0, 0}; /* IFLA_LINK_NETNSID */
	uint8_t *at = memmem(m.bytes, m.len, nsid_0, sizeof(nsid_0));
	struct pl_nl_link link;

	assert_non_null(at);
	memset(at + 4, 0xff, 4);
	assert_int_equal(pl_nl_decode_link(m.bytes, m.len, &link), 0);
	assert_int_equal(link.peer_nsid, PL_NL_NSID_UNKNOWN);
	free(m.bytes);
}

static void test_bridge_ports_are_no_links(void **state)
{
	struct message m = message(port_del);
	struct pl_nl_event event;
	struct pl_nl_link link;

	assert_int_equal(event_of(port_new, &event), 1);
	assert_int_equal(event_of(port_del, &event), 1);
	assert_int_equal(pl_nl_decode_link(m.bytes, m.len, &link), -EBADMSG);
	free(m.bytes);
}

static void test_addresses(void **state)
{
	struct pl_nl_addr addr = addr_of(addr4);

	assert_int_equal(addr.ifindex, 1007);
	assert_prefix(&addr.ip, "10.1.0.1/24");
	assert_int_equal(addr.scope, RT_SCOPE_UNIVERSE);
	assert_true(addr.flags & IFA_F_PERMANENT);
	assert_int_equal(type_of(addr4), PL_NL_ADDR_NEW);
	assert_int_equal(type_of(addr4_del), PL_NL_ADDR_DEL);
	/* Our own address, not the other side's. */
	addr = addr_of(addr4_peer);
	assert_ip(&addr.ip.ip, "10.9.0.1");
	addr = addr_of(addr6);
	assert_prefix(&addr.ip, "fd00::1/128");
	assert_true(addr.flags & IFA_F_NODAD);
}

static void test_default_routes(void **state)
{
	struct pl_nl_route route = route_of(default4);
	struct pl_nl_event event;

	assert_prefix(&route.dst, "0.0.0.0/0");
	assert_ip(&route.gateway, "10.9.0.2");
	assert_int_equal(route.oif, 1007);
	assert_int_equal(route.mtu, 1380);
	assert_int_equal(route.advmss, 1300);
	assert_int_equal(route.priority, 50);
	assert_int_equal(route.table, RT_TABLE_MAIN);
	assert_int_equal(route.type, RTN_UNICAST);
	route = route_of(default6);
	assert_prefix(&route.dst, "::/0");
	assert_ip(&route.gateway, "fe80::1");
	assert_int_equal(type_of(default4), PL_NL_ROUTE_CHANGED);
	assert_int_equal(type_of(default4_del), PL_NL_ROUTE_CHANGED);
	assert_int_equal(type_of(default6), PL_NL_ROUTE_CHANGED);

	route = route_of(default4_other_table);
	assert_int_equal(route.table, 1000);
	assert_int_equal(event_of(default4_other_table, &event), 1);
	assert_int_equal(event_of(route4_on_link, &event), 1);
}

static void test_other_routes(void **state)
{
	struct pl_nl_route route = route_of(route4_on_link);

	assert_prefix(&route.dst, "10.5.0.0/16");
	assert_int_equal(route.gateway.family, 0);
	assert_int_equal(route.scope, RT_SCOPE_LINK);
	route = route_of(route4_via6);
	assert_prefix(&route.dst, "10.7.0.0/16");
	assert_ip(&route.gateway, "fe80::1");
}

static void test_own_routes(void **state)
{
	struct message m = message(route4_on_link);
	struct nlmsghdr *nlh = (void *)m.bytes;
	struct rtmsg *rtm = NLMSG_DATA(nlh);
	struct pl_nl_event event;

	rtm->rtm_protocol = PL_NL_PROTOCOL;
	assert_int_equal(pl_nl_decode_event(m.bytes, m.len, &event), 1); /* of our own making */
	nlh->nlmsg_type = RTM_DELROUTE;
	assert_int_equal(pl_nl_decode_event(m.bytes, m.len, &event), 0);
	assert_int_equal(event.type, PL_NL_OWN_ROUTE_GONE);
	free(m.bytes);
}

/* To one address: told where it goes, or gives way to another; not where one comes. */
static void test_host_routes(void **state)
{
	static const struct {
		uint16_t type, flags;
		uint8_t len, table;
		int r;
	} rows[] = {
		{RTM_DELROUTE, 0, 32, RT_TABLE_MAIN, 0},
		{RTM_NEWROUTE, NLM_F_REPLACE, 32, RT_TABLE_MAIN, 0},
		{RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, 32, RT_TABLE_MAIN, 1},
		{RTM_DELROUTE, 0, 31, RT_TABLE_MAIN, 1},
		{RTM_DELROUTE, 0, 32, RT_TABLE_LOCAL, 1},
	};

	for (size_t i = 0; i < PL_ARRAY_SIZE(rows); i++) {
		struct message m = message(route4_on_link);
		struct nlmsghdr *nlh = (void *)m.bytes;
		struct rtmsg *rtm = NLMSG_DATA(nlh);
		struct rtattr *attr = RTM_RTA(rtm);
		struct pl_nl_event event;
		int left = (int)RTM_PAYLOAD(nlh);

		nlh->nlmsg_type = rows[i].type;
		nlh->nlmsg_flags = rows[i].flags;
		rtm->rtm_dst_len = rows[i].len;
		rtm->rtm_table = rows[i].table;
		for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left))
			if (attr->rta_type == RTA_TABLE)
				*(uint32_t *)RTA_DATA(attr) = rows[i].table;
		assert_int_equal(pl_nl_decode_event(m.bytes, m.len, &event), rows[i].r);
		if (!rows[i].r) {
			assert_int_equal(event.type, PL_NL_HOST_ROUTE_GONE);
			assert_prefix(&event.route.dst, "10.5.0.0/32");
		}
		free(m.bytes);
	}
}

/* Told where one goes, or becomes permanent; not what ARP learns, nor what a bridge does. */
static void test_neighbour_events(void **state)
{
	static const struct {
		uint16_t type, state;
		uint8_t family;
		int r;
		uint16_t told;
	} rows[] = {
		{RTM_NEWNEIGH, NUD_PERMANENT, AF_INET, 0, NUD_PERMANENT},
		{RTM_NEWNEIGH, NUD_REACHABLE, AF_INET, 1, 0},
		{RTM_DELNEIGH, NUD_PERMANENT, AF_INET, 0, 0},
		{RTM_DELNEIGH, NUD_FAILED, AF_INET, 0, 0},
		{RTM_DELNEIGH, NUD_PERMANENT, AF_BRIDGE, 1, 0},
	};

	for (size_t i = 0; i < PL_ARRAY_SIZE(rows); i++) {
		struct message m = message(neigh4);
		struct nlmsghdr *nlh = (void *)m.bytes;
		struct ndmsg *ndm = NLMSG_DATA(nlh);
		struct pl_nl_event event;

		nlh->nlmsg_type = rows[i].type;
		ndm->ndm_state = rows[i].state;
		ndm->ndm_family = rows[i].family;
		assert_int_equal(pl_nl_decode_event(m.bytes, m.len, &event), rows[i].r);
		if (!rows[i].r) {
			assert_int_equal(event.type, PL_NL_NEIGH_CHANGED);
			assert_int_equal(event.neigh.state, rows[i].told);
			assert_int_equal(event.neigh.ifindex, 1007);
			assert_ip(&event.neigh.ip, "10.9.0.2");
		}
		free(m.bytes);
	}
}

static void test_multipath(void **state)
{
	struct pl_nl_route route;

	assert_int_equal(try_hop(route4_multipath, 0, &route), 0);
	assert_prefix(&route.dst, "10.6.0.0/16");
	assert_ip(&route.gateway, "10.9.0.2");
	assert_int_equal(route.oif, 1007);
	assert_int_equal(try_hop(route4_multipath, 1, &route), 0);
	assert_ip(&route.gateway, "fe80::2");
	assert_int_equal(route.oif, 1007);
	assert_int_equal(try_hop(route4_multipath, 2, &route), -ENOENT);
	assert_int_equal(try_hop(default4, 1, &route), -ENOENT);
}

static void test_multipath_that_lies_about_its_length(void **state)
{
	struct message m = message(route4_multipath);
	static const uint8_t nexthop[] = {16, 0, 0, 0, 0xef, 0x03, 0, 0}; /* rtnh_len 16, 1007 */
	uint8_t *at = memmem(m.bytes, m.len, nexthop, sizeof(nexthop));
	static const uint8_t lengths[] = {0, 1, 7, 250};
	struct pl_nl_route route;

	assert_non_null(at);
	for (size_t i = 0; i < sizeof(lengths); i++) {
		*at = lengths[i];
		assert_int_equal(pl_nl_decode_route_hop(m.bytes, m.len, 0, &route), -EBADMSG);
		assert_int_equal(pl_nl_decode_route_hop(m.bytes, m.len, 1, &route), -EBADMSG);
	}
	free(m.bytes);
}

static void test_neighbours(void **state)
{
	struct pl_nl_neigh neigh = neigh_of(neigh4);

	assert_int_equal(neigh.ifindex, 1007);
	assert_ip(&neigh.ip, "10.9.0.2");
	assert_mac(&neigh.mac, "02:00:00:00:00:02");
	assert_int_equal(neigh.state, NUD_PERMANENT);
	neigh = neigh_of(neigh6);
	assert_ip(&neigh.ip, "fe80::1");
}

static void test_traffic_control(void **state)
{
	struct pl_nl_event event;

	assert_int_equal(event_of(qdisc, &event), 0);
	assert_int_equal(event.type, PL_NL_QDISC_CHANGED);
	assert_int_equal(event.link.ifindex, 1007);
	assert_int_equal(event_of(chain, &event), 1);
}

static void assert_ack(const char *hex, int code, const char *text)
{
	struct message m = message(hex);
	int got = 1;
	char buf[64] = "untouched";

	assert_int_equal(pl_nl_decode_ack(m.bytes, m.len, &got, buf, sizeof(buf)), 0);
	assert_int_equal(got, code);
	assert_string_equal(buf, text);
	free(m.bytes);
}

static void test_acks(void **state)
{
	struct message m = message(ack_error);
	char small[8];
	int code;

	assert_ack(ack_ok, 0, "");
	assert_ack(ack_error, -ENETUNREACH, "Nexthop has invalid gateway");
	assert_ack(ack_error_whole, -ENETUNREACH, "Nexthop has invalid gateway");
	assert_ack(ack_error_plain, -ENETUNREACH, "");
	/* What does not fit is left out, not cut. */
	assert_int_equal(pl_nl_decode_ack(m.bytes, m.len, &code, small, sizeof(small)), 0);
	assert_string_equal(small, "");
	free(m.bytes);
}

static const char *const all[] = {
	veth_up,	 veth_local_enslaved,
	veth_moved,	 veth_del,
	netkit_l3,	 netkit_l2,
	port_new,	 port_del,
	addr4,		 addr4_peer,
	addr4_del,	 addr6,
	default4,	 default4_del,
	default6,	 default4_other_table,
	neigh4,		 neigh6,
	qdisc,		 chain,
	ack_ok,		 ack_error,
	ack_error_whole, ack_error_plain,
	route4_on_link,	 route4_multipath,
	route4_via6,
};

static void decode_all(const void *buf, size_t len, int *ret_ok)
{
	struct pl_nl_event event;
	struct pl_nl_route route;
	struct pl_nl_neigh neigh;
	struct pl_nl_link link;
	struct pl_nl_addr addr;
	char text[64];
	int code;

	*ret_ok = pl_nl_decode_link(buf, len, &link) == 0;
	*ret_ok += pl_nl_decode_addr(buf, len, &addr) == 0;
	*ret_ok += pl_nl_decode_route(buf, len, &route) == 0;
	*ret_ok += pl_nl_decode_neigh(buf, len, &neigh) == 0;
	*ret_ok += pl_nl_decode_ack(buf, len, &code, text, sizeof(text)) == 0;
	*ret_ok += pl_nl_decode_event(buf, len, &event) == 0;
	pl_nl_describe(buf, len, text, sizeof(text));
}

static void test_cut_messages_are_refused(void **state)
{
	for (size_t i = 0; i < PL_ARRAY_SIZE(all); i++) {
		struct message m = message(all[i]);

		for (size_t len = 0; len < m.len; len++) {
			uint8_t *cut = malloc(len ? len : 1);
			int ok;

			memcpy(cut, m.bytes, len);
			decode_all(cut, len, &ok);
			assert_int_equal(ok, 0);
			free(cut);
		}
		free(m.bytes);
	}
}

/* Here the header owns up to the missing end: whatever comes out, nothing is read beyond it. */
static void test_short_messages_are_read_within_bounds(void **state)
{
	for (size_t i = 0; i < PL_ARRAY_SIZE(all); i++) {
		struct message m = message(all[i]);

		for (uint32_t len = 16; len < m.len; len++) {
			uint8_t *cut = malloc(len);
			int ok;

			memcpy(cut, m.bytes, len);
			memcpy(cut, &len, sizeof(len));
			decode_all(cut, len, &ok);
			free(cut);
		}
		free(m.bytes);
	}
}

static void test_failure_leaves_the_result_alone(void **state)
{
	struct message m = message(addr4);
	struct pl_nl_addr addr, before;
	struct pl_nl_link link = {.ifindex = 5};

	memset(&addr, 0xa5, sizeof(addr));
	before = addr;
	assert_int_equal(pl_nl_decode_addr(m.bytes, m.len - 1, &addr), -EBADMSG);
	assert_memory_equal(&addr, &before, sizeof(addr));
	assert_int_equal(pl_nl_decode_link(m.bytes, m.len, &link), -EBADMSG);
	assert_int_equal(link.ifindex, 5);
	/* A prefix longer than the address. */
	m.bytes[17] = 33;
	assert_int_equal(pl_nl_decode_addr(m.bytes, m.len, &addr), -EBADMSG);
	free(m.bytes);
}

static void assert_described(const char *hex, const char *text)
{
	struct message m = message(hex);
	char buf[128];

	pl_nl_describe(m.bytes, m.len, buf, sizeof(buf));
	assert_string_equal(buf, text);
	free(m.bytes);
}

static void test_descriptions(void **state)
{
	assert_described(veth_del, "delete veth link host0");
	assert_described(addr4, "add address 10.1.0.1/24 on device 1007");
	assert_described(addr4_del, "delete address 10.1.0.1/24 on device 1007");
	assert_described(default4, "add route default via 10.9.0.2 on device 1007");
	assert_described(default4_del, "delete route default via 10.9.0.2 on device 1007");
	assert_described(route4_via6, "add route 10.7.0.0/16 via fe80::1 on device 1007");
	assert_described(route4_on_link, "add route 10.5.0.0/16 on device 1007");
	assert_described(neigh6, "add neighbour fe80::1 on device 1007");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_veth_with_its_peer_elsewhere),
		cmocka_unit_test(test_veth_with_its_peer_here),
		cmocka_unit_test(test_ports_of_tunnels),
		cmocka_unit_test(test_netkit),
		cmocka_unit_test(test_move_and_deletion),
		cmocka_unit_test(test_a_netns_without_a_number_is_not_this_one),
		cmocka_unit_test(test_bridge_ports_are_no_links),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_default_routes),
		cmocka_unit_test(test_other_routes),
		cmocka_unit_test(test_own_routes),
		cmocka_unit_test(test_host_routes),
		cmocka_unit_test(test_neighbour_events),
		cmocka_unit_test(test_multipath),
		cmocka_unit_test(test_multipath_that_lies_about_its_length),
		cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_traffic_control),
		cmocka_unit_test(test_acks),
		cmocka_unit_test(test_cut_messages_are_refused),
		cmocka_unit_test(test_short_messages_are_read_within_bounds),
		cmocka_unit_test(test_failure_leaves_the_result_alone),
		cmocka_unit_test(test_descriptions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
