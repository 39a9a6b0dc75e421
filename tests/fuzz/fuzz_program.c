/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Programs as clients send them: text in place of a filter's classic BPF. What is accepted comes
 * out of its own text again, and translates into a program of valid form, or is too large.
 */
#include "../unit/ebpf.h"
#include "filter/filter.h"
#include "filter/match.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct pl_filter *f)
{
	const struct pl_filter *filters[PL_MIRRORS_MAX] = {[7] = f};
	pl_cleanup(pl_filter_freep) struct pl_filter *again = NULL;
	pl_autofree char *text = pl_filter_format(f);
	struct bpf_insn *insns = NULL;
	struct pl_error err = {};
	size_t n;
	int r;

	EBPF_CHECK(text && pl_filter_parse("", text, &again, NULL) == 0);
	EBPF_CHECK(pl_filter_equal(f, again));
	r = pl_match_build(filters, &insns, &n, &err);
	EBPF_CHECK(r == 0 || r == -E2BIG);
	if (!r)
		ebpf_check_form(insns, n);
	free(insns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pl_filter *f = NULL;
	struct pl_error err = {};
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (pl_filter_parse("fuzz", text, &f, &err) == 0)
		check(f);
	else
		EBPF_CHECK(!f && err.code < 0 && err.text[0]);
	pl_filter_freep(&f);
	free(text);
	return 0;
}
