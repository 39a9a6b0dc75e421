#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Mirror sessions on this kernel, by their counters: on each way an echo and its reply are copied once
# for each session that concerns them, and a session whose filter rejects them gets none. tests/mirror
# looks at the copies themselves, and at netkit.
# time limit: 200

load node

setup_file() {
	load node
	node_up
	ip link add tap0 type veth peer name tap0w
	ip link set tap0w up
	ip link set tap0 up
	local echoes='(icmp and (icmp[icmptype] = icmp-echo or icmp[icmptype] = icmp-echoreply)) or
		(icmp6 and (ip6[40] = 128 or ip6[40] = 129))'
	podlane mirror add all --all --to-device tap0 --filter "$echoes"
	podlane mirror add a --endpoint a --to-device tap0 --filter "$echoes"
	podlane mirror add b --endpoint b --to-device tap0 --filter "$echoes"
	podlane mirror add cut --endpoint b --to-device tap0 --snaplen 60 --filter "$echoes and greater 61"
	podlane mirror add none --all --to-device tap0 --filter 'vlan or tcp port 9'
}
teardown_file() {
	load node
	node_down
	ip link del tap0 2>/dev/null || :
}

# count ARRAY: ARRAY[session] becomes "matched sent"
count() {
	local -n into=$1
	local name rest
	while read -r name rest; do into[$name]=$rest; done < <(podlane -j mirror list |
		jq -r '.mirrors[] | "\(.name) \(.counters.matched) \(.counters.sent)"')
}

# copied FROM TO ALL A B: runs 3 echoes; each session must have made as many copies as said
copied() {
	local from=$1 to=$2 name more
	local -A before after want=([all]=$3 [a]=$4 [b]=$5 [cut]=$5 [none]=0)
	count before
	if [ "$from" = node ]; then
		ping -n -q -c 3 -i 0.05 -W 1 "$to" | grep ' 3 received'
	else
		pings "$from" "$to"
	fi
	count after
	for name in "${!want[@]}"; do
		more="$((${after[$name]% *} - ${before[$name]% *})) $((${after[$name]#* } - ${before[$name]#* }))"
		[ "$more" = "${want[$name]} ${want[$name]}" ] || {
			echo "session $name matched and sent $more; expected ${want[$name]} of each"
			return 1
		}
	done
}

@test "pod to pod" {
	copied a $B4 6 6 6
	copied a $B6 6 6 6
	copied b $C4 6 0 6
	copied c $B6 6 0 6
}

# received POD: packets that its link brought it
received() { in_ns "$1" cat /sys/class/net/eth0/statistics/rx_packets; }

@test "to an analyser pod, which is not mirrored itself" {
	podlane mirror add probe --endpoint a --to-endpoint c \
		--filter 'icmp[icmptype] = icmp-echo or (icmp6 and ip6[40] = 128)'
	local before
	before=$(received c)
	pings a $B4
	pings a $B6
	[ "$(podlane -j mirror show probe | jq -c '[.mirror.counters | .matched, .sent]')" = '[6,6]' ]
	[ $(($(received c) - before)) -ge 6 ]
	podlane -j endpoint show c | jq -e '.endpoint.mirrors | index("probe") | not'
	podlane mirror del probe
}

@test "outside to pod and pod to outside" {
	copied outside $B4 6 0 6
	copied outside $B6 6 0 6
	copied b $OUT4 6 0 6
	copied a $OUT6 6 6 0
}

@test "host to pod and pod to host" {
	copied node $B4 6 0 6
	copied node $B6 6 0 6
	copied b $NODE4 6 0 6
	copied b $NODE6 6 0 6
}

@test "nothing failed, nothing came back" {
	podlane -j mirror list | jq -e '[.mirrors[].counters | .failed + .congested + .looped] | add == 0'
	podlane -j mirror show cut | jq -e '.mirror.counters | .truncated == .sent'
}

@test "the target goes: the originals pass" {
	ip link del tap0
	pings a $B4
	pings outside $B6
	eventually sh -c "'$BUILD/podlane' -j mirror show all | jq -e '.mirror.state == \"paused\"'"
	pings a $B4
	pings b $OUT4
}
