#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Remote collectors: for each kind of tunnel, a device at the other side unwraps the copies, each once
# and whole; and the originals are as large as ever, whichever way they go, for a tunnel has a smaller
# MTU of its own to tell of. Under its other name this file tests tunnels over IPv6, where copies are
# cut to what the path takes.
# time limit: 200

load ../mirror/mirror

# GRE over IPv6 takes no packets of the other end itself: the collector is not who talks to the pods.
FAR6=2001:db8:1::3
case $BATS_TEST_FILENAME in
*_v6.bats) FAR=$FAR6 HERE=$NODE6 OVER6=ip6 ;;
*) FAR=$OUT4 HERE=$NODE4 OVER6='' ;;
esac

setup_file() {
	load ../mirror/mirror
	node_up
	ip -n outside addr add $FAR6/64 dev eth0 nodad
	# GRE over IPv6 takes frames for others as its own: one that routes would send the copies on.
	in_ns outside sysctl -qw net.ipv4.ip_forward=0
	pings outside $NODE4 # neighbours: the first copy waits for nobody
	pings outside $NODE6 -I $FAR6
	pings outside $NODE6
}
teardown_file() { load ../mirror/mirror && node_down; }
teardown() {
	watch_stop
	sessions_down
	ip -n outside link del col 2>/dev/null || :
	nft delete table inet service 2>/dev/null || :
}

# collect KIND OPTION...: the session "far" of pod b, and the device that unwraps its copies
collect() {
	local kind=$1 type=$OVER6$1
	shift
	[ "$kind" != gre ] || type+=tap
	[ "$kind" != vxlan ] || type=vxlan
	run podlane mirror add far --endpoint b "--to-$kind" "$FAR" "$@"
	[[ $output != *"cannot make devices of kind"* ]] || skip "this kernel has no $type"
	[ "$status" = 0 ] || { echo "$output" && return 1; }
	case $kind in
	vxlan) set -- id 7 dstport 4789 dev eth0 local "$FAR" ;;
	gre) set -- local "$FAR" remote "$HERE" key 9 ;;
	erspan) set -- local "$FAR" remote "$HERE" seq key 9 erspan_ver 1 ;;
	esac
	ip -n outside link add col type "$type" "$@"
	ip -n outside link set col mtu 9000 2>/dev/null || :
	ip -n outside link set col up
}

# The largest packets there are, never in fragments: of three each, for what the first spoils is seen
# with the second.
originals_pass() {
	pings a $B4 -s 1472 -M 'do'
	pings a $B6 -s 1452 -M 'do'
	pings outside $B4 -s 1472 -M 'do'
	ping -n -q -c 3 -i 0.05 -W 1 -s 1472 -M 'do' $B4 | grep ' 3 received'
	ping -n -q -c 3 -i 0.05 -W 1 -s 1452 -M 'do' $B6 | grep ' 3 received'
	pings b $NODE6 -s 1452 -M 'do'
	[ -z "$(ip -6 route show cache)$(in_ns a ip -6 route show cache)$(in_ns outside ip -6 route show cache)" ]
}

# arrives LARGE: echoes and replies, each once; of the large ones so many bytes
arrives() {
	local four='icmp[icmptype] = icmp-echo or icmp[icmptype] = icmp-echoreply'
	local six='icmp6 and (ip6[40] = 128 or ip6[40] = 129)'
	watch_start col outside
	pings a $B4
	pings a $B6
	pings b $NODE4
	watch_stop
	copies_are 12 "$four"
	copies_are 6 "$six"
	copies_are 3 "icmp[icmptype] = icmp-echo and src host $A4 and dst host $B4"
	watch_start col outside
	pings a $B4 -s 1472 -M 'do'
	pings outside $B6 -s 1452 -M 'do' -I $OUT6
	watch_stop
	copies_are 6 "($four) and len = $1"
	copies_are 6 "($six) and len = $1"
	originals_pass
	podlane -j mirror show far | jq -e '.mirror.counters | .matched == .sent and .failed == 0'
}

# whole_or CUT: what arrives is whole; over IPv6 it is cut, and that is said and counted
whole_or() {
	if [ -z "$OVER6" ]; then
		[ "$(field far why)" = null ]
		arrives 1514
		[ "$(counter far truncated)" = 0 ]
	else
		[[ $(field far why) == *"cut to $1 bytes"* ]]
		arrives "$1"
		[ "$(counter far truncated)" -gt 12 ]
	fi
}

@test "VXLAN" {
	collect vxlan --vni 7
	whole_or 1444
}

@test "GRE" {
	collect gre --key 9
	whole_or 1432
}

@test "ERSPAN" {
	collect erspan --key 9
	whole_or 1432
}

@test "a tunnel that the operator made is handled with the same care" {
	ip link add mine type vxlan id 7 remote $FAR dstport 4789 dev up0
	ip link set mine addrgenmode none
	ip link set mine up
	ip -n outside link add col type vxlan id 7 dstport 4789 dev eth0 local $FAR
	ip -n outside link set col up
	podlane mirror add far --endpoint b --to-device mine
	mtu=$(cat /sys/class/net/mine/mtu)
	[[ $(field far why) == *"cut to $((mtu + 14)) bytes"* ]]
	arrives $((mtu + 14))
	ip link del mine
}

@test "the collector is a service, and its backend is a pod of this node" {
	nft -f - <<-NFT
		table inet service {
			chain output {
				type nat hook output priority -100;
				ip daddr 10.96.0.44 dnat ip to $C4
				ip6 daddr fd96::44 dnat ip6 to $C6
			}
		}
	NFT
	if [ -z "$OVER6" ]; then VIP=10.96.0.44 AT=$C4; else VIP=fd96::44 AT=$C6; fi
	ip -n c link add col type vxlan id 7 dstport 4789 dev eth0 local $AT
	ip -n c link set col up
	podlane mirror add far --all --to-vxlan $VIP --vni 7
	watch_start col c
	pings a $B4
	watch_stop
	copies_are 6 icmp
	podlane -j mirror show far | jq -e '.mirror.counters | .looped == 0 and .failed == 0 and .matched == .sent'
	ip -n c link del col
}
