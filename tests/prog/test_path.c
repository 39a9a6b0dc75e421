/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The path of a packet, a row a case: who sends what to whom, and what must come of it, in IPv4 and
 * in IPv6. The counters are the witness: exactly the expected reason is counted, at the expected
 * endpoint, and nothing else. The last test fails where a reason was never reached.
 */
#include <time.h>

#include "bed.h"

enum families { BOTH, ONLY4, ONLY6 };

struct row {
	const char *name;
	enum prog prog;
	struct packet packet;
	enum pl_reason reason;
	enum families families;
	bool at_node; /* counted at the node; else pod A's packets at A, pod B's deliveries at B */
	void (*setup)(void);
};

/* Reasons that some row has reached, by family. */
static bool reached[2][PL_REASON_COUNT];

/* --- setups --- */

static void b_not_ready(void)
{
	endpoints[ID_B].flags &= (uint16_t)~PL_EP_READY;
}

static void b_shaped(void)
{
	endpoints[ID_B].flags |= PL_EP_SHAPED;
}

static void a_shaped(void)
{
	endpoints[ID_A].flags |= PL_EP_SHAPED;
}

/* As Linux writes it before segments of more than 64 KiB together. */
static void jumbo(uint8_t *frame, size_t *len, int af)
{
	static const uint8_t option[] = {0xc2, 4};

	memcpy(frame + 14 + 40 + 2, option, sizeof(option));
}

static void a_trusted(void)
{
	endpoints[ID_A].flags |= PL_EP_TRUSTED;
}

static void a_elsewhere(void)
{
	endpoints[ID_A].ifindex = if_host_b;
}

static void b_elsewhere(void)
{
	endpoints[ID_B].ifindex = if_host_a;
}

static void nothing_native(void)
{
	set_config(0, 0);
}

static void a_netkit_l3(void)
{
	endpoints[ID_A].link_kind = PL_LINK_NETKIT_L3;
}

/* --- packets that no description makes --- */

static void make_arp(uint8_t *frame, size_t *len, const uint8_t *mac, enum actor sender)
{
	const uint8_t head[] = {0, 1, 8, 0, 6, 4, 0, 1};

	memcpy(frame + 14, head, sizeof(head));
	memcpy(frame + 22, mac, 6);
	ip_of(sender, AF_INET, frame + 28);
	memset(frame + 32, 0, 6);
	ip_of(HOST, AF_INET, frame + 38);
	*len = 42;
}

static void arp(uint8_t *frame, size_t *len, int af)
{
	make_arp(frame, len, mac_pod_a, POD_A);
}

static void arp_probe(uint8_t *frame, size_t *len, int af)
{
	make_arp(frame, len, mac_pod_a, NOBODY);
}

static void arp_second_address(uint8_t *frame, size_t *len, int af)
{
	make_arp(frame, len, mac_pod_a, A_SECOND);
}

static void arp_foreign_ip(uint8_t *frame, size_t *len, int af)
{
	make_arp(frame, len, mac_pod_a, POD_B);
}

static void arp_foreign_mac(uint8_t *frame, size_t *len, int af)
{
	make_arp(frame, len, mac_pod_b, POD_A);
}

static void arp_of_tokens(uint8_t *frame, size_t *len, int af)
{
	make_arp(frame, len, mac_pod_a, POD_A);
	frame[15] = 6;
}

enum nd { RS = 133, RA, NS, NA, REDIRECT };

/* @lladdr NULL: without the option. */
static void make_nd(uint8_t *frame, size_t *len, enum nd type, enum actor source, enum actor target,
		    const uint8_t *lladdr)
{
	uint8_t *ip = frame + 14, *icmp = ip + 40;
	size_t n = type == NS || type == NA ? 24 : 8;

	memset(ip, 0, 200);
	ip[0] = 0x60;
	ip[6] = 58;
	ip[7] = 255;
	ip_of(source, AF_INET6, ip + 8);
	ip_of(MULTICAST, AF_INET6, ip + 24);
	icmp[0] = (uint8_t)type;
	ip_of(target, AF_INET6, icmp + 8);
	if (lladdr) {
		icmp[n] = type == NA ? 2 : 1;
		icmp[n + 1] = 1;
		memcpy(icmp + n + 2, lladdr, 6);
		n += 8;
	}
	put16(ip + 4, (uint16_t)n);
	*len = 14 + 40 + n;
}

#define ND(name, type, source, target, lladdr)                                                     \
	static void name(uint8_t *frame, size_t *len, int af)                                      \
	{                                                                                          \
		make_nd(frame, len, type, source, target, lladdr);                                 \
	}
ND(nd_solicit, NS, POD_A, HOST, mac_pod_a)
ND(nd_solicit_from_link_local, NS, LINK_LOCAL, HOST, mac_pod_a)
ND(nd_solicit_second, NS, A_SECOND, HOST, mac_pod_a)
ND(nd_dad_own, NS, NOBODY, POD_A, NULL)
ND(nd_dad_link_local, NS, NOBODY, LINK_LOCAL, NULL)
ND(nd_dad_foreign, NS, NOBODY, POD_B, NULL)
ND(nd_solicit_foreign_source, NS, POD_B, HOST, mac_pod_a)
ND(nd_solicit_foreign_mac, NS, POD_A, HOST, mac_pod_b)
ND(nd_advert_own, NA, POD_A, POD_A, mac_pod_a)
ND(nd_advert_link_local, NA, LINK_LOCAL, LINK_LOCAL, mac_pod_a)
ND(nd_advert_foreign, NA, POD_A, POD_B, mac_pod_a)
ND(nd_advert_foreign_source, NA, POD_B, POD_A, mac_pod_a)
ND(nd_router_solicit, RS, LINK_LOCAL, NOBODY, mac_pod_a)
ND(nd_router_solicit_nobody, RS, NOBODY, NOBODY, NULL)
ND(nd_router_advert, RA, LINK_LOCAL, NOBODY, NULL)
ND(nd_redirect, REDIRECT, LINK_LOCAL, NOBODY, NULL)

