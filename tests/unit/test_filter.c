/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The filters without the kernel: what is refused and where the caret stands, and that the
 * generated program, interpreted, gives libpcap's verdict for every expression and packet, alone
 * and among 64 sessions, with the VLAN tag in the frame or out of band.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/filter.h>

#include "ebpf.h"
#include "filter_corpus.h"
#include "filter/lexer.h"
#include "filter/match.h"

static struct corpus corpus;

static int make_corpus(void **state)
{
	return corpus_make(&corpus);
}

static int free_corpus(void **state)
{
	free(corpus.packets);
	return 0;
}

static struct pl_filter *compile(const char *expr)
{
	struct pl_filter *f = NULL;
	struct pl_error err = {};

	if (pl_filter_compile(expr, &f, &err) < 0)
		fail_msg("'%s': %s", expr, err.text);
	return f;
}

static bool oracle(const struct pl_filter *f, const struct corpus_packet *p)
{
	return pl_filter_run(f, p->data, p->len, p->len) != 0;
}

/*
 * @p as an skb: its outer tag, where it has a whole one and @out_of_band says so, beside the frame.
 * False where that makes no difference. @storage holds the frame without the tag.
 */
static bool as_skb(const struct corpus_packet *p, bool out_of_band, struct corpus_packet *storage,
		   struct ebpf_packet *ret)
{
	uint16_t tpid = (uint16_t)(p->data[12] << 8 | p->data[13]);

	*ret = (struct ebpf_packet){.data = p->data, .len = p->len};
	if (!out_of_band)
		return true;
	if (p->len < 16 || (tpid != 0x8100 && tpid != 0x88a8))
		return false;
	*storage = *p;
	memmove(storage->data + 12, storage->data + 16, p->len - 16);
	storage->len -= 4;
	*ret = (struct ebpf_packet){.data = storage->data,
				    .len = storage->len,
				    .tagged = true,
				    .tpid = tpid,
				    .tci = (uint16_t)(p->data[14] << 8 | p->data[15])};
	return true;
}

static void test_verdicts(void **state)
{
	size_t matches = 0, tagged = 0;

	assert_true(corpus.n > 1000 && corpus.n < CORPUS_PACKETS_MAX);
	for (size_t e = 0; e < PL_ARRAY_SIZE(corpus_expressions); e++) {
		pl_cleanup(pl_filter_freep) struct pl_filter *f = compile(corpus_expressions[e]);
		const struct pl_filter *filters[PL_MIRRORS_MAX] = {};
		pl_autofree struct bpf_insn *insns = NULL;
		uint64_t bit = 1ULL << e % 64, others = ~bit & 0xa5a5a5a55a5a5a5a;
		size_t n, here = 0;

		filters[e % 64] = f;
		assert_int_equal(pl_match_build(filters, &insns, &n, NULL), 0);
		ebpf_check_form(insns, n);
		for (size_t i = 0; i < 2 * corpus.n; i++) {
			const struct corpus_packet *p = &corpus.packets[i / 2];
			struct corpus_packet storage;
			struct ebpf_packet skb;
			bool want = oracle(f, p);
			uint64_t got;

			if (!as_skb(p, i % 2, &storage, &skb))
				continue;
			got = ebpf_match(insns, n, &skb, bit | others);
			if (got != ((want ? bit : 0) | others))
				fail_msg(
					"'%s', packet %zu of %u bytes, tag %s: %d, libpcap says %d",
					corpus_expressions[e], i / 2, p->len,
					i % 2 ? "out of band" : "in band", (got & bit) != 0, want);
			assert_int_equal(ebpf_match(insns, n, &skb, others), others);
			here += want;
			tagged += skb.tagged;
		}
		matches += here > 0;
	}
	/* A corpus in which an expression matches nothing, or all, would prove little. */
	assert_true(matches > PL_ARRAY_SIZE(corpus_expressions) * 8 / 10);
	assert_true(tagged > 10000);
}

