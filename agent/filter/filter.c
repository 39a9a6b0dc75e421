/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Filters as the daemon has them: checked classic instructions, and the text in which they travel,
 * that of `tcpdump -ddd`. Knows of no libpcap.
 */
#include "filter/filter.h"

#include <linux/filter.h>

#include "filter/cbpf.h"

static struct pl_filter *filter_new(const char *expr, size_t n)
{
	struct pl_filter *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->expr = strdup(expr);
	f->insns = calloc(n, sizeof(*f->insns));
	f->n = n;
	if (!f->expr || !f->insns)
		pl_filter_freep(&f);
	return f;
}

int pl_filter_from_insns(const char *expr, const struct sock_filter *insns, size_t n,
			 struct pl_filter **ret)
{
	struct pl_filter *f;
	int r = pl_cbpf_check(insns, n);

	if (r < 0)
		return r;
	f = filter_new(expr, n);
	if (!f)
		return -ENOMEM;
	memcpy(f->insns, insns, n * sizeof(*insns));
	*ret = f;
	return 0;
}

/* Digits, then one of @after, which is passed: the end of the text is none. */
static bool take_number(const char **at, uint64_t max, const char *after, uint64_t *ret)
{
	const char *c = *at;
	uint64_t n = 0;

	if (*c < '0' || *c > '9')
		return false;
	for (; *c >= '0' && *c <= '9'; c++) {
		n = n * 10 + (uint64_t)(*c - '0');
		if (n > max)
			return false;
	}
	if (!*c || !strchr(after, *c))
		return false;
	*at = c + 1;
	*ret = n;
	return true;
}

static bool take_insn(const char **at, struct sock_filter *ret)
{
	uint64_t code, jt, jf, k;

	if (!take_number(at, UINT16_MAX, " ", &code) || !take_number(at, UINT8_MAX, " ", &jt) ||
	    !take_number(at, UINT8_MAX, " ", &jf) || !take_number(at, UINT32_MAX, ",\n", &k))
		return false;
	*ret = (struct sock_filter){(uint16_t)code, (uint8_t)jt, (uint8_t)jf, (uint32_t)k};
	return true;
}

int pl_filter_parse(const char *expr, const char *program, struct pl_filter **ret,
		    struct pl_error *err)
{
	pl_autofree struct sock_filter *insns = NULL;
	pl_autofree char *text = NULL;
	const char *at;
	uint64_t n = 0;
	int r;

	/* A last comma that may be missing, so that each number has something behind it. */
	if (asprintf(&text, "%s,", program) < 0) {
		text = NULL;
		return pl_fail(err, -ENOMEM, "program: out of memory");
	}
	at = text;
	if (!take_number(&at, PL_FILTER_INSNS_MAX, ",\n", &n) || !n)
		return pl_fail(err, -EINVAL,
			       "program: it must begin with the number of its instructions, at "
			       "most %d, as tcpdump -ddd prints it",
			       PL_FILTER_INSNS_MAX);
	insns = calloc(n, sizeof(*insns));
	if (!insns)
		return pl_fail(err, -ENOMEM, "program: out of memory");
	for (uint64_t i = 0; i < n; i++)
		if (!take_insn(&at, &insns[i]))
			return pl_fail(err, -EINVAL,
				       "program: instruction %u is not four numbers \"CODE JT JF "
				       "K\", as tcpdump -ddd prints them",
				       (unsigned int)i);
	if (at[strspn(at, ",\n")])
		return pl_fail(err, -EINVAL, "program: there is more than its %u instructions",
			       (unsigned int)n);
	r = pl_filter_from_insns(expr, insns, n, ret);
	if (r == -EINVAL)
		return pl_fail(err, r,
			       "program: it is no valid classic BPF: an unknown instruction, a "
			       "jump or scratch cell out of range, or no return at its end");
	return r < 0 ? pl_fail(err, r, "program: out of memory") : 0;
}

char *pl_filter_format(const struct pl_filter *f)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fprintf(out, "%zu", f->n);
	for (size_t i = 0; i < f->n; i++)
		fprintf(out, ",%u %u %u %u", f->insns[i].code, f->insns[i].jt, f->insns[i].jf,
			f->insns[i].k);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

void pl_filter_freep(struct pl_filter **filter)
{
	struct pl_filter *f = TAKE_PTR(*filter);

	if (!f)
		return;
	free(f->expr);
	free(f->insns);
	free(f);
}

bool pl_filter_equal(const struct pl_filter *a, const struct pl_filter *b)
{
	if (!a || !b)
		return a == b;
	return a->n == b->n && memcmp(a->insns, b->insns, a->n * sizeof(*a->insns)) == 0;
}
