// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What this kernel can do, found by trying it with programs of a few instructions. Makes no
 * device, attaches nothing, leaves nothing behind. Versions are never asked: distributions
 * backport.
 */
#include <sys/resource.h>
#include "datapath/internal.h"

static struct bpf_insn insn_mov(unsigned int reg, int imm)
{
	return (struct bpf_insn){
		.code = BPF_ALU64 | BPF_MOV | BPF_K,
		.dst_reg = reg,
		.imm = imm,
	};
}

static struct bpf_insn insn_call(int helper)
{
	return (struct bpf_insn){.code = BPF_JMP | BPF_CALL, .imm = helper};
}

static struct bpf_insn insn_exit(void)
{
	return (struct bpf_insn){.code = BPF_JMP | BPF_EXIT};
}

/* fd or -errno. */
static int load(const struct bpf_insn *insns, size_t n)
{
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "pl_probe", "Dual BSD/GPL", insns, n, NULL);

	return fd < 0 ? -errno : fd;
}

static int load_trivial(void)
{
	const struct bpf_insn insns[] = {insn_mov(BPF_REG_0, -1), insn_exit()};

	return load(insns, PL_ARRAY_SIZE(insns));
}

/* Whether a helper that takes up to four scalars exists. */
static bool probe_helper(int helper)
{
	const struct bpf_insn insns[] = {
		insn_mov(BPF_REG_1, 0), insn_mov(BPF_REG_2, 0), insn_mov(BPF_REG_3, 0),
		insn_mov(BPF_REG_4, 0), insn_call(helper),	insn_exit(),
	};
	pl_autoclose int fd = load(insns, PL_ARRAY_SIZE(insns));

	return fd >= 0;
}

/*
 * A link to device 0, which cannot exist: a kernel that knows the attach type looks for the
 * device (ENODEV), one that does not refuses the type (EINVAL).
 */
static bool probe_attach_type(int prog_fd, int type)
{
	pl_autoclose int fd = bpf_link_create(prog_fd, 0, type, NULL);

	return fd >= 0 || errno == ENODEV;
}

/* Whether a program may read the kernel's memory: it takes CAP_PERFMON, and no lockdown. */
static bool probe_read_kernel(void)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_3, .src_reg = BPF_REG_1},
		{.code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .off = -8},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_10},
		{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_1, .imm = -8},
		insn_mov(BPF_REG_2, 8),
		insn_call(BPF_FUNC_probe_read_kernel),
		insn_mov(BPF_REG_0, -1),
		insn_exit(),
	};
	pl_autoclose int fd = load(insns, PL_ARRAY_SIZE(insns));

	return fd >= 0;
}

const char *dp_eperm_hint(void)
{
	struct rlimit limit;

	/* Linux 5.11 stopped counting BPF memory against it; libbpf has tried to raise it. */
	if (!getrlimit(RLIMIT_MEMLOCK, &limit) && limit.rlim_cur != RLIM_INFINITY)
		return "it takes CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN (or root), and before "
		       "Linux 5.11 an unlimited RLIMIT_MEMLOCK (LimitMEMLOCK=infinity), which "
		       "is limited here";
	return "it takes CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN (or root)";
}

int dp_probe(struct pl_features *ret, struct pl_error *err)
{
	pl_autoclose int prog = load_trivial();

	if (prog == -EPERM || prog == -EACCES)
		return pl_fail(err, -EPERM, "load a BPF program: %s; %s", strerror(-prog),
			       dp_eperm_hint());
	if (prog < 0)
		return pl_fail(err, prog == -ENOSYS ? -ENOTSUP : prog,
			       "load a BPF program: %s; podlane needs a kernel with BPF and the "
			       "bpf classifier (CONFIG_BPF_SYSCALL, CONFIG_NET_CLS_BPF)",
			       strerror(-prog));
	if (!probe_helper(BPF_FUNC_redirect_peer))
		return pl_fail(err, -ENOTSUP,
			       "this kernel lacks bpf_redirect_peer(), the way into a pod; podlane "
			       "needs Linux 5.10 or later");

	*ret = (struct pl_features){
		.tcx = probe_attach_type(prog, PL_BPF_TCX_INGRESS),
		.netkit = probe_attach_type(prog, PL_BPF_NETKIT_PEER),
		.redirect_neigh = probe_helper(BPF_FUNC_redirect_neigh),
		.checksum_check = probe_read_kernel(),
	};
	return 0;
}
