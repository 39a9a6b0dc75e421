/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Random connections through real netfilter, as in test_flowmodel, a short run with a fixed seed
 * for each rule set: kube-proxy's.
 *
 * A failure says which PODLANE_SEED, PODLANE_STEPS and PODLANE_RULES repeat it.
 * time limit: 120
 * kernels: no
 */
#include "flow_play.h"

#define RULES(X)                                                                                   \
	X(iptables)                                                                                \
	X(iptables_masquerade)                                                                     \
	X(nftables)                                                                                \
	X(nftables_masquerade)                                                                     \
	X(host_address)
RULES(PLAY_TEST)

int main(void)
{
	enum { STEPS = 900, SEED = 1 };
	const struct CMUnitTest tests[] = {RULES(PLAY_ENTRY)};

	return run_play(tests, STEPS, SEED, true);
}
