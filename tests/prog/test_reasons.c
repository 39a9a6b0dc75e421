/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Each reason has the effect that its entry in the list states, wherever in the list it stands. The
 * program that ends a mirrored packet's way takes the reason from skb->cb: so every reason, and one
 * that was appended yesterday too, is given to the real verdict and to the real counters.
 */
#include "bed.h"

static const struct {
	const char *name;
	enum pl_effect effect;
} entries[] = {
#define ENTRY(effect, name, text) {#effect "_" #name, PL_EFFECT_##effect},
	PL_REASONS(ENTRY)
#undef ENTRY
};

static int verdict_of(enum pl_effect effect)
{
	switch (effect) {
	case PL_EFFECT_FORWARD:
		return TC_ACT_REDIRECT;
	case PL_EFFECT_DROP:
		return TC_ACT_SHOT;
	default:
		return TC_ACT_UNSPEC;
	}
}

/* What pl_mirror makes of a packet from pod A to @to for which an entry program chose @reason. */
static int verdict_for(enum pl_reason reason, enum actor to)
{
	enum { HOOK_FROM_POD = PL_HOOK_FROM_POD, REASON_SHIFT = 8 };
	const struct packet packet = {POD_A, to};
	struct __sk_buff ctx = {.ifindex = if_host_a};
	struct frame frame, out;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame.bytes, .data_out = out.bytes,
		    .data_size_out = sizeof(out.bytes), .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));
	int r;

	ctx.cb[PL_CB_STATE] = HOOK_FROM_POD | (__u32)reason << REASON_SHIFT;
	ctx.cb[PL_CB_SRC] = ID_A;
	ctx.cb[PL_CB_DST] = to == POD_B ? ID_B : PL_NODE;
	make_frame(FROM_POD, &packet, &frame);
	opts.data_size_in = (__u32)frame.len;
	r = bpf_prog_test_run_opts(bpf_program__fd(skel->progs.pl_mirror), &opts);
	if (r)
		fail_msg("run pl_mirror: %s", strerror(-r));
	return (int)opts.retval;
}

static void test_verdict_follows_the_entry(void **state)
{
	int bad = 0;

	for (family = 4; family <= 6; family += 2) {
		for (int reason = 0; reason < PL_REASON_COUNT; reason++) {
			int verdict;

			bed_reset();
			verdict = verdict_for(reason, reason == PL_FORWARD_NATIVE ? NATIVE : POD_B);
			if (verdict == verdict_of(entries[reason].effect) &&
			    count_of(ID_A, reason, PL_OUT) == 1)
				continue;
			print_error("IPv%d, %s: verdict %d\n", family, entries[reason].name,
				    verdict);
			print_counts();
			bad++;
		}
	}
	assert_int_equal(bad, 0);
}

static void test_effect_is_the_entrys(void **state)
{
	assert_int_equal(PL_ARRAY_SIZE(entries), PL_REASON_COUNT);
	for (int reason = 0; reason < PL_REASON_COUNT; reason++)
		assert_int_equal(pl_effect(reason), entries[reason].effect);
	assert_int_equal(pl_effect(PL_REASON_COUNT), PL_EFFECT_PASS);
}

/* The receiver is gone by the time that the copies are made. */
static void test_lost_original_is_counted(void **state)
{
	for (family = 4; family <= 6; family += 2) {
		bed_reset();
		assert_int_equal(verdict_for(PL_FORWARD_LOCAL, OUTSIDE), TC_ACT_SHOT);
		assert_int_equal(count_of(ID_A, PL_DROP_MIRROR_LOST, PL_OUT), 1);
		assert_int_equal(count_all(), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_effect_is_the_entrys),
		cmocka_unit_test(test_verdict_follows_the_entry),
		cmocka_unit_test(test_lost_original_is_counted),
	};

	return cmocka_run_group_tests(tests, bed_up, bed_down);
}