static void test_sessions_together(void **state)
{
	const struct pl_filter *filters[PL_MIRRORS_MAX] = {};
	struct pl_filter *owned[PL_MIRRORS_MAX] = {};
	pl_autofree struct bpf_insn *insns = NULL;
	size_t n;

	for (size_t e = 0; e < PL_MIRRORS_MAX; e++) {
		/* Slot 5 has none, 7 and 63 have the same, and each 9th one reads out of bounds. */
		const char *expr = corpus_expressions[(e == 63 ? 7 : e) + 20];

		if (e % 9 == 4)
			expr = "ether[300:4] = 0x5a5a5a5a";
		filters[e] = owned[e] = e == 5 ? NULL : compile(expr);
	}
	assert_int_equal(pl_match_build(filters, &insns, &n, NULL), 0);
	ebpf_check_form(insns, n);
	for (size_t i = 0; i < corpus.n; i++) {
		const struct corpus_packet *p = &corpus.packets[i];
		struct ebpf_packet skb = {.data = p->data, .len = p->len};
		uint64_t want = 0, mask = i % 2 ? ~0ULL : 0x9249249249249249;

		for (int e = 0; e < PL_MIRRORS_MAX; e++)
			if (!filters[e] || oracle(filters[e], p))
				want |= 1ULL << e;
		assert_int_equal(ebpf_match(insns, n, &skb, mask), want & mask);
	}
	for (int e = 0; e < PL_MIRRORS_MAX; e++)
		pl_filter_freep(&owned[e]);
}

static void test_no_filters(void **state)
{
	const struct pl_filter *none[PL_MIRRORS_MAX] = {};
	pl_autofree struct bpf_insn *insns = NULL;
	struct ebpf_packet skb = {.data = (const uint8_t *)"", .len = 0};
	size_t n;

	assert_int_equal(pl_match_build(none, &insns, &n, NULL), 0);
	ebpf_check_form(insns, n);
	assert_int_equal(ebpf_match(insns, n, &skb, 0x8000000000000001), 0x8000000000000001);
}

static void test_equal_filters_run_once(void **state)
{
	pl_cleanup(pl_filter_freep) struct pl_filter *a = compile("tcp port 80");
	pl_cleanup(pl_filter_freep) struct pl_filter *b = compile("tcp  port http");
	const struct pl_filter *two[PL_MIRRORS_MAX] = {}, *all[PL_MIRRORS_MAX];
	pl_autofree struct bpf_insn *insns_two = NULL, *insns_all = NULL;
	size_t n_two, n_all;

	assert_true(pl_filter_equal(a, b));
	for (int i = 0; i < PL_MIRRORS_MAX; i++)
		all[i] = i % 2 ? a : b;
	two[0] = two[32] = a; /* both halves of the mask */
	assert_int_equal(pl_match_build(two, &insns_two, &n_two, NULL), 0);
	assert_int_equal(pl_match_build(all, &insns_all, &n_all, NULL), 0);
	assert_int_equal(n_two, n_all);
}

/* The message's last line is the caret; the line before it the expression, indented alike. */
static const char *caret_points_at(const char *text)
{
	const char *caret = strrchr(text, '\n'), *line = caret;

	if (!caret)
		return NULL;
	while (line > text && line[-1] != '\n')
		line--;
	return line + strspn(caret + 1, " ");
}

static void test_refused(void **state)
{
	for (size_t i = 0; i < PL_ARRAY_SIZE(corpus_wrong); i++) {
		const char *expr = corpus_wrong[i].expr, *word = corpus_wrong[i].word;
		struct pl_filter *f = NULL;
		struct pl_error err = {};
		const char *at;

		if (pl_filter_compile(expr, &f, &err) != -EINVAL)
			fail_msg("'%s' was not refused", expr);
		assert_null(f);
		if (!strstr(err.text, corpus_wrong[i].says))
			fail_msg("'%s': %s", expr, err.text);
		at = caret_points_at(err.text);
		if (word && (!at || strncmp(at, word, strlen(word)) != 0))
			fail_msg("'%s': %s", expr, err.text);
	}
}

static void test_caret_in_long_expression(void **state)
{
	char expr[4000] = "host 10.0.0.1";
	struct pl_filter *f = NULL;
	struct pl_error err = {};
	const char *at;

	for (int i = 0; i < 90; i++)
		strcat(expr, i == 70 ? " or hots 10.0.0.2" : " or host 10.0.0.2");
	assert_int_equal(pl_filter_compile(expr, &f, &err), -EINVAL);
	at = caret_points_at(err.text);
	assert_non_null(at);
	assert_memory_equal(at, "hots 10.0.0.2 or", 16);
}

static void test_too_long(void **state)
{
	pl_autofree char *expr = calloc(1, 600000);
	struct pl_filter *f = NULL;
	struct pl_error err = {};

	memset(expr, ' ', PL_FILTER_EXPR_MAX + 1);
	assert_int_equal(pl_filter_compile(expr, &f, &err), -E2BIG);
	/* Parentheses that exhaust a parser's stack are an error like any other. */
	memset(expr, '(', PL_FILTER_EXPR_MAX);
	expr[PL_FILTER_EXPR_MAX] = '\0';
	assert_int_equal(pl_filter_compile(expr, &f, &err), -EINVAL);
	assert_null(f);
}

