/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Copies of mirror sessions: BPF_PROG_RUN really clones, so that they are caught at the other end
 * of the target device and compared with what was sent. In every test the packet itself must have
 * the verdict that it has without a session.
 */
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include "bed.h"

static int analyser = -1; /* what the target device transmits arrives here */

static int packet_socket(const char *device)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)index_of(device)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)))
		fail_msg("open a packet socket on %s: %s", device, strerror(errno));
	return fd;
}

/* Next frame that arrived, not one that was sent; false where there is none. */
static bool caught(int fd, struct frame *ret)
{
	struct sockaddr_ll from;
	socklen_t len = sizeof(from);
	ssize_t n;

	do {
		n = recvfrom(fd, ret->bytes, sizeof(ret->bytes), 0, (struct sockaddr *)&from, &len);
	} while (n >= 0 && from.sll_pkttype == PACKET_OUTGOING);
	ret->len = n < 0 ? 0 : (size_t)n;
	return n >= 0;
}

static unsigned int caught_all(int fd)
{
	struct frame frame;
	unsigned int n = 0;

	while (caught(fd, &frame))
		n++;
	return n;
}

static void put_session(uint32_t slot, const struct pl_mirror *session)
{
	struct pl_mirror m = *session;

	m.flags |= PL_MIRROR_ACTIVE;
	m.id = slot + 1;
	if (!m.target)
		m.target = if_target;
	map_put("pl_mirrors", &slot, &m);
}

static struct pl_mirror_stats stats_of(uint32_t slot)
{
	int n = libbpf_num_possible_cpus();
	struct pl_mirror_stats *values, sum = {0};

	assert_true(n > 0);
	values = calloc((size_t)n, sizeof(*values));
	assert_non_null(values);
	assert_int_equal(bpf_map_lookup_elem(map_fd("pl_mirror_stats"), &slot, values), 0);
	for (int i = 0; i < n; i++) {
#define ADD(name, text) sum.name += values[i].name;
		PL_MIRROR_COUNTERS(ADD)
#undef ADD
		if (values[i].last_error)
			sum.last_error = values[i].last_error;
	}
	free(values);
	return sum;
}

static void put_program(enum pl_program_slot slot, int fd)
{
	uint32_t key = slot;

	if (fd >= 0)
		map_put("pl_programs", &key, &fd);
	else
		bpf_map_delete_elem(map_fd("pl_programs"), &key);
}

static const struct packet a_to_b = {POD_A, POD_B, .payload = 100};
static const struct packet wire_to_b = {NATIVE, POD_B, .payload = 100};
static const struct packet stack_to_b = {HOST, POD_B, .payload = 100, .mark = 7};
static const struct packet a_to_outside = {POD_A, OUTSIDE, .payload = 100, .mark = 7};
static const struct packet spoofed = {POD_B, HOST};

static void start(void)
{
	bed_reset();
	put_program(PL_PROG_MATCH, -1);
	put_program(PL_PROG_MIRROR, bpf_program__fd(skel->progs.pl_mirror));
	caught_all(analyser);
}

static void each_family(void (*test)(void))
{
	for (family = 4; family <= 6; family += 2) {
		start();
		test();
	}
}

#define BY_FAMILY(test)                                                                            \
	static void test_##test(void **state)                                                      \
	{                                                                                          \
		each_family(test);                                                                 \
	}

static struct outcome run(enum prog prog, const struct packet *p, int verdict)
{
	struct outcome out = run_packet(prog, p);

	assert_int_equal(out.verdict, verdict);
	return out;
}

static void is_copy_of(const struct frame *copy, const struct frame *frame)
{
	assert_int_equal(copy->len, frame->len);
	assert_memory_equal(copy->bytes, frame->bytes, frame->len);
}

/* What the pod sent, before rewriting; the packet itself goes on rewritten. */
static void out_is_what_was_sent(void)
{
	struct frame sent, copy;
	struct outcome out;

	put_session(0, &(struct pl_mirror){0});
	endpoints[ID_A].mirror_out = 1;
	make_frame(FROM_POD, &a_to_b, &sent);
	out = run(FROM_POD, &a_to_b, TC_ACT_REDIRECT);
	assert_memory_equal(out.frame.bytes, mac_pod_b, 6);
	assert_true(caught(analyser, &copy));
	is_copy_of(&copy, &sent);
	assert_false(caught(analyser, &copy));
	assert_int_equal(count_of(ID_A, PL_FORWARD_LOCAL, PL_OUT), 1);
	assert_int_equal(count_of(ID_B, PL_FORWARD_LOCAL, PL_IN), 1);
	assert_int_equal(count_all(), 2);
	assert_int_equal(stats_of(0).sent_bytes, sent.len);
}
BY_FAMILY(out_is_what_was_sent)

