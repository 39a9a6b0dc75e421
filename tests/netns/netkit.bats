#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Every kind of link on one node, each reaching each past the stack, and all that podlane promises of
# veth on netkit as well:
#
#    v, w: veth    t, u: netkit L3    s, r: netkit L2    outside: a native network, beyond up0
# time limit: 300

load node

VIP4=10.96.0.12 VIP6=fd96::12

setup_file() {
	load node
	local name address
	outside_up
	daemon_start --native 192.0.2.0/24,2001:db8:1::/64
	pod_up v
	pod_up w
	pod_up t --link netkit
	pod_up u --link auto
	pod_up s --link netkit --netkit-mode l2
	pod_up r --link auto --netkit-mode l2
	while read -r name address; do
		case $address in
		*:*) export "${name^}6=$address" ;;
		*) export "${name^}4=$address" ;;
		esac
	done < <(podlane -j endpoint list | jq -r '.endpoints[] | .containerId as $id | .addresses[] |
		$id + " " + (.address | split("/")[0])')
}
teardown_file() { load node && node_down; }
teardown() {
	nft delete table inet witness 2>/dev/null || :
	floods_kill
}

# counts: for each pod "NAME in-by-the-fast-path out-to-a-native-network"
counts() {
	podlane -j stats | jq -r '.stats[] | select(.containerId != "") | . as $e |
		def of($d; $r): [$e.reasons[] | select(.direction == $d and .reason == $r) | .packets] | add // 0;
		"\(.containerId) \(of("in"; "FORWARD_LOCAL")) \(of("out"; "FORWARD_NATIVE"))"'
}

# grew POD IN NATIVE: both counters must have grown by exactly this since $before was taken
grew() {
	local got
	got=$(join <(sort <<<"$before") <(counts | sort) | awk -v pod="$1" '$1 == pod { print $4 - $2, $5 - $3 }')
	[ "$got" = "$2 $3" ] || { echo "$1: expected $2 $3, not $got" && return 1; }
}

prog_of() { # POD: the id of the program at its netkit hook, by the kernel's own word
	local index
	index=$(cat "/sys/class/net/$(host_end "$1")/ifindex")
	bpftool -j link show pinned /sys/fs/bpf/podlane/v*/links/from_netkit-"$index" | jq .prog_id
}

@test "each has the link that it asked for" {
	podlane -j endpoint list | jq -r '.endpoints[] | "\(.containerId) \(.link) \(.attached.fromPod)"' | sort >"$BATS_TEST_TMPDIR/links"
	diff "$BATS_TEST_TMPDIR/links" - <<-END
		r netkit-l2 netkit
		s netkit-l2 netkit
		t netkit-l3 netkit
		u netkit-l3 netkit
		v veth tcx
		w veth tcx
	END
	in_ns t ip -d link show eth0 | grep -q NOARP
	in_ns s ip -d link show eth0 | grep -q netkit
}

# Each ordered pair of kinds, by a request and its answer; the first packets may be neighbour discovery.
all_pairs() { # v w t u s r: addresses
	local v=$1 w=$2 t=$3 u=$4 s=$5
	pings v "$w"
	pings v "$t"
	pings v "$s"
	pings t "$v"
	pings t "$u"
	pings t "$s"
	pings s "$v"
	pings s "$t"
	pings s "$6"
	[ "$(witness_caught)" = 0 ]
	grew v 15 0 # 3 pings of its own, and 2 that it answered
	grew t 15 0
	grew s 15 0
	grew w 3 0
	grew u 3 0
	grew r 3 0
}

@test "all kinds of links, each to each, past the stack, IPv4" {
	before=$(counts)
	witness_up
	all_pairs $V4 $W4 $T4 $U4 $S4 $R4
}

@test "all kinds of links, each to each, past the stack, IPv6" {
	before=$(counts)
	witness_up
	all_pairs $V6 $W6 $T6 $U6 $S6 $R6
}

