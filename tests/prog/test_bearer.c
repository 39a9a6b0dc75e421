/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets under a name that their bearer cannot have: in a tunnel to the node, which would take the
 * inner packet for one of its peer's; from an uplink, with this node's addresses or nobody's; and
 * with marks that mean something to the host, from a netkit that does not scrub them.
 */
#include "rows.h"

/* --- setups and packets --- */

/* The devices of this node listen at a port of their own, too. */
static void tunnel_at_5555(void)
{
	const struct pl_tunnel_port key = {.port = 5555};
	const struct pl_tunnel value = {.ifindex = 1};

	map_put("pl_tunnel_ports", &key, &value);
}

static void behind_extension(uint8_t *frame, size_t *len, int af)
{
	if (af == 6)
		make_extension(frame, len, 60, 0);
}

static void to_loopback(uint8_t *frame, size_t *len, int af)
{
	memcpy(frame + 30, (uint8_t[]){127, 0, 0, 1}, 4);
}

/* Addresses that nobody has configured, and the node receives: of all on a network, of a router. */
static void to_broadcast_of_uplink(uint8_t *frame, size_t *len, int af)
{
	if (af == 4)
		memcpy(frame + 30, (uint8_t[]){192, 0, 2, 255}, 4);
	else
		put6(frame + 38, "fd00:2::");
}

static void source4(uint8_t *frame, uint8_t a, uint8_t b)
{
	memcpy(frame + 26, (uint8_t[]){a, b, 3, 4}, 4);
}

#define SOURCE(name, a, b, text6)                                                                  \
	static void name(uint8_t *frame, size_t *len, int af)                                      \
	{                                                                                          \
		if (af == 4)                                                                       \
			source4(frame, a, b);                                                      \
		else                                                                               \
			put6(frame + 22, text6);                                                   \
	}
SOURCE(from_zero, 0, 0, "::")
SOURCE(from_this_network, 0, 7, "::")
SOURCE(from_loopback, 127, 0, "::1")
SOURCE(from_multicast, 224, 0, "ff02::1")
SOURCE(from_class_e, 240, 1, "ff0e::1")
SOURCE(from_broadcast, 255, 255, "::ffff:10.9.0.5")
SOURCE(from_link_local, 0, 1, "fe80::1")
SOURCE(from_compatible, 0, 2, "::10.9.0.5")
SOURCE(from_below_multicast, 223, 255, "fec0::1")
SOURCE(from_above_loopback, 128, 0, "2001:db8::1")

/* --- rows --- */

#define TO_TUNNEL(p) .protocol = IP_UDP, .dport = (p)
enum { IPIP = 4, SIT = 41, GRE = 47, ESP = 50, ETHERIP = 97, L2TP = 115, MPLS = 137 };

