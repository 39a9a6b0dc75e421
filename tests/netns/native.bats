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

# to_nobody ADDRESS: the first echo is lost while the neighbour is sought, a further one is the stack's
to_nobody() {
	run in_ns a ping -n -c 4 -i 0.3 -W 2 "$1"
	[[ $output = *nreachable* ]]
	run in_ns a timeout 10 bash -c "exec 3<>/dev/tcp/$1/7001"
	[[ $output = *"No route to host"* ]]
}

@test "a next hop that does not answer: the pod hears that the host is unreachable, and is fast once it answers" {
	sysctl -qw net.ipv4.neigh.up0.retrans_time_ms=50 net.ipv6.neigh.up0.retrans_time_ms=50
	to_nobody 192.0.2.77
	to_nobody 2001:db8:1::77
	# Linux 5.10 does not say where the neighbour would be.
	[ $(($(reason a out PASS_NO_NEIGHBOUR) + $(reason a out PASS_NO_ROUTE))) -ge 4 ]
	ip -n outside addr add 192.0.2.77/32 dev eth0
	ip -n outside addr add 2001:db8:1::77/128 dev eth0 nodad
	pings a 192.0.2.77
	pings a 2001:db8:1::77
	witness_up
	pings a 192.0.2.77
	pings a 2001:db8:1::77
	[ "$(witness_caught)" = 0 ]
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

# by_fib ADDRESS, by_stack ADDRESS: from pod a; the witness drops what the stack would forward
by_fib() {
	pings a "$1"
	[ "$(witness_caught)" = 0 ]
}
by_stack() {
	run pings a "$1"
	[ "$status" -ne 0 ]
	[ "$(nft -j reset counter inet witness caught | jq '.nftables[] | select(.counter) | .counter.packets')" -ge 3 ]
}

@test "an excepted network goes through the stack, what is native within it again does not" {
	ip -n outside addr add 192.0.2.130/32 dev eth0
	ip -n outside addr add 192.0.2.197/32 dev eth0
	ip -n outside addr add 2001:db8:1::f:2/128 dev eth0 nodad
	daemon_stop
	daemon_start --native '192.0.2.0/24,!192.0.2.128/25,192.0.2.192/28,2001:db8::/32,!2001:db8:1::f:0/112'
	podlane status | grep -qF '!192.0.2.128/25'
	podlane -j status | jq -e '.native | index("!2001:db8:1::f:0/112")'
	# Without the witness both ways lead there, and the neighbours become known.
	for to in $OUT4 192.0.2.130 192.0.2.197 $OUT6 2001:db8:1::f:2; do pings a $to; done
	before=$(reason a out FORWARD_NATIVE)
	pings a 192.0.2.130
	pings a 2001:db8:1::f:2
	[ "$(reason a out FORWARD_NATIVE)" = "$before" ]
	witness_up
	by_fib $OUT4
	by_fib $OUT6
	by_fib 192.0.2.197
	by_stack 192.0.2.130
	by_stack 2001:db8:1::f:2
	by_fib $OUT4
}

# seen_from ADDRESS: the source address of a ping from pod m to it
seen_from() {
	capture outside "$BATS_TEST_TMPDIR/seen" "icmp[0] = 8 and dst $1"
	in_ns m ping -q -c 1 -W 1 "$1" >&2
	wait $captured
	sed -En 's/.* IP ([0-9.]+) > .*/\1/p' "$BATS_TEST_TMPDIR/seen"
}

@test "a masqueraded pod shows its own address to native networks, the host's to excepted ones" {
	echo '{"cniVersion": "1.0.0", "name": "masq", "type": "podlane", "ipMasq": true}' >"$BATS_TEST_TMPDIR/masq.json"
	ip netns add m
	podlane endpoint add m --network "$BATS_TEST_TMPDIR/masq.json"
	[ "$(seen_from $OUT4)" = "$(ip4_of m)" ]
	[ "$(seen_from 192.0.2.197)" = "$(ip4_of m)" ]
	[ "$(seen_from 192.0.2.130)" = $NODE4 ]
	# By the rules, too, which judge what the fast path leaves to the stack.
	direct() { nft get element inet podlane "direct$1" "{ $2 }"; }
	direct 4 192.0.2.127
	direct 4 192.0.2.197
	run direct 4 192.0.2.130
	[ "$status" -ne 0 ]
	direct 6 2001:db8:1::e:ffff
	run direct 6 2001:db8:1::f:2
	[ "$status" -ne 0 ]
	podlane endpoint del m
	ip netns del m
}

@test "without the daemon's setting the same network goes through the stack" {
	daemon_stop
	daemon_start
	witness_up
	run pings a $OUT4
	[ "$status" -ne 0 ]
	[ "$(witness_caught)" -gt 0 ]
}
