#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# nf_conntrack as a module that comes after the daemon: until then nobody translates, and everything
# is fast; from then on the programs ask it before they open a connection. What is open stays open.
# time limit: 240

load node

setup_file() {
	load node
	if [ -e /sys/module/nf_conntrack ]; then
		: >"$BATS_FILE_TMPDIR/there"
	else
		node_up
	fi
}
setup() {
	[ ! -e "$BATS_FILE_TMPDIR/there" ] || skip "this kernel has nf_conntrack built in, not as a module that comes later"
}
teardown_file() { load node && { [ -e "$BATS_FILE_TMPDIR/there" ] || node_down; }; }

conntrack() { podlane -j status | jq -r .flows.conntrack; }
asks() { [ "$(conntrack)" != absent ]; }

@test "no nf_conntrack: pods reach each other by the fast path" {
	[ "$(conntrack)" = absent ]
	pings a $B4
	pings a $B6
	[ "$(reason a out PASS_STACK_FLOW)" = 0 ]
}

@test "nf_conntrack comes: the programs follow, and an open connection loses nothing" {
	ip netns exec a ping -i 0.05 -c 120 -W 2 $B4 >"$BATS_TEST_TMPDIR/flood" &
	flood=$!
	sleep 0.5
	modprobe nf_conntrack
	eventually asks
	grep -q "nf_conntrack is there" "$BATS_FILE_TMPDIR/podlaned.log"
	wait $flood
	grep -q "120 packets transmitted, 120 received" "$BATS_TEST_TMPDIR/flood"
}

@test "nf_conntrack is there: a restart finds it, and new connections are still fast" {
	daemon_stop
	daemon_start
	asks
	pings a $B4
	pings a $B6
}