static const struct row rows[] = {
	{"IP in IP to the host", FROM_POD, {POD_A, HOST, .protocol = IPIP}, PL_DROP_ENCAPSULATED},
	{"IPv6 in IP to the host", FROM_POD, {POD_A, HOST, .protocol = SIT}, PL_DROP_ENCAPSULATED},
	{"GRE to the host", FROM_POD, {POD_A, HOST, .protocol = GRE}, PL_DROP_ENCAPSULATED},
	{"EtherIP to the host", FROM_POD, {POD_A, HOST, .protocol = ETHERIP}, PL_DROP_ENCAPSULATED},
	{"L2TP to the host", FROM_POD, {POD_A, HOST, .protocol = L2TP}, PL_DROP_ENCAPSULATED},
	{"MPLS to the host", FROM_POD, {POD_A, HOST, .protocol = MPLS}, PL_DROP_ENCAPSULATED},
	{"ESP to the host", FROM_POD, {POD_A, HOST, .protocol = ESP}, PL_PASS_HOST},
	{"VXLAN to the host", FROM_POD, {POD_A, HOST, TO_TUNNEL(4789)}, PL_DROP_ENCAPSULATED},
	{"Linux' VXLAN to the host",
	 FROM_POD,
	 {POD_A, HOST, TO_TUNNEL(8472)},
	 PL_DROP_ENCAPSULATED},
	{"Geneve to the host", FROM_POD, {POD_A, HOST, TO_TUNNEL(6081)}, PL_DROP_ENCAPSULATED},
	{"to a port of a tunnel's own",
	 FROM_POD,
	 {POD_A, HOST, TO_TUNNEL(5555)},
	 PL_DROP_ENCAPSULATED,
	 .setup = tunnel_at_5555},
	{"to that port by TCP",
	 FROM_POD,
	 {POD_A, HOST, .protocol = IP_TCP, .dport = 5555},
	 PL_PASS_HOST,
	 .setup = tunnel_at_5555},
	{"to no tunnel's port", FROM_POD, {POD_A, HOST, TO_TUNNEL(53)}, PL_PASS_HOST},
	{"VXLAN, the first fragment",
	 FROM_POD,
	 {POD_A, HOST, TO_TUNNEL(4789), .fragment = FIRST_FRAGMENT},
	 PL_DROP_ENCAPSULATED},
	{"VXLAN, a later fragment",
	 FROM_POD,
	 {POD_A, HOST, TO_TUNNEL(4789), .fragment = LATER_FRAGMENT},
	 PL_PASS_HOST},
	{"GRE, a later fragment",
	 FROM_POD,
	 {POD_A, HOST, .protocol = GRE, .fragment = LATER_FRAGMENT},
	 PL_DROP_ENCAPSULATED,
	 ONLY4},
	{"VXLAN behind options",
	 FROM_POD,
	 {POD_A, HOST, TO_TUNNEL(4789), .options = true},
	 PL_DROP_ENCAPSULATED},
	{"VXLAN behind a header",
	 FROM_POD,
	 {POD_A, HOST, TO_TUNNEL(4789), .mangle = behind_extension},
	 PL_DROP_ENCAPSULATED},
	{"GRE behind a header",
	 FROM_POD,
	 {POD_A, HOST, .protocol = GRE, .mangle = behind_extension},
	 PL_DROP_ENCAPSULATED},
	{"VXLAN to multicast", FROM_POD, {POD_A, MULTICAST, TO_TUNNEL(4789)}, PL_DROP_ENCAPSULATED},
	{"VXLAN to broadcast", FROM_POD, {POD_A, BROADCAST, TO_TUNNEL(4789)}, PL_DROP_ENCAPSULATED},
	{"VXLAN from nowhere to broadcast",
	 FROM_POD,
	 {NOBODY, BROADCAST, TO_TUNNEL(4789)},
	 PL_DROP_ENCAPSULATED},
	{"VXLAN in a broadcast frame",
	 FROM_POD,
	 {POD_A, HOST, TO_TUNNEL(4789), .dst_mac = mac_all},
	 PL_DROP_ENCAPSULATED},
	{"GRE in a broadcast frame",
	 FROM_POD,
	 {POD_A, HOST, .protocol = GRE, .dst_mac = mac_all},
	 PL_DROP_ENCAPSULATED},
	{"VXLAN to link-local",
	 FROM_POD,
	 {POD_A, LINK_LOCAL, TO_TUNNEL(4789)},
	 PL_DROP_ENCAPSULATED},
	{"VXLAN to loopback",
	 FROM_POD,
	 {POD_A, OUTSIDE, TO_TUNNEL(4789), .mangle = to_loopback},
	 PL_DROP_ENCAPSULATED,
	 ONLY4},
	{"VXLAN to all on the uplink's network",
	 FROM_POD,
	 {POD_A, OUTSIDE, TO_TUNNEL(4789), .mangle = to_broadcast_of_uplink},
	 PL_DROP_ENCAPSULATED},
	{"VXLAN to all there, at its last hop",
	 FROM_POD,
	 {POD_A, OUTSIDE, TO_TUNNEL(4789), .ttl = 1, .mangle = to_broadcast_of_uplink},
	 PL_DROP_ENCAPSULATED},
	{"GRE to all there",
	 FROM_POD,
	 {POD_A, OUTSIDE, .protocol = GRE, .mangle = to_broadcast_of_uplink},
	 PL_DROP_ENCAPSULATED},
	{"anything else to all there",
	 FROM_POD,
	 {POD_A, OUTSIDE, TO_TUNNEL(53), .mangle = to_broadcast_of_uplink},
	 PL_PASS_NOT_POD},
	{"VXLAN to a native network",
	 FROM_POD,
	 {POD_A, NATIVE, TO_TUNNEL(4789)},
	 PL_FORWARD_NATIVE},
	{"VXLAN to a native network, last hop",
	 FROM_POD,
	 {POD_A, NATIVE, TO_TUNNEL(4789), .ttl = 1},
	 PL_PASS_TTL},
	{"VXLAN to a service", FROM_POD, {POD_A, SERVICE, TO_TUNNEL(4789)}, PL_DROP_ENCAPSULATED},
	{"VXLAN to a pod", FROM_POD, {POD_A, POD_B, TO_TUNNEL(4789)}, PL_FORWARD_LOCAL},
	{"GRE to a pod", FROM_POD, {POD_A, POD_B, .protocol = GRE}, PL_PASS_NO_FLOW},
	{"VXLAN to outside", FROM_POD, {POD_A, OUTSIDE, TO_TUNNEL(4789)}, PL_PASS_NOT_POD},
	{"VXLAN to the host, trusted",
	 FROM_POD,
	 {POD_A, HOST, TO_TUNNEL(4789)},
	 PL_PASS_HOST,
	 .setup = trusted},
	{"GRE to the host, trusted",
	 FROM_POD,
	 {POD_A, HOST, .protocol = GRE},
	 PL_PASS_HOST,
	 .setup = trusted},

	{"uplink: from a pod", FROM_UPLINK, {POD_A, POD_B}, PL_PASS_MARTIAN},
	{"uplink: from the receiver", FROM_UPLINK, {POD_B, POD_B}, PL_PASS_MARTIAN},
	{"uplink: from a pod's further address", FROM_UPLINK, {A_SECOND, POD_B}, PL_PASS_MARTIAN},
	{"uplink: from the host", FROM_UPLINK, {HOST, POD_B}, PL_PASS_MARTIAN},
	{"uplink: from nowhere",
	 FROM_UPLINK,
	 {NATIVE, POD_B, .mangle = from_zero},
	 PL_PASS_MARTIAN},
	{"uplink: from 0/8, ::",
	 FROM_UPLINK,
	 {NATIVE, POD_B, .mangle = from_this_network},
	 PL_PASS_MARTIAN},
	{"uplink: from loopback",
	 FROM_UPLINK,
	 {NATIVE, POD_B, .mangle = from_loopback},
	 PL_PASS_MARTIAN},
	{"uplink: from multicast",
	 FROM_UPLINK,
	 {NATIVE, POD_B, .mangle = from_multicast},
	 PL_PASS_MARTIAN},
	{"uplink: from 240/4, ff0e::",
	 FROM_UPLINK,
	 {NATIVE, POD_B, .mangle = from_class_e},
	 PL_PASS_MARTIAN},
	{"uplink: from broadcast, mapped",
	 FROM_UPLINK,
	 {NATIVE, POD_B, .mangle = from_broadcast},
	 PL_PASS_MARTIAN},
	{"uplink: from link-local",
	 FROM_UPLINK,
	 {NATIVE, POD_B, .mangle = from_link_local},
	 PL_PASS_MARTIAN},
	{"uplink: from IPv4-compatible",
	 FROM_UPLINK,
	 {NATIVE, POD_B, .mangle = from_compatible},
	 PL_PASS_MARTIAN},
	{"uplink: from below multicast, above link-local",
	 FROM_UPLINK,
	 {NATIVE, POD_B, .mangle = from_below_multicast},
	 PL_FORWARD_LOCAL},
	{"uplink: from above loopback",
	 FROM_UPLINK,
	 {NATIVE, POD_B, .mangle = from_above_loopback},
	 PL_FORWARD_LOCAL},
	{"uplink: from outside", FROM_UPLINK, {OUTSIDE, POD_B}, PL_FORWARD_LOCAL},
};

static void test_rows(void **state)
{
	check_rows(rows, PL_ARRAY_SIZE(rows));
}

/* A netkit without the scrub: kube-proxy's mark would have its rules masquerade, or drop. */
static void test_netkit_marks(void **state)
{
	static const uint32_t marks[] = {
		0x4000, 0x8000, 1, PL_MARK_HANDLED, PL_MARK_MIRROR | 3, PL_MARK_STAGED | 3};
	struct packet p = {POD_A, HOST};

	for (family = 4; family <= 6; family += 2) {
		for (size_t i = 0; i < PL_ARRAY_SIZE(marks); i++) {
			p.mark = marks[i];
			bed_reset();
			assert_int_equal(run_packet(FROM_NETKIT, &p).mark, 0);
			trusted();
			assert_int_equal(run_packet(FROM_NETKIT, &p).mark, i < 3 ? marks[i] : 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_netkit_marks),
	};

	return cmocka_run_group_tests(tests, bed_up, bed_down);
}
