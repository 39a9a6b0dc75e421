/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An interpreter of the eBPF that the match program is made of, so that it can be compared with
 * classic BPF without root, under ASan and under a fuzzer. Whatever the verifier would refuse for
 * its form (a jump out of range, an access outside stack and skb, an unaligned stack access, an
 * instruction that no jump reaches) aborts.
 */
#ifndef PODLANE_TESTS_EBPF_H
#define PODLANE_TESTS_EBPF_H

#include <endian.h>
#include <linux/bpf.h>

#include "common/util.h"
#include "podlane/abi.h"

struct ebpf_packet {
	const uint8_t *data;
	uint32_t len;
	bool tagged;	    /* a VLAN tag out of band */
	uint16_t tpid, tci; /* host order */
};

struct ebpf_vm {
	const struct ebpf_packet *packet;
	uint64_t reg[11];
	uint32_t cb[5];
	_Alignas(8) uint8_t stack[512];
	bool tail_called;
};

#define EBPF_CHECK(cond)                                                                           \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "eBPF: %s does not hold (line %d)\n", #cond, __LINE__);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* r10 and pointers made of it are offsets from this; nothing else comes near. */
#define EBPF_FP	 0x7fff000000000000ULL
#define EBPF_SKB 0x5555000000000000ULL

static inline uint8_t *ebpf_stack(struct ebpf_vm *vm, uint64_t addr, unsigned int size)
{
	int64_t off = (int64_t)(addr - EBPF_FP);

	EBPF_CHECK(off >= -512 && off + (int64_t)size <= 0);
	return vm->stack + 512 + off;
}

static inline unsigned int ebpf_size(uint8_t code)
{
	switch (BPF_SIZE(code)) {
	case BPF_DW:
		return 8;
	case BPF_W:
		return 4;
	case BPF_H:
		return 2;
	default:
		return 1;
	}
}

static inline uint32_t ebpf_skb_read(const struct ebpf_vm *vm, unsigned int off)
{
	const struct ebpf_packet *p = vm->packet;

	if (off >= offsetof(struct __sk_buff, cb) && off < offsetof(struct __sk_buff, cb) + 20)
		return vm->cb[(off - offsetof(struct __sk_buff, cb)) / 4];
	if (off == offsetof(struct __sk_buff, len))
		return p->len;
	if (off == offsetof(struct __sk_buff, vlan_present))
		return p->tagged;
	if (off == offsetof(struct __sk_buff, vlan_proto))
		return p->tagged ? htobe16(p->tpid) : 0;
	EBPF_CHECK(off == offsetof(struct __sk_buff, vlan_tci));
	return p->tagged ? p->tci : 0;
}

static inline uint64_t ebpf_load(struct ebpf_vm *vm, uint64_t addr, unsigned int size)
{
	const uint8_t *p;
	uint64_t v = 0;

	if (addr - EBPF_SKB < sizeof(struct __sk_buff)) {
		EBPF_CHECK(size == 4);
		return ebpf_skb_read(vm, (unsigned int)(addr - EBPF_SKB));
	}
	EBPF_CHECK(addr % size == 0);
	p = ebpf_stack(vm, addr, size);
	if (size == 8)
		memcpy(&v, p, 8);
	else if (size == 4)
		v = *(const uint32_t *)p;
	else if (size == 2)
		v = *(const uint16_t *)p;
	else
		v = *p;
	return v;
}

static inline void ebpf_store(struct ebpf_vm *vm, uint64_t addr, unsigned int size, uint64_t v)
{
	if (addr - EBPF_SKB < sizeof(struct __sk_buff)) {
		unsigned int i =
			(unsigned int)(addr - EBPF_SKB - offsetof(struct __sk_buff, cb)) / 4;

		EBPF_CHECK(size == 4 && (i == PL_CB_MASK_LO || i == PL_CB_MASK_HI));
		vm->cb[i] = (uint32_t)v;
		return;
	}
	EBPF_CHECK(addr % size == 0);
	if (size == 8)
		memcpy(ebpf_stack(vm, addr, 8), &v, 8);
	else if (size == 4)
		*(uint32_t *)(void *)ebpf_stack(vm, addr, 4) = (uint32_t)v;
	else if (size == 2)
		*(uint16_t *)(void *)ebpf_stack(vm, addr, 2) = (uint16_t)v;
	else
		*ebpf_stack(vm, addr, 1) = (uint8_t)v;
}