static void nd_bytes_left(uint8_t *frame, size_t *len, int af)
{
	make_nd(frame, len, NS, POD_A, HOST, mac_pod_a);
	*len += 5;
}

static void nd_option_of_no_length(uint8_t *frame, size_t *len, int af)
{
	make_nd(frame, len, NS, POD_A, HOST, mac_pod_a);
	frame[14 + 40 + 24 + 1] = 0;
}

/* Behind @n destination options headers. */
static void nd_behind(uint8_t *frame, size_t *len, unsigned int n)
{
	uint8_t *ip = frame + 14;

	make_nd(frame, len, NA, POD_A, POD_B, mac_pod_a);
	memmove(ip + 40 + 8 * n, ip + 40, 32);
	memset(ip + 40, 0, 8ul * n);
	ip[6] = 60;
	for (unsigned int i = 0; i < n; i++)
		ip[40 + 8 * i] = i + 1 == n ? 58 : 60;
	*len += 8ul * n;
}

static void nd_behind_one(uint8_t *frame, size_t *len, int af)
{
	nd_behind(frame, len, 1);
}

static void nd_behind_many(uint8_t *frame, size_t *len, int af)
{
	nd_behind(frame, len, 7);
}

static void hop_limit_255(uint8_t *frame, size_t *len, int af)
{
	frame[14 + 7] = 255;
}

static void bad_version(uint8_t *frame, size_t *len, int af)
{
	frame[14] = (uint8_t)(af == 4 ? 0x55 : 0x50);
}

static void short_header(uint8_t *frame, size_t *len, int af)
{
	frame[14] = 0x44;
}

static void no_macs(uint8_t *frame, size_t *len, int af)
{
	memset(frame, 0, 12);
}

/* --- rows --- */

