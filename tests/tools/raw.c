/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Frames that no honest pod sends: `raw FORM IFNAME SRC-MAC DST-MAC SRC-IP DST-IP [COUNT]`, from
 * the network namespace that it runs in. What is sent looks like a UDP datagram from SRC-IP to
 * DST-IP, port 7777 to 7778, dressed in the form; a receiver that gets it was fooled. COUNT frames;
 * in "solicit" each comes from another link-local address.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	FRAME_MAX = 8192,
	SEGMENT = 1000,
	LARGE = 5000, /* of payload: does not fit into an skb's linear part */
	SPORT = 7777,
	DPORT = 7778,
};

struct frame {
	uint8_t bytes[FRAME_MAX];
	size_t len;
	int af;
	uint16_t type; /* what the skb is told that it is */
	bool vnet;     /* @offload goes before it */
	bool ring;     /* from a mapped ring: only what the ring's header says is linear */
	bool pushed;   /* a program pushes a tag outside of the frame */
	struct virtio_net_hdr offload;
};

static const char *ifname;
static uint8_t src_mac[6], dst_mac[6], src_ip[16], dst_ip[16];

static void die(const char *what)
{
	fprintf(stderr, "raw: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void put16(uint8_t *at, unsigned int v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static uint32_t sum_of(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	return len & 1 ? sum + ((uint32_t)p[len - 1] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint8_t *ip_of(struct frame *f)
{
	return f->bytes + ETH_HLEN;
}

static uint8_t *l4_of(struct frame *f)
{
	return ip_of(f) + (f->af == AF_INET ? 20 : 40);
}

static void put_ip_header(struct frame *f, size_t l4, uint8_t protocol)
{
	uint8_t *ip = ip_of(f);

	if (f->af == AF_INET) {
		memset(ip, 0, 20);
		ip[0] = 0x45;
		put16(ip + 2, (unsigned int)(20 + l4));
		ip[8] = 64;
		ip[9] = protocol;
		memcpy(ip + 12, src_ip, 4);
		memcpy(ip + 16, dst_ip, 4);
		put16(ip + 10, fold(sum_of(ip, 20, 0)));
		f->len = ETH_HLEN + 20 + l4;
	} else {
		memset(ip, 0, 40);
		ip[0] = 0x60;
		put16(ip + 4, (unsigned int)l4);
		ip[6] = protocol;
		ip[7] = 64;
		memcpy(ip + 8, src_ip, 16);
		memcpy(ip + 24, dst_ip, 16);
		f->len = ETH_HLEN + 40 + l4;
	}
}

static void put_l4_checksum(struct frame *f, size_t l4, uint8_t protocol, size_t at)
{
	size_t size = f->af == AF_INET ? 4 : 16;
	uint32_t sum = sum_of(src_ip, size, (uint32_t)(protocol + l4));
	uint16_t check;

	put16(l4_of(f) + at, 0);
	check = fold(sum_of(l4_of(f), l4, sum_of(dst_ip, size, sum)));
	put16(l4_of(f) + at, check ? check : 0xffff);
}

/* A datagram with @payload bytes, as honest as it can be. */
static void udp(struct frame *f, size_t payload)
{
	memcpy(f->bytes, dst_mac, 6);
	memcpy(f->bytes + 6, src_mac, 6);
	f->type = f->af == AF_INET ? ETH_P_IP : ETH_P_IPV6;
	put16(f->bytes + 12, f->type);
	put_ip_header(f, 8 + payload, IPPROTO_UDP);
	memset(l4_of(f), 0, 8 + payload);
	put16(l4_of(f), SPORT);
	put16(l4_of(f) + 2, DPORT);
	put16(l4_of(f) + 4, (unsigned int)(8 + payload));
	put_l4_checksum(f, 8 + payload, IPPROTO_UDP, 6);
}

static void insert(struct frame *f, size_t at, size_t n)
{
	memmove(f->bytes + at + n, f->bytes + at, f->len - at);
	memset(f->bytes + at, 0, n);
	f->len += n;
}

static void tag(struct frame *f, unsigned int type, unsigned int vid)
{
	insert(f, 12, 4);
	put16(f->bytes + 12, type);
	put16(f->bytes + 14, vid);
	f->type = (uint16_t)type;
}

static void form_plain(struct frame *f)
{
}

static void form_vlan0(struct frame *f)
{
	tag(f, ETH_P_8021Q, 0);
}

static void form_vlan5(struct frame *f)
{
	tag(f, ETH_P_8021Q, 5);
}

static void form_qinq(struct frame *f)
{
	tag(f, ETH_P_8021Q, 0);
	tag(f, ETH_P_8021AD, 0);
}

/* The tag stands in the skb, not in the frame, as a VLAN device's does. */
static void form_pushed(struct frame *f)
{
	f->pushed = true;
}

static void form_snap(struct frame *f)
{
	static const uint8_t head[] = {0xaa, 0xaa, 3, 0, 0, 0};

	insert(f, 12, 8);
	put16(f->bytes + 12, (unsigned int)(f->len - 14));
	memcpy(f->bytes + 14, head, sizeof(head));
	f->type = ETH_P_802_2;
}

static void form_type(struct frame *f)
{
	f->type = 0x88b5;
	put16(f->bytes + 12, f->type);
}

/* The kernel is told IP, the frame says otherwise. */
static void form_mismatch(struct frame *f)
{
	put16(f->bytes + 12, 0x88b5);
}

static void form_cut(struct frame *f)
{
	f->len = (size_t)(ip_of(f) - f->bytes) + (f->af == AF_INET ? 19 : 39);
}

static void form_ring(struct frame *f)
{
	f->ring = true;
}

/* IPv6: a header of destination options before the datagram. */
static void extension(struct frame *f)
{
	insert(f, ETH_HLEN + 40, 8);
	l4_of(f)[0] = ip_of(f)[6];
	ip_of(f)[6] = IPPROTO_DSTOPTS;
	put16(ip_of(f) + 4, (unsigned int)(f->len - ETH_HLEN - 40));
}

/* TCP in one large packet, whose headers alone are in one piece; in IPv6 as neighbour discovery may
 * be. */
static void form_gso(struct frame *f)
{
	udp(f, 12 + LARGE);
	put_ip_header(f, 20 + LARGE, IPPROTO_TCP);
	memset(l4_of(f) + 4, 0, 16);
	l4_of(f)[12] = 5 << 4;
	l4_of(f)[13] = 0x10; /* ACK */
	ip_of(f)[f->af == AF_INET ? 8 : 7] = 255;
	if (f->af == AF_INET) {
		put16(ip_of(f) + 10, 0);
		put16(ip_of(f) + 10, fold(sum_of(ip_of(f), 20, 0)));
	} else {
		extension(f);
	}
	f->vnet = true;
	f->offload = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = f->af == AF_INET ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6,
		.gso_size = SEGMENT,
		.hdr_len = (uint16_t)(f->len - LARGE),
		.csum_start = (uint16_t)(f->len - LARGE - 20),
		.csum_offset = 16,
	};
}

/* An honest one: as every TCP or UDP socket's packet leaves the pod. */
static void form_offload(struct frame *f)
{
	f->vnet = true;
	f->offload = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = (uint16_t)(l4_of(f) - f->bytes),
		.csum_offset = 6,
	};
}

