/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What tests of the flow table need beside the bed: packets step by step, each with the reason that
 * it must have and the state in which it must leave its entry; entries to look into; real conntrack
 * entries in the test's network namespace.
 */
#ifndef PODLANE_TESTS_PROG_FLOW_BED_H
#define PODLANE_TESTS_PROG_FLOW_BED_H

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "conntrack.h"
#include "rows.h"

enum { GONE = -1, TCP_RST = 4, SCTP = 132, SCTP_INIT = 1, SCTP_INIT_ACK = 2, SCTP_ABORT = 6 };

#define TCP(flags, source, target)                                                                 \
	.protocol = IP_TCP, .tcp_flags = (flags), .sport = (source), .dport = (target)
#define UDP(source, target) .sport = (source), .dport = (target)
#define SYN_ACK		    (TCP_SYN | TCP_ACK)

struct step {
	enum prog prog;
	struct packet packet;
	enum pl_reason reason;
	int entry;     /* its connection's, afterwards: enum pl_flow_state, GONE; 0: whatever */
	int fragments; /* the same of its packet's fragments */
	uint32_t by;   /* endpoint that sends it, where that is not whose address it has */
	const struct packet *quoted; /* of an ICMP error */
};

/* --- entries --- */

static inline void flow_key(const struct packet *p, bool fragments, bool swapped, void *ret)
{
	enum actor from = swapped ? p->to : p->from, to = swapped ? p->from : p->to;
	uint16_t sport = p->sport ? p->sport : 1000, dport = p->dport ? p->dport : 2000;
	struct pl_flow4_key *v4 = ret;
	struct pl_flow6_key *v6 = ret;
	uint8_t protocol = protocol_of(p), kind = fragments ? PL_KEY_FRAGMENTS : PL_KEY_CONNECTION;
	uint8_t *ports = family == 4 ? (uint8_t *)v4->port : (uint8_t *)v6->port;

	memset(ret, 0, family == 4 ? sizeof(*v4) : sizeof(*v6));
	ip_of(from, family == 4 ? AF_INET : AF_INET6, ret);
	ip_of(to, family == 4 ? AF_INET : AF_INET6, (uint8_t *)ret + (family == 4 ? 4 : 16));
	if (p->ping || p->pong) { /* the identifier, as the port of who asks */
		dport = p->pong ? sport : 0;
		sport = p->ping ? sport : 0;
	}
	if (fragments) {
		put16(ports + (family == 4 ? 0 : 2), p->id);
	} else {
		put16(ports + (swapped ? 2 : 0), sport);
		put16(ports + (swapped ? 0 : 2), dport);
	}
	if (family == 4) {
		v4->protocol = protocol;
		v4->kind = kind;
	} else {
		v6->protocol = fragments ? 0 : protocol;
		v6->kind = kind;
	}
}

static inline const char *flow_map(void)
{
	return family == 4 ? "pl_flows4" : "pl_flows6";
}

/* Both directions have one entry: whichever end stands first in its key. *ret_end: the sender's. */
static inline bool find_flow(const struct packet *p, bool fragments, void *ret_key,
			     struct pl_flow *ret, int *ret_end)
{
	flow_key(p, fragments, false, ret_key);
	*ret_end = 0;
	if (!bpf_map_lookup_elem(map_fd(flow_map()), ret_key, ret))
		return true;
	flow_key(p, fragments, true, ret_key);
	*ret_end = 1;
	return !fragments && !bpf_map_lookup_elem(map_fd(flow_map()), ret_key, ret);
}

static inline int flow_state(const struct packet *p, bool fragments)
{
	struct pl_flow flow;
	uint8_t key[64];
	int end;

	return find_flow(p, fragments, key, &flow, &end) ? flow.state : GONE;
}

/* The kernel's jiffies, lower half, as the programs read them. */
static inline uint32_t jiffies_now(void)
{
	uint8_t frame[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame));

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.pl_clock), &opts), 0);
	return opts.retval;
}