/* What the pod gets, as it gets it. */
static void in_is_what_arrives(void)
{
	struct outcome out;
	struct frame copy;

	put_session(5, &(struct pl_mirror){0});
	endpoints[ID_B].mirror_in = 1 << 5;
	out = run(FROM_POD, &a_to_b, TC_ACT_REDIRECT);
	assert_true(caught(analyser, &copy));
	is_copy_of(&copy, &out.frame);
	assert_memory_equal(copy.bytes, mac_pod_b, 6);
	out = run(FROM_UPLINK, &wire_to_b, TC_ACT_REDIRECT);
	assert_true(caught(analyser, &copy));
	is_copy_of(&copy, &out.frame);
	out = run(TO_POD, &stack_to_b, TC_ACT_UNSPEC);
	assert_int_equal(out.mark, 7);
	assert_true(caught(analyser, &copy));
	is_copy_of(&copy, &out.frame);
	assert_false(caught(analyser, &copy));
	assert_int_equal(stats_of(5).sent, 3);
}
BY_FAMILY(in_is_what_arrives)

static void passed_is_untouched(void)
{
	struct frame sent, copy;
	struct outcome out;

	put_session(0, &(struct pl_mirror){0});
	endpoints[ID_A].mirror_out = 1;
	make_frame(FROM_POD, &a_to_outside, &sent);
	out = run(FROM_POD, &a_to_outside, TC_ACT_UNSPEC);
	is_copy_of(&out.frame, &sent);
	assert_int_equal(out.mark, 7);
	assert_true(caught(analyser, &copy));
	is_copy_of(&copy, &sent);
	assert_int_equal(count_of(ID_A, PL_PASS_NOT_POD, PL_OUT), 1);
}
BY_FAMILY(passed_is_untouched)

static void native_goes_its_way(void)
{
	const struct packet p = {POD_A, NATIVE, .payload = 100};

	put_session(0, &(struct pl_mirror){0});
	endpoints[ID_A].mirror_out = 1;
	run(FROM_POD, &p, TC_ACT_REDIRECT);
	assert_int_equal(caught_all(analyser), 1);
	assert_int_equal(count_of(ID_A, PL_FORWARD_NATIVE, PL_OUT), 1);
	assert_int_equal(count_all(), 1);
}
BY_FAMILY(native_goes_its_way)

/* A session at both ends copies once; two sessions copy once each. */
static void once_per_session(void)
{
	struct outcome out;

	put_session(0, &(struct pl_mirror){0});
	put_session(1, &(struct pl_mirror){0});
	endpoints[ID_A].mirror_out = 1;
	endpoints[ID_B].mirror_in = 1;
	run(FROM_POD, &a_to_b, TC_ACT_REDIRECT);
	assert_int_equal(caught_all(analyser), 1);
	endpoints[ID_B].mirror_in = 3;
	out = run(FROM_POD, &a_to_b, TC_ACT_REDIRECT);
	assert_memory_equal(out.frame.bytes, mac_pod_b, 6);
	assert_int_equal(out.frame.bytes[14 + (family == 4 ? 8 : 7)], 63);
	assert_int_equal(caught_all(analyser), 2);
	assert_int_equal(stats_of(0).sent, 2);
	assert_int_equal(stats_of(1).sent, 1);
}
BY_FAMILY(once_per_session)

static void all_slots(void)
{
	for (uint32_t slot = 0; slot < PL_MIRRORS_MAX; slot++)
		put_session(slot, &(struct pl_mirror){0});
	endpoints[ID_A].mirror_out = ~0ULL;
	run(FROM_POD, &a_to_b, TC_ACT_REDIRECT);
	assert_int_equal(caught_all(analyser), PL_MIRRORS_MAX);
	endpoints[ID_A].mirror_out = 0xffff;
	endpoints[ID_B].mirror_in = ~0ULL;
	run(FROM_POD, &a_to_b, TC_ACT_REDIRECT);
	assert_int_equal(caught_all(analyser), PL_MIRRORS_MAX);
	for (uint32_t slot = 0; slot < PL_MIRRORS_MAX; slot++)
		assert_int_equal(stats_of(slot).sent, 2);
	assert_int_equal(count_of(ID_A, PL_FORWARD_LOCAL, PL_OUT), 2);
}
BY_FAMILY(all_slots)