@test "uplink to pod and pod to uplink, past the stack both ways, IPv4 and IPv6" {
	before=$(counts)
	witness_up
	for address in $T4 $T6 $S4 $S6; do pings outside $address; done
	for address in $OUT4 $OUT6; do
		pings t $address
		pings s $address
	done
	[ "$(witness_caught)" = 0 ]
	grew t 12 12
	grew s 12 12
}

@test "host to pod and pod to host" {
	for address in $T4 $T6 $S4 $S6; do ping -n -q -c 2 -i 0.05 -W 1 $address; done
	for address in $NODE4 $NODE6; do
		pings t $address
		pings s $address
	done
	[ "$(reason t in PASS_FROM_STACK)" -ge 4 ]
	[ "$(reason s out PASS_HOST)" -ge 6 ]
}

@test "large segments and fragments between kinds, every byte" {
	mkdir "$BATS_TEST_TMPDIR/www"
	head -c 5000000 /dev/urandom >"$BATS_TEST_TMPDIR/www/file"
	for server in t s v; do
		serve $server busybox httpd -f -p '[::]:7000' -h "$BATS_TEST_TMPDIR/www"
		listens $server 7000
	done
	witness_up
	get() { in_ns "$1" curl -sS -m 20 "http://$2:7000/file" | cmp - "$BATS_TEST_TMPDIR/www/file"; }
	get v $T4
	get t "[$S6]"
	get s $V4
	get outside "[$T6]"
	pings v $T4 -s 4000
	pings t $S6 -s 4000
	[ "$(witness_caught)" = 0 ]
}

@test "a packet too big for a netkit pod goes to the stack, which answers" {
	for mode in l3 l2; do
		pod_up small --mtu 1300 --link netkit --netkit-mode $mode
		small4=$(ip4_of small) small6=$(ip6_of small)
		run in_ns t ping -n -c 1 -W 1 -M 'do' -s 1400 "$small4"
		[[ $output = *"1300"* ]]
		run in_ns v ping -n -c 1 -W 1 -M 'do' -s 1400 "$small6"
		[[ $output = *"1300"* ]]
		podlane endpoint del small
		ip netns del small
	done
	[ "$(reason t out PASS_TOO_BIG)" -ge 2 ]
	[ "$(reason v out PASS_TOO_BIG)" -ge 2 ]
}

@test "who sends as somebody else is dropped, counted and never arrives" {
	for pod in t s; do
		in_ns $pod sh -c "ip addr add 10.201.0.99/32 dev eth0; ip addr add ${POD6}99/128 dev eth0 nodad"
		before=$(counts) dropped=$(reason $pod out DROP_SPOOFED_IP)
		for spoof in "10.201.0.99 $V4" "${POD6}99 $V6"; do
			run in_ns $pod ping -n -c 2 -i 0.1 -W 1 -I $spoof
			[ "$status" -ne 0 ]
		done
		[ "$(reason $pod out DROP_SPOOFED_IP)" -ge $((dropped + 4)) ]
		grew v 0 0
		in_ns $pod sh -c "ip addr del 10.201.0.99/32 dev eth0; ip addr del ${POD6}99/128 dev eth0"
	done
}

@test "the same of MAC, ARP and neighbour discovery, which L2 has" {
	in_ns s ip link set eth0 address "$(podlane -j endpoint show v | jq -r .endpoint.podMac)"
	run in_ns s ping -n -c 2 -i 0.1 -W 1 $V4
	[ "$status" -ne 0 ]
	[ "$(reason s out DROP_SPOOFED_MAC)" -ge 2 ]
	in_ns s ip link set eth0 address "$(podlane -j endpoint show s | jq -r .endpoint.podMac)"
	pings s $V4

	in_ns s sh -c 'ip addr add 10.201.0.98/32 dev eth0; ip route add 10.201.0.97 dev eth0 src 10.201.0.98'
	in_ns s ping -n -c 1 -W 1 10.201.0.97 || :
	[ "$(reason s out DROP_SPOOFED_ARP)" -ge 1 ]
	in_ns s sh -c 'ip route del 10.201.0.97; ip addr del 10.201.0.98/32 dev eth0'

	in_ns s sh -c "sysctl -qw net.ipv6.conf.eth0.ndisc_notify=1; ip addr add ${POD6}97/128 dev eth0"
	nd() { [ "$(reason s out DROP_SPOOFED_ND)" -ge 1 ]; }
	eventually nd
	in_ns s ip addr del ${POD6}97/128 dev eth0
}