/* As if the entry's last packet lay @seconds back. */
static inline void age_flow(const struct packet *p, bool fragments, uint32_t seconds)
{
	struct pl_flow flow;
	uint8_t key[64];
	int end;

	assert_true(find_flow(p, fragments, key, &flow, &end));
	flow.seen = jiffies_now() - seconds * skel->rodata->pl_hz;
	map_put(flow_map(), key, &flow);
}

/* Nothing has touched the entry since its last packet lay @seconds back, or more. */
static inline void age_is(const struct packet *p, uint32_t seconds)
{
	struct pl_flow flow;
	uint8_t key[64];
	int end;

	assert_true(find_flow(p, false, key, &flow, &end));
	assert_true(jiffies_now() - flow.seen >= seconds * skel->rodata->pl_hz);
}

static inline int count_flows(void)
{
	uint8_t key[64], next[64];
	int n = 0;

	for (void *at = NULL; !bpf_map_get_next_key(map_fd(flow_map()), at, next); at = key) {
		memcpy(key, next, sizeof(key));
		n++;
	}
	return n;
}

enum { OPENS = 0, INBOUND = 1 };

static inline struct pl_budget budget_of(uint32_t endpoint, int inbound)
{
	struct pl_budgets budgets;

	assert_int_equal(bpf_map_lookup_elem(map_fd("pl_budgets"), &endpoint, &budgets), 0);
	return budgets.budget[inbound];
}

static inline void use_budget(uint32_t endpoint, int inbound, uint32_t used)
{
	struct pl_budgets budgets;

	assert_int_equal(bpf_map_lookup_elem(map_fd("pl_budgets"), &endpoint, &budgets), 0);
	budgets.budget[inbound].used = used;
	map_put("pl_budgets", &endpoint, &budgets);
}

/* Where conntrack cannot be asked, a datagram may be the answer to what the stack sent. */
static inline bool uplink_opens_udp(void)
{
	return skel->rodata->pl_conntrack_mode != PL_CT_REMEMBER;
}

/* --- steps --- */

static inline void quote(struct frame *frame, const struct packet *error,
			 const struct packet *quoted)
{
	uint8_t *at = frame->bytes + 14 + (family == 4 ? 20 : 40) + 8;

	assert_true(error->payload >= 48);
	(family == 4 ? make_ip4 : make_ip6)(at, quoted);
}

/* Whose device it passes, and who counts it. */
static inline uint32_t endpoint_of_step(const struct step *s)
{
	if (s->by)
		return s->by;
	if (s->prog == FROM_POD)
		return s->packet.from == POD_B ? ID_B : ID_A;
	return s->packet.to == POD_A ? ID_A : ID_B;
}

/* Runs it; the verdict must be its reason's, and nothing else be counted. */
static inline bool run_step(const struct step *s)
{
	bool out = s->prog == FROM_POD, local = s->reason == PL_FORWARD_LOCAL;
	uint32_t id = endpoint_of_step(s);
	uint64_t before, all = count_all();
	struct packet p = s->packet;
	struct outcome outcome;
	struct frame frame;

	if (out) {
		p.src_mac = id == ID_B ? mac_pod_b : mac_pod_a;
		p.dst_mac = id == ID_B ? mac_host_b : mac_host_a;
	}
	if (s->quoted) {
		p.icmp_error = true;
		p.payload = 48;
	}
	before = count_of(id, s->reason, out ? PL_OUT : PL_IN);
	make_frame(s->prog, &p, &frame);
	if (s->quoted)
		quote(&frame, &p, s->quoted);
	outcome = run_frame_at(s->prog,
			       s->prog == FROM_UPLINK ? if_uplink
			       : id == ID_B	      ? if_host_b
						      : if_host_a,
			       &p, &frame);
	return count_of(id, s->reason, out ? PL_OUT : PL_IN) == before + 1 &&
	       count_all() == all + (out && local ? 2 : 1) &&
	       outcome.verdict == expected_verdict(s->reason);
}

