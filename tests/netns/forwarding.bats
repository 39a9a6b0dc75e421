#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A host that does not forward: pods reach each other by the fast path, and nothing else but the host.
# That looks like a fault of the network from inside, so the daemon says it everywhere.
# time limit: 120

load node

setup_file() {
	load node
	sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
	node_up --forwarding false
}
teardown_file() { load node && node_down; }

log() { cat "$BATS_FILE_TMPDIR/podlaned.log"; }

forwarding() { podlane -j status | jq -c '[.forwarding.ipv4, .forwarding.ipv6, (.warnings | length)]'; }

@test "forwarding off: status, its JSON and the log say that pods reach nothing but each other" {
	[ "$(cat /proc/sys/net/ipv4/ip_forward)" = 0 ]
	[ "$(forwarding)" = '[false,false,2]' ]
	for family in 4 6; do
		for what in "podlane status" "podlane -j status" log; do
			$what | grep -q "IPv$family forwarding is off: pods reach nothing but each other"
		done
	done
	podlane status | grep -c '^warning ' | grep -qx 2
	podlane -j status | jq -e '.warnings[0] | contains("net.ipv4.ip_forward=1")'
}

@test "forwarding off: what it says is so" {
	pings a $B4
	pings a $B6
	pings a $NODE4
	run pings a $OUT4
	[ "$status" -ne 0 ]
	run pings a $OUT6
	[ "$status" -ne 0 ]
}

@test "switched on meanwhile: nothing is said any more, and it works" {
	sysctl -qw net.ipv4.ip_forward=1
	[ "$(forwarding)" = '[true,false,1]' ]
	sysctl -qw net.ipv6.conf.all.forwarding=1
	[ "$(forwarding)" = '[true,true,0]' ]
	warnings=$(podlane status | grep -c "^warning") || :
	[ "$warnings" = 0 ]
	pings a $OUT4
	eventually pings a $OUT6
}

@test "by default the daemon switches it on" {
	sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
	daemon_stop
	: >"$BATS_FILE_TMPDIR/podlaned.log"
	daemon_start
	[ "$(forwarding)" = '[true,true,0]' ]
	[ "$(log | grep -c 'forwarding is off')" = 0 ]
}
