/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Checks classic BPF as strictly as its translation needs: whatever passes here must come out as
 * a program with jumps to instructions, or as an error, never as something else.
 */
#include "filter/cbpf.h"

#include "filter/filter.h"

unsigned int pl_cbpf_load_size(const struct sock_filter *insn)
{
	switch (insn->code) {
	case BPF_LD | BPF_W | BPF_ABS:
	case BPF_LD | BPF_W | BPF_IND:
		return 4;
	case BPF_LD | BPF_H | BPF_ABS:
	case BPF_LD | BPF_H | BPF_IND:
		return 2;
	case BPF_LD | BPF_B | BPF_ABS:
	case BPF_LD | BPF_B | BPF_IND:
	case BPF_LDX | BPF_B | BPF_MSH:
		return 1;
	default:
		return 0;
	}
}

static bool check_load(const struct sock_filter *in)
{
	if (pl_cbpf_load_size(in))
		return BPF_MODE(in->code) != BPF_ABS || in->k < (uint32_t)SKF_AD_OFF;
	switch (in->code) {
	case BPF_LD | BPF_IMM:
	case BPF_LD | BPF_W | BPF_LEN:
	case BPF_LDX | BPF_IMM:
	case BPF_LDX | BPF_W | BPF_LEN:
		return true;
	case BPF_LD | BPF_MEM:
	case BPF_LDX | BPF_MEM:
		return in->k < BPF_MEMWORDS;
	default:
		return false;
	}
}

static bool check_alu(const struct sock_filter *in)
{
	if (in->code & ~(BPF_ALU | 0xf0 | BPF_X))
		return false;
	switch (BPF_OP(in->code)) {
	case BPF_ADD:
	case BPF_SUB:
	case BPF_MUL:
	case BPF_OR:
	case BPF_AND:
	case BPF_XOR:
		return true;
	case BPF_NEG:
		return BPF_SRC(in->code) == BPF_K;
	case BPF_DIV:
	case BPF_MOD:
		return BPF_SRC(in->code) == BPF_X || in->k != 0;
	case BPF_LSH:
	case BPF_RSH:
		return BPF_SRC(in->code) == BPF_X || in->k < 32;
	default:
		return false;
	}
}

static bool check_jump(const struct sock_filter *in, size_t at, size_t n)
{
	if (in->code == (BPF_JMP | BPF_JA))
		return pl_cbpf_ja_target(at, in) < n;
	if (in->code & ~(BPF_JMP | 0xf0 | BPF_X))
		return false;
	switch (BPF_OP(in->code)) {
	case BPF_JEQ:
	case BPF_JGT:
	case BPF_JGE:
	case BPF_JSET:
		return at + 1 + in->jt < n && at + 1 + in->jf < n;
	default:
		return false;
	}
}

static bool check_insn(const struct sock_filter *in, size_t at, size_t n)
{
	switch (BPF_CLASS(in->code)) {
	case BPF_LD:
	case BPF_LDX:
		return check_load(in);
	case BPF_ST:
	case BPF_STX:
		return !(in->code & ~0x07) && in->k < BPF_MEMWORDS;
	case BPF_ALU:
		return check_alu(in);
	case BPF_JMP:
		return check_jump(in, at, n);
	case BPF_RET:
		return in->code == (BPF_RET | BPF_K) || in->code == (BPF_RET | BPF_A);
	default:
		return in->code == (BPF_MISC | BPF_TAX) || in->code == (BPF_MISC | BPF_TXA);
	}
}

int pl_cbpf_check(const struct sock_filter *insns, size_t n)
{
	if (n == 0 || n > PL_FILTER_INSNS_MAX || BPF_CLASS(insns[n - 1].code) != BPF_RET)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (!check_insn(&insns[i], i, n))
			return -EINVAL;
	return 0;
}

bool pl_cbpf_loops(const struct sock_filter *insns, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (insns[i].code == (BPF_JMP | BPF_JA) && pl_cbpf_ja_target(i, &insns[i]) <= i)
			return true;
	return false;
}

void pl_cbpf_reachable(const struct sock_filter *insns, size_t n, size_t copies, bool *ret)
{
	memset(ret, 0, copies * n * sizeof(*ret));
	ret[0] = true;
	for (size_t at = 0; at < copies * n; at++) {
		size_t i = at % n, base = at - i;

		if (!ret[at] || BPF_CLASS(insns[i].code) == BPF_RET)
			continue;
		if (insns[i].code == (BPF_JMP | BPF_JA)) {
			size_t to = pl_cbpf_ja_target(i, &insns[i]);

			to += to <= i ? n : 0;
			if (base + to < copies * n)
				ret[base + to] = true;
		} else if (BPF_CLASS(insns[i].code) == BPF_JMP) {
			ret[at + 1 + insns[i].jt] = true;
			ret[at + 1 + insns[i].jf] = true;
		} else {
			ret[at + 1] = true;
		}
	}
}
