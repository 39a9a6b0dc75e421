/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The test bed of the BPF programs: named actors, packets made from a description, the programs
 * driven by BPF_PROG_RUN in a network namespace of its own, and the counters read back. Devices are
 * real, so that ifindex, FIB and clones are; what is redirected is not delivered.
 *
 *   pod A  10.1.0.2   fd00:1::2  behind hostA      native  10.9.0.5      fd00:9::5
 *   pod B  10.1.0.3   fd00:1::3  behind hostB      outside 198.51.100.9  2001:db8:9::9
 *   host   10.1.0.1   fd00:1::1                    both by way of uplink0
 */
#ifndef PODLANE_TESTS_PROG_BED_H
#define PODLANE_TESTS_PROG_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/util.h"
#include "datapath/internal.h"
#include "podlane/abi.h"
#include "podlane.skel.h"

enum actor {
	NOBODY, /* the unspecified address */
	POD_A,
	POD_B,
	HOST,
	NATIVE,
	NATIVE_OFF, /* native by configuration, but no route leads there */
	OUTSIDE,
	SERVICE,  /* a VIP that the stack would translate */
	A_SECOND, /* pod A's further address */
	LINK_LOCAL,
	MULTICAST,
	BROADCAST, /* IPv4; in IPv6 all nodes */
	ACTORS
};

enum prog { FROM_POD, TO_POD, FROM_UPLINK, FROM_NETKIT, STAGE };

enum fragment { WHOLE, FIRST_FRAGMENT, LATER_FRAGMENT /* the last */, MIDDLE_FRAGMENT };

enum {
	ID_A = 1,
	ID_B = 2,
	MTU = 1500,
	BUDGET = 256, /* entries of the flow table that each budget pays for */
	FRAME_MAX = 3300,
	IP_TCP = 6,
	IP_UDP = 17,
	TCP_FIN = 1,
	TCP_SYN = 2,
	TCP_ACK = 16,
};

static const uint8_t mac_pod_a[6] = {2, 0, 0, 0, 0xa, 2}, mac_host_a[6] = {2, 0, 0, 0, 0xa, 1},
		     mac_pod_b[6] = {2, 0, 0, 0, 0xb, 2}, mac_host_b[6] = {2, 0, 0, 0, 0xb, 1},
		     mac_uplink[6] = {2, 0, 0, 0, 0xe, 1}, mac_router[6] = {2, 0, 0, 0, 0xe, 2},
		     mac_stranger[6] = {2, 0, 0, 0, 0xf, 0xf},
		     mac_all[6] = {255, 255, 255, 255, 255, 255};

static const struct {
	const char *ip4, *ip6;
} addresses[ACTORS] = {
	[NOBODY] = {"0.0.0.0", "::"},
	[POD_A] = {"10.1.0.2", "fd00:1::2"},
	[POD_B] = {"10.1.0.3", "fd00:1::3"},
	[HOST] = {"10.1.0.1", "fd00:1::1"},
	[NATIVE] = {"10.9.0.5", "fd00:9::5"},
	[NATIVE_OFF] = {"10.9.9.5", "fd00:9:9::5"},
	[OUTSIDE] = {"198.51.100.9", "2001:db8:9::9"},
	[SERVICE] = {"10.96.0.10", "fd00:96::10"},
	[A_SECOND] = {"10.1.0.22", "fd00:1::22"},
	[LINK_LOCAL] = {"169.254.7.7", "fe80::ff:fe00:a02"}, /* of pod A's MAC */
	[MULTICAST] = {"224.0.0.5", "ff02::5"},
	[BROADCAST] = {"255.255.255.255", "ff02::1"},
};

