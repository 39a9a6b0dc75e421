/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The hooks: their names, programs and attach types; and the sentence for one that is not reached.
 */
#include <net/if.h>
#include "datapath/attach.h"

const struct dp_hook dp_hooks[PL_HOOK_COUNT] = {
#define ATTACH_TC_INGRESS  PL_BPF_TCX_INGRESS, BPF_TC_INGRESS
#define ATTACH_TC_EGRESS   PL_BPF_TCX_EGRESS, BPF_TC_EGRESS
#define ATTACH_NETKIT_PEER PL_BPF_NETKIT_PEER, 0
#define HOOK(id, name, program, attach, text)                                                      \
	[PL_HOOK_##id] = {#name, #program, PROG_##program, ATTACH_##attach},
	PL_HOOKS(HOOK)
#undef HOOK
};

const char *pl_datapath_kind_name(enum pl_attach_kind kind)
{
	static const char *const names[PL_ATTACH_KINDS] = {
		[PL_ATTACHED_NONE] = "none",
		[PL_ATTACHED_TCX] = "tcx",
		[PL_ATTACHED_CLSACT] = "clsact",
		[PL_ATTACHED_NETKIT] = "netkit",
	};

	return names[kind];
}

int dp_fail_attach(struct pl_error *err, int code, enum pl_hook hook, uint32_t ifindex,
		   enum pl_attach_kind kind, const char *why)
{
	char name[IFNAMSIZ];

	return pl_fail(err, code, "attach %s by %s to %s (%u): %s", dp_hooks[hook].prog_name,
		       pl_datapath_kind_name(kind), if_indextoname(ifindex, name) ?: "device",
		       ifindex, why);
}

const char *pl_datapath_hook_name(enum pl_hook hook)
{
	return dp_hooks[hook].name;
}
