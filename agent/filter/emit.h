/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The assembler of the match program: one function an instruction, and jumps whose target comes
 * later. For match.c and translate.c alone.
 */
#ifndef PODLANE_FILTER_EMIT_H
#define PODLANE_FILTER_EMIT_H

#include <bpf/bpf.h>

#include "filter/cbpf.h"
#include "filter/match.h"

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

static inline void emit(struct gen *g, struct bpf_insn insn)
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

static inline void alu64_k(struct gen *g, int op, int dst, int32_t k)
{
	emit(g, (struct bpf_insn){.code = BPF_ALU64 | op | BPF_K, .dst_reg = dst, .imm = k});
}

static inline void alu64_r(struct gen *g, int op, int dst, int src)
{
	emit(g, (struct bpf_insn){.code = BPF_ALU64 | op | BPF_X, .dst_reg = dst, .src_reg = src});
}

/* 32-bit operations clear the upper half. */
static inline void alu32_k(struct gen *g, int op, int dst, uint32_t k)
{
	emit(g, (struct bpf_insn){.code = BPF_ALU | op | BPF_K, .dst_reg = dst, .imm = (int32_t)k});
}

static inline void alu32_r(struct gen *g, int op, int dst, int src)
{
	emit(g, (struct bpf_insn){.code = BPF_ALU | op | BPF_X, .dst_reg = dst, .src_reg = src});
}

static inline void to_host(struct gen *g, int dst, unsigned int bits)
{
	emit(g, (struct bpf_insn){.code = BPF_ALU | BPF_END | BPF_TO_BE,
				  .dst_reg = dst,
				  .imm = (int32_t)bits});
}

static inline int mem_size(unsigned int bytes)
{
	return bytes == 8 ? BPF_DW : bytes == 4 ? BPF_W : bytes == 2 ? BPF_H : BPF_B;
}

static inline void load(struct gen *g, unsigned int bytes, int dst, int base, int off)
{
	emit(g, (struct bpf_insn){.code = BPF_LDX | mem_size(bytes) | BPF_MEM,
				  .dst_reg = dst,
				  .src_reg = base,
				  .off = (int16_t)off});
}

static inline void store(struct gen *g, unsigned int bytes, int base, int off, int src)
{
	emit(g, (struct bpf_insn){.code = BPF_STX | mem_size(bytes) | BPF_MEM,
				  .dst_reg = base,
				  .src_reg = src,
				  .off = (int16_t)off});
}

static inline void store_k(struct gen *g, unsigned int bytes, int off, int32_t k)
{
	emit(g, (struct bpf_insn){.code = BPF_ST | mem_size(bytes) | BPF_MEM,
				  .dst_reg = FP,
				  .off = (int16_t)off,
				  .imm = k});
}

static inline void load_imm64(struct gen *g, int dst, int src, uint64_t v)
{
	emit(g, (struct bpf_insn){.code = BPF_LD | BPF_DW | BPF_IMM,
				  .dst_reg = dst,
				  .src_reg = src,
				  .imm = (int32_t)(uint32_t)v});
	emit(g, (struct bpf_insn){.imm = (int32_t)(uint32_t)(v >> 32)});
}

static inline void call(struct gen *g, int helper)
{
	emit(g, (struct bpf_insn){.code = BPF_JMP | BPF_CALL, .imm = helper});
}

/* A forward jump inside a construct; land() gives it its target. Returns where it stands. */
static inline size_t jump_k(struct gen *g, int op, int dst, int32_t k)
{
	emit(g, (struct bpf_insn){.code = BPF_JMP | op | BPF_K, .dst_reg = dst, .imm = k});
	return g->n - 1;
}

static inline void land(struct gen *g, size_t at)
{
	if (!g->error)
		g->insns[at].off = (int16_t)(g->n - at - 1);
}

/* The instruction just emitted is a jump of the filter. */
static inline void target(struct gen *g, int to)
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

static inline void jump_to(struct gen *g, int to)
{
	emit(g, (struct bpf_insn){.code = BPF_JMP | BPF_JA});
	target(g, to);
}

static inline void jump_k_to(struct gen *g, int op, int dst, int32_t k, int to)
{
	jump_k(g, op, dst, k);
	target(g, to);
}

static inline void jump_r_to(struct gen *g, int op, int dst, int src, int to)
{
	emit(g, (struct bpf_insn){.code = BPF_JMP | op | BPF_X, .dst_reg = dst, .src_reg = src});
	target(g, to);
}

/* r0 = bpf_skb_load_bytes(skb, r2, stack + off, r4) */
static inline void call_load_bytes(struct gen *g, int off)
{
	alu64_r(g, BPF_MOV, R1, SKB);
	alu64_r(g, BPF_MOV, R3, FP);
	alu64_k(g, BPF_ADD, R3, off);
	call(g, BPF_FUNC_skb_load_bytes);
}

#endif