static void test_many_hosts(void **state)
{
	char expr[PL_FILTER_EXPR_MAX] = "src host 10.0.0.1";
	pl_cleanup(pl_filter_freep) struct pl_filter *f = NULL;
	const struct pl_filter *filters[PL_MIRRORS_MAX] = {};
	pl_autofree struct bpf_insn *insns = NULL;
	struct corpus_packet p = {};
	struct ebpf_packet skb = {.data = p.data};
	size_t n, len = strlen(expr);

	for (int i = 0; i < 250; i++)
		len += (size_t)snprintf(expr + len, sizeof(expr) - len, " or src 172.%d.%d.9",
					16 + i % 16, i);
	f = compile(expr);
	filters[0] = f;
	assert_int_equal(pl_match_build(filters, &insns, &n, NULL), 0);
	ebpf_check_form(insns, n);
	corpus_ether(&p, 0, 0, 0x0800);
	corpus_ip4(&p, 6, 0);
	skb.len = p.len;
	memcpy(p.data + 26, "\xac\x1f\xdf\x09", 4); /* 172.31.223.9: 223 = 15 mod 16 */
	assert_int_equal(ebpf_match(insns, n, &skb, 1), oracle(f, &p));
	assert_true(oracle(f, &p));
	p.data[29] = 8;
	assert_int_equal(ebpf_match(insns, n, &skb, 1), 0);
}

static void test_words(void **state)
{
	static const char expr[] = "tcp[tcpflags]&tcp-syn!=0 and net 10.0.0.0/8 or fe80::1 "
				   "ether host 02:00:00:00:00:01 len-10 \\udp 0x1f";
	static const struct {
		const char *text;
		enum pl_word_kind kind;
	} want[] = {
		{"tcp", PL_WORD_KEYWORD},
		{"[", PL_WORD_SIGN},
		{"tcpflags", PL_WORD_KEYWORD},
		{"]", PL_WORD_SIGN},
		{"&", PL_WORD_SIGN},
		{"tcp-syn", PL_WORD_KEYWORD},
		{"!", PL_WORD_SIGN},
		{"=", PL_WORD_SIGN},
		{"0", PL_WORD_NUMBER},
		{"and", PL_WORD_KEYWORD},
		{"net", PL_WORD_KEYWORD},
		{"10.0.0.0", PL_WORD_ADDRESS},
		{"/", PL_WORD_SIGN},
		{"8", PL_WORD_NUMBER},
		{"or", PL_WORD_KEYWORD},
		{"fe80::1", PL_WORD_ADDRESS},
		{"ether", PL_WORD_KEYWORD},
		{"host", PL_WORD_KEYWORD},
		{"02:00:00:00:00:01", PL_WORD_ADDRESS},
		{"len-10", PL_WORD_NAME},
		{"\\udp", PL_WORD_NAME},
		{"0x1f", PL_WORD_NUMBER},
	};
	pl_autofree struct pl_word *words = NULL;
	size_t n;

	assert_int_equal(pl_words_split(expr, &words, &n), 0);
	assert_int_equal(n, PL_ARRAY_SIZE(want));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(words[i].len, strlen(want[i].text));
		assert_memory_equal(expr + words[i].start, want[i].text, words[i].len);
		assert_int_equal(words[i].kind, want[i].kind);
	}
}

static void test_invalid_programs(void **state)
{
	static const struct sock_filter bad[][3] = {
		{{BPF_LD | BPF_B | BPF_ABS, 0, 0, 0}, {BPF_LD, 0, 0, 0}, {BPF_LD, 0, 0, 0}},
		{{BPF_JMP | BPF_JA, 0, 0, 2}, {BPF_RET, 0, 0, 0}, {BPF_RET, 0, 0, 0}},
		{{BPF_JMP | BPF_JA, 0, 0, (uint32_t)-2}, {BPF_RET}, {BPF_RET}},
		{{BPF_JMP | BPF_JEQ, 0, 2, 0}, {BPF_RET}, {BPF_RET}},
		{{BPF_ST, 0, 0, 16}, {BPF_RET}, {BPF_RET}},
		{{BPF_LD | BPF_MEM, 0, 0, 16}, {BPF_RET}, {BPF_RET}},
		{{BPF_ALU | BPF_DIV | BPF_K, 0, 0, 0}, {BPF_RET}, {BPF_RET}},
		{{BPF_ALU | BPF_LSH | BPF_K, 0, 0, 32}, {BPF_RET}, {BPF_RET}},
		{{0xffff, 0, 0, 0}, {BPF_RET}, {BPF_RET}},
		{{BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)SKF_AD_OFF}, {BPF_RET}, {BPF_RET}},
	};
	struct pl_filter *f = NULL;

	for (size_t i = 0; i < PL_ARRAY_SIZE(bad); i++)
		assert_int_equal(pl_filter_from_insns("", bad[i], 3, &f), -EINVAL);
	assert_int_equal(pl_filter_from_insns("", bad[0], 0, &f), -EINVAL);
	assert_null(f);
}