/* Zero in a field means the usual: UDP 1000 -> 2000, TTL 64, the MACs of the program's hook. */
struct packet {
	enum actor from, to;
	const uint8_t *src_mac, *dst_mac;
	uint8_t protocol;
	uint16_t sport, dport;
	uint8_t tcp_flags;
	uint8_t chunk;		     /* SCTP's first */
	bool ping, pong, icmp_error; /* ICMP of the family, identifier sport */
	uint8_t ttl;
	size_t payload;
	uint16_t gso_size;
	bool options;		 /* IPv4 options, IPv6 hop-by-hop */
	unsigned int extensions; /* IPv6 destination options headers */
	enum fragment fragment;
	uint16_t id; /* of the packet that it is a fragment of */
	uint16_t ethertype;
	uint32_t mark;
	int ingress;						 /* ifindex that it came in by */
	void (*mangle)(uint8_t *frame, size_t *len, int family); /* last */
};

struct frame {
	uint8_t bytes[FRAME_MAX];
	size_t len;
};

static int family; /* of the packets that are made: 4 or 6 */
static struct podlane_bpf *skel;
static struct pl_endpoint_info *endpoints;
static uint32_t if_host_a, if_host_b, if_uplink, if_target, if_stage;

static inline const char *reason_name(enum pl_reason reason)
{
	static const char *const names[] = {
#define NAME(effect, name, text) #effect "_" #name,
		PL_REASONS(NAME)
#undef NAME
	};

	return reason < PL_REASON_COUNT ? names[reason] : "?";
}

/* --- devices and maps --- */

/* Where copies go: devices that send nothing of their own. */
static const char silent[] = "link add target0 type veth peer name analyser0\n"
			     "link add stage0 type veth peer name stage1\n"
			     "link set target0 up\nlink set analyser0 up\n"
			     "link set stage0 up\nlink set stage1 up\n";

static const char topology[] =
	"link add hostA address 02:00:00:00:0a:01 type veth peer name podA address 02:00:00:00:0a:02\n"
	"link add hostB address 02:00:00:00:0b:01 type veth peer name podB address 02:00:00:00:0b:02\n"
	"link add uplink0 address 02:00:00:00:0e:01 type veth peer name router0\n"
	"link set hostA up\nlink set podA up\nlink set hostB up\nlink set podB up\n"
	"link set uplink0 up\nlink set router0 up\n"
	"address add 192.0.2.1/24 dev uplink0\naddress add fd00:2::1/64 dev uplink0 nodad\n"
	"route add 10.9.0.0/24 via 192.0.2.2\nroute add 198.51.100.0/24 via 192.0.2.2\n"
	"route add fd00:9::/64 via fd00:2::2\nroute add 2001:db8:9::/64 via fd00:2::2\n"
	"neighbour add 192.0.2.2 lladdr 02:00:00:00:0e:02 dev uplink0 nud permanent\n"
	"neighbour add fd00:2::2 lladdr 02:00:00:00:0e:02 dev uplink0 nud permanent\n";

static inline void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (!f || fputs(text, f) < 0 || fclose(f))
		fail_msg("write %s: %s", path, strerror(errno));
}

static inline uint32_t index_of(const char *name)
{
	uint32_t index = if_nametoindex(name);

	if (!index)
		fail_msg("find device %s: %s", name, strerror(errno));
	return index;
}

static inline void ip_batch(const char *commands)
{
	FILE *ip = popen("ip -batch -", "w");

	if (!ip || fputs(commands, ip) < 0 || pclose(ip))
		fail_msg("make the devices with ip -batch");
}

static inline void make_devices(void)
{
	write_file("/proc/sys/net/ipv4/ip_forward", "1");
	write_file("/proc/sys/net/ipv6/conf/all/forwarding", "1");
	write_file("/proc/sys/net/ipv6/conf/default/forwarding", "1");
	write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	ip_batch(silent);
	write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "0");
	ip_batch(topology);
	if_host_a = index_of("hostA");
	if_host_b = index_of("hostB");
	if_uplink = index_of("uplink0");
	if_target = index_of("target0");
	if_stage = index_of("stage0");
}

static inline int map_fd(const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(skel->obj, name);

	if (fd < 0)
		fail_msg("find map %s", name);
	return fd;
}

static inline void map_put(const char *name, const void *key, const void *value)
{
	if (bpf_map_update_elem(map_fd(name), key, value, BPF_ANY))
		fail_msg("write to map %s: %s", name, strerror(errno));
}

