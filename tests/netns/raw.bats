#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A pod with a packet socket: real frames of every form that could carry another's address past a
# check of ordinary ones, to a pod, to the node and to a native network. Each must end as a counted
# drop, and nobody may see it; the last tests show that the frames are what they should be: from a
# trusted pod they fool the node.
# time limit: 240

load node

# Under its other name this file has netkit pods send: a without Ethernet (L3), e with (L2).
setup_file() {
	load node
	export SENDERS=a PL_LINK_A='' PL_NETKIT=
	case $BATS_TEST_FILENAME in
	*_netkit.bats) export PL_NETKIT=1 PL_LINK_A='--link netkit --netkit-mode l3' SENDERS='a e' ;;
	esac
	node_up --native 192.0.2.0/24,2001:db8:1::/64
	[ -z "$PL_NETKIT" ] || pod_up e --link netkit --netkit-mode l2
	pod_up trusted --no-antispoof
	for ns in c outside node; do watch $ns; done
}
teardown_file() { load node && node_down; }

in_node() { [ "$1" = node ] && shift && "$@" || ip netns exec "$@"; }

# watch NETNS: counts what reaches it in pod b's name, and in the senders'
watch() {
	in_node "$1" nft -f - <<-NFT
		table inet watch {
			counter fooled { }
			counter honest { }
			chain input {
				type filter hook input priority 0;
				udp dport 7778 ip saddr $B4 counter name fooled
				udp dport 7778 ip6 saddr $B6 counter name fooled
				tcp dport 7778 ip saddr $B4 counter name fooled
				tcp dport 7778 ip6 saddr $B6 counter name fooled
				udp dport 7778 counter name honest
			}
		}
	NFT
}

watched() { # COUNTER: at all three
	local ns sum=0 n
	for ns in c outside node; do
		n=$(in_node $ns nft -j list counter inet watch "$1" | jq '.nftables[] | select(.counter) | .counter.packets')
		sum=$((sum + n))
	done
	echo $sum
}

# raw SENDER FORM SOURCE DESTINATION [COUNT]
raw() {
	local macs
	macs=$(podlane -j endpoint show "$1" | jq -r '.endpoint | if .link == "netkit-l3" then "00:00:00:00:00:00 00:00:00:00:00:00"
		else "\(.podMac) \(.hostMac)" end')
	# shellcheck disable=SC2086
	in_ns "$1" "$BUILD/tests/tools/raw" "$2" eth0 $macs "$3" "$4" "${@:5}"
}

kind() { podlane -j endpoint show "$1" | jq -r .endpoint.link; }

# drops SENDER FORM REASON SOURCE DESTINATION...: each is dropped for the reason, and nobody sees one
drops() {
	local sender=$1 form=$2 why=$3 source=$4 before fooled to after
	shift 4
	before=$(reason "$sender" out "$why") fooled=$(watched fooled)
	for to in "$@"; do raw "$sender" "$form" "$source" "$to"; done
	after=$(reason "$sender" out "$why")
	[ $((after - before)) = $# ] && [ "$(watched fooled)" = "$fooled" ] || {
		echo "$(kind "$sender") $form from $source: $((after - before)) of $# dropped for $why, fooled $(($(watched fooled) - fooled))"
		podlane stats "$sender"
		return 1
	}
}

all4() { echo $C4 $OUT4 $NODE4; }
all6() { echo $C6 $OUT6 $NODE6; }

# forged FORM REASON: in pod b's name, to everybody, in both families
forged() {
	local sender
	for sender in ${ONLY:-$SENDERS}; do
		# shellcheck disable=SC2046
		drops $sender "$1" "$2" $B4 $(all4) && drops $sender "$1" "$2" $B6 $(all6) || return
	done
}

own4() { ip4_of "$1"; }
own6() { ip6_of "$1"; }

@test "plainly forged, and as all packets of sockets are: checksum to be made" {
	forged plain DROP_SPOOFED_IP
	forged offload DROP_SPOOFED_IP
}

@test "VLAN tags in the frame, VID 0, another, two, and beside the frame" {
	forged vlan0 DROP_VLAN
	forged vlan5 DROP_VLAN
	forged qinq DROP_VLAN
	forged pushed DROP_VLAN
}

@test "LLC and SNAP, another type, headers cut short" {
	forged snap DROP_NOT_IP
	forged type DROP_NOT_IP
	forged cut DROP_MALFORMED
}

@test "a type that the frame and the kernel disagree on" {
	local sender
	for sender in $SENDERS; do
		case $(kind $sender) in
		veth) ONLY=$sender forged mismatch DROP_NOT_IP ;; # the kernel reads the frame
		netkit-l2) ONLY=$sender forged mismatch DROP_MISMATCH ;;
		netkit-l3) ONLY=$sender forged mismatch DROP_SPOOFED_IP ;; # no frame to disagree
		esac
	done
}