/* The checksum lands in the second half of the source address. */
static void form_checksum(struct frame *f)
{
	f->vnet = true;
	f->offload = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = f->af == AF_INET ? ETH_HLEN + 6 : ETH_HLEN + 6,
		.csum_offset = f->af == AF_INET ? 8 : 16,
	};
}

/* The same, from a sum that begins behind the IP header's start as the transport header does not.
 */
static void form_checksum_ports(struct frame *f)
{
	form_checksum(f);
	f->offload.csum_start = (uint16_t)(l4_of(f) - f->bytes);
	f->offload.csum_offset = 0;
}

static void form_chain(struct frame *f)
{
	for (int i = 0; i < 6; i++)
		extension(f);
}

/* What says that DST-IP is at the sender's: a neighbour advertisement from SRC-IP. */
static void advertisement(struct frame *f)
{
	enum { LEN = 32 };
	uint8_t *icmp = l4_of(f);

	put_ip_header(f, LEN, IPPROTO_ICMPV6);
	ip_of(f)[7] = 255;
	memset(icmp, 0, LEN);
	icmp[0] = 136;
	icmp[4] = 0x60;
	memcpy(icmp + 8, dst_ip, 16);
	icmp[24] = 2;
	icmp[25] = 1;
	memcpy(icmp + 26, src_mac, 6);
	put_l4_checksum(f, LEN, IPPROTO_ICMPV6, 2);
}

