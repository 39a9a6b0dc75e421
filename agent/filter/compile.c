/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From words to checked classic BPF: libpcap compiles and optimises, this file refuses what would
 * look up names or ask the packet for what no frame holds, and finds the word that an error is
 * about. It never blocks: libpcap is called only once no host name is left. For the command alone:
 * the daemon gets programs, and has no libpcap.
 */
#include "filter/filter.h"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <pcap/pcap.h>

#include "filter/lexer.h"

_Static_assert(sizeof(struct bpf_insn) == sizeof(struct sock_filter) &&
		       offsetof(struct bpf_insn, k) == offsetof(struct sock_filter, k),
	       "libpcap's classic instruction is the kernel's");

/* Beyond any packet: libpcap's programs return it for a match. */
#define SNAPLEN 262144

/* No valid number: the scanner fails on it when, and only when, the parser gets that far. */
#define SENTINEL "99999999999"

static void pcap_closep(pcap_t **p)
{
	if (*p)
		pcap_close(*p);
}

static void pcap_freecodep(struct bpf_program *prog)
{
	pcap_freecode(prog);
}

/* 0, -ENOMEM, or -EINVAL with libpcap's words in @problem. */
static int run_libpcap(const char *expr, int optimize, struct bpf_program *ret,
		       char problem[PCAP_ERRBUF_SIZE])
{
	pl_cleanup(pcap_closep) pcap_t *pcap = pcap_open_dead(DLT_EN10MB, SNAPLEN);

	if (!pcap)
		return -ENOMEM;
	if (pcap_compile(pcap, ret, expr, optimize, PCAP_NETMASK_UNKNOWN) < 0) {
		snprintf(problem, PCAP_ERRBUF_SIZE, "%s", pcap_geterr(pcap));
		return -EINVAL;
	}
	return 0;
}