static void other_endpoints_pay_nothing(void)
{
	put_session(0, &(struct pl_mirror){0});
	endpoints[ID_A].mirror_in = 1;
	endpoints[ID_B].mirror_out = 1;
	run(FROM_POD, &a_to_b, TC_ACT_REDIRECT);
	assert_int_equal(caught_all(analyser), 0);
	assert_int_equal(stats_of(0).matched, 0);
}
BY_FAMILY(other_endpoints_pay_nothing)

static void drops_only_where_asked(void)
{
	put_session(0, &(struct pl_mirror){0});
	put_session(1, &(struct pl_mirror){.flags = PL_MIRROR_DROPS});
	endpoints[ID_A].mirror_out = 3;
	run(FROM_POD, &spoofed, TC_ACT_SHOT);
	assert_int_equal(caught_all(analyser), 1);
	assert_int_equal(stats_of(0).matched, 0);
	assert_int_equal(stats_of(1).sent, 1);
	assert_int_equal(count_of(ID_A, PL_DROP_SPOOFED_IP, PL_OUT), 1);
}
BY_FAMILY(drops_only_where_asked)

static void paused_and_expired(void)
{
	const struct pl_mirror paused = {.target = if_target};
	const uint32_t slot = 0;

	map_put("pl_mirrors", &slot, &paused);
	put_session(1, &(struct pl_mirror){.expires_ns = 1});
	put_session(2, &(struct pl_mirror){.expires_ns = UINT64_MAX});
	endpoints[ID_A].mirror_out = 7;
	run(FROM_POD, &a_to_b, TC_ACT_REDIRECT);
	assert_int_equal(caught_all(analyser), 1);
	assert_int_equal(stats_of(0).matched + stats_of(1).matched, 0);
	assert_int_equal(stats_of(2).sent, 1);
}
BY_FAMILY(paused_and_expired)

static void limits(void)
{
	enum { N = 40 };
	struct pl_mirror_stats s;

	put_session(0, &(struct pl_mirror){.max_packets = 3});
	put_session(1, &(struct pl_mirror){.pps = 10});
	put_session(2, &(struct pl_mirror){.bps = 1000});
	endpoints[ID_A].mirror_out = 7;
	for (int i = 0; i < N; i++)
		run(FROM_POD, &a_to_b, TC_ACT_REDIRECT);
	s = stats_of(0);
	assert_int_equal(s.sent, 3);
	/* One second's worth at once; a busy machine may refill some. */
	s = stats_of(1);
	assert_in_range(s.sent, 10, 20);
	assert_int_equal(s.sent + s.rate_limited, N);
	s = stats_of(2);
	assert_in_range(s.sent_bytes, 1000, 2000);
	assert_int_equal(s.sent + s.rate_limited, N);
	assert_int_equal(s.matched, N);
}
BY_FAMILY(limits)

static void sampled_packets(void)
{
	enum { N = 400 };
	struct pl_mirror_stats s;

	put_session(0, &(struct pl_mirror){.sample = 4});
	endpoints[ID_A].mirror_out = 1;
	for (int i = 0; i < N; i++)
		run(FROM_POD, &a_to_b, TC_ACT_REDIRECT);
	s = stats_of(0);
	assert_int_equal(s.matched, N);
	assert_int_equal(s.sent + s.sampled_out, N);
	assert_in_range(s.sent, N / 10, N / 2);
}
BY_FAMILY(sampled_packets)

/* Whole flows, both directions alike. */
static void sampled_flows(void)
{
	enum { FLOWS = 200 };
	unsigned int taken = 0;

	put_session(0, &(struct pl_mirror){.sample = 4, .flags = PL_MIRROR_FLOWS});
	endpoints[ID_A].mirror_out = 1;
	endpoints[ID_A].mirror_in = 1;
	for (unsigned int i = 0; i < FLOWS; i++) {
		const struct packet there = {POD_A, NATIVE, .sport = (uint16_t)(5000 + i),
					     .dport = 53};
		const struct packet back = {NATIVE, POD_A, .sport = 53,
					    .dport = (uint16_t)(5000 + i)};
		unsigned int n;

		run(FROM_POD, &there, TC_ACT_REDIRECT);
		n = caught_all(analyser);
		taken += n;
		for (int again = 0; again < 2; again++) {
			run(FROM_UPLINK, &back, TC_ACT_REDIRECT);
			assert_int_equal(caught_all(analyser), n);
		}
	}
	assert_in_range(taken, FLOWS / 10, FLOWS / 2);
}
BY_FAMILY(sampled_flows)