static inline void ip_of(enum actor actor, int af, void *ret)
{
	const char *text = af == AF_INET ? addresses[actor].ip4 : addresses[actor].ip6;

	if (inet_pton(af, text, ret) != 1)
		fail_msg("%s is no address", text);
}

static inline void put_address(enum actor actor, uint32_t endpoint, enum pl_addr_kind kind)
{
	struct pl_addr value = {.endpoint = endpoint, .kind = kind};
	struct pl_addr4 v4;
	struct pl_addr6 v6;

	ip_of(actor, AF_INET, &v4);
	ip_of(actor, AF_INET6, &v6);
	map_put("pl_addrs4", &v4, &value);
	map_put("pl_addrs6", &v6, &value);
}

static inline void put_link(uint32_t ifindex, uint32_t endpoint, enum pl_link_role role)
{
	struct pl_device link = {.endpoint = endpoint, .role = role};

	map_put("pl_devices", &ifindex, &link);
}

static inline void put_networks(void)
{
	const struct pl_network native = {.native = 1}, hole = {.native = 0};
	struct pl_net4 v4 = {.prefixlen = 16};
	struct pl_net6 v6 = {.prefixlen = 32};

	ip_of(NATIVE, AF_INET, v4.addr);
	ip_of(NATIVE, AF_INET6, v6.addr);
	map_put("pl_networks4", &v4, &native);
	map_put("pl_networks6", &v6, &native);
	v4.prefixlen = 32;
	v6.prefixlen = 128;
	ip_of(SERVICE, AF_INET, v4.addr);
	ip_of(SERVICE, AF_INET6, v6.addr);
	map_put("pl_networks4", &v4, &hole);
	map_put("pl_networks6", &v6, &hole);
}

static inline void put_endpoint(uint32_t id, enum actor actor, uint32_t ifindex,
				const uint8_t *pod_mac, const uint8_t *host_mac)
{
	struct pl_endpoint_info ep = {.ifindex = ifindex, .flags = PL_EP_READY, .mtu = MTU};

	memcpy(ep.pod_mac, pod_mac, 6);
	memcpy(ep.host_mac, host_mac, 6);
	ip_of(actor, AF_INET, ep.ip4);
	ip_of(actor, AF_INET6, ep.ip6);
	endpoints[id] = ep;
}

static inline void empty_map(const char *name, size_t key_size)
{
	uint8_t key[64];

	assert_true(key_size <= sizeof(key));
	while (!bpf_map_get_next_key(map_fd(name), NULL, key))
		bpf_map_delete_elem(map_fd(name), key);
}

static inline void zero_slots(const char *name, uint32_t n, size_t value_size)
{
	void *zero = calloc((size_t)libbpf_num_possible_cpus(), value_size);

	assert_non_null(zero);
	for (uint32_t i = 0; i < n; i++)
		map_put(name, &i, zero);
	free(zero);
}

static inline void set_config(uint32_t native4, uint32_t native6)
{
	static uint32_t epoch; /* what the programs remember is void, as the agent makes it */
	const struct pl_config config = {.native4 = native4,
					 .native6 = native6,
					 .epoch = ++epoch,
					 .flow_budget = BUDGET,
					 .flow_rate = 1000000};
	uint32_t zero = 0;

	map_put("pl_config", &zero, &config);
}

/* Maps as they start: endpoints ready, no flow, no counter, no session, both networks native. */
static inline void bed_reset(void)
{
	put_endpoint(ID_A, POD_A, if_host_a, mac_pod_a, mac_host_a);
	put_endpoint(ID_B, POD_B, if_host_b, mac_pod_b, mac_host_b);
	set_config(1, 1);
	empty_map("pl_reasons", sizeof(struct pl_reason_key));
	empty_map("pl_tunnel_ports", sizeof(struct pl_tunnel_port));
	empty_map("pl_flows4", sizeof(struct pl_flow4_key));
	empty_map("pl_flows6", sizeof(struct pl_flow6_key));
	zero_slots("pl_budgets", ID_B + 1, sizeof(struct pl_budgets));
	zero_slots("pl_closed", 1, sizeof(struct pl_closed));
	zero_slots("pl_traffic", ID_B + 1, sizeof(struct pl_traffic));
	zero_slots("pl_mirrors", PL_MIRRORS_MAX, sizeof(struct pl_mirror));
	zero_slots("pl_mirror_state", PL_MIRRORS_MAX, sizeof(struct pl_mirror_state));
	zero_slots("pl_mirror_stats", PL_MIRRORS_MAX, sizeof(struct pl_mirror_stats));
}

