#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Native networks: pods reach them by FIB and bpf_redirect_neigh, out of the uplink, past the stack.
# time limit: 200

load node

setup_file() { load node && node_up --native 192.0.2.0/24,203.0.113.0/24,2001:db8::/32,10.201.0.0/24; }
teardown_file() { load node && node_down; }
teardown() { nft delete table inet witness 2>/dev/null || :; }

@test "pod to outside and back, past the stack, IPv4" {
	ip neigh flush dev up0 # the first packet must resolve the neighbour
	before=$(reason a out FORWARD_NATIVE)
	witness_up
	pings a $OUT4
	[ "$(witness_caught)" = 0 ]
	[ "$(reason a out FORWARD_NATIVE)" -ge $((before + 3)) ]
}

@test "pod to outside and back, past the stack, IPv6" {
	ip -6 neigh flush dev up0
	before=$(reason a out FORWARD_NATIVE)
	witness_up
	pings a $OUT6
	[ "$(witness_caught)" = 0 ]
	[ "$(reason a out FORWARD_NATIVE)" -ge $((before + 3)) ]
}

@test "the neighbour's MAC changes: traffic goes on" {
	witness_up
	pings a $OUT4
	in_ns outside ip link set eth0 address 02:00:00:00:00:99
	ip -n outside neigh flush dev eth0
	in_ns outside ping -n -q -c 1 -W 1 $NODE4
	in_ns outside ping -n -q -c 1 -W 1 $NODE6
	pings a $OUT4
	pings a $OUT6
	[ "$(witness_caught)" = 0 ]
}

@test "the host's own address inside a native network goes to the stack" {
	pings a $NODE4
	pings a $NODE6
	[ "$(reason a out PASS_HOST)" -ge 6 ]
}

@test "a native network without a route goes to the stack, which says so" {
	ip route add unreachable 203.0.113.0/24
	run in_ns a ping -n -c 1 -W 1 203.0.113.7
	[ "$status" -ne 0 ]
	[[ $output = *nreachable* ]]
	ip route del unreachable 203.0.113.0/24
}

@test "an expiring packet to a native network is answered by the stack" {
	run in_ns a ping -n -c 1 -W 1 -t 1 $OUT4
	[[ $output = *"Time to live exceeded"* ]]
}

@test "a packet larger than the uplink's MTU is answered by the stack" {
	ip link set up0 mtu 1400
	run in_ns a ping -n -c 1 -W 1 -M 'do' -s 1450 $OUT4
	[[ $output = *"1400"* ]]
	run in_ns a ping -n -c 1 -W 1 -M 'do' -s 1450 $OUT6
	[[ $output = *"1400"* ]]
	ip link set up0 mtu 1500
}

@test "a TCP stream from and to a native network, every byte" {
	mkdir "$BATS_TEST_TMPDIR/www"
	head -c 5000000 /dev/urandom >"$BATS_TEST_TMPDIR/www/file"
	serve outside busybox httpd -f -p '[::]:7001' -h "$BATS_TEST_TMPDIR/www"
	serve a busybox httpd -f -p '[::]:7001' -h "$BATS_TEST_TMPDIR/www"
	listens outside 7001
	listens a 7001
	witness_up
	in_ns a curl -sS -m 20 "http://$OUT4:7001/file" | cmp - "$BATS_TEST_TMPDIR/www/file"
	in_ns outside curl -sS -m 20 "http://[$A6]:7001/file" | cmp - "$BATS_TEST_TMPDIR/www/file"
	[ "$(witness_caught)" = 0 ]
}

@test "without the daemon's setting the same network goes through the stack" {
	daemon_stop
	daemon_start
	witness_up
	run pings a $OUT4
	[ "$status" -ne 0 ]
	[ "$(witness_caught)" -gt 0 ]
}