/* The kernel tells a veth that its peer is up a moment later, and until then loses what it sends.
 */
static void wait_for_carrier(const char *operstate)
{
	enum { TRIES = 500, PAUSE_US = 10000 };

	for (int i = 0; i < TRIES; i++) {
		char state[16] = "";
		FILE *f = fopen(operstate, "r");

		if (!f || !fgets(state, sizeof(state), f))
			fail_msg("read %s: %s", operstate, strerror(errno));
		fclose(f);
		if (!strcmp(state, "up\n"))
			return;
		usleep(PAUSE_US);
	}
	fail_msg("%s is not up", operstate);
}

/* Every loss is counted, none is the packet's. */
static void targets_that_fail(void)
{
	uint64_t lost;

	put_session(0, &(struct pl_mirror){.target = 9999});
	put_session(1, &(struct pl_mirror){.target = if_stage, .max_packets = 2});
	put_session(2, &(struct pl_mirror){.flags = PL_MIRROR_STAGE, .stage = if_stage});
	endpoints[ID_A].mirror_out = 7;
	assert_int_equal(system("ip link set stage1 down"), 0);
	for (int i = 0; i < 3; i++)
		run(FROM_POD, &a_to_b, TC_ACT_REDIRECT);
	assert_int_equal(system("ip link set stage1 up"), 0);
	wait_for_carrier("/sys/class/net/stage0/operstate");
	assert_int_equal(stats_of(0).failed, 3);
	assert_int_equal(stats_of(0).last_error, -EINVAL);
	assert_int_equal(stats_of(1).congested, 3);
	lost = stats_of(2).congested;
	assert_int_equal(lost, 3);
	/* Copies that fail do not use up the session. */
	run(FROM_POD, &a_to_b, TC_ACT_REDIRECT);
	run(FROM_POD, &a_to_b, TC_ACT_REDIRECT);
	run(FROM_POD, &a_to_b, TC_ACT_REDIRECT);
	assert_int_equal(stats_of(1).sent, 2);
	assert_int_equal(count_of(ID_B, PL_FORWARD_LOCAL, PL_IN), 6);
	/* What reaches the stage is counted behind it, by its program, which is not there. */
	assert_int_equal(stats_of(2).sent, 0);
	assert_int_equal(stats_of(2).congested, lost);
}
BY_FAMILY(targets_that_fail)

/* Keeps those of sessions @keep, then goes on to pl_mirror, as the generated program does. */
static int load_match(uint32_t keep)
{
	const int cb = offsetof(struct __sk_buff, cb) + PL_CB_MASK_LO * sizeof(__u32);
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1},
		{.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1, .off = (__s16)cb},
		{.code = BPF_ALU | BPF_AND | BPF_K, .dst_reg = 2, .imm = (__s32)keep},
		{.code = BPF_STX | BPF_MEM | BPF_W, .dst_reg = 1, .src_reg = 2, .off = (__s16)cb},
		{.code = BPF_LD | BPF_IMM | BPF_DW,
		 .dst_reg = 2,
		 .src_reg = BPF_PSEUDO_MAP_FD,
		 .imm = map_fd("pl_programs")},
		{0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = PL_PROG_MIRROR},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_tail_call},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = TC_ACT_UNSPEC},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "match", "Dual BSD/GPL", insns,
			       PL_ARRAY_SIZE(insns), NULL);

	if (fd < 0)
		fail_msg("load a match program: %s", strerror(-fd));
	return fd;
}