/* libpcap's complaint about the first @len bytes of @expr and then @tail; "" for none. */
static int complaint(const char *expr, size_t len, const char *tail, char ret[PCAP_ERRBUF_SIZE])
{
	pl_cleanup(pcap_freecodep) struct bpf_program prog = {};
	pl_autofree char *text = NULL;

	ret[0] = '\0';
	if (asprintf(&text, "%.*s %s", (int)len, expr, tail) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	/* Optimised, for "expression rejects all packets" is found there. */
	return run_libpcap(text, 1, &prog, ret) == -ENOMEM ? -ENOMEM : 0;
}

/*
 * Smallest number of words after which libpcap's complaint, with @tail behind them, is (@same) or
 * is no longer (!@same) @text; n + 1 where there is none.
 */
static size_t first_words(const char *expr, const struct pl_word *words, size_t n, const char *tail,
			  const char *text, bool same)
{
	size_t low = 1, high = n + 1;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct pl_word *last = &words[mid - 1];
		char got[PCAP_ERRBUF_SIZE];

		if (complaint(expr, last->start + last->len, tail, got) < 0)
			return n + 1;
		if ((strcmp(got, text) == 0) == same)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* The parser stopped: at the first word after which it does not ask for another one. */
static int fail_syntax(const char *expr, const struct pl_word *words, size_t n,
		       struct pl_error *err)
{
	char sentinel[PCAP_ERRBUF_SIZE], problem[128];
	size_t wrong;

	if (complaint("", 0, SENTINEL, sentinel) < 0 || strstr(sentinel, "syntax error"))
		return pl_fail(err, -EINVAL, "filter: syntax error in '%.300s'", expr);
	wrong = first_words(expr, words, n, SENTINEL, sentinel, false);
	if (wrong > n)
		return pl_words_fail(err, expr, NULL, "the expression ends too early");
	snprintf(problem, sizeof(problem), "syntax error at '%.*s'",
		 (int)(words[wrong - 1].len < 64 ? words[wrong - 1].len : 64),
		 expr + words[wrong - 1].start);
	return pl_words_fail(err, expr, &words[wrong - 1], problem);
}

/* A complaint about what the words mean comes with the word that completes the nonsense. */
static int fail_meaning(const char *expr, const struct pl_word *words, size_t n, const char *text,
			struct pl_error *err)
{
	size_t wrong = first_words(expr, words, n, "", text, true);

	if (strcmp(text, "expression rejects all packets") == 0)
		text = "no packet can match the whole of this";
	return pl_words_fail(err, expr, wrong <= n ? &words[wrong - 1] : NULL, text);
}

static int refuse_host_names(const char *expr, const struct pl_word *words, size_t n,
			     struct pl_error *err)
{
	size_t host = pl_words_find_host(expr, words, n);
	const char *near;
	char problem[256];

	if (host == n)
		return 0;
	near = pl_words_nearest(expr, &words[host]);
	snprintf(problem, sizeof(problem),
		 near ? "unknown keyword '%.*s'; did you mean '%s'?"
		      : "'%.*s' is a host or network name, which would need the DNS; "
			"write the address",
		 (int)(words[host].len < 64 ? words[host].len : 64), expr + words[host].start,
		 near);
	return pl_words_fail(err, expr, &words[host], problem);
}

static bool reads_ancillary(const struct bpf_insn *insn)
{
	return BPF_CLASS(insn->code) == BPF_LD && BPF_MODE(insn->code) == BPF_ABS &&
	       insn->k >= (uint32_t)SKF_AD_OFF;
}

/* "inbound", "ifindex": what libpcap asks of the kernel's packet, not of the frame. */
static int refuse_ancillary(const char *expr, const struct pl_word *words, size_t n,
			    const struct bpf_program *prog, struct pl_error *err)
{
	static const char *const about_packet[] = {"inbound", "outbound", "ifindex"};
	unsigned int i;

	for (i = 0; i < prog->bf_len && !reads_ancillary(&prog->bf_insns[i]); i++)
		;
	if (i == prog->bf_len)
		return 0;
	for (size_t w = 0; w < n; w++)
		for (size_t k = 0; k < PL_ARRAY_SIZE(about_packet); k++)
			if (strlen(about_packet[k]) == words[w].len &&
			    memcmp(about_packet[k], expr + words[w].start, words[w].len) == 0)
				return pl_words_fail(
					err, expr, &words[w],
					"a filter sees the frame alone, not the device or direction it "
					"came by; choose endpoints and direction instead");
	return pl_fail(err, -EINVAL, "filter: '%.300s' asks for what the frame does not hold",
		       expr);
}

int pl_filter_compile(const char *expr, struct pl_filter **ret, struct pl_error *err)
{
	pl_cleanup(pcap_freecodep) struct bpf_program prog = {};
	pl_cleanup(pl_filter_freep) struct pl_filter *f = NULL;
	pl_autofree struct pl_word *words = NULL;
	char problem[PCAP_ERRBUF_SIZE];
	size_t n;
	int r;

	if (strlen(expr) > PL_FILTER_EXPR_MAX)
		return pl_fail(err, -E2BIG, "filter: %zu bytes are too long; the most is %d",
			       strlen(expr), PL_FILTER_EXPR_MAX);
	r = pl_words_split(expr, &words, &n);
	if (r < 0)
		return pl_fail(err, r, "filter: out of memory");
	if (n == 0)
		return pl_fail(err, -EINVAL,
			       "filter: it is empty; leave it out to take every packet");
	r = refuse_host_names(expr, words, n, err);
	if (r < 0)
		return r;
	r = run_libpcap(expr, 1, &prog, problem);
	if (r == -ENOMEM)
		return pl_fail(err, r, "filter: out of memory");
	if (r < 0 && strstr(problem, "syntax error"))
		return fail_syntax(expr, words, n, err);
	if (r < 0)
		return fail_meaning(expr, words, n, problem, err);
	r = refuse_ancillary(expr, words, n, &prog, err);
	if (r < 0)
		return r;
	if (prog.bf_len > PL_FILTER_INSNS_MAX)
		return pl_fail(
			err, -E2BIG,
			"filter: it compiles to %u instructions, the most is %d; use prefixes and "
			"port ranges rather than lists, or several sessions",
			prog.bf_len, PL_FILTER_INSNS_MAX);
	r = pl_filter_from_insns(expr, (const struct sock_filter *)prog.bf_insns, prog.bf_len, &f);
	if (r == -ENOMEM)
		return pl_fail(err, r, "filter: out of memory");
	if (r < 0)
		return pl_fail(
			err, r,
			"filter: libpcap made an unknown instruction of '%.300s'; this is a defect",
			expr);
	*ret = TAKE_PTR(f);
	return 0;
}

uint32_t pl_filter_run(const struct pl_filter *filter, const void *data, uint32_t len,
		       uint32_t wire_len)
{
	return bpf_filter((const struct bpf_insn *)filter->insns, data, wire_len, len);
}
