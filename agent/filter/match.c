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

#include "filter/translate.h"

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
		r = pl_match_translate(&g, filters[slot], group);
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