static void filters_decide(void)
{
	pl_autoclose int fd = load_match(0x5);

	put_session(0, &(struct pl_mirror){.flags = PL_MIRROR_FILTER});
	put_session(1, &(struct pl_mirror){.flags = PL_MIRROR_FILTER});
	put_session(2, &(struct pl_mirror){.flags = PL_MIRROR_FILTER});
	endpoints[ID_A].mirror_out = 3;
	endpoints[ID_B].mirror_in = 7;
	/* Without the program nothing is known to match. */
	run(FROM_POD, &a_to_b, TC_ACT_REDIRECT);
	assert_int_equal(caught_all(analyser), 0);
	put_program(PL_PROG_MATCH, fd);
	run(FROM_POD, &a_to_b, TC_ACT_REDIRECT);
	assert_int_equal(stats_of(0).sent, 1);
	assert_int_equal(stats_of(1).matched, 0);
	assert_int_equal(stats_of(2).sent, 1);
	assert_int_equal(count_of(ID_A, PL_FORWARD_LOCAL, PL_OUT), 2);
}
BY_FAMILY(filters_decide)

/* No program to make copies: the packet takes its way, whichever that is. */
static void without_the_program(void)
{
	struct outcome out;

	put_session(0, &(struct pl_mirror){0});
	put_program(PL_PROG_MIRROR, -1);
	endpoints[ID_A].mirror_out = 1;
	endpoints[ID_B].mirror_in = 1;
	out = run(FROM_POD, &a_to_b, TC_ACT_REDIRECT);
	assert_memory_equal(out.frame.bytes, mac_pod_b, 6);
	endpoints[ID_A].mirror_out = 0;
	out = run(FROM_POD, &a_to_b, TC_ACT_REDIRECT);
	assert_memory_equal(out.frame.bytes, mac_pod_b, 6);
	assert_int_equal(out.frame.bytes[14 + (family == 4 ? 8 : 7)], 63);
	run(TO_POD, &stack_to_b, TC_ACT_UNSPEC);
	run(FROM_POD, &spoofed, TC_ACT_SHOT);
	assert_int_equal(caught_all(analyser), 0);
}
BY_FAMILY(without_the_program)

/* A pod that analyses gets copies as they are; they are no packets of its own, and not copied. */
static void copies_for_a_pod(void)
{
	struct packet copy = {POD_A, OUTSIDE, .mark = PL_MARK_MIRROR | 4};
	struct outcome out;

	put_session(4, &(struct pl_mirror){.target = if_host_b});
	put_session(5, &(struct pl_mirror){0});
	endpoints[ID_B].mirror_in = 1 << 5;
	out = run(TO_POD, &copy, TC_ACT_UNSPEC);
	assert_int_equal(out.mark, 0);
	assert_int_equal(count_of(ID_B, PL_PASS_MIRROR_COPY, PL_IN), 1);
	assert_int_equal(count_all(), 1);
	assert_int_equal(caught_all(analyser), 0);
	/* The same copy elsewhere has come back. */
	run(FROM_UPLINK, &copy, TC_ACT_SHOT);
	copy.mark = PL_MARK_MIRROR | 5;
	run(TO_POD, &copy, TC_ACT_SHOT);
	assert_int_equal(stats_of(4).looped, 1);
	assert_int_equal(stats_of(5).looped, 1);
	assert_int_equal(caught_all(analyser), 0);
}
BY_FAMILY(copies_for_a_pod)

/* A collector may be a service with a backend here: its tunnel's packets bear the mark, too. */
static void copies_for_a_collector(void)
{
	const struct packet wrapped = {HOST, POD_B, .dport = 4789, .mark = PL_MARK_MIRROR | 4};
	const struct packet bare = {HOST, POD_B, .mark = PL_MARK_MIRROR | 4};
	struct outcome out;

	put_session(4, &(struct pl_mirror){.target = if_target, .flags = PL_MIRROR_WRAPS});
	endpoints[ID_B].mirror_in = 1 << 4;
	out = run(TO_POD, &wrapped, TC_ACT_UNSPEC);
	assert_int_equal(out.mark, 0);
	assert_int_equal(count_of(ID_B, PL_PASS_MIRROR_COPY, PL_IN), 1);
	run(TO_POD, &bare, TC_ACT_SHOT);
	put_session(4, &(struct pl_mirror){.target = if_target});
	run(TO_POD, &wrapped, TC_ACT_SHOT);
	assert_int_equal(stats_of(4).looped, 2);
	assert_int_equal(caught_all(analyser), 0);
}
BY_FAMILY(copies_for_a_collector)