static inline void run_steps(const char *name, const struct step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct packet *p = &steps[i].packet;

		if (!run_step(&steps[i])) {
			print_counts();
			fail_msg("%s, IPv%d, step %zu: expected %s", name, family, i + 1,
				 reason_name(steps[i].reason));
		}
		if (steps[i].entry && flow_state(p, false) != steps[i].entry)
			fail_msg("%s, IPv%d, step %zu: its entry is in state %d rather than %d",
				 name, family, i + 1, flow_state(p, false), steps[i].entry);
		if (steps[i].fragments && flow_state(p, true) != steps[i].fragments)
			fail_msg("%s, IPv%d, step %zu: its fragments' entry is in state %d "
				 "rather than %d",
				 name, family, i + 1, flow_state(p, true), steps[i].fragments);
	}
}

/* More steps, from where the last ones ended. */
#define THEN(name, ...)                                                                            \
	do {                                                                                       \
		const struct step list[] = {__VA_ARGS__};                                          \
                                                                                                   \
		run_steps(name, list, PL_ARRAY_SIZE(list));                                        \
	} while (0)

#define EACH_FAMILY for (family = 4; family <= 6; family += 2)

/* Steps from a fresh bed, in IPv4 and in IPv6. */
#define STEPS(name, ...)                                                                           \
	EACH_FAMILY                                                                                \
	{                                                                                          \
		bed_reset();                                                                       \
		THEN(name, __VA_ARGS__);                                                           \
	}

/* Connections, opened and answered. */
#define OPEN_BETWEEN_PODS                                                                          \
	{FROM_POD, {POD_A, POD_B, TCP(TCP_SYN, 5, 80)}, PL_FORWARD_LOCAL, PL_FLOW_PROPOSED},       \
	{                                                                                          \
		FROM_POD, {POD_B, POD_A, TCP(SYN_ACK, 80, 5)}, PL_FORWARD_LOCAL, PL_FLOW_FAST      \
	}

#define OPEN_TO_NATIVE                                                                             \
	{FROM_POD, {POD_A, NATIVE, TCP(TCP_SYN, 5, 80)}, PL_FORWARD_NATIVE, PL_FLOW_PROPOSED},     \
	{                                                                                          \
		FROM_UPLINK, {NATIVE, POD_A, TCP(SYN_ACK, 80, 5)}, PL_FORWARD_LOCAL, PL_FLOW_FAST  \
	}

#define OPEN_FROM_OUTSIDE                                                                          \
	{FROM_UPLINK, {OUTSIDE, POD_A, TCP(TCP_SYN, 5, 80)}, PL_FORWARD_LOCAL, PL_FLOW_PROPOSED},  \
	{                                                                                          \
		FROM_POD, {POD_A, OUTSIDE, TCP(SYN_ACK, 80, 5)}, PL_FORWARD_NATIVE, PL_FLOW_FAST   \
	}

#define SYN_TO_B(port)                                                                             \
	{                                                                                          \
		POD_A, POD_B, TCP(TCP_SYN, port, 80)                                               \
	}
#define SYN_ACK_OF_B(port)                                                                         \
	{                                                                                          \
		POD_B, POD_A, TCP(SYN_ACK, 80, port)                                               \
	}
#define SYN_TO_NATIVE(port)                                                                        \
	{                                                                                          \
		POD_A, NATIVE, TCP(TCP_SYN, port, 80)                                              \
	}
#define SYN_OF_NATIVE(port)                                                                        \
	{                                                                                          \
		NATIVE, POD_A, TCP(TCP_SYN, port, 80)                                              \
	}
#define ACK_TO_NATIVE(port)                                                                        \
	{                                                                                          \
		POD_A, NATIVE, TCP(TCP_ACK, port, 80)                                              \
	}

/* --- conntrack --- */

static inline void ct_send(struct nlmsghdr *nlh)
{
	struct mnl_socket *nl = mnl_socket_open(NETLINK_NETFILTER);
	char answer[8192];
	ssize_t n;

	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		fail_msg("speak to conntrack: %s", strerror(errno));
	n = mnl_socket_recvfrom(nl, answer, sizeof(answer));
	if (n < 0 || mnl_cb_run(answer, (size_t)n, 1, mnl_socket_get_portid(nl), NULL, NULL) < 0)
		fail_msg("change conntrack's table: %s", strerror(errno));
	mnl_socket_close(nl);
}