static inline void ebpf_call(struct ebpf_vm *vm, int helper)
{
	uint64_t *r = vm->reg;

	EBPF_CHECK(r[1] == EBPF_SKB);
	if (helper == BPF_FUNC_skb_load_bytes) {
		EBPF_CHECK(r[4] > 0 && r[4] <= 512);
		/* The verifier checks the destination before it knows whether the load works. */
		uint8_t *dst = ebpf_stack(vm, r[3], (unsigned int)r[4]);
		uint32_t off = (uint32_t)r[2];
		bool good = off <= vm->packet->len && r[4] <= vm->packet->len - off;

		EBPF_CHECK(r[2] == off);
		if (good)
			memcpy(dst, vm->packet->data + off, r[4]);
		else
			memset(dst, 0, r[4]);
		r[0] = good ? 0 : (uint64_t)-14;
	} else {
		EBPF_CHECK(helper == BPF_FUNC_tail_call && r[3] == PL_PROG_MIRROR);
		vm->tail_called = true;
		r[0] = (uint64_t)-2; /* as if the slot were empty: it goes on */
	}
	for (int i = 1; i <= 5; i++)
		r[i] = 0xdeadbeefdeadbeef;
}

static inline uint64_t ebpf_alu(int op, uint64_t a, uint64_t b, bool wide)
{
	unsigned int mask = wide ? 63 : 31;

	switch (op) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_OR:
		return a | b;
	case BPF_AND:
		return a & b;
	case BPF_XOR:
		return a ^ b;
	case BPF_MOV:
		return b;
	case BPF_LSH:
		EBPF_CHECK(b <= mask); /* the machine's masks differ from classic BPF's zero */
		return a << b;
	case BPF_RSH:
		EBPF_CHECK(b <= mask);
		return a >> b;
	case BPF_NEG:
		return -a;
	case BPF_DIV:
	case BPF_MOD:
		EBPF_CHECK(b != 0);
		return op == BPF_DIV ? a / b : a % b;
	default:
		EBPF_CHECK(!"known ALU operation");
		return 0;
	}
}

static inline bool ebpf_compare(int op, uint64_t a, uint64_t b)
{
	switch (op) {
	case BPF_JEQ:
		return a == b;
	case BPF_JNE:
		return a != b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	case BPF_JLT:
		return a < b;
	case BPF_JLE:
		return a <= b;
	case BPF_JSET:
		return (a & b) != 0;
	default:
		EBPF_CHECK(!"known jump");
		return false;
	}
}

static inline uint64_t ebpf_to_be(uint64_t v, int bits)
{
	return bits == 16 ? htobe16((uint16_t)v) : bits == 32 ? htobe32((uint32_t)v) : htobe64(v);
}

/* One instruction at @pc; returns the next one's index. */
static inline size_t ebpf_step(struct ebpf_vm *vm, const struct bpf_insn *in, size_t pc)
{
	uint64_t *dst = &vm->reg[in->dst_reg];
	uint64_t src =
		BPF_SRC(in->code) == BPF_X ? vm->reg[in->src_reg] : (uint64_t)(int64_t)in->imm;
	bool wide = BPF_CLASS(in->code) == BPF_ALU64 || BPF_CLASS(in->code) == BPF_JMP;

	switch (BPF_CLASS(in->code)) {
	case BPF_ALU:
		if (BPF_OP(in->code) == BPF_END)
			*dst = ebpf_to_be(*dst, in->imm);
		else
			*dst = (uint32_t)ebpf_alu(BPF_OP(in->code), (uint32_t)*dst, (uint32_t)src,
						  false);
		return pc + 1;
	case BPF_ALU64:
		*dst = ebpf_alu(BPF_OP(in->code), *dst, src, true);
		return pc + 1;
	case BPF_LDX:
		*dst = ebpf_load(vm, vm->reg[in->src_reg] + (uint64_t)(int64_t)in->off,
				 ebpf_size(in->code));
		return pc + 1;
	case BPF_STX:
		ebpf_store(vm, *dst + (uint64_t)(int64_t)in->off, ebpf_size(in->code),
			   vm->reg[in->src_reg]);
		return pc + 1;
	case BPF_ST:
		ebpf_store(vm, *dst + (uint64_t)(int64_t)in->off, ebpf_size(in->code),
			   (uint64_t)(int64_t)in->imm);
		return pc + 1;
	case BPF_LD:
		*dst = (uint32_t)in[0].imm | (uint64_t)(uint32_t)in[1].imm << 32;
		return pc + 2;
	default:
		break;
	}
	if (in->code == (BPF_JMP | BPF_CALL)) {
		ebpf_call(vm, in->imm);
		return pc + 1;
	}
	if (BPF_OP(in->code) == BPF_JA ||
	    ebpf_compare(BPF_OP(in->code), wide ? *dst : (uint32_t)*dst,
			 wide ? src : (uint32_t)src))
		return (size_t)((int64_t)pc + 1 + in->off);
	return pc + 1;
}