static void stage_cuts(void)
{
	struct packet staged = {POD_A, POD_B, .payload = 300, .mark = PL_MARK_STAGED | 1};
	struct frame sent, copy;

	put_session(1, &(struct pl_mirror){.snaplen = 100, .flags = PL_MIRROR_STAGE});
	make_frame(STAGE, &staged, &sent);
	run(STAGE, &staged, TC_ACT_SHOT);
	assert_true(caught(analyser, &copy));
	assert_int_equal(copy.len, 100);
	assert_memory_equal(copy.bytes, sent.bytes, 100);
	assert_int_equal(stats_of(1).truncated, 1);
	assert_int_equal(stats_of(1).sent_bytes, 100);
	staged.payload = 10;
	run(STAGE, &staged, TC_ACT_SHOT);
	assert_true(caught(analyser, &copy));
	assert_int_equal(stats_of(1).truncated, 1);
	assert_int_equal(stats_of(1).sent, 2);
	/* What is no copy has no business there. */
	staged.mark = 0;
	run(STAGE, &staged, TC_ACT_SHOT);
	staged.mark = PL_MARK_STAGED | 200;
	run(STAGE, &staged, TC_ACT_SHOT);
	/* Nor has one that was on its way already, and comes in by a tunnel. */
	staged.mark = PL_MARK_MIRROR | 1;
	run(STAGE, &staged, TC_ACT_SHOT);
	assert_int_equal(caught_all(analyser), 0);
	assert_int_equal(stats_of(1).sent, 2);
}
BY_FAMILY(stage_cuts)

static void zero_macs(uint8_t *frame, size_t *len, int af)
{
	memset(frame, 0, 12);
}

/* A device without MACs: its copies have some, its packets stay as they were. */
static void netkit_l3(void)
{
	const struct packet to_outside = {POD_A, OUTSIDE, .mangle = zero_macs};
	const struct packet to_b = {POD_A, POD_B, .mangle = zero_macs};
	const uint8_t zero[12] = {0};
	struct frame copy, sent;
	struct outcome out;

	put_session(0, &(struct pl_mirror){0});
	put_session(1, &(struct pl_mirror){0});
	endpoints[ID_A].link_kind = PL_LINK_NETKIT_L3;
	endpoints[ID_A].mirror_out = 1;
	make_frame(FROM_NETKIT, &to_outside, &sent);
	out = run(FROM_NETKIT, &to_outside, TC_ACT_UNSPEC);
	is_copy_of(&out.frame, &sent);
	assert_true(caught(analyser, &copy));
	assert_memory_not_equal(copy.bytes, zero, 6);
	assert_memory_not_equal(copy.bytes + 6, zero, 6);
	assert_memory_equal(copy.bytes + 12, sent.bytes + 12, sent.len - 12);

	endpoints[ID_B].link_kind = PL_LINK_NETKIT_L3;
	memset(endpoints[ID_B].pod_mac, 0, 6);
	memset(endpoints[ID_B].host_mac, 0, 6);
	endpoints[ID_B].mirror_in = 2;
	out = run(FROM_NETKIT, &to_b, TC_ACT_REDIRECT);
	assert_int_equal(out.mark, PL_MARK_HANDLED);
	assert_memory_equal(out.frame.bytes, zero, 12);
	assert_true(caught(analyser, &copy));
	assert_true(caught(analyser, &copy));
	assert_memory_not_equal(copy.bytes, zero, 6);
	assert_memory_equal(copy.bytes + 12, out.frame.bytes + 12, out.frame.len - 12);
}
BY_FAMILY(netkit_l3)

static int up(void **state)
{
	bed_up(state);
	analyser = packet_socket("analyser0");
	return 0;
}

static int down(void **state)
{
	close(analyser);
	return bed_down(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_out_is_what_was_sent),
		cmocka_unit_test(test_in_is_what_arrives),
		cmocka_unit_test(test_passed_is_untouched),
		cmocka_unit_test(test_native_goes_its_way),
		cmocka_unit_test(test_once_per_session),
		cmocka_unit_test(test_all_slots),
		cmocka_unit_test(test_other_endpoints_pay_nothing),
		cmocka_unit_test(test_drops_only_where_asked),
		cmocka_unit_test(test_paused_and_expired),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_sampled_packets),
		cmocka_unit_test(test_sampled_flows),
		cmocka_unit_test(test_targets_that_fail),
		cmocka_unit_test(test_filters_decide),
		cmocka_unit_test(test_without_the_program),
		cmocka_unit_test(test_copies_for_a_pod),
		cmocka_unit_test(test_copies_for_a_collector),
		cmocka_unit_test(test_stage_cuts),
		cmocka_unit_test(test_netkit_l3),
	};

	return cmocka_run_group_tests(tests, up, down);
}
