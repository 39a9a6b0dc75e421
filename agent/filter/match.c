/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Translates classic filters into the one eBPF program of PL_PROG_MATCH. It reads the packet, and
 * skb->cb[] as the ABI says, and nothing else; it never ends the packet's way by itself. A filter
 * that reads out of bounds rejects for its own sessions, and the next filter runs.
 *
 *   registers  r6 skb, r7 classic A, r8 classic X
 *   stack      lengths; scratch; M[]; the frame's head
 *
 * The frame is the one that was on the wire: a VLAN tag that was taken out of band stands in the
 * head where it was, and offsets behind it count it ("the shift").
 */
#include "filter/match.h"

#include <bpf/bpf.h>

#include "filter/cbpf.h"

enum {
	R0 = BPF_REG_0,
	R1,
	R2,
	R3,
	R4,
	R5,
	SKB = BPF_REG_6,
	A = BPF_REG_7,
	X = BPF_REG_8,
	FP = BPF_REG_10,
};

enum {
	VLAN_AT = 12, /* between the MACs and the type */
	VLAN_LEN = 4,
	HEAD_MIN = 32,
	HEAD_MAX = 256,
};

/*
 * Offsets from the frame pointer. The lengths are u32 off the stack's 8-byte slots: there the
 * verifier forgets values, where else it would walk each filter once for every range of lengths
 * that the filters before could have left.
 */
enum {
	AT_HEAD_LEN = -4, /* bytes valid in the head */
	AT_TOTAL = -12,	  /* length of the frame as on the wire */
	AT_SHIFT = -20,	  /* VLAN_LEN where the tag is out of band, else 0 */
	AT_LOADED = -32,  /* where a helper puts what a single load asked for */
	AT_MEM = AT_LOADED - 4 * BPF_MEMWORDS,
};

/* Two bytes of padding: the IP header is then aligned, which the verifier asks of stack reads. */
enum { HEAD_PAD = 2 };

/* Jumps whose target is not known yet. Targets from 0 on are places, see struct place. */
enum {
	TO_REJECT = -1,
	TO_NEXT = -2, /* the next filter: accepted, or nobody asks */
};

/*
 * Where a classic instruction stands. A filter with loops is laid out several times, a jump back
 * leads to the next copy: the verifier takes a long straight program where it gives up on a loop.
 */
struct place {
	size_t insn; /* index in the filter */
	size_t base; /* copies before, times n */
	size_t n;    /* instructions of one copy */
	bool last;   /* copy */
};

#define CTX(field) ((int)offsetof(struct __sk_buff, field))

struct fixup {
	size_t at;
	int to;
};

struct gen {
	struct bpf_insn *insns;
	size_t n, cap;
	struct fixup *fixups; /* of the filter being translated */
	size_t n_fixups, cap_fixups;
	int head;		/* stack offset of the frame's first byte */
	unsigned int head_size; /* bytes of the frame kept there */
	int error;		/* -ENOMEM, -E2BIG: sticky */
};

static void emit(struct gen *g, struct bpf_insn insn)
{
	if (g->n == g->cap) {
		size_t cap = g->cap ? 2 * g->cap : 256;
		struct bpf_insn *p = reallocarray(g->insns, cap, sizeof(*p));

		if (!p) {
			g->error = -ENOMEM;
			return;
		}
		g->insns = p;
		g->cap = cap;
	}
	g->insns[g->n++] = insn;
}

static void alu64_k(struct gen *g, int op, int dst, int32_t k)
{
	emit(g, (struct bpf_insn){.code = BPF_ALU64 | op | BPF_K, .dst_reg = dst, .imm = k});
}

static void alu64_r(struct gen *g, int op, int dst, int src)
{
	emit(g, (struct bpf_insn){.code = BPF_ALU64 | op | BPF_X, .dst_reg = dst, .src_reg = src});
}

/* 32-bit operations clear the upper half. */
static void alu32_k(struct gen *g, int op, int dst, uint32_t k)
{
	emit(g, (struct bpf_insn){.code = BPF_ALU | op | BPF_K, .dst_reg = dst, .imm = (int32_t)k});
}

static void alu32_r(struct gen *g, int op, int dst, int src)
{
	emit(g, (struct bpf_insn){.code = BPF_ALU | op | BPF_X, .dst_reg = dst, .src_reg = src});
}

