/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From classic instructions to eBPF, for one filter at a time.
 */
#include "filter/translate.h"

/* @dst = @bytes of the head from @k on, in host order; takes as many aligned reads as it needs. */
static void load_head(struct gen *g, int dst, int scratch, unsigned int k, unsigned int bytes)
{
	unsigned int done = 0;

	while (done < bytes) {
		int off = g->head + (int)(k + done);
		unsigned int left = bytes - done;
		unsigned int step = left >= 8 && off % 8 == 0	? 8
				    : left >= 4 && off % 4 == 0 ? 4
				    : left >= 2 && off % 2 == 0 ? 2
								: 1;
		int reg = done ? scratch : dst;

		load(g, step, reg, FP, off);
		if (step > 1)
			to_host(g, reg, step * 8);
		if (done) {
			alu64_k(g, BPF_LSH, dst, (int32_t)step * 8);
			alu64_r(g, BPF_OR, dst, scratch);
		}
		done += step;
	}
}

/*
 * @dst = @bytes of the frame from r2 (any u64 below 2^33) on, rejecting what lies out of bounds.
 * Where a tag is out of band, three cases: before it, behind it, or a window over its edge.
 */
static void load_anywhere(struct gen *g, int dst, unsigned int bytes)
{
	size_t in_band, before, behind, done;

	alu64_r(g, BPF_MOV, R3, R2);
	alu64_k(g, BPF_ADD, R3, (int32_t)bytes);
	load(g, 4, R4, FP, AT_TOTAL);
	jump_r_to(g, BPF_JGT, R3, R4, TO_REJECT);
	load(g, 4, R4, FP, AT_SHIFT);
	in_band = jump_k(g, BPF_JEQ, R4, 0);
	before = jump_k(g, BPF_JLE, R3, VLAN_AT);
	behind = jump_k(g, BPF_JGE, R2, VLAN_AT + VLAN_LEN);

	/* r2 is 9 to 15: cut it out of bytes 8 to 19. */
	load_head(g, R3, R5, 8, 8);
	load_head(g, R4, R5, 16, 4);
	alu64_k(g, BPF_SUB, R2, 8);
	alu64_k(g, BPF_LSH, R2, 3);
	alu64_r(g, BPF_LSH, R3, R2);
	alu64_k(g, BPF_LSH, R4, 32);
	alu64_k(g, BPF_MOV, R5, 64);
	alu64_r(g, BPF_SUB, R5, R2);
	alu64_r(g, BPF_RSH, R4, R5);
	alu64_r(g, BPF_OR, R3, R4);
	alu64_k(g, BPF_RSH, R3, 64 - 8 * (int32_t)bytes);
	alu64_r(g, BPF_MOV, dst, R3);
	done = jump_k(g, BPF_JA, 0, 0);

	land(g, behind);
	alu64_k(g, BPF_SUB, R2, VLAN_LEN);
	land(g, in_band);
	land(g, before);
	alu64_k(g, BPF_MOV, R4, (int32_t)bytes);
	call_load_bytes(g, AT_LOADED);
	jump_k_to(g, BPF_JNE, R0, 0, TO_REJECT);
	load(g, bytes, dst, FP, AT_LOADED);
	if (bytes > 1)
		to_host(g, dst, bytes * 8);
	land(g, done);
}

/* @known: bytes that the head is known to have on every way here; grows by what is asked for. */
static void load_absolute(struct gen *g, int dst, uint32_t k, unsigned int bytes, uint32_t *known)
{
	if ((uint64_t)k + bytes > g->head_size) {
		alu32_k(g, BPF_MOV, R2, k);
		load_anywhere(g, dst, bytes);
		return;
	}
	if (k + bytes > *known) {
		load(g, 4, R1, FP, AT_HEAD_LEN);
		jump_k_to(g, BPF_JLT, R1, (int32_t)(k + bytes), TO_REJECT);
		*known = k + bytes;
	}
	load_head(g, dst, R1, k, bytes);
}

/* X + k without wrapping: the sum of two u32 that does not fit a u32 is out of bounds. */
static void load_indirect(struct gen *g, uint32_t k, unsigned int bytes)
{
	alu32_k(g, BPF_MOV, R2, k);
	alu64_r(g, BPF_ADD, R2, X);
	load_anywhere(g, A, bytes);
}

static void translate_load(struct gen *g, const struct sock_filter *in, uint32_t *known)
{
	int dst = BPF_CLASS(in->code) == BPF_LD ? A : X;
	unsigned int bytes = pl_cbpf_load_size(in);

	switch (BPF_MODE(in->code)) {
	case BPF_ABS:
		load_absolute(g, A, in->k, bytes, known);
		break;
	case BPF_IND:
		load_indirect(g, in->k, bytes);
		break;
	case BPF_MSH:
		load_absolute(g, X, in->k, bytes, known);
		alu32_k(g, BPF_AND, X, 0xf);
		alu32_k(g, BPF_LSH, X, 2);
		break;
	case BPF_LEN:
		load(g, 4, dst, FP, AT_TOTAL);
		break;
	case BPF_MEM:
		load(g, 4, dst, FP, AT_MEM + 4 * (int)in->k);
		break;
	default:
		alu32_k(g, BPF_MOV, dst, in->k);
	}
}