static inline struct nlmsghdr *ct_message(char *buffer, uint16_t type, uint16_t flags, int af)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *head;

	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	nlh->nlmsg_seq = 1;
	head = mnl_nlmsg_put_extra_header(nlh, sizeof(*head));
	*head = (struct nfgenmsg){.nfgen_family = (uint8_t)af, .version = NFNETLINK_V0};
	return nlh;
}

struct ct_tuple {
	enum actor from, to;
	uint16_t sport, dport;
};

static inline void ct_put_tuple(struct nlmsghdr *nlh, uint16_t type, uint8_t protocol,
				const struct ct_tuple *tuple)
{
	struct nlattr *whole = mnl_attr_nest_start(nlh, type);
	struct nlattr *part = mnl_attr_nest_start(nlh, CTA_TUPLE_IP);
	int af = family == 4 ? AF_INET : AF_INET6;
	size_t size = family == 4 ? 4 : 16;
	uint8_t addr[16];

	ip_of(tuple->from, af, addr);
	mnl_attr_put(nlh, family == 4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, size, addr);
	ip_of(tuple->to, af, addr);
	mnl_attr_put(nlh, family == 4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, size, addr);
	mnl_attr_nest_end(nlh, part);
	part = mnl_attr_nest_start(nlh, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(nlh, CTA_PROTO_NUM, protocol);
	mnl_attr_put_u16(nlh, CTA_PROTO_SRC_PORT, htons(tuple->sport));
	mnl_attr_put_u16(nlh, CTA_PROTO_DST_PORT, htons(tuple->dport));
	mnl_attr_nest_end(nlh, part);
	mnl_attr_nest_end(nlh, whole);
}

/* A connection that conntrack has: what its opener sends, and what its answers look like. */
static inline void ct_add(uint8_t protocol, struct ct_tuple sent, struct ct_tuple answered)
{
	char buffer[4096];
	struct nlmsghdr *nlh = ct_message(buffer, IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL,
					  family == 4 ? AF_INET : AF_INET6);

	ct_put_tuple(nlh, CTA_TUPLE_ORIG, protocol, &sent);
	ct_put_tuple(nlh, CTA_TUPLE_REPLY, protocol, &answered);
	mnl_attr_put_u32(nlh, CTA_TIMEOUT, htonl(600));
	if (protocol == IP_TCP) {
		struct nlattr *info = mnl_attr_nest_start(nlh, CTA_PROTOINFO);
		struct nlattr *tcp = mnl_attr_nest_start(nlh, CTA_PROTOINFO_TCP);

		mnl_attr_put_u8(nlh, CTA_PROTOINFO_TCP_STATE, TCP_CONNTRACK_ESTABLISHED);
		mnl_attr_nest_end(nlh, tcp);
		mnl_attr_nest_end(nlh, info);
	}
	ct_send(nlh);
}

static inline void ct_flush(void)
{
	char buffer[256];

	ct_send(ct_message(buffer, IPCTNL_MSG_CT_DELETE, 0, AF_UNSPEC));
}

static inline void fresh(void)
{
	bed_reset();
	ct_flush();
}

/* --- one bed after another, each with its own way to tell what the stack translates --- */

static int ct_mode;
static uint32_t table_size; /* entries; 0: as the object has it */

static inline int mode_up(enum pl_conntrack_mode mode)
{
	static bool devices;

	if (!devices)
		make_devices();
	devices = true;
	ct_mode = mode;
	bed_open(mode);
	if (table_size) {
		bpf_map__set_max_entries(skel->maps.pl_flows4, table_size);
		bpf_map__set_max_entries(skel->maps.pl_flows6, table_size);
	}
	return bed_load();
}

static inline int up_none(void **state)
{
	return mode_up(PL_CT_NONE);
}

static inline int up_ask(void **state)
{
	return mode_up(PL_CT_ASK);
}

static inline int up_remember(void **state)
{
	return mode_up(PL_CT_REMEMBER);
}

static inline void conntrack_asked(void **state)
{
	print_message("# skip: this kernel's conntrack cannot be asked\n");
	skip();
}

static inline int skip_asking(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(conntrack_asked)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