static void to_host(struct gen *g, int dst, unsigned int bits)
{
	emit(g, (struct bpf_insn){.code = BPF_ALU | BPF_END | BPF_TO_BE,
				  .dst_reg = dst,
				  .imm = (int32_t)bits});
}

static int mem_size(unsigned int bytes)
{
	return bytes == 8 ? BPF_DW : bytes == 4 ? BPF_W : bytes == 2 ? BPF_H : BPF_B;
}

static void load(struct gen *g, unsigned int bytes, int dst, int base, int off)
{
	emit(g, (struct bpf_insn){.code = BPF_LDX | mem_size(bytes) | BPF_MEM,
				  .dst_reg = dst,
				  .src_reg = base,
				  .off = (int16_t)off});
}

static void store(struct gen *g, unsigned int bytes, int base, int off, int src)
{
	emit(g, (struct bpf_insn){.code = BPF_STX | mem_size(bytes) | BPF_MEM,
				  .dst_reg = base,
				  .src_reg = src,
				  .off = (int16_t)off});
}

static void store_k(struct gen *g, unsigned int bytes, int off, int32_t k)
{
	emit(g, (struct bpf_insn){.code = BPF_ST | mem_size(bytes) | BPF_MEM,
				  .dst_reg = FP,
				  .off = (int16_t)off,
				  .imm = k});
}

static void load_imm64(struct gen *g, int dst, int src, uint64_t v)
{
	emit(g, (struct bpf_insn){.code = BPF_LD | BPF_DW | BPF_IMM,
				  .dst_reg = dst,
				  .src_reg = src,
				  .imm = (int32_t)(uint32_t)v});
	emit(g, (struct bpf_insn){.imm = (int32_t)(uint32_t)(v >> 32)});
}

static void call(struct gen *g, int helper)
{
	emit(g, (struct bpf_insn){.code = BPF_JMP | BPF_CALL, .imm = helper});
}

/* A forward jump inside a construct; land() gives it its target. Returns where it stands. */
static size_t jump_k(struct gen *g, int op, int dst, int32_t k)
{
	emit(g, (struct bpf_insn){.code = BPF_JMP | op | BPF_K, .dst_reg = dst, .imm = k});
	return g->n - 1;
}

static void land(struct gen *g, size_t at)
{
	if (!g->error)
		g->insns[at].off = (int16_t)(g->n - at - 1);
}

/* The instruction just emitted is a jump of the filter. */
static void target(struct gen *g, int to)
{
	if (g->n_fixups == g->cap_fixups) {
		size_t cap = g->cap_fixups ? 2 * g->cap_fixups : 64;
		struct fixup *p = reallocarray(g->fixups, cap, sizeof(*p));

		if (!p) {
			g->error = -ENOMEM;
			return;
		}
		g->fixups = p;
		g->cap_fixups = cap;
	}
	g->fixups[g->n_fixups++] = (struct fixup){g->n - 1, to};
}

static void jump_to(struct gen *g, int to)
{
	emit(g, (struct bpf_insn){.code = BPF_JMP | BPF_JA});
	target(g, to);
}

static void jump_k_to(struct gen *g, int op, int dst, int32_t k, int to)
{
	jump_k(g, op, dst, k);
	target(g, to);
}

static void jump_r_to(struct gen *g, int op, int dst, int src, int to)
{
	emit(g, (struct bpf_insn){.code = BPF_JMP | op | BPF_X, .dst_reg = dst, .src_reg = src});
	target(g, to);
}

/* r0 = bpf_skb_load_bytes(skb, r2, stack + off, r4) */
static void call_load_bytes(struct gen *g, int off)
{
	alu64_r(g, BPF_MOV, R1, SKB);
	alu64_r(g, BPF_MOV, R3, FP);
	alu64_k(g, BPF_ADD, R3, off);
	call(g, BPF_FUNC_skb_load_bytes);
}

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
static int translate_filter(struct gen *g, const struct pl_filter *f, uint64_t group)
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

