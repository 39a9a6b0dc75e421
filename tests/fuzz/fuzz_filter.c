/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Filters from foreign bytes, in two ways: as an expression, and as classic instructions, each with
 * a packet. What is accepted must translate into a program of valid form whose verdict,
 * interpreted, is libpcap's; what is refused must come with an error.
 */
#include <linux/filter.h>

#include "../unit/ebpf.h"
#include "../unit/filter_corpus.h"
#include "filter/filter.h"
#include "filter/lexer.h"
#include "filter/match.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The wire form of both: a VLAN tag out of band stands behind the MACs. */
static uint32_t with_tag(const struct ebpf_packet *p, uint8_t *out)
{
	if (!p->tagged) {
		memcpy(out, p->data, p->len);
		return p->len;
	}
	memcpy(out, p->data, 12);
	out[12] = (uint8_t)(p->tpid >> 8);
	out[13] = (uint8_t)p->tpid;
	out[14] = (uint8_t)(p->tci >> 8);
	out[15] = (uint8_t)p->tci;
	memcpy(out + 16, p->data + 12, p->len - 12);
	return p->len + 4;
}

/* Backward jumps of programs that libpcap did not make need not end when it runs them. */
static bool has_loop(const struct pl_filter *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->insns[i].code == (BPF_JMP | BPF_JA) && (int32_t)f->insns[i].k < 0)
			return true;
	return false;
}

static void check(const struct pl_filter *f, const struct ebpf_packet *p)
{
	const struct pl_filter *filters[PL_MIRRORS_MAX] = {};
	uint8_t wire[CORPUS_PACKET_MAX + 4];
	uint32_t len = with_tag(p, wire);
	struct bpf_insn *insns = NULL;
	uint64_t got;
	size_t n;

	filters[1] = filters[40] = f;
	if (pl_match_build(filters, &insns, &n, NULL) < 0)
		return;
	ebpf_check_form(insns, n);
	got = ebpf_match(insns, n, p, ~0ULL);
	if (!has_loop(f)) {
		uint64_t want =
			pl_filter_run(f, wire, len, len) ? ~0ULL : ~(1ULL << 40 | 1ULL << 1);

		EBPF_CHECK(got == want);
	}
	free(insns);
}

static void fuzz_instructions(const uint8_t *data, size_t size, const struct ebpf_packet *p)
{
	struct sock_filter insns[64 + BPF_MEMWORDS];
	size_t n = size / sizeof(insns[0]);
	struct pl_filter *f = NULL;

	n = n < PL_ARRAY_SIZE(insns) - BPF_MEMWORDS ? n : PL_ARRAY_SIZE(insns) - BPF_MEMWORDS - 1;
	/* libpcap leaves the scratch cells as they are, the translation zeroes them. */
	for (uint32_t i = 0; i < BPF_MEMWORDS; i++)
		insns[i] = (struct sock_filter){BPF_ST, 0, 0, i};
	memcpy(insns + BPF_MEMWORDS, data, n * sizeof(insns[0]));
	n += BPF_MEMWORDS;
	for (size_t i = BPF_MEMWORDS; i < n; i++)
		insns[i].code &= 0xff;
	insns[n++] = (struct sock_filter){BPF_RET | BPF_A, 0, 0, 0};
	if (pl_filter_from_insns("", insns, n, &f) == 0)
		check(f, p);
	pl_filter_freep(&f);
}

static void fuzz_expression(const uint8_t *data, size_t size, const struct ebpf_packet *p)
{
	struct pl_filter *f = NULL;
	struct pl_error err = {};
	char expr[512];

	size = size < sizeof(expr) ? size : sizeof(expr) - 1;
	memcpy(expr, data, size);
	expr[size] = '\0';
	if (pl_filter_compile(expr, &f, &err) == 0)
		check(f, p);
	else
		EBPF_CHECK(!f && err.code < 0 && err.text[0]);
	pl_filter_freep(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ebpf_packet p = {};
	size_t len;

	if (size < 8)
		return 0;
	len = (size_t)(data[1] | data[2] << 8) % CORPUS_PACKET_MAX;
	len = len < size - 8 ? len : size - 8;
	p.data = data + 8;
	p.len = (uint32_t)len;
	p.tagged = (data[0] & 2) && len >= 12;
	p.tpid = (uint16_t)(data[4] << 8 | data[5]);
	p.tci = (uint16_t)(data[6] << 8 | data[7]);
	if (data[0] & 1)
		fuzz_instructions(data + 8 + len, size - 8 - len, &p);
	else
		fuzz_expression(data + 8 + len, size - 8 - len, &p);
	return 0;
}
