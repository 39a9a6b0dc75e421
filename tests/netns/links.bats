#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The maps stay true whatever happens to links, addresses and routes, and when events are lost.
# time limit: 200

load node

setup_file() { load node && node_up; }
teardown_file() { load node && node_down; }
teardown() { nft delete table inet witness 2>/dev/null || :; }

is_ready() { [ "$(podlane -j endpoint show "$1" | jq .endpoint.ready)" = true ]; }
is_not_ready() { [ "$(podlane -j endpoint show "$1" | jq .endpoint.ready)" = false ]; }
is_gone() { ! podlane endpoint show "$1" >/dev/null 2>&1; }
is_uplink() { podlane -j status | jq -e --arg n "$1" '.uplinks[] | select(.name == $n and .attached != "none")' >/dev/null; }
is_no_uplink() { ! is_uplink "$1"; }

@test "the host end goes down and up: not ready meanwhile, then the short way again" {
	dev=$(host_end b)
	ip link set "$dev" down
	eventually is_not_ready b
	podlane endpoint show b | grep -q 'host end is down'
	run pings a $B4
	[ "$status" -ne 0 ]
	ip link set "$dev" up
	eventually is_ready b
	witness_up
	pings a $B4
	pings a $B6
}

@test "the pod end goes down: packets go to the stack, which answers, and none vanishes silently" {
	in_ns b ip link set eth0 down
	eventually is_not_ready b
	before=$(reason a out PASS_NOT_READY)
	for _ in 1 2 3; do # each opens a connection
		run in_ns a ping -n -q -c 1 -W 0.1 $B4
		[ "$status" -ne 0 ]
	done
	[ "$(reason a out PASS_NOT_READY)" -ge $((before + 3)) ]
	in_ns b ip link set eth0 up
	in_ns b ip route add $POD4.1 dev eth0 scope link
	in_ns b ip route add default via $POD4.1 dev eth0 onlink
	eventually is_ready b
	witness_up
	pings a $B4
}

@test "the host end is renamed: the record follows" {
	dev=$(host_end c)
	ip link set "$dev" down
	ip link set "$dev" name renamed0
	ip link set renamed0 up
	named() { [ "$(host_end c)" = renamed0 ]; }
	eventually named
	eventually is_ready c
	grep -q renamed0 /run/podlane/endpoints/c:eth0.json
	witness_up
	pings a $C4
}

@test "the netns of a pod is deleted: endpoint, record and address go with it" {
	pod_up brief
	[ -e /run/podlane/endpoints/brief:eth0.json ]
	address=$(ip4_of brief)
	ip netns del brief
	eventually is_gone brief
	[ ! -e /run/podlane/endpoints/brief:eth0.json ]
	run bpftool -j map dump pinned /sys/fs/bpf/podlane/v3/maps/pl_addrs4
	[ "$status" = 0 ]
	[[ $output != *"[${address//./,}]"* ]]
}

@test "the host end moves to another netns and returns: not ready, then ready" {
	pod_up mover
	dev=$(host_end mover)
	address=$(ip4_of mover)
	ip netns add elsewhere
	ip link set "$dev" netns elsewhere
	eventually is_not_ready mover
	ip -n elsewhere link set "$dev" netns $$
	ip link set "$dev" up
	eventually is_ready mover
	witness_up
	pings a "$address"
	podlane endpoint del mover
	ip netns del mover
	ip netns del elsewhere
}

@test "the pod end moved into the host's netns is no target" {
	pod_up inside
	in_ns inside ip link set eth0 netns $$ name stray0
	ip link set stray0 up
	eventually is_not_ready inside
	podlane endpoint show inside | grep -q "in the host's network namespace"
	podlane endpoint del inside
	ip netns del inside
}

@test "an uplink that appears is attached, one that loses its default route is let go" {
	ip link add up1 type veth peer name far1
	ip link set up1 up
	ip link set far1 up
	ip addr add 198.51.100.1/24 dev up1
	run is_uplink up1
	[ "$status" -ne 0 ]
	ip route add default via 198.51.100.2 metric 200
	eventually is_uplink up1
	ip route del default via 198.51.100.2 metric 200
	eventually is_no_uplink up1
	is_uplink up0
	ip link del up1
}

@test "addresses of the host are known as they come and go" {
	ip addr add 198.51.100.77/32 dev up0
	known() { bpftool -j map dump pinned /sys/fs/bpf/podlane/v3/maps/pl_addrs4 |
		jq -e '[.[] | (.formatted // .) | select(.key.addr == [198,51,100,77]) | .value.kind == "PL_ADDR_HOST"] | any' >/dev/null; }
	unknown() { ! known; }
	eventually known
	ip addr del 198.51.100.77/32 dev up0
	eventually unknown
}

@test "the pod's own address on the host is refused, and nothing is left" {
	ip addr add $POD4.200/32 dev up0
	ip netns add clash
	eventually sh -c "bpftool -j map dump pinned /sys/fs/bpf/podlane/v3/maps/pl_addrs4 | tr -d ' ' | grep -q '201,0,200\\|c9\",\"0x00\",\"0xc8'"
	run podlane endpoint add clash --ip $POD4.200
	[ "$status" -ne 0 ]
	[[ $output = *"address of the host"* ]]
	[ ! -e /run/podlane/endpoints/clash:eth0.json ]
	run in_ns clash ip link show eth0
	[ "$status" -ne 0 ]
	ip addr del $POD4.200/32 dev up0
	ip netns del clash
}

@test "a storm of links loses no state: what is there in the end is what is known" {
	for _ in 1 2 3; do
		for i in $(seq 60); do
			echo "link add s$i type veth peer name t$i"
			echo "link set s$i up"
			echo "addr add 203.0.113.$i/32 dev s$i"
			echo "link del s$i"
		done | ip -batch -
	done
	pod_up after
	witness_up
	pings a "$(ip4_of after)"
	run bpftool -j map dump pinned /sys/fs/bpf/podlane/v3/maps/pl_addrs4
	[ "$status" = 0 ]
	[[ $(tr -d ' ' <<<"$output") != *'"0xcb","0x00","0x71"'* ]] # 203.0.113
	podlane endpoint del after
	ip netns del after
}

@test "what somebody else took out of the maps or off the hooks is there again after a restart" {
	dev=$(host_end a)
	daemon_stop
	hex=$(printf '%s' "$A4" | tr . ' ')
	# shellcheck disable=SC2086
	bpftool map delete pinned /sys/fs/bpf/podlane/v3/maps/pl_addrs4 key $hex
	rm /sys/fs/bpf/podlane/v3/links/from_pod-* 2>/dev/null || :
	daemon_start
	is_ready a
	witness_up
	pings b $A4
	pings a $B4
}