static void form_ring_nd(struct frame *f)
{
	advertisement(f);
	f->ring = true;
}

static void form_ring_extension_nd(struct frame *f)
{
	advertisement(f);
	extension(f);
	f->ring = true;
}

/* Each asks for DST-IP from a link-local address that nobody has. */
static void form_solicit(struct frame *f)
{
	static uint32_t number;
	uint8_t own[16];
	uint8_t *icmp = l4_of(f);

	memcpy(own, src_ip, 16);
	memset(src_ip, 0, 16);
	src_ip[0] = 0xfe;
	src_ip[1] = 0x80;
	memcpy(src_ip + 12, &(uint32_t){htonl(++number + 0x700000)}, 4);
	advertisement(f);
	icmp[0] = 135;
	icmp[4] = 0;
	icmp[24] = 1;
	put_l4_checksum(f, 32, IPPROTO_ICMPV6, 2);
	memcpy(src_ip, own, 16);
}

static void arp(struct frame *f, unsigned int hardware)
{
	uint8_t *at = ip_of(f);

	f->type = ETH_P_ARP;
	put16(f->bytes + 12, f->type);
	put16(at, hardware);
	put16(at + 2, ETH_P_IP);
	at[4] = 6;
	at[5] = 4;
	put16(at + 6, 1);
	memcpy(at + 8, src_mac, 6);
	memcpy(at + 14, src_ip, 4);
	memset(at + 18, 0, 6);
	memcpy(at + 24, dst_ip, 4);
	f->len = 42;
}

static void form_arp6(struct frame *f)
{
	arp(f, 6);
}

/* Protocol or port of a tunnel, with a packet inside. */
static void tunnel(struct frame *f, uint8_t protocol)
{
	ip_of(f)[f->af == AF_INET ? 9 : 6] = protocol;
	if (f->af == AF_INET) {
		put16(ip_of(f) + 10, 0);
		put16(ip_of(f) + 10, fold(sum_of(ip_of(f), 20, 0)));
	}
}

static void form_ipip(struct frame *f)
{
	tunnel(f, IPPROTO_IPIP);
}

static void form_sit(struct frame *f)
{
	tunnel(f, IPPROTO_IPV6);
}

static void form_gre(struct frame *f)
{
	tunnel(f, IPPROTO_GRE);
}

static void to_port(struct frame *f, unsigned int port)
{
	put16(l4_of(f) + 2, port);
	put_l4_checksum(f, f->len - (size_t)(l4_of(f) - f->bytes), IPPROTO_UDP, 6);
}

static void form_vxlan(struct frame *f)
{
	to_port(f, 8472);
}

static void form_vxlan5555(struct frame *f)
{
	to_port(f, 5555);
}

static const struct {
	const char *name;
	void (*make)(struct frame *f);
} forms[] = {
	{"plain", form_plain},
	{"vlan0", form_vlan0},
	{"vlan5", form_vlan5},
	{"qinq", form_qinq},
	{"pushed", form_pushed},
	{"snap", form_snap},
	{"type", form_type},
	{"mismatch", form_mismatch},
	{"cut", form_cut},
	{"ring", form_ring},
	{"gso", form_gso},
	{"offload", form_offload},
	{"checksum", form_checksum},
	{"checksum-ports", form_checksum_ports},
	{"chain", form_chain},
	{"ring-nd", form_ring_nd},
	{"ring-extension-nd", form_ring_extension_nd},
	{"solicit", form_solicit},
	{"arp6", form_arp6},
	{"ipip", form_ipip},
	{"sit", form_sit},
	{"gre", form_gre},
	{"vxlan", form_vxlan},
	{"vxlan5555", form_vxlan5555},
};

