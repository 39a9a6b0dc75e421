#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A pod sends as itself or not at all; what it needs to be an IPv6 host works; and the protection
# can be switched off for an endpoint that asks for it.
# kernels: no
# time limit: 120

load node

setup_file() {
	load node
	node_up
	pod_up trusted --no-antispoof
}
teardown_file() { load node && node_down; }

dropped_grew() { [ "$(reason a out "$1")" -gt "$2" ]; }

@test "a foreign IPv4 source is dropped, counted and never arrives" {
	in_ns a ip addr add 10.201.0.99/32 dev eth0
	before=$(reason a out DROP_SPOOFED_IP) arrived=$(reason b in FORWARD_LOCAL)
	run in_ns a ping -n -c 2 -i 0.1 -W 1 -I 10.201.0.99 $B4
	[ "$status" -ne 0 ]
	dropped_grew DROP_SPOOFED_IP "$before"
	[ "$(reason b in FORWARD_LOCAL)" = "$arrived" ]
	in_ns a ip addr del 10.201.0.99/32 dev eth0
}

@test "another pod's IPv4 address as source is dropped, towards the host too" {
	in_ns a ip addr add $C4/32 dev eth0
	before=$(reason a out DROP_SPOOFED_IP)
	run in_ns a ping -n -c 2 -i 0.1 -W 1 -I $C4 $NODE4
	[ "$status" -ne 0 ]
	dropped_grew DROP_SPOOFED_IP "$before"
	in_ns a ip addr del $C4/32 dev eth0
}

@test "a foreign IPv6 source is dropped" {
	in_ns a ip addr add ${POD6}99/128 dev eth0 nodad
	before=$(reason a out DROP_SPOOFED_IP)
	run in_ns a ping -n -c 2 -i 0.1 -W 1 -I ${POD6}99 $B6
	[ "$status" -ne 0 ]
	dropped_grew DROP_SPOOFED_IP "$before"
	in_ns a ip addr del ${POD6}99/128 dev eth0
}

# What the pod's own plugins set is followed; what is another's is not.
@test "another pod's MAC is dropped" {
	before=$(reason a out DROP_SPOOFED_MAC)
	in_ns a ip link set eth0 address "$(podlane -j endpoint show b | jq -r .endpoint.podMac)"
	run in_ns a ping -n -c 2 -i 0.1 -W 1 $B4
	[ "$status" -ne 0 ]
	dropped_grew DROP_SPOOFED_MAC "$before"
	in_ns a ip link set eth0 address "$(podlane -j endpoint show a | jq -r .endpoint.podMac)"
	pings a $B4
}

@test "an ARP that claims a foreign address is dropped" {
	in_ns a ip addr add 10.201.0.98/32 dev eth0
	in_ns a ip route add 10.201.0.97 dev eth0 src 10.201.0.98
	before=$(reason a out DROP_SPOOFED_ARP)
	in_ns a ping -n -c 1 -W 1 10.201.0.97 || :
	dropped_grew DROP_SPOOFED_ARP "$before"
	in_ns a ip route del 10.201.0.97
	in_ns a ip addr del 10.201.0.98/32 dev eth0
}

@test "a neighbour advertisement for a foreign address is dropped" {
	before=$(reason a out DROP_SPOOFED_ND)
	in_ns a sysctl -qw net.ipv6.conf.eth0.ndisc_notify=1
	in_ns a ip addr add ${POD6}97/128 dev eth0
	eventually dropped_grew DROP_SPOOFED_ND "$before"
	in_ns a ip addr del ${POD6}97/128 dev eth0
}

@test "the link-local address of a pod comes up: duplicate detection works" {
	up() { in_ns a ip -6 addr show dev eth0 scope link | grep -v tentative | grep -q fe80; }
	eventually up
	run in_ns a ip -6 addr show dev eth0
	[[ $output != *dadfailed* ]]
}

@test "an ordinary ARP of the pod is answered" {
	in_ns a ip neigh del $POD4.1 dev eth0 || :
	pings a $POD4.1
	pings a $B4
}

@test "an endpoint without anti-spoofing sends as whom it likes" {
	in_ns trusted ip addr add 10.201.0.150/32 dev eth0
	ip route add 10.201.0.150/32 dev "$(host_end trusted)"
	pings trusted $B4 -I 10.201.0.150
	podlane -j stats trusted | jq -e '[.. | objects | select(.reason? // "" | startswith("DROP"))] | length == 0'
}
