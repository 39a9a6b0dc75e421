/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The match program in the kernel: every expression loads alone, and in batches of 64 the verdict
 * on every packet is libpcap's. The frame runs through BPF_PROG_TEST_RUN:
 *
 *   [push the VLAN tag ->] pl_programs[MATCH] -> pl_programs[MIRROR], which returns REACHED
 *
 * and the masks come back in skb->cb.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <bpf/bpf.h>

#include "filter/match.h"
#include "../unit/filter_corpus.h"

enum {
	REACHED = 42, /* no TC_ACT: the program in the MIRROR slot ran */
	UNSPEC = -1,
};

static struct corpus corpus;
static int programs = -1;

static int load(const struct bpf_insn *insns, size_t n)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts);
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "test", "Dual BSD/GPL", insns, n, &opts);

	if (fd < 0)
		fail_msg("load a test program: %s", strerror(-fd));
	return fd;
}

static void put(uint32_t slot, int fd)
{
	assert_int_equal(bpf_map_update_elem(programs, &slot, &fd, BPF_ANY), 0);
}

static int load_reached(void)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = REACHED},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return load(insns, PL_ARRAY_SIZE(insns));
}

/* Takes the tag out of band, as the kernel does with what it receives; then goes to MATCH. */
static int load_tagger(uint16_t tpid, uint16_t tci)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = htons(tpid)},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = tci},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skb_vlan_push},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 6},
		{.code = BPF_LD | BPF_DW | BPF_IMM,
		 .dst_reg = 2,
		 .src_reg = BPF_PSEUDO_MAP_FD,
		 .imm = programs},
		{},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = PL_PROG_MATCH},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_tail_call},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return load(insns, PL_ARRAY_SIZE(insns));
}

static int setup(void **state)
{
	if (geteuid() != 0)
		return 0;
	programs =
		bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "test_programs", 4, 4, PL_PROG_SLOTS, NULL);
	if (programs < 0)
		return -1;
	return corpus_make(&corpus);
}

static int teardown(void **state)
{
	free(corpus.packets);
	if (programs >= 0)
		close(programs);
	return 0;
}

static void need_root(void)
{
	if (geteuid() != 0) {
		print_message("skip: loading BPF programs needs root\n");
		skip();
	}
}

static struct pl_filter *compile(const char *expr)
{
	struct pl_filter *f = NULL;
	struct pl_error err = {};

	if (pl_filter_compile(expr, &f, &err) < 0)
		fail_msg("'%s': %s", expr, err.text);
	return f;
}

static int load_match(const struct pl_filter *const filters[PL_MIRRORS_MAX])
{
	pl_autofree struct bpf_insn *insns = NULL;
	struct pl_error err = {};
	size_t n;
	int fd;

	assert_int_equal(pl_match_build(filters, &insns, &n, &err), 0);
	fd = pl_match_load(insns, n, programs, &err);
	if (fd < 0)
		fail_msg("%s", err.text);
	return fd;
}

/* False where the kernel refuses to make an skb of so short a frame. */
static bool run(int prog, const void *data, uint32_t len, uint64_t *mask, int *ret_verdict)
{
	struct __sk_buff in = {.cb = {[PL_CB_STATE] = 11, [PL_CB_SRC] = 12, [PL_CB_DST] = 13}};
	struct __sk_buff out = {};
	uint8_t sink[2 * CORPUS_PACKET_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data, .data_size_in = len, .data_out = sink,
		    .data_size_out = sizeof(sink), .ctx_in = &in, .ctx_size_in = sizeof(in),
		    .ctx_out = &out, .ctx_size_out = sizeof(out));

	in.cb[PL_CB_MASK_LO] = (uint32_t)*mask;
	in.cb[PL_CB_MASK_HI] = (uint32_t)(*mask >> 32);
	if (bpf_prog_test_run_opts(prog, &opts) < 0) {
		assert_int_equal(errno, EINVAL);
		return false;
	}
	assert_int_equal(out.cb[PL_CB_STATE], 11);
	assert_int_equal(out.cb[PL_CB_SRC], 12);
	assert_int_equal(out.cb[PL_CB_DST], 13);
	*mask = out.cb[PL_CB_MASK_LO] | (uint64_t)out.cb[PL_CB_MASK_HI] << 32;
	*ret_verdict = (int)opts.retval;
	return true;
}

static uint64_t oracle(struct pl_filter *const filters[PL_MIRRORS_MAX],
		       const struct corpus_packet *p)
{
	uint64_t mask = 0;

	for (int i = 0; i < PL_MIRRORS_MAX; i++)
		if (!filters[i] || pl_filter_run(filters[i], p->data, p->len, p->len))
			mask |= 1ULL << i;
	return mask;
}

static void compare(int prog, struct pl_filter *const filters[PL_MIRRORS_MAX], size_t *ran)
{
	for (size_t i = 0; i < corpus.n; i++) {
		const struct corpus_packet *p = &corpus.packets[i];
		uint64_t candidates = i % 3 ? ~0ULL : 0x9e3779b97f4a7c15, got = candidates;
		int verdict;

		if (!run(prog, p->data, p->len, &got, &verdict))
			continue;
		(*ran)++;
		assert_int_equal(verdict, REACHED);
		if (got != (oracle(filters, p) & candidates))
			fail_msg("packet %zu of %u bytes: %llx, libpcap says %llx", i, p->len,
				 (unsigned long long)got,
				 (unsigned long long)(oracle(filters, p) & candidates));
	}
}