/* What a client may send in place of a program. */
static void test_hostile_text(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"", "begin with the number"},
		{"0", "begin with the number"},
		{"0,", "begin with the number"},
		{"4097,6 0 0 0", "begin with the number"},
		{"-1,6 0 0 0", "begin with the number"},
		{" 1,6 0 0 0", "begin with the number"},
		{"18446744073709551617,6 0 0 0", "begin with the number"},
		{"1", "instruction 0"},
		{"1,", "instruction 0"},
		{"1,6 0 0", "instruction 0"},
		{"1,6 0 0 ", "instruction 0"},
		{"1,6 0 0 0x10", "instruction 0"},
		{"1,6 0 0 4294967296", "instruction 0"},
		{"1,6 256 0 0", "instruction 0"},
		{"1,65536 0 0 0", "instruction 0"},
		{"1,6  0 0 0", "instruction 0"},
		{"1,6 0 0 0 0", "instruction 0"},
		{"2,6 0 0 0", "instruction 1"},
		{"4096,6 0 0 0", "instruction 1"},
		{"1,6 0 0 0,6 0 0 0", "more than its 1"},
		{"1,6 0 0 0;", "instruction 0"},
		{"1,0 0 0 0", "no valid classic BPF"},			/* ends without a return */
		{"2,5 0 0 1,6 0 0 0", "no valid classic BPF"},		/* jump behind the end */
		{"2,5 0 0 4294967294,6 0 0 0", "no valid classic BPF"}, /* and before the start */
		{"2,21 1 0 0,6 0 0 0", "no valid classic BPF"},
		{"2,2 0 0 16,6 0 0 0", "no valid classic BPF"}, /* M[16] */
		{"2,96 0 0 16,6 0 0 0", "no valid classic BPF"},
		{"2,52 0 0 0,6 0 0 0", "no valid classic BPF"},		 /* division by zero */
		{"2,32 0 0 4294963200,6 0 0 0", "no valid classic BPF"}, /* ancillary data */
		{"2,65535 0 0 0,6 0 0 0", "no valid classic BPF"},
		{"2,133 0 0 1,6 0 0 0", "no valid classic BPF"}, /* eBPF's call */
		{"2,24 0 1 1,6 0 0 0", "no valid classic BPF"},	 /* and its 64-bit load */
	};

	for (size_t i = 0; i < PL_ARRAY_SIZE(rows); i++) {
		struct pl_filter *f = NULL;
		struct pl_error err = {};
		int r = pl_filter_parse("words", rows[i].text, &f, &err);

		if (r != -EINVAL || f || !strstr(err.text, rows[i].says))
			fail_msg("'%s': %d '%s'", rows[i].text, r, err.text);
	}
}

/* The text is tcpdump -ddd's, with its newlines or with commas. */
static void test_text_of_programs(void **state)
{
	static const char ip[] = "4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0";
	static const char dump[] = "4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n";
	pl_cleanup(pl_filter_freep) struct pl_filter *made = compile("ip"), *a = NULL, *b = NULL;
	pl_autofree char *text = pl_filter_format(made);

	assert_string_equal(text, ip);
	assert_int_equal(pl_filter_parse("ip", ip, &a, NULL), 0);
	assert_int_equal(pl_filter_parse("ip", dump, &b, NULL), 0);
	assert_true(pl_filter_equal(a, made) && pl_filter_equal(b, made));
	assert_string_equal(a->expr, "ip");
	for (size_t i = 0; i < PL_ARRAY_SIZE(corpus_expressions); i++) {
		pl_cleanup(pl_filter_freep) struct pl_filter *f = compile(corpus_expressions[i]);
		pl_cleanup(pl_filter_freep) struct pl_filter *again = NULL;
		pl_autofree char *said = pl_filter_format(f);

		assert_int_equal(pl_filter_parse("", said, &again, NULL), 0);
		assert_true(pl_filter_equal(f, again));
	}
}