static inline void bed_open(enum pl_conntrack_mode mode)
{
	skel = dp_skel_open(true);
	if (!skel)
		fail_msg("open the BPF object: %s", strerror(errno));
	dp_skb_layout(&skel->rodata->pl_skb_layout);
	skel->rodata->pl_hz = dp_hz();
	skel->rodata->pl_conntrack_mode = mode;
}

static inline int bed_load(void)
{
	uint32_t slot = PL_PROG_MIRROR;
	int fd;

	if (podlane_bpf__load(skel))
		fail_msg("load the BPF object: %s", strerror(errno));
	fd = bpf_program__fd(skel->progs.pl_mirror);
	map_put("pl_programs", &slot, &fd);
	endpoints = mmap(NULL, bpf_map__max_entries(skel->maps.pl_endpoints) * sizeof(*endpoints),
			 PROT_READ | PROT_WRITE, MAP_SHARED, map_fd("pl_endpoints"), 0);
	assert_ptr_not_equal(endpoints, MAP_FAILED);
	put_address(POD_A, ID_A, PL_ADDR_POD);
	put_address(A_SECOND, ID_A, PL_ADDR_POD);
	put_address(POD_B, ID_B, PL_ADDR_POD);
	put_address(HOST, PL_NODE, PL_ADDR_HOST);
	put_link(if_host_a, ID_A, PL_ROLE_ENDPOINT);
	put_link(if_host_b, ID_B, PL_ROLE_ENDPOINT);
	put_link(if_uplink, PL_NODE, PL_ROLE_UPLINK);
	put_networks();
	return 0;
}

static inline int bed_up(void **state)
{
	make_devices();
	bed_open(PL_CT_NONE);
	return bed_load();
}

static inline int bed_down(void **state)
{
	munmap(endpoints, bpf_map__max_entries(skel->maps.pl_endpoints) * sizeof(*endpoints));
	podlane_bpf__destroy(skel);
	return 0;
}

/* --- packets --- */

static inline uint16_t checksum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static inline void put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static inline const uint8_t *usual_mac(enum prog prog, bool source)
{
	switch (prog) {
	case FROM_POD:
	case FROM_NETKIT:
		return source ? mac_pod_a : mac_host_a;
	case FROM_UPLINK:
		return source ? mac_router : mac_uplink;
	default:
		return source ? mac_host_b : mac_pod_b;
	}
}

static inline uint8_t protocol_of(const struct packet *p)
{
	if (p->ping || p->pong || p->icmp_error)
		return family == 4 ? 1 : 58;
	return p->protocol ? p->protocol : IP_UDP;
}

static inline uint8_t icmp_type(const struct packet *p)
{
	if (p->icmp_error)
		return family == 4 ? 3 : 1;
	if (p->ping)
		return family == 4 ? 8 : 128;
	return family == 4 ? 0 : 129;
}

static inline size_t make_l4(uint8_t *at, const struct packet *p)
{
	uint16_t sport = p->sport ? p->sport : 1000, dport = p->dport ? p->dport : 2000;
	uint8_t protocol = protocol_of(p);

	if (protocol == 1 || protocol == 58) {
		at[0] = icmp_type(p);
		put16(at + 4, sport);
		return 8;
	}
	put16(at, sport);
	put16(at + 2, dport);
	if (protocol == IP_UDP) {
		put16(at + 4, (uint16_t)(8 + p->payload));
		return 8;
	}
	if (protocol == IP_TCP) {
		at[12] = 5 << 4;
		at[13] = p->tcp_flags ? p->tcp_flags : TCP_ACK;
		return 20;
	}
	if (protocol == IPPROTO_SCTP) {
		at[12] = p->chunk;
		put16(at + 14, 4);
		return 16;
	}
	return 8;
}