static void compare_tagged(struct pl_filter *const filters[PL_MIRRORS_MAX], size_t *ran)
{
	static const struct {
		uint16_t tpid, tci;
	} tags[] = {{0x8100, 5}, {0x88a8, 0x2005}};

	for (size_t t = 0; t < PL_ARRAY_SIZE(tags); t++) {
		pl_autoclose int tagger = load_tagger(tags[t].tpid, tags[t].tci);

		for (size_t i = 0; i < corpus.n; i++) {
			struct corpus_packet p = corpus.packets[i], bare;
			uint64_t got = ~0ULL;
			int verdict;

			if (p.len < 16 || (p.data[12] << 8 | p.data[13]) != tags[t].tpid ||
			    (p.data[14] << 8 | p.data[15]) != tags[t].tci)
				continue;
			bare = p;
			memmove(bare.data + 12, bare.data + 16, p.len - 16);
			bare.len -= 4;
			if (!run(tagger, bare.data, bare.len, &got, &verdict))
				continue;
			(*ran)++;
			assert_int_equal(verdict, REACHED);
			if (got != oracle(filters, &p))
				fail_msg("tagged packet %zu of %u bytes: %llx, libpcap says %llx",
					 i, p.len, (unsigned long long)got,
					 (unsigned long long)oracle(filters, &p));
		}
	}
}

static void test_batches(void **state)
{
	size_t total = PL_ARRAY_SIZE(corpus_expressions), ran = 0, ran_tagged = 0;
	pl_autoclose int reached = -1;

	need_root();
	reached = load_reached();
	put(PL_PROG_MIRROR, reached);
	for (size_t first = 0; first < total; first += PL_MIRRORS_MAX) {
		struct pl_filter *filters[PL_MIRRORS_MAX] = {};
		pl_autoclose int prog = -1;

		for (size_t i = 0; i < PL_MIRRORS_MAX && first + i < total; i++)
			filters[i] = compile(corpus_expressions[first + i]);
		prog = load_match((const struct pl_filter *const *)filters);
		put(PL_PROG_MATCH, prog);
		compare(prog, filters, &ran);
		compare_tagged(filters, &ran_tagged);
		for (size_t i = 0; i < PL_MIRRORS_MAX; i++)
			pl_filter_freep(&filters[i]);
	}
	assert_true(ran > corpus.n);
	assert_true(ran_tagged > corpus.n / 4);
}

static void test_each_loads(void **state)
{
	need_root();
	for (size_t i = 0; i < PL_ARRAY_SIZE(corpus_expressions); i++) {
		pl_cleanup(pl_filter_freep) struct pl_filter *f = compile(corpus_expressions[i]);
		const struct pl_filter *filters[PL_MIRRORS_MAX] = {[63] = f};
		pl_autoclose int prog = load_match(filters);

		assert_true(prog >= 0);
	}
}

/* @n different filters of @clauses hosts and ports each; a program fd or -errno. */
static int load_large(int n, int clauses, struct pl_error *err)
{
	struct pl_filter *filters[PL_MIRRORS_MAX] = {};
	pl_autofree struct bpf_insn *insns = NULL;
	size_t n_insns;
	int r;

	for (int slot = 0; slot < n; slot++) {
		char expr[8192] = "tcp[tcpflags] & tcp-syn != 0";
		size_t len = strlen(expr);

		for (int i = 0; i < clauses; i++)
			len += (size_t)snprintf(expr + len, sizeof(expr) - len,
						" or dst host 10.%d.%d.1 and port %d", slot, i,
						i + 1);
		filters[slot] = compile(expr);
	}
	r = pl_match_build((const struct pl_filter *const *)filters, &insns, &n_insns, err);
	for (int slot = 0; slot < n; slot++)
		pl_filter_freep(&filters[slot]);
	return r < 0 ? r : pl_match_load(insns, n_insns, programs, err);
}

/* Many sessions with long filters are no problem; where they are, it is an error and no more. */
static void test_large_ones(void **state)
{
	struct pl_error err = {};
	pl_autoclose int many = -1, long_one = -1;

	need_root();
	many = load_large(PL_MIRRORS_MAX, 4, &err);
	if (many < 0)
		fail_msg("%s", err.text);
	long_one = load_large(1, 100, &err);
	if (long_one < 0)
		fail_msg("%s", err.text);
	assert_int_equal(load_large(PL_MIRRORS_MAX, 10, &err), -E2BIG);
	assert_non_null(strstr(err.text, "together"));
}

/* Without a program in the MIRROR slot the packet goes on as if nobody had looked. */
static void test_missing_mirror_program(void **state)
{
	pl_cleanup(pl_filter_freep) struct pl_filter *f = compile("tcp");
	const struct pl_filter *filters[PL_MIRRORS_MAX] = {f};
	pl_autoclose int prog = -1;
	uint32_t slot = PL_PROG_MIRROR;
	uint64_t mask = 3;
	int verdict;

	need_root();
	prog = load_match(filters);
	bpf_map_delete_elem(programs, &slot);
	assert_true(run(prog, corpus.packets[0].data, corpus.packets[0].len, &mask, &verdict));
	assert_int_equal(verdict, UNSPEC);
	assert_int_equal(mask, 3);
}

static void test_refusal_is_told(void **state)
{
	const struct bpf_insn bad[] = {{.code = BPF_JMP | BPF_EXIT}};
	struct pl_error err = {};

	need_root();
	assert_true(pl_match_load(bad, 1, programs, &err) < 0);
	assert_non_null(strstr(err.text, "R0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_each_loads),
		cmocka_unit_test(test_large_ones),
		cmocka_unit_test(test_missing_mirror_program),
		cmocka_unit_test(test_refusal_is_told),
	};

	return cmocka_run_group_tests_name("match", tests, setup, teardown);
}