@test "packets in pieces, from a ring and in large segments" {
	forged ring DROP_SPOOFED_IP
	forged gso DROP_SPOOFED_IP
}

@test "a checksum that would be made in the source address" {
	local sender form
	podlane -j status | jq -e .features.checksumCheck || skip "this kernel shows no program where a checksum goes"
	for sender in $SENDERS; do
		for form in checksum checksum-ports; do
			# shellcheck disable=SC2046
			drops $sender $form DROP_CHECKSUM "$(own4 $sender)" $(all4)
			# shellcheck disable=SC2046
			drops $sender $form DROP_CHECKSUM "$(own6 $sender)" $(all6)
		done
	done
}

@test "IPv6 chains that lead nowhere, discovery behind them and in pieces, ARP of another network" {
	local sender
	for sender in $SENDERS; do
		# shellcheck disable=SC2046
		drops $sender chain DROP_EXTENSIONS "$(own6 $sender)" $(all6)
		drops $sender ring-nd DROP_SPOOFED_ND "$(own6 $sender)" $NODE6 $C6
		drops $sender ring-extension-nd DROP_SPOOFED_ND "$(own6 $sender)" $NODE6 $C6
		drops $sender arp6 DROP_MALFORMED "$(own4 $sender)" $NODE4
		drops $sender arp6 DROP_MALFORMED $B4 $NODE4
	done
}

@test "solicitations in the names of nobodies leave no entry in the node's neighbour table" {
	local sender before entries
	for sender in $SENDERS; do
		before=$(reason $sender out DROP_SPOOFED_ND)
		raw $sender solicit "$(own6 $sender)" $NODE6 100
		[ "$(reason $sender out DROP_SPOOFED_ND)" = $((before + 100)) ]
		entries=$(ip -6 neigh show dev "$(host_end $sender)" nud all)
		[[ $entries != *fe80::70:* ]] || { echo "$entries" && false; }
	done
}

@test "tunnels' packets to the node" {
	local sender form
	for sender in $SENDERS; do
		for form in ipip sit gre vxlan; do
			drops $sender $form DROP_ENCAPSULATED "$(own4 $sender)" $NODE4
			drops $sender $form DROP_ENCAPSULATED "$(own6 $sender)" $NODE6
		done
	done
}

@test "a tunnel's port is dropped for as long as a tunnel device listens there" {
	ip link add vx0 type vxlan id 7 dstport 5555 local $NODE4 || skip "this kernel has no vxlan"
	ip link add vx1 type vxlan id 8 dstport 5555 local $NODE4
	noticed() { bpftool -j map dump pinned /sys/fs/bpf/podlane/v*/maps/pl_tunnel_ports | jq -e '[.. | .port? // empty] | index(5555) != null'; }
	gone() { ! noticed; }
	eventually noticed
	ip link del vx0
	sleep 0.2
	for to in $NODE4 192.0.2.255; do drops a vxlan5555 DROP_ENCAPSULATED "$(own4 a)" $to; done
	ip link del vx1
	eventually gone
	before=$(reason a out PASS_HOST)
	raw a vxlan5555 "$(own4 a)" $NODE4
	[ "$(reason a out PASS_HOST)" = $((before + 1)) ]
}

@test "in its own name all that is honest arrives: in pieces, in segments, its checksum to be made" {
	local sender form before
	for sender in $SENDERS; do
		for form in plain offload ring; do
			before=$(watched honest)
			for to in $(all4); do raw $sender $form "$(own4 $sender)" $to; done
			for to in $(all6); do raw $sender $form "$(own6 $sender)" $to; done
			arrived() { [ "$(watched honest)" = $((before + 6)) ]; }
			eventually arrived || { echo "$(kind $sender) $form" && false; }
		done
	done
}

@test "what the network allows is passed to the stack, never on, and no VLAN of id 0" {
	pod_up loose --allow vlan --allow non-ip --allow link-local
	podlane endpoint show loose | grep -q 'allowed      vlan, non-ip, link-local'
	raw loose vlan5 "$(own4 loose)" $C4
	[ "$(reason loose out PASS_VLAN)" = 1 ]
	drops loose vlan0 DROP_VLAN $B4 $C4 $NODE4
	raw loose type "$(own4 loose)" $C4
	[ "$(reason loose out PASS_NOT_IP)" = 1 ]
	drops loose plain DROP_SPOOFED_IP $B4 $C4
	raw loose solicit "$(own6 loose)" $NODE6
	[ "$(reason loose out DROP_SPOOFED_ND)" = 0 ]
	[ "$(reason loose in FORWARD_LOCAL)" = 0 ]
}

@test "the frames are what they seem: from a trusted pod they fool the node" {
	local before form
	for form in plain vlan0 pushed ring offload; do
		before=$(watched fooled)
		raw trusted $form $B4 $NODE4
		raw trusted $form $B6 $NODE6
		arrived() { [ "$(watched fooled)" = $((before + 2)) ]; }
		eventually arrived || { echo "$form" && false; }
	done
}