static inline size_t make_ip4(uint8_t *at, const struct packet *p)
{
	size_t header = p->options ? 24 : 20, l4 = 0;

	at[0] = (uint8_t)(0x40 | header / 4);
	put16(at + 4, p->id);
	at[8] = p->ttl ? p->ttl : 64;
	at[9] = protocol_of(p);
	ip_of(p->from, AF_INET, at + 12);
	ip_of(p->to, AF_INET, at + 16);
	if (p->options)
		at[20] = 1;
	if (p->fragment == FIRST_FRAGMENT)
		put16(at + 6, 0x2000);
	if (p->fragment == MIDDLE_FRAGMENT)
		put16(at + 6, 0x2000 | 50);
	if (p->fragment == LATER_FRAGMENT)
		put16(at + 6, 100);
	if (p->fragment <= FIRST_FRAGMENT)
		l4 = make_l4(at + header, p);
	put16(at + 2, (uint16_t)(header + l4 + p->payload));
	put16(at + 10, checksum(at, header));
	return header + l4 + p->payload;
}

static inline size_t make_ip6(uint8_t *at, const struct packet *p)
{
	uint8_t *next = at + 6;
	size_t header = 40, l4 = 0;

	at[0] = 0x60;
	at[7] = p->ttl ? p->ttl : 64;
	ip_of(p->from, AF_INET6, at + 8);
	ip_of(p->to, AF_INET6, at + 24);
	if (p->options) {
		*next = 0;
		next = at + header;
		header += 8;
	}
	for (unsigned int i = 0; i < p->extensions; i++) {
		*next = 60;
		next = at + header;
		header += 8;
	}
	if (p->fragment) {
		*next = 44;
		next = at + header;
		put16(next + 2, p->fragment == FIRST_FRAGMENT	 ? 1
				: p->fragment == MIDDLE_FRAGMENT ? 50 << 3 | 1
								 : 100 << 3);
		put16(next + 6, p->id);
		header += 8;
	}
	*next = protocol_of(p);
	if (p->fragment <= FIRST_FRAGMENT)
		l4 = make_l4(at + header, p);
	put16(at + 4, (uint16_t)(header - 40 + l4 + p->payload));
	return header + l4 + p->payload;
}

static inline void make_frame(enum prog prog, const struct packet *p, struct frame *ret)
{
	uint16_t type = family == 4 ? 0x0800 : 0x86dd;

	*ret = (struct frame){0};
	memcpy(ret->bytes, p->dst_mac ? p->dst_mac : usual_mac(prog, false), 6);
	memcpy(ret->bytes + 6, p->src_mac ? p->src_mac : usual_mac(prog, true), 6);
	put16(ret->bytes + 12, p->ethertype ? p->ethertype : type);
	ret->len = 14 + (family == 4 ? make_ip4 : make_ip6)(ret->bytes + 14, p);
	if (p->mangle)
		p->mangle(ret->bytes, &ret->len, family);
	assert_true(ret->len <= FRAME_MAX);
}

static inline bool ip4_checksum_holds(const uint8_t *ip)
{
	return checksum(ip, (ip[0] & 0xf) * 4u) == 0;
}

/* --- programs --- */

struct outcome {
	int verdict; /* TC_ACT_* */
	uint32_t mark;
	struct frame frame;
};

static inline int prog_fd(enum prog prog)
{
	const struct bpf_program *const progs[] = {
		[FROM_POD] = skel->progs.pl_from_pod,	    [TO_POD] = skel->progs.pl_to_pod,
		[FROM_UPLINK] = skel->progs.pl_from_uplink, [STAGE] = skel->progs.pl_stage,
		[FROM_NETKIT] = skel->progs.pl_from_netkit,
	};

	return bpf_program__fd(progs[prog]);
}