static const struct row rows[] = {
	{"a pod to a pod", FROM_POD, {POD_A, POD_B}, PL_FORWARD_LOCAL},
	{"opening TCP",
	 FROM_POD,
	 {POD_A, POD_B, .protocol = IP_TCP, .tcp_flags = TCP_SYN},
	 PL_FORWARD_LOCAL},
	{"amid TCP", FROM_POD, {POD_A, POD_B, .protocol = IP_TCP}, PL_PASS_NO_FLOW},
	{"from the pod's second address", FROM_POD, {A_SECOND, POD_B}, PL_FORWARD_LOCAL},
	{"as large as the MTU", FROM_POD, {POD_A, POD_B, .payload = 1452}, PL_FORWARD_LOCAL},
	{"larger than the MTU", FROM_POD, {POD_A, POD_B, .payload = 1473}, PL_PASS_TOO_BIG},
	{"segments that fit",
	 FROM_POD,
	 {POD_A, POD_B, .protocol = IP_TCP, .tcp_flags = TCP_SYN, .payload = 2800,
	  .gso_size = 1400},
	 PL_FORWARD_LOCAL},
	{"segments that do not fit",
	 FROM_POD,
	 {POD_A, POD_B, .protocol = IP_TCP, .tcp_flags = TCP_SYN, .payload = 2900,
	  .gso_size = 1461},
	 PL_PASS_TOO_BIG},
	{"UDP segments that fit",
	 FROM_POD,
	 {POD_A, POD_B, .payload = 2800, .gso_size = 1400},
	 PL_FORWARD_LOCAL},
	{"segments behind extension headers",
	 FROM_POD,
	 {POD_A, POD_B, .protocol = IP_TCP, .tcp_flags = TCP_SYN, .payload = 2800, .extensions = 1,
	  .gso_size = 1430},
	 PL_FORWARD_LOCAL,
	 ONLY6},
	{"segments behind extension headers that do not fit",
	 FROM_POD,
	 {POD_A, POD_B, .protocol = IP_TCP, .tcp_flags = TCP_SYN, .payload = 2800, .extensions = 2,
	  .gso_size = 1430},
	 PL_PASS_TOO_BIG,
	 ONLY6},
	{"segments with a jumbo payload's length",
	 FROM_POD,
	 {POD_A, POD_B, .protocol = IP_TCP, .tcp_flags = TCP_SYN, .payload = 2800, .options = true,
	  .gso_size = 1400, .mangle = jumbo},
	 PL_FORWARD_LOCAL,
	 ONLY6},
	{"segments with other options",
	 FROM_POD,
	 {POD_A, POD_B, .protocol = IP_TCP, .tcp_flags = TCP_SYN, .payload = 2800, .options = true,
	  .gso_size = 1400},
	 PL_PASS_IP_OPTIONS},
	{"a jumbo payload's length before no segments",
	 FROM_POD,
	 {POD_A, POD_B, .options = true, .mangle = jumbo},
	 PL_PASS_IP_OPTIONS,
	 ONLY6},
	{"last hop", FROM_POD, {POD_A, POD_B, .ttl = 1}, PL_PASS_TTL},
	{"last hop but one", FROM_POD, {POD_A, POD_B, .ttl = 2}, PL_FORWARD_LOCAL},
	{"to itself", FROM_POD, {POD_A, POD_A}, PL_PASS_SELF},
	{"to its second address", FROM_POD, {POD_A, A_SECOND}, PL_PASS_SELF},
	{"receiver is not ready",
	 FROM_POD,
	 {POD_A, POD_B},
	 PL_PASS_NOT_READY,
	 .setup = b_not_ready},
	{"receiver is shaped", FROM_POD, {POD_A, POD_B}, PL_PASS_SHAPED, .setup = b_shaped},
	{"sender is shaped", FROM_POD, {POD_A, POD_B}, PL_PASS_SHAPED, .setup = a_shaped},
	{"options", FROM_POD, {POD_A, POD_B, .options = true}, PL_PASS_IP_OPTIONS},
	{"extension headers", FROM_POD, {POD_A, POD_B, .extensions = 3}, PL_FORWARD_LOCAL, ONLY6},
	{"fragment", FROM_POD, {POD_A, POD_B, .fragment = FIRST_FRAGMENT}, PL_FORWARD_LOCAL},
	{"later fragment", FROM_POD, {POD_A, POD_B, .fragment = LATER_FRAGMENT}, PL_PASS_FRAGMENT},
	{"ICMP error", FROM_POD, {POD_A, POD_B, .icmp_error = true}, PL_PASS_NO_FLOW},
	{"to the host", FROM_POD, {POD_A, HOST}, PL_PASS_HOST},
	{"to outside", FROM_POD, {POD_A, OUTSIDE}, PL_PASS_NOT_POD},
	{"to a service", FROM_POD, {POD_A, SERVICE}, PL_PASS_NOT_POD},
	{"to a native network", FROM_POD, {POD_A, NATIVE}, PL_FORWARD_NATIVE},
	{"to a native network, last hop", FROM_POD, {POD_A, NATIVE, .ttl = 1}, PL_PASS_TTL},
	{"to a native network, options",
	 FROM_POD,
	 {POD_A, NATIVE, .options = true},
	 PL_PASS_IP_OPTIONS},
	{"to a native network, too large",
	 FROM_POD,
	 {POD_A, NATIVE, .payload = 1473},
	 PL_PASS_TOO_BIG},
	{"to a native network, segments",
	 FROM_POD,
	 {POD_A, NATIVE, .protocol = IP_TCP, .tcp_flags = TCP_SYN, .payload = 2800,
	  .gso_size = 1400},
	 PL_FORWARD_NATIVE},
	{"to a native network, shaped",
	 FROM_POD,
	 {POD_A, NATIVE},
	 PL_PASS_SHAPED,
	 .setup = a_shaped},
	{"to a native network without a route", FROM_POD, {POD_A, NATIVE_OFF}, PL_PASS_NO_ROUTE},
	{"nothing is native", FROM_POD, {POD_A, NATIVE}, PL_PASS_NOT_POD, .setup = nothing_native},
	{"to a multicast address", FROM_POD, {POD_A, MULTICAST}, PL_PASS_MULTICAST},
	{"to a broadcast frame",
	 FROM_POD,
	 {POD_A, BROADCAST, .dst_mac = mac_all},
	 PL_PASS_MULTICAST},
	{"to a link-local address", FROM_POD, {POD_A, LINK_LOCAL}, PL_PASS_LINK_LOCAL},
	{"from and to link-local", FROM_POD, {LINK_LOCAL, LINK_LOCAL}, PL_PASS_LINK_LOCAL, ONLY6},
	{"from nowhere to multicast", FROM_POD, {NOBODY, MULTICAST}, PL_PASS_MULTICAST},
	{"DHCP",
	 FROM_POD,
	 {NOBODY, BROADCAST, .sport = 68, .dport = 67, .dst_mac = mac_all},
	 PL_PASS_MULTICAST},
	{"to another's MAC", FROM_POD, {POD_A, POD_B, .dst_mac = mac_stranger}, PL_PASS_OTHER_HOST},
	{"VLAN", FROM_POD, {POD_A, POD_B, .ethertype = 0x8100}, PL_DROP_VLAN},
	{"VLAN of providers", FROM_POD, {POD_A, POD_B, .ethertype = 0x88a8}, PL_DROP_VLAN},
	{"not IP", FROM_POD, {POD_A, POD_B, .ethertype = 0x88cc}, PL_DROP_NOT_IP},
	{"not of its version", FROM_POD, {POD_A, POD_B, .mangle = bad_version}, PL_DROP_MALFORMED},
	{"header of four words",
	 FROM_POD,
	 {POD_A, POD_B, .mangle = short_header},
	 PL_DROP_MALFORMED,
	 ONLY4},
	{"no endpoint's device",
	 FROM_POD,
	 {POD_A, POD_B},
	 PL_PASS_NO_ENDPOINT,
	 .at_node = true,
	 .setup = a_elsewhere},

	{"another's MAC", FROM_POD, {POD_A, POD_B, .src_mac = mac_pod_b}, PL_DROP_SPOOFED_MAC},
	{"another's MAC, not IP",
	 FROM_POD,
	 {POD_A, POD_B, .src_mac = mac_pod_b, .ethertype = 0x88cc},
	 PL_DROP_SPOOFED_MAC},
	{"another pod's address", FROM_POD, {POD_B, POD_B}, PL_DROP_SPOOFED_IP},
	{"the host's address", FROM_POD, {HOST, POD_B}, PL_DROP_SPOOFED_IP},
	{"an outside address", FROM_POD, {OUTSIDE, HOST}, PL_DROP_SPOOFED_IP},
	{"no address, to a pod", FROM_POD, {NOBODY, POD_B}, PL_DROP_SPOOFED_IP},
	{"link-local, to a pod", FROM_POD, {LINK_LOCAL, POD_B}, PL_DROP_SPOOFED_IP},
	{"another pod's address in a fragment",
	 FROM_POD,
	 {POD_B, HOST, .fragment = LATER_FRAGMENT},
	 PL_DROP_SPOOFED_IP},
	{"another pod's address behind options",
	 FROM_POD,
	 {POD_B, HOST, .options = true},
	 PL_DROP_SPOOFED_IP},
	{"another pod's address, to multicast", FROM_POD, {POD_B, MULTICAST}, PL_DROP_SPOOFED_IP},
	{"trusted: another's MAC",
	 FROM_POD,
	 {POD_A, POD_B, .src_mac = mac_pod_b},
	 PL_FORWARD_LOCAL,
	 .setup = a_trusted},
	{"trusted: an outside address",
	 FROM_POD,
	 {OUTSIDE, POD_B},
	 PL_FORWARD_LOCAL,
	 .setup = a_trusted},

	{"ARP", FROM_POD, {.ethertype = 0x0806, .mangle = arp}, PL_PASS_ARP, ONLY4},
	{"ARP probe", FROM_POD, {.ethertype = 0x0806, .mangle = arp_probe}, PL_PASS_ARP, ONLY4},
	{"ARP of the second address",
	 FROM_POD,
	 {.ethertype = 0x0806, .mangle = arp_second_address},
	 PL_PASS_ARP,
	 ONLY4},
	{"ARP with another's address",
	 FROM_POD,
	 {.ethertype = 0x0806, .mangle = arp_foreign_ip},
	 PL_DROP_SPOOFED_ARP,
	 ONLY4},
	{"ARP with another's MAC",
	 FROM_POD,
	 {.ethertype = 0x0806, .mangle = arp_foreign_mac},
	 PL_DROP_SPOOFED_ARP,
	 ONLY4},
	{"ARP of another kind of network",
	 FROM_POD,
	 {.ethertype = 0x0806, .mangle = arp_of_tokens},
	 PL_DROP_MALFORMED,
	 ONLY4},
	{"ARP, trusted",
	 FROM_POD,
	 {.ethertype = 0x0806, .mangle = arp_foreign_ip},
	 PL_PASS_ARP,
	 ONLY4,
	 .setup = a_trusted},

	{"solicitation", FROM_POD, {.mangle = nd_solicit}, PL_PASS_ND, ONLY6},
	{"solicitation, link-local",
	 FROM_POD,
	 {.mangle = nd_solicit_from_link_local},
	 PL_PASS_ND,
	 ONLY6},
	{"solicitation, second address",
	 FROM_POD,
	 {.mangle = nd_solicit_second},
	 PL_PASS_ND,
	 ONLY6},
	{"address detection", FROM_POD, {.mangle = nd_dad_own}, PL_PASS_ND, ONLY6},
	{"address detection, link-local",
	 FROM_POD,
	 {.mangle = nd_dad_link_local},
	 PL_PASS_ND,
	 ONLY6},
	{"address detection of another's",
	 FROM_POD,
	 {.mangle = nd_dad_foreign},
	 PL_DROP_SPOOFED_ND,
	 ONLY6},
	{"solicitation from another's",
	 FROM_POD,
	 {.mangle = nd_solicit_foreign_source},
	 PL_DROP_SPOOFED_ND,
	 ONLY6},
	{"solicitation with another's MAC",
	 FROM_POD,
	 {.mangle = nd_solicit_foreign_mac},
	 PL_DROP_SPOOFED_ND,
	 ONLY6},
	{"advertisement", FROM_POD, {.mangle = nd_advert_own}, PL_PASS_ND, ONLY6},
	{"advertisement, link-local",
	 FROM_POD,
	 {.mangle = nd_advert_link_local},
	 PL_PASS_ND,
	 ONLY6},
	{"advertisement of another's",
	 FROM_POD,
	 {.mangle = nd_advert_foreign},
	 PL_DROP_SPOOFED_ND,
	 ONLY6},
	{"advertisement from another's",
	 FROM_POD,
	 {.mangle = nd_advert_foreign_source},
	 PL_DROP_SPOOFED_ND,
	 ONLY6},
	{"advertisement of another's, behind a header",
	 FROM_POD,
	 {.mangle = nd_behind_one},
	 PL_DROP_SPOOFED_ND,
	 ONLY6},
	{"advertisement of another's, behind many headers",
	 FROM_POD,
	 {.mangle = nd_behind_many},
	 PL_DROP_EXTENSIONS,
	 ONLY6},
	{"solicitation with bytes left over",
	 FROM_POD,
	 {.mangle = nd_bytes_left},
	 PL_DROP_SPOOFED_ND,
	 ONLY6},
	{"solicitation with an endless option",
	 FROM_POD,
	 {.mangle = nd_option_of_no_length},
	 PL_DROP_SPOOFED_ND,
	 ONLY6},
	{"router solicitation", FROM_POD, {.mangle = nd_router_solicit}, PL_PASS_ND, ONLY6},
	{"router solicitation from nowhere",
	 FROM_POD,
	 {.mangle = nd_router_solicit_nobody},
	 PL_PASS_ND,
	 ONLY6},
	{"router advertisement", FROM_POD, {.mangle = nd_router_advert}, PL_DROP_SPOOFED_ND, ONLY6},
	{"redirect", FROM_POD, {.mangle = nd_redirect}, PL_DROP_SPOOFED_ND, ONLY6},
	{"trusted: router advertisement",
	 FROM_POD,
	 {.mangle = nd_router_advert},
	 PL_PASS_ND,
	 ONLY6,
	 .setup = a_trusted},
	{"a ping of hop limit 255",
	 FROM_POD,
	 {POD_A, POD_B, .ping = true, .mangle = hop_limit_255},
	 PL_FORWARD_LOCAL,
	 ONLY6},

	{"netkit: a pod to a pod", FROM_NETKIT, {POD_A, POD_B}, PL_FORWARD_LOCAL},
	{"netkit: to a native network", FROM_NETKIT, {POD_A, NATIVE}, PL_FORWARD_NATIVE},
	{"netkit: to outside", FROM_NETKIT, {POD_A, OUTSIDE}, PL_PASS_NOT_POD},
	{"netkit: another's MAC",
	 FROM_NETKIT,
	 {POD_A, POD_B, .src_mac = mac_pod_b},
	 PL_DROP_SPOOFED_MAC},
	{"netkit: index of another netns",
	 FROM_NETKIT,
	 {POD_A, POD_B},
	 PL_PASS_NO_ENDPOINT,
	 .at_node = true,
	 .setup = a_elsewhere},
	{"netkit L3: no MACs",
	 FROM_NETKIT,
	 {POD_A, POD_B, .mangle = no_macs},
	 PL_FORWARD_LOCAL,
	 .setup = a_netkit_l3},
	{"netkit L3: another pod's address",
	 FROM_NETKIT,
	 {POD_B, HOST, .mangle = no_macs},
	 PL_DROP_SPOOFED_IP,
	 .setup = a_netkit_l3},
	{"netkit: a mark that only we may set",
	 FROM_NETKIT,
	 {POD_A, POD_B, .mark = PL_MARK_MIRROR | 3},
	 PL_FORWARD_LOCAL},

	{"uplink to a pod", FROM_UPLINK, {NATIVE, POD_B}, PL_FORWARD_LOCAL},
	{"outside to a pod", FROM_UPLINK, {OUTSIDE, POD_B}, PL_FORWARD_LOCAL},
	{"uplink, amid TCP", FROM_UPLINK, {NATIVE, POD_B, .protocol = IP_TCP}, PL_PASS_NO_FLOW},
	{"uplink, opening TCP",
	 FROM_UPLINK,
	 {OUTSIDE, POD_B, .protocol = IP_TCP, .tcp_flags = TCP_SYN},
	 PL_FORWARD_LOCAL},
	{"uplink, amid TCP from outside",
	 FROM_UPLINK,
	 {OUTSIDE, POD_B, .protocol = IP_TCP},
	 PL_PASS_NO_FLOW},
	{"uplink, not ready",
	 FROM_UPLINK,
	 {NATIVE, POD_B},
	 PL_PASS_NOT_READY,
	 .setup = b_not_ready},
	{"uplink, shaped", FROM_UPLINK, {NATIVE, POD_B}, PL_PASS_SHAPED, .setup = b_shaped},
	{"uplink, last hop", FROM_UPLINK, {NATIVE, POD_B, .ttl = 1}, PL_PASS_TTL},
	{"uplink, too large", FROM_UPLINK, {NATIVE, POD_B, .payload = 1473}, PL_PASS_TOO_BIG},
	{"uplink, options", FROM_UPLINK, {NATIVE, POD_B, .options = true}, PL_PASS_IP_OPTIONS},
	{"uplink, fragment",
	 FROM_UPLINK,
	 {NATIVE, POD_B, .fragment = LATER_FRAGMENT},
	 PL_PASS_FRAGMENT},
	{"uplink to the host", FROM_UPLINK, {OUTSIDE, HOST}, PL_PASS_HOST, .at_node = true},
	{"uplink to nobody here", FROM_UPLINK, {OUTSIDE, NATIVE}, PL_PASS_NOT_POD, .at_node = true},
	{"uplink to another's MAC",
	 FROM_UPLINK,
	 {NATIVE, POD_B, .dst_mac = mac_stranger},
	 PL_PASS_OTHER_HOST,
	 .at_node = true},
	{"uplink, broadcast",
	 FROM_UPLINK,
	 {OUTSIDE, BROADCAST, .dst_mac = mac_all},
	 PL_PASS_MULTICAST,
	 .at_node = true},
	{"uplink, ARP",
	 FROM_UPLINK,
	 {.ethertype = 0x0806, .mangle = arp_foreign_ip},
	 PL_PASS_ARP,
	 ONLY4,
	 .at_node = true},
	{"uplink, neighbour discovery",
	 FROM_UPLINK,
	 {.mangle = nd_advert_foreign},
	 PL_PASS_MULTICAST,
	 ONLY6,
	 .at_node = true},

	{"the stack to a pod", TO_POD, {HOST, POD_B}, PL_PASS_FROM_STACK},
	{"the stack to a pod, ARP",
	 TO_POD,
	 {.ethertype = 0x0806, .mangle = arp},
	 PL_PASS_FROM_STACK,
	 ONLY4},
	{"the stack to no endpoint",
	 TO_POD,
	 {HOST, POD_B},
	 PL_PASS_NO_ENDPOINT,
	 .at_node = true,
	 .setup = b_elsewhere},
	{"a copy that came back from a pod",
	 FROM_POD,
	 {POD_A, POD_B, .mark = PL_MARK_MIRROR | 3},
	 PL_DROP_MIRROR_LOOP,
	 .at_node = true},
	{"a copy that came back from an uplink",
	 FROM_UPLINK,
	 {NATIVE, POD_B, .mark = PL_MARK_MIRROR | 3},
	 PL_DROP_MIRROR_LOOP,
	 .at_node = true},
	{"a copy that the stack delivers",
	 TO_POD,
	 {NATIVE, POD_B, .mark = PL_MARK_MIRROR | 3},
	 PL_DROP_MIRROR_LOOP},
};

