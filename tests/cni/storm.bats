#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A runtime on a bad day: ADDs and DELs together, killed plugins, a killed daemon, a removed run directory, at
# random. Whatever happened, podlane, the kernel and the addresses in use agree afterwards: storm.py.
# PODLANE_SEED repeats a run; PODLANE_ROUNDS makes it longer.
# kernels: no
# time limit: 240

load lib

setup() {
	cni_setup
	for i in {0..9}; do new_pod "c$i"; done
	ip link add up0 type veth peer name up1
	ip addr add 192.0.2.1/24 dev up0
	ip link set up0 up
	ip link set up1 up
	ip route add default via 192.0.2.2
}
teardown() { cni_teardown; }

@test "a storm of requests, kills and removed folders" {
	[ -x "$build/podlaned" ] || skip "podlaned is not built"
	PODLANE=$build/podlane python3 "$BATS_TEST_DIRNAME/storm.py" "$build/podlaned" --run-dir "$T/run" \
		--bpffs /sys/fs/bpf/podlane || { tail -n 80 "$T/podlaned.log" && false; }
	refute grep -E "impossible state|AddressSanitizer|runtime error" "$T/podlaned.log"
}