/* A pod's packet is pod A's; what the stack delivers goes to pod B. */
static inline uint32_t device_of(enum prog prog)
{
	const uint32_t devices[] = {
		[FROM_POD] = if_host_a, [TO_POD] = if_host_b,	   [FROM_UPLINK] = if_uplink,
		[STAGE] = if_stage,	[FROM_NETKIT] = if_host_a,
	};

	return devices[prog];
}

static inline struct outcome run_frame_at(enum prog prog, uint32_t ifindex, const struct packet *p,
					  const struct frame *frame)
{
	struct __sk_buff ctx = {
		.ifindex = ifindex,
		.mark = p->mark,
		.ingress_ifindex = (uint32_t)p->ingress,
		.gso_size = p->gso_size,
		.gso_segs = p->gso_size ? 1 : 0,
	};
	struct outcome out = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->bytes,
		    .data_size_in = (__u32)frame->len, .data_out = out.frame.bytes,
		    .data_size_out = sizeof(out.frame.bytes), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .ctx_out = &ctx, .ctx_size_out = sizeof(ctx));
	int r = bpf_prog_test_run_opts(prog_fd(prog), &opts);

	if (r)
		fail_msg("run the program: %s", strerror(-r));
	out.verdict = (int)opts.retval;
	out.mark = ctx.mark;
	out.frame.len = opts.data_size_out;
	return out;
}

static inline struct outcome run_frame(enum prog prog, const struct packet *p,
				       const struct frame *frame)
{
	return run_frame_at(prog, device_of(prog), p, frame);
}

static inline struct outcome run_packet(enum prog prog, const struct packet *p)
{
	struct frame frame;

	make_frame(prog, p, &frame);
	return run_frame(prog, p, &frame);
}

/* --- counters --- */

static inline uint64_t count_of(uint32_t endpoint, enum pl_reason reason,
				enum pl_direction direction)
{
	const struct pl_reason_key key = {endpoint, (uint16_t)reason, (uint16_t)direction};
	int n = libbpf_num_possible_cpus();
	uint64_t packets = 0;

	assert_true(n > 0);
	if (reason == PL_FORWARD_LOCAL || reason == PL_FORWARD_NATIVE) {
		struct pl_traffic *traffic = calloc((size_t)n, sizeof(*traffic));

		assert_non_null(traffic);
		assert_int_equal(bpf_map_lookup_elem(map_fd("pl_traffic"), &endpoint, traffic), 0);
		for (int i = 0; i < n; i++)
			packets += reason == PL_FORWARD_LOCAL
					   ? traffic[i].forwarded[direction].packets
				   : direction == PL_OUT ? traffic[i].native.packets
							 : 0;
		free(traffic);
	} else {
		struct pl_count *counts = calloc((size_t)n, sizeof(*counts));

		assert_non_null(counts);
		if (!bpf_map_lookup_elem(map_fd("pl_reasons"), &key, counts))
			for (int i = 0; i < n; i++)
				packets += counts[i].packets;
		free(counts);
	}
	return packets;
}

/* Packets counted in all; a FORWARD_LOCAL from pod to pod counts at both. */
static inline uint64_t count_all(void)
{
	struct pl_reason_key key, *at = NULL;
	uint64_t sum = 0;

	for (uint32_t id = PL_NODE; id <= ID_B; id++)
		sum += count_of(id, PL_FORWARD_LOCAL, PL_OUT) +
		       count_of(id, PL_FORWARD_LOCAL, PL_IN) +
		       count_of(id, PL_FORWARD_NATIVE, PL_OUT);
	while (!bpf_map_get_next_key(map_fd("pl_reasons"), at, &key)) {
		sum += count_of(key.endpoint, key.reason, key.direction);
		at = &key;
	}
	return sum;
}

static inline void print_counts(void)
{
	for (uint32_t id = PL_NODE; id <= ID_B; id++)
		for (int reason = 0; reason < PL_REASON_COUNT; reason++)
			for (int direction = PL_OUT; direction <= PL_IN; direction++)
				if (count_of(id, reason, direction))
					print_message("  counted: endpoint %u %s %s\n", id,
						      direction == PL_OUT ? "out" : "in",
						      reason_name(reason));
}

#endif