/* The head reaches as far as the filters' constant loads do, within HEAD_MAX. */
static void lay_out_head(struct gen *g, const struct pl_filter *const filters[PL_MIRRORS_MAX])
{
	unsigned int size = HEAD_MIN;

	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX; slot++) {
		const struct pl_filter *f = filters[slot];

		for (size_t i = 0; f && i < f->n; i++) {
			unsigned int bytes = pl_cbpf_load_size(&f->insns[i]);

			if (bytes && BPF_MODE(f->insns[i].code) != BPF_IND &&
			    f->insns[i].k <= HEAD_MAX - bytes && f->insns[i].k + bytes > size)
				size = f->insns[i].k + bytes;
		}
	}
	g->head_size = (size + 7) / 8 * 8;
	g->head = AT_MEM - 8 - (int)g->head_size + HEAD_PAD;
	for (int off = g->head - HEAD_PAD; off < AT_MEM; off += 8)
		store_k(g, 8, off, 0);
}

/* R4 = min(R4, max), which is then stored as the head's length, plus @before. */
static void clamp_head(struct gen *g, unsigned int max, int before)
{
	size_t fits = jump_k(g, BPF_JLE, R4, (int32_t)max);

	alu64_k(g, BPF_MOV, R4, (int32_t)max);
	land(g, fits);
	alu64_r(g, BPF_MOV, R1, R4);
	alu64_k(g, BPF_ADD, R1, before);
	store(g, 4, FP, AT_HEAD_LEN, R1);
}

/* The tag is out of band: 12 bytes, the tag, the rest. A is the skb's length. */
static void read_head_tagged(struct gen *g)
{
	size_t failed, empty, good;

	load(g, 4, R1, SKB, CTX(vlan_proto)); /* the wire's order, in the low half */
	store(g, 2, FP, g->head + VLAN_AT, R1);
	load(g, 4, R1, SKB, CTX(vlan_tci));
	to_host(g, R1, 16);
	store(g, 2, FP, g->head + VLAN_AT + 2, R1);

	alu64_k(g, BPF_MOV, R2, 0);
	alu64_k(g, BPF_MOV, R4, VLAN_AT);
	call_load_bytes(g, g->head);
	failed = jump_k(g, BPF_JNE, R0, 0);
	alu64_r(g, BPF_MOV, R4, A);
	alu64_k(g, BPF_SUB, R4, VLAN_AT);
	clamp_head(g, g->head_size - VLAN_AT - VLAN_LEN, VLAN_AT + VLAN_LEN);
	empty = jump_k(g, BPF_JLT, R4, 1);
	alu64_k(g, BPF_MOV, R2, VLAN_AT);
	call_load_bytes(g, g->head + VLAN_AT + VLAN_LEN);
	good = jump_k(g, BPF_JEQ, R0, 0);
	land(g, failed);
	store_k(g, 4, AT_HEAD_LEN, 0);
	land(g, good);
	land(g, empty);
}

static void read_head_plain(struct gen *g)
{
	size_t empty, good;

	alu64_r(g, BPF_MOV, R4, A);
	clamp_head(g, g->head_size, 0);
	empty = jump_k(g, BPF_JLT, R4, 1);
	alu64_k(g, BPF_MOV, R2, 0);
	call_load_bytes(g, g->head);
	good = jump_k(g, BPF_JEQ, R0, 0);
	store_k(g, 4, AT_HEAD_LEN, 0);
	land(g, good);
	land(g, empty);
}

static void read_head(struct gen *g)
{
	size_t tagged, done;

	load(g, 4, A, SKB, CTX(len));
	load(g, 4, R2, SKB, CTX(vlan_present)); /* 0 or 1 */
	alu64_k(g, BPF_LSH, R2, 2);
	store(g, 4, FP, AT_SHIFT, R2);
	alu64_r(g, BPF_MOV, R1, A);
	alu64_r(g, BPF_ADD, R1, R2);
	store(g, 4, FP, AT_TOTAL, R1);
	tagged = jump_k(g, BPF_JNE, R2, 0);
	read_head_plain(g);
	done = jump_k(g, BPF_JA, 0, 0);
	land(g, tagged);
	read_head_tagged(g);
	land(g, done);
}

static void go_on(struct gen *g)
{
	alu64_r(g, BPF_MOV, R1, SKB);
	load_imm64(g, R2, BPF_PSEUDO_MAP_FD, 0);
	alu64_k(g, BPF_MOV, R3, PL_PROG_MIRROR);
	call(g, BPF_FUNC_tail_call);
	alu64_k(g, BPF_MOV, R0, -1); /* TC_ACT_UNSPEC */
	emit(g, (struct bpf_insn){.code = BPF_JMP | BPF_EXIT});
}