/* tc egress of our own device: bpf_skb_vlan_push(skb, 802.1Q, 0); the frame goes on. */
static void attach_pusher(void)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K,
		 .dst_reg = BPF_REG_2,
		 .imm = htons(ETH_P_8021Q)},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = 0},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skb_vlan_push},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(ifname),
			    .attach_point = BPF_TC_EGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts);

	opts.prog_fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "push", "GPL", insns,
				     sizeof(insns) / sizeof(*insns), NULL);
	if (opts.prog_fd < 0)
		die("load the program that pushes a tag");
	errno = -bpf_tc_hook_create(&hook);
	if (errno && errno != EEXIST)
		die("make a clsact qdisc");
	errno = -bpf_tc_attach(&hook, &opts);
	if (errno)
		die("attach the program that pushes a tag");
}

static void detach_pusher(void)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(ifname),
			    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	bpf_tc_hook_destroy(&hook);
}

/* A netkit tells its sender that the program dropped the frame. */
static bool refused(void)
{
	return errno == ENOBUFS;
}

static void send_by_ring(int fd, const struct frame *f)
{
	struct tpacket_req req = {
		.tp_block_size = 4 * FRAME_MAX,
		.tp_frame_size = FRAME_MAX,
		.tp_block_nr = 1,
		.tp_frame_nr = 4,
	};
	struct tpacket2_hdr *head;
	int version = TPACKET_V2;

	if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_TX_RING, &req, sizeof(req)))
		die("make a ring");
	head = mmap(NULL, req.tp_block_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (head == MAP_FAILED)
		die("map the ring");
	memcpy((uint8_t *)head + TPACKET2_HDRLEN - sizeof(struct sockaddr_ll), f->bytes, f->len);
	head->tp_len = (uint32_t)f->len;
	head->tp_status = TP_STATUS_SEND_REQUEST;
	if (send(fd, NULL, 0, 0) < 0 && !refused())
		die("send from the ring");
	munmap(head, req.tp_block_size);
}

static void send_frame(const struct frame *f)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(f->type),
		.sll_ifindex = (int)if_nametoindex(ifname),
	};
	struct iovec parts[] = {
		{(void *)&f->offload, sizeof(f->offload)},
		{(void *)f->bytes, f->len},
	};
	struct msghdr msg = {
		.msg_name = &to,
		.msg_namelen = sizeof(to),
		.msg_iov = f->vnet ? parts : parts + 1,
		.msg_iovlen = f->vnet ? 2 : 1,
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)) ||
	    (f->vnet && setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on))))
		die("open a packet socket");
	if (f->ring)
		send_by_ring(fd, f);
	else if (sendmsg(fd, &msg, 0) < 0 && !refused())
		die("send");
	close(fd);
}

static void read_mac(const char *text, uint8_t mac[6])
{
	unsigned int b[6];

	if (sscanf(text, "%x:%x:%x:%x:%x:%x", b, b + 1, b + 2, b + 3, b + 4, b + 5) != 6)
		die(text);
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
}

int main(int argc, char **argv)
{
	struct frame f = {0};
	int count = argc > 7 ? atoi(argv[7]) : 1;

	if (argc < 7) {
		fprintf(stderr, "usage: raw FORM IFNAME SRC-MAC DST-MAC SRC-IP DST-IP [COUNT]\n");
		return 2;
	}
	ifname = argv[2];
	read_mac(argv[3], src_mac);
	read_mac(argv[4], dst_mac);
	f.af = strchr(argv[6], ':') ? AF_INET6 : AF_INET;
	if (inet_pton(f.af, argv[5], src_ip) != 1 || inet_pton(f.af, argv[6], dst_ip) != 1)
		die("read an address");
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		if (strcmp(argv[1], forms[i].name) != 0)
			continue;
		for (int n = 0; n < count; n++) {
			udp(&f, 16);
			forms[i].make(&f);
			if (f.pushed)
				attach_pusher();
			send_frame(&f);
			if (f.pushed)
				detach_pusher();
		}
		return 0;
	}
	fprintf(stderr, "raw: %s is not a form\n", argv[1]);
	return 2;
}
