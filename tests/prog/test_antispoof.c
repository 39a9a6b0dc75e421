/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What an untrusted pod sends and cannot be verified is dropped, under its own reason; what its
 * network allows by name is passed to the stack; and what comes from an uplink under a name that it
 * cannot have is left to the stack. A row a case, and the counters are the witness. What
 * BPF_PROG_RUN cannot make (accelerated tags, packets in pieces, checksum offload, a type in the
 * skb that is not the frame's) tests/netns/test_raw.c sends as real frames.
 */
#include "rows.h"

/* --- setups --- */

static void allow_vlan(void)
{
	endpoints[ID_A].flags |= PL_EP_ALLOW_VLAN;
}

static void allow_non_ip(void)
{
	endpoints[ID_A].flags |= PL_EP_ALLOW_NON_IP;
}

static void allow_link_local(void)
{
	endpoints[ID_A].flags |= PL_EP_ALLOW_LINK_LOCAL;
}

static void netkit_l3(void)
{
	endpoints[ID_A].link_kind = PL_LINK_NETKIT_L3;
}

/* --- packets that no description makes --- */

static void make_tag(uint8_t *frame, size_t *len, uint16_t type, uint16_t tci)
{
	uint8_t tag[4];

	put16(tag, type);
	put16(tag + 2, tci);
	insert(frame, len, 12, tag, sizeof(tag));
}

#define TAG(name, type, tci)                                                                       \
	static void name(uint8_t *frame, size_t *len, int af)                                      \
	{                                                                                          \
		make_tag(frame, len, type, tci);                                                   \
	}
TAG(vlan0, 0x8100, 0)
TAG(vlan0_priority, 0x8100, 0xe000)
TAG(vlan5, 0x8100, 0x6005)
TAG(provider_vlan0, 0x88a8, 0)
TAG(provider_vlan5, 0x88a8, 5)

static void vlan_in_vlan0(uint8_t *frame, size_t *len, int af)
{
	vlan5(frame, len, af);
	vlan0(frame, len, af);
}

static void vlan0_in_vlan5(uint8_t *frame, size_t *len, int af)
{
	vlan0(frame, len, af);
	provider_vlan5(frame, len, af);
}

static void no_tag_behind_type(uint8_t *frame, size_t *len, int af)
{
	put16(frame + 12, 0x8100);
	*len = 15;
}

static void no_macs(uint8_t *frame, size_t *len, int af)
{
	memset(frame, 0, 12);
}

/* A length in the type's place, then LLC, in it SNAP with the type that was there. */
static void snap(uint8_t *frame, size_t *len, int af)
{
	const uint8_t head[] = {0xaa, 0xaa, 3, 0, 0, 0, frame[12], frame[13]};

	put16(frame + 12, (uint16_t)(*len - 14 + sizeof(head)));
	insert(frame, len, 14, head, sizeof(head));
}

static void llc(uint8_t *frame, size_t *len, int af)
{
	const uint8_t head[] = {0x42, 0x42, 3};

	put16(frame + 12, (uint16_t)(*len - 14 + sizeof(head)));
	insert(frame, len, 14, head, sizeof(head));
}

static void novell(uint8_t *frame, size_t *len, int af)
{
	put16(frame + 12, (uint16_t)(*len - 14));
	frame[14] = frame[15] = 0xff;
}

/* ARP, with @byte of its header changed to @value. */
static void make_arp(uint8_t *frame, size_t *len, size_t byte, uint8_t value)
{
	const uint8_t head[] = {0, 1, 8, 0, 6, 4, 0, 1};

	memcpy(frame + 14, head, sizeof(head));
	memcpy(frame + 22, mac_pod_a, 6);
	ip_of(POD_A, AF_INET, frame + 28);
	memset(frame + 32, 0, 6);
	ip_of(HOST, AF_INET, frame + 38);
	frame[14 + byte] = value;
	*len = 42;
}

#define ARP(name, byte, value)                                                                     \
	static void name(uint8_t *frame, size_t *len, int af)                                      \
	{                                                                                          \
		make_arp(frame, len, byte, value);                                                 \
	}
ARP(arp, 7, 1)
ARP(arp_answer, 7, 2)
ARP(arp_reverse, 7, 3)
ARP(arp_of_ieee802, 1, 6)
ARP(arp_of_infiniband, 1, 32)
ARP(arp_for_ipv6, 3, 0xdd)
ARP(arp_of_long_macs, 4, 8)
ARP(arp_of_long_addresses, 5, 16)
ARP(arp_from_a_neighbour, 17, 3)

static void arp_cut(uint8_t *frame, size_t *len, int af)
{
	make_arp(frame, len, 7, 1);
	*len = 41;
}

#define EXTENSION(name, type, more)                                                                \
	static void name(uint8_t *frame, size_t *len, int af)                                      \
	{                                                                                          \
		make_extension(frame, len, type, more);                                            \
	}
EXTENSION(long_extension, 60, 150)
EXTENSION(routing, 43, 2)
EXTENSION(unknown_next, 253, 0)

/* The header says that it is longer than all the rest. */
static void extension_beyond_the_end(uint8_t *frame, size_t *len, int af)
{
	make_extension(frame, len, 60, 0);
	frame[55] = 200;
}

static void extension_cut(uint8_t *frame, size_t *len, int af)
{
	make_extension(frame, len, 60, 0);
	*len = 14 + 40 + 7;
}

/* A first fragment whose chain goes on behind its fragment header: nothing is hidden in it. */
static void first_fragment(uint8_t *frame, size_t *len, int af)
{
	make_extension(frame, len, 44, 0);
	put16(frame + 56, 1);
}

static void extension_behind_fragment(uint8_t *frame, size_t *len, int af)
{
	make_extension(frame, len, 60, 0);
	first_fragment(frame, len, af);
}

static void fragment_in_fragment(uint8_t *frame, size_t *len, int af)
{
	first_fragment(frame, len, af);
	first_fragment(frame, len, af);
}

enum nd { RS = 133, RA, NS, NA };

static void make_nd(uint8_t *frame, size_t *len, enum nd type, const char *source,
		    const char *target)
{
	uint8_t *ip = frame + 14, *icmp = ip + 40;
	size_t n = type == RS ? 8 : 24;

	memset(ip, 0, 200);
	ip[0] = 0x60;
	ip[6] = 58;
	ip[7] = 255;
	put6(ip + 8, source);
	ip_of(MULTICAST, AF_INET6, ip + 24);
	icmp[0] = (uint8_t)type;
	if (target)
		put6(icmp + 8, target);
	if (strcmp(source, "::")) {
		icmp[n] = type == NA ? 2 : 1;
		icmp[n + 1] = 1;
		memcpy(icmp + n + 2, mac_pod_a, 6);
		n += 8;
	}
	put16(ip + 4, (uint16_t)n);
	*len = 14 + 40 + n;
}

#define OWN	  "fe80::ff:fe00:a02"
#define FOREIGN	  "fe80::ff:fe00:b02"
#define OWN_WIDER "fe80:0:0:1:0:ff:fe00:a02"

#define ND(name, type, source, target)                                                             \
	static void name(uint8_t *frame, size_t *len, int af)                                      \
	{                                                                                          \
		make_nd(frame, len, type, source, target);                                         \
	}
ND(solicit_own, NS, OWN, "fd00:1::1")
ND(solicit_foreign, NS, FOREIGN, "fd00:1::1")
ND(solicit_anyone, NS, "fe80::7", "fd00:1::1")
ND(solicit_wider, NS, OWN_WIDER, "fd00:1::1")
ND(detect_own, NS, "::", OWN)
ND(detect_foreign, NS, "::", FOREIGN)
ND(advertise_own, NA, OWN, OWN)
ND(advertise_foreign, NA, OWN, FOREIGN)
ND(advertise_from_foreign, NA, FOREIGN, "fd00:1::2")
ND(routers_own, RS, OWN, NULL)
ND(routers_foreign, RS, FOREIGN, NULL)

/* True or not: receivers ignore it, and who sends it so hides something. */
static void solicit_in_fragment(uint8_t *frame, size_t *len, int af)
{
	solicit_own(frame, len, af);
	first_fragment(frame, len, af);
}

static void solicit_cut(uint8_t *frame, size_t *len, int af)
{
	solicit_own(frame, len, af);
	*len = 14 + 40 + 7;
}

static void from_foreign_link_local(uint8_t *frame, size_t *len, int af)
{
	put6(frame + 22, FOREIGN);
}

/* --- rows --- */

static const struct row rows[] = {
	{"tag with VID 0", FROM_POD, {POD_A, POD_B, .mangle = vlan0}, PL_DROP_VLAN},
	{"priority alone", FROM_POD, {POD_A, POD_B, .mangle = vlan0_priority}, PL_DROP_VLAN},
	{"tag", FROM_POD, {POD_A, POD_B, .mangle = vlan5}, PL_DROP_VLAN},
	{"provider's tag, VID 0", FROM_POD, {POD_A, POD_B, .mangle = provider_vlan0}, PL_DROP_VLAN},
	{"provider's tag", FROM_POD, {POD_A, POD_B, .mangle = provider_vlan5}, PL_DROP_VLAN},
	{"tag in a tag", FROM_POD, {POD_A, POD_B, .mangle = vlan_in_vlan0}, PL_DROP_VLAN},
	{"another's address in a tag", FROM_POD, {POD_B, HOST, .mangle = vlan0}, PL_DROP_VLAN},
	{"netkit: tag", FROM_NETKIT, {POD_A, POD_B, .mangle = vlan0}, PL_DROP_VLAN},
	{"tag from a trusted pod",
	 FROM_POD,
	 {POD_A, POD_B, .mangle = vlan0},
	 PL_PASS_VLAN,
	 .setup = trusted},
	{"allowed tag",
	 FROM_POD,
	 {POD_A, POD_B, .mangle = vlan5},
	 PL_PASS_VLAN,
	 .setup = allow_vlan},
	{"allowed provider's tag",
	 FROM_POD,
	 {POD_A, POD_B, .mangle = vlan0_in_vlan5},
	 PL_PASS_VLAN,
	 .setup = allow_vlan},
	{"allowed tag with VID 0, which is none",
	 FROM_POD,
	 {POD_A, POD_B, .mangle = vlan0_priority},
	 PL_DROP_VLAN,
	 .setup = allow_vlan},
	{"allowed tag in one with VID 0",
	 FROM_POD,
	 {POD_A, POD_B, .mangle = vlan_in_vlan0},
	 PL_DROP_VLAN,
	 .setup = allow_vlan},
	{"allowed tag from another's MAC",
	 FROM_POD,
	 {POD_A, POD_B, .src_mac = mac_pod_b, .mangle = vlan5},
	 PL_DROP_SPOOFED_MAC,
	 .setup = allow_vlan},
	{"allowed tag that is cut",
	 FROM_POD,
	 {POD_A, POD_B, .mangle = no_tag_behind_type},
	 PL_DROP_MALFORMED,
	 .setup = allow_vlan},
	{"tag, where other things are allowed",
	 FROM_POD,
	 {POD_A, POD_B, .mangle = vlan5},
	 PL_DROP_VLAN,
	 .setup = allow_non_ip},

	{"SNAP", FROM_POD, {POD_B, POD_B, .mangle = snap}, PL_DROP_NOT_IP},
	{"LLC", FROM_POD, {POD_A, POD_B, .mangle = llc}, PL_DROP_NOT_IP},
	{"IPX", FROM_POD, {POD_A, POD_B, .mangle = novell}, PL_DROP_NOT_IP},
	{"another type", FROM_POD, {POD_A, POD_B, .ethertype = 0x88b5}, PL_DROP_NOT_IP},
	{"IPv4's number before IPv6, and the reverse",
	 FROM_POD,
	 {POD_A, POD_B, .ethertype = 0x0806},
	 PL_DROP_MALFORMED},
	{"allowed SNAP",
	 FROM_POD,
	 {POD_A, POD_B, .mangle = snap},
	 PL_PASS_NOT_IP,
	 .setup = allow_non_ip},
	{"allowed LLC",
	 FROM_POD,
	 {POD_A, POD_B, .mangle = llc},
	 PL_PASS_NOT_IP,
	 .setup = allow_non_ip},
	{"allowed type",
	 FROM_POD,
	 {POD_A, POD_B, .ethertype = 0x88b5},
	 PL_PASS_NOT_IP,
	 .setup = allow_non_ip},
	{"type of a trusted pod",
	 FROM_POD,
	 {POD_A, POD_B, .ethertype = 0x88b5},
	 PL_PASS_NOT_IP,
	 .setup = trusted},
	{"netkit L3: another type",
	 FROM_NETKIT,
	 {POD_A, POD_B, .ethertype = 0x88b5, .mangle = no_macs},
	 PL_DROP_NOT_IP,
	 .setup = netkit_l3},

	{"ARP", FROM_POD, {.ethertype = 0x0806, .mangle = arp}, PL_PASS_ARP, ONLY4},
	{"ARP, answer", FROM_POD, {.ethertype = 0x0806, .mangle = arp_answer}, PL_PASS_ARP, ONLY4},
	{"reverse ARP's operation",
	 FROM_POD,
	 {.ethertype = 0x0806, .mangle = arp_reverse},
	 PL_PASS_ARP,
	 ONLY4},
	{"ARP of IEEE 802",
	 FROM_POD,
	 {.ethertype = 0x0806, .mangle = arp_of_ieee802},
	 PL_DROP_MALFORMED,
	 ONLY4},
	{"ARP of InfiniBand",
	 FROM_POD,
	 {.ethertype = 0x0806, .mangle = arp_of_infiniband},
	 PL_DROP_MALFORMED,
	 ONLY4},
	{"ARP for another protocol",
	 FROM_POD,
	 {.ethertype = 0x0806, .mangle = arp_for_ipv6},
	 PL_DROP_MALFORMED,
	 ONLY4},
	{"ARP of long MACs",
	 FROM_POD,
	 {.ethertype = 0x0806, .mangle = arp_of_long_macs},
	 PL_DROP_MALFORMED,
	 ONLY4},
	{"ARP of long addresses",
	 FROM_POD,
	 {.ethertype = 0x0806, .mangle = arp_of_long_addresses},
	 PL_DROP_MALFORMED,
	 ONLY4},
	{"ARP with a neighbour's address",
	 FROM_POD,
	 {.ethertype = 0x0806, .mangle = arp_from_a_neighbour},
	 PL_DROP_SPOOFED_ARP,
	 ONLY4},
	{"ARP cut", FROM_POD, {.ethertype = 0x0806, .mangle = arp_cut}, PL_DROP_MALFORMED, ONLY4},
	{"ARP where all types are allowed",
	 FROM_POD,
	 {.ethertype = 0x0806, .mangle = arp_of_ieee802},
	 PL_DROP_MALFORMED,
	 ONLY4,
	 .setup = allow_non_ip},

	{"four headers", FROM_POD, {POD_A, POD_B, .extensions = 4}, PL_FORWARD_LOCAL, ONLY6},
	{"five headers", FROM_POD, {POD_A, POD_B, .extensions = 5}, PL_DROP_EXTENSIONS, ONLY6},
	{"five headers, trusted",
	 FROM_POD,
	 {POD_A, POD_B, .extensions = 5},
	 PL_PASS_NO_FLOW,
	 ONLY6,
	 .setup = trusted},
	{"a long header",
	 FROM_POD,
	 {POD_A, POD_B, .mangle = long_extension},
	 PL_FORWARD_LOCAL,
	 ONLY6},
	{"a routing header", FROM_POD, {POD_A, POD_B, .mangle = routing}, PL_FORWARD_LOCAL, ONLY6},
	{"a header beyond the end",
	 FROM_POD,
	 {POD_A, POD_B, .mangle = extension_beyond_the_end},
	 PL_DROP_EXTENSIONS,
	 ONLY6},
	{"a header cut",
	 FROM_POD,
	 {POD_A, POD_B, .mangle = extension_cut},
	 PL_DROP_EXTENSIONS,
	 ONLY6},
	{"a transport protocol that nobody knows",
	 FROM_POD,
	 {POD_A, HOST, .mangle = unknown_next},
	 PL_PASS_HOST,
	 ONLY6},
	{"first fragment", FROM_POD, {POD_A, HOST, .mangle = first_fragment}, PL_PASS_HOST, ONLY6},
	{"a header behind the fragment header",
	 FROM_POD,
	 {POD_A, HOST, .mangle = extension_behind_fragment},
	 PL_DROP_EXTENSIONS,
	 ONLY6},
	{"a fragment in a fragment",
	 FROM_POD,
	 {POD_A, HOST, .mangle = fragment_in_fragment},
	 PL_DROP_EXTENSIONS,
	 ONLY6},

	{"solicitation, own link-local", FROM_POD, {.mangle = solicit_own}, PL_PASS_ND, ONLY6},
	{"solicitation, another's",
	 FROM_POD,
	 {.mangle = solicit_foreign},
	 PL_DROP_SPOOFED_ND,
	 ONLY6},
	{"solicitation, nobody's", FROM_POD, {.mangle = solicit_anyone}, PL_DROP_SPOOFED_ND, ONLY6},
	{"solicitation, not of the prefix",
	 FROM_POD,
	 {.mangle = solicit_wider},
	 PL_DROP_SPOOFED_ND,
	 ONLY6},
	{"detection of the own link-local", FROM_POD, {.mangle = detect_own}, PL_PASS_ND, ONLY6},
	{"detection of another's", FROM_POD, {.mangle = detect_foreign}, PL_DROP_SPOOFED_ND, ONLY6},
	{"advertisement of the own link-local",
	 FROM_POD,
	 {.mangle = advertise_own},
	 PL_PASS_ND,
	 ONLY6},
	{"advertisement of another's",
	 FROM_POD,
	 {.mangle = advertise_foreign},
	 PL_DROP_SPOOFED_ND,
	 ONLY6},
	{"advertisement from another's",
	 FROM_POD,
	 {.mangle = advertise_from_foreign},
	 PL_DROP_SPOOFED_ND,
	 ONLY6},
	{"router solicitation", FROM_POD, {.mangle = routers_own}, PL_PASS_ND, ONLY6},
	{"router solicitation, another's",
	 FROM_POD,
	 {.mangle = routers_foreign},
	 PL_DROP_SPOOFED_ND,
	 ONLY6},
	{"solicitation in a fragment",
	 FROM_POD,
	 {.mangle = solicit_in_fragment},
	 PL_DROP_SPOOFED_ND,
	 ONLY6},
	{"solicitation cut", FROM_POD, {.mangle = solicit_cut}, PL_DROP_MALFORMED, ONLY6},
	{"solicitation of allowed link-local",
	 FROM_POD,
	 {.mangle = solicit_anyone},
	 PL_PASS_ND,
	 ONLY6,
	 .setup = allow_link_local},
	{"solicitation of allowed link-local, not of the prefix",
	 FROM_POD,
	 {.mangle = solicit_wider},
	 PL_PASS_ND,
	 ONLY6,
	 .setup = allow_link_local},
	{"link-local, own, to all", FROM_POD, {LINK_LOCAL, MULTICAST}, PL_PASS_MULTICAST, ONLY6},
	{"link-local, another's, to all",
	 FROM_POD,
	 {LINK_LOCAL, MULTICAST, .mangle = from_foreign_link_local},
	 PL_DROP_SPOOFED_IP,
	 ONLY6},
	{"link-local, another's, to link-local",
	 FROM_POD,
	 {LINK_LOCAL, LINK_LOCAL, .mangle = from_foreign_link_local},
	 PL_DROP_SPOOFED_IP,
	 ONLY6},
};

static void test_rows(void **state)
{
	check_rows(rows, PL_ARRAY_SIZE(rows));
}

/* Every byte of the address counts. */
static void test_link_local_is_one_address(void **state)
{
	const struct packet p = {.mangle = solicit_own};
	struct frame frame;

	family = 6;
	for (size_t i = 0; i < 16; i++) {
		bed_reset();
		make_frame(FROM_POD, &p, &frame);
		frame.bytes[14 + 8 + i] ^= 1;
		assert_int_equal(run_frame(FROM_POD, &p, &frame).verdict, TC_ACT_SHOT);
		assert_int_equal(count_of(ID_A, PL_DROP_SPOOFED_ND, PL_OUT), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_link_local_is_one_address),
	};

	return cmocka_run_group_tests(tests, bed_up, bed_down);
}