/* The sessions from @slot on whose filter is the same; none where an earlier one has it too. */
static uint64_t group_of(const struct pl_filter *const filters[PL_MIRRORS_MAX], unsigned int slot)
{
	uint64_t group = 0;

	for (unsigned int i = 0; i < PL_MIRRORS_MAX; i++) {
		if (!filters[i] || !pl_filter_equal(filters[i], filters[slot]))
			continue;
		if (i < slot)
			return 0;
		group |= 1ULL << i;
	}
	return group;
}

int pl_match_build(const struct pl_filter *const filters[PL_MIRRORS_MAX], struct bpf_insn **ret,
		   size_t *ret_n, struct pl_error *err)
{
	struct gen g = {};
	bool prepared = false;
	int r = 0;

	alu64_r(&g, BPF_MOV, SKB, R1);
	for (unsigned int slot = 0; slot < PL_MIRRORS_MAX && r == 0; slot++) {
		uint64_t group = filters[slot] ? group_of(filters, slot) : 0;

		if (!group)
			continue;
		if (!prepared) {
			lay_out_head(&g, filters);
			read_head(&g);
			prepared = true;
		}
		r = translate_filter(&g, filters[slot], group);
		if (r == -E2BIG)
			pl_fail(err, r,
				"filter: '%.200s' is too large to run in the kernel; use prefixes and port "
				"ranges rather than lists, or several sessions",
				filters[slot]->expr);
	}
	go_on(&g);
	free(g.fixups);
	if (r == 0)
		r = g.error;
	if (r == 0 && g.n > PL_MATCH_INSNS_MAX)
		r = pl_fail(
			err, -E2BIG,
			"filter: those of all sessions together make %zu instructions, the most is %d; "
			"simplify or remove one",
			g.n, PL_MATCH_INSNS_MAX);
	if (r == -ENOMEM)
		pl_fail(err, r, "filter: out of memory");
	if (r < 0) {
		free(g.insns);
		return r;
	}
	*ret = g.insns;
	*ret_n = g.n;
	return 0;
}

static int load_failed(int r, char *log, struct pl_error *err)
{
	char *statistics = strstr(log, "verification time");

	if (r == -EPERM)
		return pl_fail(
			err, r,
			"load the match program: not permitted; it takes CAP_BPF and CAP_NET_ADMIN");
	if (r == -E2BIG || strstr(log, "too complex") || strstr(log, "too large"))
		return pl_fail(
			err, -E2BIG,
			"load the match program: the filters together are too complex for this "
			"kernel's verifier; simplify or remove one");
	if (statistics)
		*statistics = '\0';
	return pl_fail(err, r, "load the match program: %s; the verifier says: %.300s",
		       strerror(-r), *log ? log : "nothing");
}

int pl_match_load(const struct bpf_insn *insns, size_t n, int programs_fd, struct pl_error *err)
{
	enum { LOG_SIZE = 16384, LOG_STATS = 4 };
	pl_autofree struct bpf_insn *copy = calloc(n, sizeof(*copy));
	pl_autofree char *log = calloc(1, LOG_SIZE);
	/* Statistics, and what is wrong; not each instruction: a failure costs no second load. */
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_buf = log, .log_size = LOG_SIZE,
		    .log_level = LOG_STATS);
	int fd;

	if (!copy || !log)
		return pl_fail(err, -ENOMEM, "load the match program: out of memory");
	memcpy(copy, insns, n * sizeof(*copy));
	for (size_t i = 0; i < n; i++)
		if (copy[i].code == (BPF_LD | BPF_DW | BPF_IMM) &&
		    copy[i].src_reg == BPF_PSEUDO_MAP_FD)
			copy[i].imm = programs_fd;
	fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "pl_match", "Dual BSD/GPL", copy, n, &opts);
	/* Linux 6.12 says so of a large program that it accepts, of whose words it keeps none. */
	if (fd == -ENOSPC) {
		opts.log_level = 0;
		opts.log_size = 0;
		opts.log_buf = NULL;
		fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "pl_match", "Dual BSD/GPL", copy, n,
				   &opts);
	}
	return fd >= 0 ? fd : load_failed(fd, log, err);
}