@test "a flow that came through the stack is answered through it, beside others to the same server" {
	nft -f - <<-NFT
		table inet nat {
			chain prerouting {
				type nat hook prerouting priority dstnat;
				ip daddr $VIP4 tcp dport 80 dnat ip to $T4:8080
				ip6 daddr $VIP6 tcp dport 80 dnat ip6 to [$S6]:8080
				ip daddr $NODE4 tcp dport 8888 dnat ip to $S4:8080
			}
		}
	NFT
	mkdir "$BATS_TEST_TMPDIR/www"
	echo hello >"$BATS_TEST_TMPDIR/www/index.html"
	for server in t s; do
		serve $server busybox httpd -f -p '[::]:8080' -h "$BATS_TEST_TMPDIR/www"
		listens $server 8080
	done
	get() { [ "$(in_ns "$1" curl -sS -m 3 "$2")" = hello ]; }
	get v http://$VIP4/
	get s http://$VIP4/
	get u "http://[$VIP6]/"
	get outside http://$NODE4:8888/
	before=$(reason t in FORWARD_LOCAL)
	get v "http://$T4:8080/"
	get s "http://[$T6]:8080/"
	[ "$(reason t in FORWARD_LOCAL)" -ge $((before + 6)) ]
	get v http://$VIP4/
	[ "$(reason t out PASS_NO_FLOW)" -ge 6 ]
	[ "$(reason s out PASS_NO_FLOW)" -ge 6 ]
	nft delete table inet nat
}

@test "restarted, killed and upgraded under traffic of every kind: no packet is lost" {
	old_t=$(prog_of t) old_s=$(prog_of s)
	witness_up
	flood_start v $T4
	flood_start t $S6
	flood_start s $OUT4
	flood_start outside $T6
	daemon_stop TERM
	daemon_start --native 192.0.2.0/24,2001:db8:1::/64
	daemon_stop KILL
	daemon_start --native 192.0.2.0/24,2001:db8:1::/64 --max-endpoints 100 # other maps: a whole new set
	flood_lossless
	new_t=$(prog_of t) new_s=$(prog_of s)
	echo "programs: $old_t $old_s, then $new_t $new_s"
	[ "$old_t" = "$old_s" ] && [ "$new_t" = "$new_s" ] && [ "$new_t" != "$old_t" ]
	[ "$(podlane -j status | jq -c '[.ready, .maxEndpoints]')" = '[6,100]' ]
}

@test "without a program a netkit pod sends nothing, by the link's own policy; veth does" {
	daemon_stop
	"$BUILD/podlaned" --remove
	for pod in t s; do
		before=$(in_ns $pod cat /sys/class/net/eth0/statistics/tx_dropped)
		run in_ns $pod ping -n -q -c 2 -i 0.1 -W 1 $V4
		[ "$status" -ne 0 ]
		[ "$(in_ns $pod cat /sys/class/net/eth0/statistics/tx_dropped)" -ge $((before + 2)) ]
	done
	pings v $W4
	witness_up
	daemon_start --native 192.0.2.0/24,2001:db8:1::/64
	before=$(counts)
	pings t $V4
	pings s $W6
	[ "$(witness_caught)" = 0 ]
	grew t 3 0
	grew s 3 0
}
