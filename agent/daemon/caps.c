/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Dropped once everything that needs more is open.
 */
#include <cap-ng.h>

#include "common/log.h"
#include "daemon/caps.h"

static const unsigned int needed[] = {
	CAP_NET_ADMIN, /* links, addresses, routes, tc */
	CAP_SYS_ADMIN, /* setns() into pods; BPF objects by id */
	CAP_BPF,       /* maps and programs: Linux 5.8 */
	CAP_PERFMON,   /* what the verifier asks of tc programs beside it */
};

int pl_caps_check(struct pl_error *err)
{
	if (capng_get_caps_process())
		return pl_fail(err, -EIO, "read this process's capabilities");
	for (size_t i = 0; i < PL_ARRAY_SIZE(needed); i++)
		if (!capng_have_capability(CAPNG_EFFECTIVE, needed[i]))
			return pl_fail(err, -EPERM,
				       "podlaned must run as root, with CAP_NET_ADMIN, "
				       "CAP_SYS_ADMIN, CAP_BPF and CAP_PERFMON: user %u has no %s",
				       (unsigned int)geteuid(),
				       capng_capability_to_name(needed[i]));
	return 0;
}

int pl_caps_drop(struct pl_error *err)
{
	int r = pl_caps_check(err);

	if (r < 0)
		return r;
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < PL_ARRAY_SIZE(needed); i++)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, needed[i]);
	/* Root owns the files that are written, so no capability over files is kept. */
	if (capng_apply(CAPNG_SELECT_CAPS))
		return pl_fail(err, -EPERM, "drop capabilities: %s", strerror(errno));
	/* Without CAP_SETPCAP the bounding set stays as it was: no program is ever executed. */
	return 0;
}
