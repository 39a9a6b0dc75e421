// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Opens the embedded BPF object. There are two, of one source: libbpf loads none that names
 * functions of the kernel where the kernel has no BTF, not even where no program would call one.
 * The other one names none. Everything else about them is the same, and one skeleton serves both.
 */
#include <stddef.h>
#include "datapath/internal.h"
#include "podlane.skel.h"
#include "podlane-nokfunc.skel.h"

_Static_assert(sizeof(struct podlane_bpf__rodata) == sizeof(struct podlane_nokfunc__rodata),
	       "both objects have the same constants");
#define PL_SAME_PLACE(name)                                                                        \
	_Static_assert(offsetof(struct podlane_bpf__rodata, name) ==                               \
			       offsetof(struct podlane_nokfunc__rodata, name),                     \
		       #name " lies at the same place in both objects");
PL_SAME_PLACE(pl_conntrack_mode)
PL_SAME_PLACE(pl_skb_layout)
PL_SAME_PLACE(pl_hz)
PL_SAME_PLACE(pl_clang)
#undef PL_SAME_PLACE

struct podlane_bpf *dp_skel_open(bool kfuncs)
{
	struct podlane_bpf *skel = calloc(1, sizeof(*skel));
	int r = skel ? podlane_bpf__create_skeleton(skel) : -ENOMEM;

	if (!r && !kfuncs)
		skel->skeleton->data = (void *)podlane_nokfunc__elf_bytes(&skel->skeleton->data_sz);
	if (!r)
		r = bpf_object__open_skeleton(skel->skeleton, NULL);
	if (!r)
		return skel;
	podlane_bpf__destroy(skel);
	errno = -r;
	return NULL;
}
