/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Random connections through real netfilter, beside each rule set of flow_rules.h: first by the
 * plain stack, then with podlane's programs. Whatever works by the plain stack must work with the
 * programs, and nothing may be seen under another address. The long run, `make test-flows`: each
 * time another seed, which it prints; test_flow_random_* are the short ones of every run.
 *
 * PODLANE_SEED=N repeats a run, PODLANE_STEPS=N sets its length, PODLANE_RULES=NAME takes one rule
 * set alone. time limit: 240
 * kernels: no
 */
#include "flow_play.h"

#define RULES(X)                                                                                   \
	X(iptables)                                                                                \
	X(iptables_masquerade)                                                                     \
	X(nftables)                                                                                \
	X(nftables_masquerade)                                                                     \
	X(host_address)                                                                            \
	X(ipvs)                                                                                    \
	X(portmap)                                                                                 \
	X(masquerade)                                                                              \
	X(invalid)
RULES(PLAY_TEST)

int main(void)
{
	enum { STEPS = 3000, EMULATED = 10 };
	const struct CMUnitTest tests[] = {RULES(PLAY_ENTRY)};

	return run_play(tests, getenv("PODLANE_KERNEL_TEST") ? STEPS / EMULATED : STEPS,
			(unsigned long)time(NULL) % 1000000, false);
}