/* Classic shifts by 32 and more give 0; eBPF would take the count modulo 32. */
static void translate_shift_by_x(struct gen *g, int op)
{
	size_t small = jump_k(g, BPF_JLT, X, 32), done;

	alu32_k(g, BPF_MOV, A, 0);
	done = jump_k(g, BPF_JA, 0, 0);
	land(g, small);
	alu32_r(g, op, A, X);
	land(g, done);
}

static void translate_alu(struct gen *g, const struct sock_filter *in)
{
	int op = BPF_OP(in->code);

	if (op == BPF_NEG) {
		alu32_k(g, BPF_NEG, A, 0);
		return;
	}
	if (BPF_SRC(in->code) == BPF_K) {
		alu32_k(g, op, A, in->k);
		return;
	}
	if (op == BPF_LSH || op == BPF_RSH) {
		translate_shift_by_x(g, op);
		return;
	}
	if (op == BPF_DIV || op == BPF_MOD)
		jump_k_to(g, BPF_JEQ, X, 0, TO_REJECT);
	alu32_r(g, op, A, X);
}

static void translate_ja(struct gen *g, const struct sock_filter *in, struct place at)
{
	size_t to = pl_cbpf_ja_target(at.insn, in);

	if (to > at.insn)
		jump_to(g, (int)(at.base + to));
	else
		jump_to(g, at.last ? TO_REJECT : (int)(at.base + at.n + to));
}

static int inverse(int op)
{
	switch (op) {
	case BPF_JEQ:
		return BPF_JNE;
	case BPF_JGT:
		return BPF_JLE;
	case BPF_JGE:
		return BPF_JLT;
	default:
		return 0; /* JSET has none */
	}
}

static void compare(struct gen *g, const struct sock_filter *in, int op, int to)
{
	/* 32-bit comparisons: an immediate with its top bit set must not be sign-extended. */
	emit(g, (struct bpf_insn){.code = BPF_JMP32 | op | BPF_SRC(in->code),
				  .dst_reg = A,
				  .src_reg = BPF_SRC(in->code) == BPF_X ? X : 0,
				  .imm = BPF_SRC(in->code) == BPF_X ? 0 : (int32_t)in->k});
	target(g, to);
}

static void translate_branch(struct gen *g, const struct sock_filter *in, struct place at)
{
	int op = BPF_OP(in->code);
	int next = (int)(at.base + at.insn) + 1, yes = next + in->jt, no = next + in->jf;

	if (yes == no) {
		jump_to(g, yes);
	} else if (in->jt == 0 && inverse(op)) {
		compare(g, in, inverse(op), no);
	} else {
		compare(g, in, op, yes);
		if (in->jf)
			jump_to(g, no);
	}
}

static void translate_ret(struct gen *g, const struct sock_filter *in)
{
	if (BPF_RVAL(in->code) == BPF_A)
		jump_k_to(g, BPF_JEQ, A, 0, TO_REJECT);
	jump_to(g, BPF_RVAL(in->code) == BPF_K && in->k == 0 ? TO_REJECT : TO_NEXT);
}

static void translate(struct gen *g, const struct sock_filter *in, struct place at, uint32_t *known)
{
	switch (BPF_CLASS(in->code)) {
	case BPF_LD:
	case BPF_LDX:
		translate_load(g, in, known);
		break;
	case BPF_ST:
	case BPF_STX:
		store(g, 4, FP, AT_MEM + 4 * (int)in->k, BPF_CLASS(in->code) == BPF_ST ? A : X);
		break;
	case BPF_ALU:
		translate_alu(g, in);
		break;
	case BPF_JMP:
		if (BPF_OP(in->code) == BPF_JA)
			translate_ja(g, in, at);
		else
			translate_branch(g, in, at);
		break;
	case BPF_RET:
		translate_ret(g, in);
		break;
	default:
		if (BPF_MISCOP(in->code) == BPF_TAX)
			alu64_r(g, BPF_MOV, X, A);
		else
			alu64_r(g, BPF_MOV, A, X);
	}
}

/* What classic BPF starts with: zeroes. Only the scratch cells that are read need any. */
static void start_filter(struct gen *g, const struct pl_filter *f)
{
	uint32_t cells = 0;

	for (size_t i = 0; i < f->n; i++) {
		int class = BPF_CLASS(f->insns[i].code);

		if ((class == BPF_LD || class == BPF_LDX) && BPF_MODE(f->insns[i].code) == BPF_MEM)
			cells |= 1U << f->insns[i].k;
	}
	alu64_k(g, BPF_MOV, A, 0);
	alu64_k(g, BPF_MOV, X, 0);
	for (int i = 0; i < BPF_MEMWORDS; i++)
		if (cells & (1U << i))
			store_k(g, 4, AT_MEM + 4 * i, 0);
}