static int expected_verdict(enum pl_reason reason)
{
	if (reason == PL_FORWARD_LOCAL || reason == PL_FORWARD_NATIVE)
		return TC_ACT_REDIRECT;
	return pl_effect(reason) == PL_EFFECT_DROP ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

/* 0 where all is as the row says; else says what is not. */
static int check_counters(const struct row *row)
{
	bool out = row->prog == FROM_POD || row->prog == FROM_NETKIT;
	bool both_ends = out && row->reason == PL_FORWARD_LOCAL;
	uint32_t endpoint = row->at_node ? (uint32_t)PL_NODE : out ? ID_A : ID_B;
	int bad = count_of(endpoint, row->reason, out ? PL_OUT : PL_IN) != 1;

	bad |= both_ends && count_of(ID_B, row->reason, PL_IN) != 1;
	bad |= count_all() != (both_ends ? 2 : 1);
	if (bad) {
		print_error("%s, IPv%d: expected %s\n", row->name, family,
			    reason_name(row->reason));
		print_counts();
	}
	return bad;
}

static int check_row(const struct row *row)
{
	struct outcome out;
	int bad;

	bed_reset();
	if (row->setup)
		row->setup();
	out = run_packet(row->prog, &row->packet);
	bad = check_counters(row);
	if (out.verdict != expected_verdict(row->reason)) {
		print_error("%s, IPv%d: verdict %d\n", row->name, family, out.verdict);
		bad = 1;
	}
	if (!bad)
		reached[family == 6][row->reason] = true;
	return bad;
}

static void test_rows(void **state)
{
	int bad = 0;

	for (size_t i = 0; i < PL_ARRAY_SIZE(rows); i++) {
		for (family = 4; family <= 6; family += 2) {
			if (rows[i].families == (family == 4 ? ONLY6 : ONLY4))
				continue;
			bad += check_row(&rows[i]);
		}
	}
	assert_int_equal(bad, 0);
}

/* --- what becomes of the packet --- */

static void each_family(void (*test)(void))
{
	for (family = 4; family <= 6; family += 2) {
		bed_reset();
		test();
	}
}

static uint8_t hops_of(const struct frame *frame)
{
	return frame->bytes[14 + (family == 4 ? 8 : 7)];
}

static void is_for_pod_b(const struct outcome *out)
{
	assert_memory_equal(out->frame.bytes, mac_pod_b, 6);
	assert_memory_equal(out->frame.bytes + 6, mac_host_b, 6);
	assert_int_equal(hops_of(&out->frame), 63);
	assert_true(family == 6 || ip4_checksum_holds(out->frame.bytes + 14));
}

static void rewritten(void)
{
	const struct packet from_a = {POD_A, POD_B, .payload = 33, .mark = 7};
	const struct packet from_uplink = {NATIVE, POD_B, .payload = 33, .mark = 7};
	struct outcome out = run_packet(FROM_POD, &from_a);
	struct frame sent;

	is_for_pod_b(&out);
	assert_int_equal(out.mark, 0);
	/* Nothing but MACs, hops and, in IPv4, the header's checksum has changed. */
	make_frame(FROM_POD, &from_a, &sent);
	assert_int_equal(out.frame.len, sent.len);
	assert_memory_equal(out.frame.bytes + 26, sent.bytes + 26, sent.len - 26);

	out = run_packet(FROM_UPLINK, &from_uplink);
	is_for_pod_b(&out);
	assert_int_equal(out.mark, 0);
}

static void test_rewritten(void **state)
{
	each_family(rewritten);
}

/* RFC 1624's corner: the sum of ones. */
static void checksum_wraps(void)
{
	struct packet p = {POD_A, POD_B, .payload = 8};

	for (unsigned int ttl = 2; ttl < 256; ttl++) {
		for (unsigned int payload = 0; payload < 40; payload++) {
			struct outcome out;

			p.ttl = (uint8_t)ttl;
			p.payload = payload;
			out = run_packet(FROM_POD, &p);
			assert_int_equal(out.verdict, TC_ACT_REDIRECT);
			assert_int_equal(hops_of(&out.frame), ttl - 1);
			assert_true(family == 6 || ip4_checksum_holds(out.frame.bytes + 14));
		}
	}
}

static void test_checksum_wraps(void **state)
{
	family = 4;
	bed_reset();
	checksum_wraps();
}

static void untouched(void)
{
	const struct packet passed[] = {
		{POD_A, OUTSIDE, .mark = 7},
		{POD_A, HOST, .mark = 7},
		{POD_A, POD_B, .ttl = 1, .mark = 7},
	};

	for (size_t i = 0; i < PL_ARRAY_SIZE(passed); i++) {
		struct outcome out = run_packet(FROM_POD, &passed[i]);
		struct frame sent;

		make_frame(FROM_POD, &passed[i], &sent);
		assert_int_equal(out.mark, 7);
		assert_int_equal(out.frame.len, sent.len);
		assert_memory_equal(out.frame.bytes, sent.bytes, sent.len);
	}
}

static void test_untouched(void **state)
{
	each_family(untouched);
}

static void native_ages(void)
{
	const struct packet p = {POD_A, NATIVE, .mark = 7};
	struct outcome out = run_packet(FROM_POD, &p);

	assert_int_equal(out.verdict, TC_ACT_REDIRECT);
	assert_int_equal(hops_of(&out.frame), 63);
	assert_int_equal(out.mark, 0);
	assert_true(family == 6 || ip4_checksum_holds(out.frame.bytes + 14));
}

static void test_native_ages(void **state)
{
	each_family(native_ages);
}

/* From netkit's transmission the target's to-pod must see that it has been dealt with. */
static void netkit_hands_over(void)
{
	const struct packet from_a = {POD_A, POD_B, .mangle = no_macs};
	struct packet handed = {POD_A, POD_B};
	struct outcome out;
	uint64_t counted;

	a_netkit_l3();
	out = run_packet(FROM_NETKIT, &from_a);
	is_for_pod_b(&out);
	assert_int_equal(out.mark, PL_MARK_HANDLED);
	counted = count_all();
	handed.mark = out.mark;
	out = run_packet(TO_POD, &handed);
	assert_int_equal(out.verdict, TC_ACT_UNSPEC);
	assert_int_equal(out.mark, 0);
	assert_int_equal(count_all(), counted);
}

static void test_netkit_hands_over(void **state)
{
	each_family(netkit_hands_over);
}

#define TCP(flags, s, d) .protocol = IP_TCP, .tcp_flags = (flags), .sport = (s), .dport = (d)
#define UDP(s, d)	 .protocol = IP_UDP, .sport = (s), .dport = (d)

/* --- what is remembered of the way out --- */

/* Every entry of that key, one a CPU. Returns how many are in use. */
static int routes_at(uint32_t key, void (*fn)(struct pl_route *route))
{
	const size_t stride = (sizeof(struct pl_route) + 7) / 8 * 8;
	int n = libbpf_num_possible_cpus(), used = 0;
	uint8_t *values = calloc((size_t)n, stride);

	assert_non_null(values);
	assert_int_equal(bpf_map_lookup_elem(map_fd("pl_route_cache"), &key, values), 0);
	for (int i = 0; i < n; i++) {
		struct pl_route *route = (struct pl_route *)(values + (size_t)i * stride);

		used += route->ifindex != 0;
		if (fn)
			fn(route);
	}
	if (fn)
		map_put("pl_route_cache", &key, values);
	free(values);
	return used;
}

static void forget_route(struct pl_route *route)
{
	*route = (struct pl_route){0};
}

enum { NO_DEVICE = 9999 };

/* Whoever goes by it leaves it as it is; whoever asks the FIB writes it anew. */
static void falsify_route(struct pl_route *route)
{
	if (route->ifindex)
		route->ifindex = NO_DEVICE;
}

static bool was_asked;

static void look_at_route(struct pl_route *route)
{
	was_asked |= route->ifindex && route->ifindex != NO_DEVICE;
}

static bool leaves_native(const struct packet *p)
{
	uint64_t before = count_of(ID_A, PL_FORWARD_NATIVE, PL_OUT);

	run_packet(FROM_POD, p);
	return count_of(ID_A, PL_FORWARD_NATIVE, PL_OUT) == before + 1;
}

/* The key of what the packet leaves in an empty map. */
static uint32_t remember(const struct packet *p)
{
	uint32_t found = PL_ROUTE_CACHE_SLOTS;

	bed_reset();
	for (uint32_t key = 0; key < PL_ROUTE_CACHE_SLOTS; key++)
		routes_at(key, forget_route);
	assert_true(leaves_native(p));
	for (uint32_t key = 0; key < PL_ROUTE_CACHE_SLOTS; key++)
		if (routes_at(key, NULL)) {
			assert_int_equal(found, PL_ROUTE_CACHE_SLOTS);
			found = key;
		}
	assert_int_not_equal(found, PL_ROUTE_CACHE_SLOTS);
	return found;
}

/* Was the answer written to another slot than this one? */
static bool elsewhere(uint32_t key)
{
	for (uint32_t other = 0; other < PL_ROUTE_CACHE_SLOTS; other++)
		if (other != key && routes_at(other, NULL)) {
			routes_at(other, forget_route);
			return true;
		}
	return false;
}

/* An entry lives for some jiffies: that it is used is seen at one of many tries, or never. */
static bool is_remembered(const struct packet *first, const struct packet *then)
{
	uint32_t key = remember(first);

	for (int i = 0; i < 200; i++) {
		int used;

		routes_at(key, forget_route);
		assert_true(leaves_native(first));
		used = routes_at(key, falsify_route);
		assert_int_equal(used, 1);
		assert_true(leaves_native(then));
		was_asked = false;
		routes_at(key, look_at_route);
		if (!was_asked && routes_at(key, NULL) == used && !elsewhere(key))
			return true;
	}
	return false;
}

static void test_way_out_is_remembered(void **state)
{
	const struct packet usual = {POD_A, NATIVE}, other_ports = {POD_A, NATIVE, UDP(7, 9)};
	const struct packet tcp = {POD_A, NATIVE, TCP(TCP_SYN, 7, 9)};
	const struct packet second = {A_SECOND, NATIVE};
	const struct packet larger = {POD_A, NATIVE, .payload = 100};

	for (family = 4; family <= 6; family += 2) {
		assert_true(is_remembered(&usual, &usual));
		assert_true(is_remembered(&usual, &other_ports));
		assert_true(is_remembered(&larger, &usual));
		/* What the FIB could answer in another way is asked. */
		assert_false(is_remembered(&usual, &tcp));
		assert_false(is_remembered(&usual, &second));
	}
}

static void test_memory_ends(void **state)
{
	const struct packet usual = {POD_A, NATIVE};
	const struct timespec jiffies = {.tv_nsec =
						 (PL_ROUTE_JIFFIES + 4) * 10000000}; /* at 100 Hz */

	for (family = 4; family <= 6; family += 2) {
		uint32_t key = remember(&usual);

		routes_at(key, falsify_route);
		nanosleep(&jiffies, NULL);
		assert_true(leaves_native(&usual));
		was_asked = false;
		routes_at(key, look_at_route);
		assert_true(was_asked);
		routes_at(key, falsify_route);
		set_config(1, 1); /* another epoch */
		assert_true(leaves_native(&usual));
		was_asked = false;
		routes_at(key, look_at_route);
		assert_true(was_asked);
	}
}

/* The MTU is asked for again by what is larger than all before. */
static void test_memory_knows_sizes(void **state)
{
	const struct packet small = {POD_A, NATIVE}, large = {POD_A, NATIVE, .payload = MTU};

	for (family = 4; family <= 6; family += 2) {
		bed_reset();
		assert_true(leaves_native(&small));
		assert_false(leaves_native(&large));
		assert_int_equal(count_of(ID_A, PL_PASS_TOO_BIG, PL_OUT), 1);
		assert_true(leaves_native(&small));
	}
}

/*
 * A next hop that is not known: what opens goes there all the same, and makes the kernel ask for
 * it; what its sender says again is for the stack, which tells that the host is unreachable.
 * Answers are not, for the stack has seen no question.
 */
static void test_next_hop_is_not_there(void **state)
{
	static const char *const commands[][2] = {
		{"neighbour del 192.0.2.2 dev uplink0\n",
		 "neighbour replace 192.0.2.2 lladdr 02:00:00:00:0e:02 dev uplink0 nud permanent\n"},
		{"neighbour del fd00:2::2 dev uplink0\n",
		 "neighbour replace fd00:2::2 lladdr 02:00:00:00:0e:02 dev uplink0 nud permanent\n"}};
	const struct packet udp = {POD_A, NATIVE}, syn = {POD_A, NATIVE, TCP(TCP_SYN, 7, 9)};
	const struct packet asked = {NATIVE, POD_A, TCP(TCP_SYN, 9, 80)};
	const struct packet answer = {POD_A, NATIVE, TCP(TCP_SYN | TCP_ACK, 80, 9)};

	for (family = 4; family <= 6; family += 2) {
		bed_reset();
		ip_batch(commands[family == 6][0]);
		assert_true(leaves_native(&udp));
		assert_true(leaves_native(&syn));
		assert_false(leaves_native(&udp));
		assert_false(leaves_native(&syn));
		assert_int_equal(count_of(ID_A, PL_PASS_NO_NEIGHBOUR, PL_OUT), 2);
		run_packet(FROM_UPLINK, &asked);
		assert_true(leaves_native(&answer));
		assert_true(leaves_native(&answer));
		ip_batch(commands[family == 6][1]);
		assert_true(leaves_native(&udp));
		assert_true(leaves_native(&syn));
	}
}

/* --- every reason --- */

static bool exempt(enum pl_reason reason, int af)
{
	switch (reason) {
	case PL_PASS_ARP:
	case PL_DROP_SPOOFED_ARP:
		return af == 6;
	case PL_PASS_ND:
	case PL_DROP_SPOOFED_ND:
		return af == 4;
	case PL_PASS_UNSUPPORTED:  /* a kernel without bpf_fib_lookup, which does not load us either
				    */
	case PL_PASS_NO_NEIGHBOUR: /* test_next_hop_is_not_there() */
	case PL_PASS_MIRROR_COPY:  /* the mirror tests' */
	case PL_PASS_STACK_FLOW:   /* the flow table's, test_flows */
	case PL_PASS_BUDGET:
	case PL_PASS_TUPLE_CLASH:
	case PL_DROP_MIRROR_LOST:
	case PL_PASS_VLAN: /* test_antispoof's */
	case PL_PASS_NOT_IP:
	case PL_PASS_MALFORMED:
	case PL_PASS_MARTIAN:
	case PL_DROP_VLAN:
	case PL_DROP_NOT_IP:
	case PL_DROP_MISMATCH:
	case PL_DROP_MALFORMED:
	case PL_DROP_EXTENSIONS:
	case PL_DROP_ENCAPSULATED:
	case PL_DROP_CHECKSUM:
		return true;
	default:
		return false;
	}
}

static void test_every_reason_was_reached(void **state)
{
	int missing = 0;

	for (int af = 4; af <= 6; af += 2) {
		for (int reason = 0; reason < PL_REASON_COUNT; reason++) {
			if (reached[af == 6][reason] || exempt(reason, af))
				continue;
			print_error("IPv%d never reached %s\n", af, reason_name(reason));
			missing++;
		}
	}
	assert_int_equal(missing, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_rewritten),
		cmocka_unit_test(test_checksum_wraps),
		cmocka_unit_test(test_untouched),
		cmocka_unit_test(test_native_ages),
		cmocka_unit_test(test_netkit_hands_over),
		cmocka_unit_test(test_way_out_is_remembered),
		cmocka_unit_test(test_memory_ends),
		cmocka_unit_test(test_memory_knows_sizes),
		cmocka_unit_test(test_next_hop_is_not_there),
		cmocka_unit_test(test_every_reason_was_reached),
	};

	return cmocka_run_group_tests(tests, bed_up, bed_down);
}