/* A filter whose code is longer than a jump reaches must be an error, not a wrong jump. */
static void test_too_large(void **state)
{
	pl_autofree struct sock_filter *insns = calloc(PL_FILTER_INSNS_MAX, sizeof(*insns));
	pl_cleanup(pl_filter_freep) struct pl_filter *f = NULL;
	const struct pl_filter *filters[PL_MIRRORS_MAX] = {};
	struct bpf_insn *out = NULL;
	struct pl_error err = {};
	size_t n;

	for (size_t i = 0; i + 1 < PL_FILTER_INSNS_MAX; i++)
		insns[i] = (struct sock_filter){BPF_LD | BPF_W | BPF_IND, 0, 0, 1};
	insns[PL_FILTER_INSNS_MAX - 1] = (struct sock_filter){BPF_RET | BPF_A, 0, 0, 0};
	assert_int_equal(pl_filter_from_insns("", insns, PL_FILTER_INSNS_MAX, &f), 0);
	filters[3] = f;
	assert_int_equal(pl_match_build(filters, &out, &n, &err), -E2BIG);
	assert_null(out);
	assert_non_null(strstr(err.text, "too large"));
}

/* Scratch cells start as zero for each filter, whatever the one before left in them. */
static void test_scratch_is_zeroed(void **state)
{
	static const struct sock_filter dirty[] = {
		{BPF_LD | BPF_IMM, 0, 0, 7},
		{BPF_ST, 0, 0, 3},
		{BPF_LD | BPF_MEM, 0, 0, 3},
		{BPF_RET | BPF_A, 0, 0, 0},
	};
	static const struct sock_filter reads[] = {
		{BPF_LD | BPF_MEM, 0, 0, 3},
		{BPF_RET | BPF_A, 0, 0, 0},
	};
	pl_cleanup(pl_filter_freep) struct pl_filter *a = NULL, *b = NULL;
	pl_autofree struct bpf_insn *insns = NULL;
	const struct pl_filter *filters[PL_MIRRORS_MAX] = {};
	struct ebpf_packet skb = {.data = corpus.packets[0].data, .len = corpus.packets[0].len};
	size_t n;

	assert_int_equal(pl_filter_from_insns("", dirty, PL_ARRAY_SIZE(dirty), &a), 0);
	assert_int_equal(pl_filter_from_insns("", reads, PL_ARRAY_SIZE(reads), &b), 0);
	filters[0] = a;
	filters[1] = b;
	assert_int_equal(pl_match_build(filters, &insns, &n, NULL), 0);
	assert_int_equal(ebpf_match(insns, n, &skb, 3), 1);
}

/* protochain goes round in classic BPF: a packet must not keep the kernel there. */
static void test_loops_end(void **state)
{
	pl_cleanup(pl_filter_freep) struct pl_filter *f = compile("ip6 protochain 6");
	const struct pl_filter *filters[PL_MIRRORS_MAX] = {f};
	pl_autofree struct bpf_insn *insns = NULL;
	struct corpus_packet p;
	struct ebpf_packet skb = {.data = p.data};
	size_t n;

	assert_int_equal(pl_match_build(filters, &insns, &n, NULL), 0);
	for (unsigned int headers = 0; headers < 50; headers++) {
		corpus_ether(&p, 0, 0, 0x86dd);
		corpus_put(&p, "\x60\0\0\0\1\0\x3c\x40", 8);
		corpus_fill(&p, 32);
		for (unsigned int i = 0; i < headers; i++)
			corpus_put(&p, "\x3c\0\0\0\0\0\0\0", 8);
		corpus_put(&p, "\6\0\0\0\0\0\0\0", 8);
		skb.len = p.len;
		assert_int_equal(ebpf_match(insns, n, &skb, 1), headers + 1 < PL_FILTER_LOOPS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_sessions_together),
		cmocka_unit_test(test_no_filters),
		cmocka_unit_test(test_equal_filters_run_once),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_caret_in_long_expression),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_many_hosts),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_invalid_programs),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_scratch_is_zeroed),
		cmocka_unit_test(test_loops_end),
		cmocka_unit_test(test_hostile_text),
		cmocka_unit_test(test_text_of_programs),
	};

	return cmocka_run_group_tests_name("filter", tests, make_corpus, free_corpus);
}