static void at_most(uint32_t *known, uint32_t bytes)
{
	if (bytes < *known)
		*known = bytes;
}

/* Where ways meet, only what all of them know holds. All jumps go forward, so one pass does it. */
static void pass_on_known(const struct sock_filter *in, struct place at, uint32_t *known)
{
	size_t here = at.base + at.insn;

	if (BPF_CLASS(in->code) == BPF_RET)
		return;
	if (in->code == (BPF_JMP | BPF_JA)) {
		size_t to = pl_cbpf_ja_target(at.insn, in);

		if (to > at.insn)
			at_most(&known[at.base + to], known[here]);
		else if (!at.last)
			at_most(&known[at.base + at.n + to], known[here]);
	} else if (BPF_CLASS(in->code) == BPF_JMP) {
		at_most(&known[here + 1 + in->jt], known[here]);
		at_most(&known[here + 1 + in->jf], known[here]);
	} else {
		at_most(&known[here + 1], known[here]);
	}
}

static bool rejects(const struct gen *g)
{
	for (size_t i = 0; i < g->n_fixups; i++)
		if (g->fixups[i].to == TO_REJECT)
			return true;
	return false;
}

static void resolve(struct gen *g, const size_t *starts, size_t reject)
{
	for (size_t i = 0; i < g->n_fixups; i++) {
		const struct fixup *f = &g->fixups[i];
		size_t to = f->to == TO_REJECT ? reject : f->to == TO_NEXT ? g->n : starts[f->to];
		int64_t off = (int64_t)to - (int64_t)f->at - 1;

		if (off < INT16_MIN || off > INT16_MAX) {
			g->error = -E2BIG;
			return;
		}
		g->insns[f->at].off = (int16_t)off;
	}
}

/*
 * The mask stays in skb->cb, where the verifier does not track its bits: it would tell each set of
 * rejecting filters from each other one.
 */
static void skip_unless_asked(struct gen *g, uint64_t group)
{
	uint32_t low = (uint32_t)group, high = (uint32_t)(group >> 32);

	load(g, 4, R1, SKB, CTX(cb[low ? PL_CB_MASK_LO : PL_CB_MASK_HI]));
	alu32_k(g, BPF_AND, R1, low ? low : high);
	if (low && high) {
		load(g, 4, R2, SKB, CTX(cb[PL_CB_MASK_HI]));
		alu32_k(g, BPF_AND, R2, high);
		alu64_r(g, BPF_OR, R1, R2);
	}
	jump_k_to(g, BPF_JEQ, R1, 0, TO_NEXT);
}

static void clear_sessions(struct gen *g, uint64_t group)
{
	uint32_t halves[] = {(uint32_t)group, (uint32_t)(group >> 32)};

	for (int i = 0; i < 2; i++) {
		if (!halves[i])
			continue;
		load(g, 4, R1, SKB, CTX(cb[PL_CB_MASK_LO + i]));
		alu32_k(g, BPF_AND, R1, ~halves[i]);
		store(g, 4, SKB, CTX(cb[PL_CB_MASK_LO + i]), R1);
	}
}

/* One filter for all sessions of @group. */
int pl_match_translate(struct gen *g, const struct pl_filter *f, uint64_t group)
{
	size_t copies = pl_cbpf_loops(f->insns, f->n) ? PL_FILTER_LOOPS : 1;
	pl_autofree bool *reachable = calloc(copies * f->n, sizeof(*reachable));
	pl_autofree size_t *starts = calloc(copies * f->n, sizeof(*starts));
	pl_autofree uint32_t *known = calloc(copies * f->n, sizeof(*known));
	size_t reject;

	if (!reachable || !starts || !known)
		return -ENOMEM;
	pl_cbpf_reachable(f->insns, f->n, copies, reachable);
	memset(known + 1, 0xff, (copies * f->n - 1) * sizeof(*known));
	g->n_fixups = 0;

	skip_unless_asked(g, group);
	start_filter(g, f);
	for (size_t i = 0; i < copies * f->n; i++) {
		struct place at = {i % f->n, i - i % f->n, f->n, i / f->n == copies - 1};

		starts[i] = g->n;
		/* The verifier refuses what cannot be reached. */
		if (!reachable[i])
			continue;
		translate(g, &f->insns[at.insn], at, &known[i]);
		pass_on_known(&f->insns[at.insn], at, known);
	}
	reject = g->n;
	if (rejects(g))
		clear_sessions(g, group);
	if (!g->error)
		resolve(g, starts, reject);
	return g->error;
}
