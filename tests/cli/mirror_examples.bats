#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# time limit: 240
#
# The worked examples of podlane-mirror(8), run as they stand there, and what arrives.
#
#   outside 192.0.2.254 --- up0 192.0.2.1 [node: podlaned] --- red .10, blue .20, probe .30 of 10.201.0.0/24

bats_require_minimum_version 1.5.0
load ../guard
load mirror_examples

@test "an analyser on the node sees one pod's web traffic, both ways, once" {
	feed_analyser
	watch 'tcpdump -n -i ids1' ''
	# Nobody listens: the answer is a reset.
	ip netns exec red curl -s -o /dev/null http://10.201.0.20:8080/ || [ $? -eq 7 ]
	ip netns exec red ping -q -c 2 -i 0.1 10.201.0.20
	seen 1 '10.201.0.10.[0-9]+ > 10.201.0.20.8080: Flags \[S\]'
	seen 1 '10.201.0.20.8080 > 10.201.0.10.[0-9]+: Flags \[R'
	seen 2 .
	[ "$(counter web sent)" -eq 2 ]
	run podlane mirror stats web -n 1 -w 0.2
	[ "$status" -eq 0 ] && [[ $output == *web*active* ]]
	grep -qxF 'podlane mirror stats web --watch' "$dir/page"
}

@test "a remote collector gets the first 96 bytes by VXLAN" {
	example 'ip link add vx7 type vxlan id 7 dev eth0 dstport 4789' ip netns exec outside
	example 'ip link set vx7 up' ip netns exec outside
	example 'podlane mirror add remote --endpoint red --snaplen 96 --to-vxlan 192.0.2.254 --vni 7'
	# The first copies wait for the collector's MAC, and may end there.
	ip netns exec red ping -q -c 1 10.201.0.20
	watch 'tcpdump -n -i vx7' 'icmp' ip netns exec outside
	ip netns exec red ping -q -c 2 -i 0.1 -s 1000 10.201.0.20
	seen 4 'length 96: .*10.201.0.(10|20) > 10.201.0.(10|20): ICMP echo (request|reply)'
	[ "$(counter remote truncated)" -ge 4 ]
	podlane mirror del remote
	run ip -br link show type vxlan
	[ -z "$output" ]
}

@test "an analyser in a pod gets a sample of all" {
	example 'podlane mirror add sample --all --sample-flows 100 --pps 10k --seconds 3600 --to-endpoint probe'
	local i
	for ((i = 0; i < 4; i++)); do
		ip netns exec red ping -q -c 5 -i 0.02 10.201.0.20
	done
	[ "$(counter sample matched)" -ge 40 ]
	[ "$(counter sample sampledOut)" -gt 0 ]
	[ "$(podlane -j mirror show sample | jq .mirror.secondsLeft)" -gt 3500 ]
	podlane mirror del sample
}

@test "what is dropped is shown where it is asked for" {
	example "podlane mirror add forged --endpoint red --direction out --include-drops --filter 'not src host 10.201.0.10' --to-device ids0"
	watch 'tcpdump -n -i ids1' 'icmp'
	ip -n red addr add 10.99.0.1/32 dev eth0
	ip netns exec red ping -q -c 2 -i 0.1 -W 1 -I 10.99.0.1 10.201.0.20 || true
	ip -n red addr del 10.99.0.1/32 dev eth0
	seen 2 '10.99.0.1 > 10.201.0.20: ICMP echo request'
	podlane mirror del forged
	podlane mirror del web
	run podlane -j mirror list
	[ "$(jq '.mirrors | length' <<<"$output")" -eq 0 ]
}