/* Every jump leads to an instruction, every instruction is reached, the last one exits. */
static inline void ebpf_check_form(const struct bpf_insn *insns, size_t n)
{
	pl_autofree bool *start = calloc(n + 1, 1), *reached = calloc(n + 1, 1);
	bool changed = true;

	EBPF_CHECK(start && reached && n > 0);
	for (size_t i = 0; i < n; i += insns[i].code == (BPF_LD | BPF_DW | BPF_IMM) ? 2 : 1)
		start[i] = true;
	reached[0] = true;
	while (changed) {
		changed = false;
		for (size_t i = 0; i < n; i++) {
			const struct bpf_insn *in = &insns[i];
			int class = BPF_CLASS(in->code), op = BPF_OP(in->code);
			bool jumps = (class == BPF_JMP || class == BPF_JMP32) && op != BPF_CALL &&
				     op != BPF_EXIT;
			int64_t to = (int64_t)i + 1 + in->off;
			size_t next = i + (in->code == (BPF_LD | BPF_DW | BPF_IMM) ? 2 : 1);

			if (!start[i] || !reached[i])
				continue;
			EBPF_CHECK(in->dst_reg <= 10 && in->src_reg <= 10);
			if (jumps) {
				EBPF_CHECK(to >= 0 && to < (int64_t)n && start[to]);
				changed |= !reached[to] && to <= (int64_t)i;
				reached[to] = true;
			}
			if (!(jumps && op == BPF_JA) && in->code != (BPF_JMP | BPF_EXIT)) {
				EBPF_CHECK(next < n);
				reached[next] = true;
			}
		}
	}
	for (size_t i = 0; i < n; i++)
		EBPF_CHECK(!start[i] || reached[i]);
	EBPF_CHECK(insns[n - 1].code == (BPF_JMP | BPF_EXIT));
}

/* Runs a match program on @packet with the candidates @mask; returns what it left of them. */
static inline uint64_t ebpf_match(const struct bpf_insn *insns, size_t n,
				  const struct ebpf_packet *packet, uint64_t mask)
{
	struct ebpf_vm vm = {.packet = packet};
	size_t pc = 0, steps = 0;

	vm.cb[PL_CB_MASK_LO] = (uint32_t)mask;
	vm.cb[PL_CB_MASK_HI] = (uint32_t)(mask >> 32);
	memset(vm.reg, 0xa5, sizeof(vm.reg)); /* nothing may depend on what was not set */
	memset(vm.stack, 0xa5, sizeof(vm.stack));
	vm.reg[1] = EBPF_SKB;
	vm.reg[10] = EBPF_FP;
	while (insns[pc].code != (BPF_JMP | BPF_EXIT)) {
		EBPF_CHECK(steps++ < 4000000);
		pc = ebpf_step(&vm, &insns[pc], pc);
		EBPF_CHECK(pc < n);
	}
	EBPF_CHECK(vm.tail_called && vm.reg[0] == (uint64_t)-1);
	return vm.cb[PL_CB_MASK_LO] | (uint64_t)vm.cb[PL_CB_MASK_HI] << 32;
}

#endif
