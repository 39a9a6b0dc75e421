#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Complete: whichever way a packet travels, each session sees it once and only once, as the pod sent
# it or as the pod gets it. Sessions "a", "b" and "all" concern that pod or all. Under its other names
# this file tests the other way to attach, and netkit beside veth: a L3, b L2.
# time limit: 200

load mirror

VIP4=10.96.0.10 VIP6=fd96::10

setup_file() {
	load mirror
	export PL_ATTACH=auto
	case $BATS_TEST_FILENAME in
	*_clsact.bats) PL_ATTACH=clsact ;;
	*_netkit.bats) export PL_LINK_A='--link netkit --netkit-mode l3' PL_LINK_B='--link netkit --netkit-mode l2' ;;
	esac
	node_up --attach $PL_ATTACH
	tap_up tap0
	tap_up tapa
	tap_up tapb
	add all # each one's copies are told apart by the device
	add a --endpoint a --to-device tapa
	add b --endpoint b --to-device tapb
	nft -f - <<-NFT
		table inet nat {
			chain prerouting {
				type nat hook prerouting priority dstnat;
				ip daddr $VIP4 tcp dport 80 dnat ip to $B4:8080
				ip6 daddr $VIP6 tcp dport 80 dnat ip6 to [$B6]:8080
				ip daddr $NODE4 tcp dport 8888 dnat ip to $B4:8080
				ip6 daddr $NODE6 tcp dport 8888 dnat ip6 to [$B6]:8080
			}
		}
	NFT
	mkdir -p "$BATS_FILE_TMPDIR/www"
	echo hello >"$BATS_FILE_TMPDIR/www/index.html"
	head -c 3000000 /dev/zero >"$BATS_FILE_TMPDIR/www/large"
	serve b busybox httpd -f -p '[::]:8080' -h "$BATS_FILE_TMPDIR/www"
	listens b 8080
}
teardown_file() {
	load mirror
	node_down
	ip link del tap0 2>/dev/null || :
}
teardown() { unwatch; }

watchers=()
# at DEVICE: of what arrived there the next lines ask
at() { watched=$BATS_TEST_TMPDIR/watched-$1; }
unwatch() {
	[ ${#watchers[@]} -gt 0 ] || return 0
	kill -INT "${watchers[@]}" 2>/dev/null || :
	wait "${watchers[@]}" 2>/dev/null || :
	watchers=()
}

# once "DEVICE..." COMMAND...: runs the command under watch at all of them
once() {
	local devices=$1 dev
	shift
	for dev in $devices; do
		at "$dev"
		rm -f "${watched:?}.log" # it says that the last one listened
		tcpdump -n -Z root -i "$dev" -Q in -s 70000 -B 65536 --immediate-mode -U -w "$watched" 2>"$watched.log" 3>&- &
		watchers+=($!)
	done
	for dev in $devices; do
		at "$dev"
		eventually grep -q 'listening on' "$watched.log"
	done
	"$@"
	sleep 0.2
	unwatch
}

# What was watched, a line each.
listing() { tcpdump -n -Z root -r "$watched" 2>/dev/null; }

# echoes FROM TO4 TO6 DEVICE...: 3 requests and 3 replies of each family, at each device each once, none twice
echoes() {
	local from=$1 to4=$2 to6=$3 dev got
	shift 3
	both() {
		if [ "$from" = node ]; then
			ping -n -q -c 3 -i 0.05 -W 1 "$to4" && ping -n -q -c 3 -i 0.05 -W 1 "$to6"
		else
			pings "$from" "$to4" && pings "$from" "$to6"
		fi
	}
	once "$*" both
	for dev; do
		at "$dev"
		got=$(listing | awk '/ICMP echo request/ { a++ } /ICMP echo reply/ { b++ }
			/ICMP6, echo request/ { c++ } /ICMP6, echo reply/ { d++ } END { print a + 0, b + 0, c + 0, d + 0 }')
		[ "$got" = "3 3 3 3" ] || {
			echo "$dev: expected 3 copies of each echo and reply, IPv4 and IPv6, not $got:"
			listing | head -n 30
			return 1
		}
	done
}

@test "pod to pod on the node: at the sender, at the receiver, at both" {
	echoes a $B4 $B6 tap0w tapaw tapbw
	echoes b $C4 $C6 tapbw
	echoes c $A4 $A6 tapaw
}

@test "outside to pod and back" {
	echoes outside $A4 $A6 tap0w tapaw
	echoes outside $B4 $B6 tapbw
}

@test "pod to outside and back" {
	echoes a $OUT4 $OUT6 tap0w tapaw
	echoes b $OUT4 $OUT6 tapbw
}

@test "host to pod and back, the stack's way" {
	echoes node $A4 $A6 tap0w tapaw
	echoes node $B4 $B6 tapbw
}

@test "pod to host and back" {
	echoes a $NODE4 $NODE6 tap0w tapaw
	echoes b $NODE4 $NODE6 tapbw
}

@test "a packet is what the pod sent, before rewriting, and what the pod gets, after it" {
	ttl=$(in_ns a sysctl -n net.ipv4.ip_default_ttl)
	from="and ether src $(in_ns a cat /sys/class/net/eth0/address)"
	[ -z "${PL_LINK_A:-}" ] || from='' # frames of an L3 link have no addresses but those that the copy is given
	mac_b=$(in_ns b cat /sys/class/net/eth0/address)
	once "tapaw tapbw" pings a $B4
	at tapaw
	copies_are 3 "icmp[icmptype] = icmp-echo and ip[8] = $ttl $from"
	at tapbw
	copies_are 3 "icmp[icmptype] = icmp-echo and ip[8] = $((ttl - 1)) and ether dst $mac_b"
}

# get FROM URL
get() { [ "$(in_ns "$1" curl -sS -m 3 "$2")" = hello ]; }

# Of a connection: one SYN, one SYN-ACK. tcpdump cannot look behind IPv6's header by name.
handshake() { # FAMILY FILTER
	local flags='tcp[tcpflags] & (tcp-syn|tcp-ack)' syn=2 both=18
	[ "$1" = 4 ] || flags='ip6[53] & 18'
	copies_are 1 "$flags = $syn and tcp $2"
	copies_are 1 "$flags = $both and tcp"
}

@test "pod to service to pod, translated by the stack: once for each session" {
	once "tap0w tapaw tapbw" get a http://$VIP4/
	at tap0w
	handshake 4
	at tapaw
	handshake 4 "and dst host $VIP4" # as a sent it
	at tapbw
	handshake 4 "and dst host $B4 and dst port 8080" # as b gets it
	once "tap0w tapbw" get a "http://[$VIP6]/"
	at tap0w
	handshake 6
	at tapbw
	handshake 6 "and dst host $B6 and dst port 8080"
}

@test "outside to a published port of a pod" {
	once "tap0w tapbw" get outside http://$NODE4:8888/
	for dev in tap0w tapbw; do
		at $dev
		handshake 4 "and dst host $B4 and dst port 8080"
	done
	once "tap0w tapbw" get outside "http://[$NODE6]:8888/"
	for dev in tap0w tapbw; do
		at $dev
		handshake 6 "and dst host $B6 and dst port 8080"
	done
}

# Bytes of TCP that were copied, and bytes of the stream that these cover.
stream() {
	# shellcheck disable=SC2154 # set by watch_start
	tcpdump -n -Z root -S -r "$watched" "$@" 2>/dev/null |
		sed -n 's/.* seq \([0-9]*\):\([0-9]*\),.*/\1 \2/p' |
		awk 'NR == 1 { first = $1 } { from = ($1 - first + 4294967296) % 4294967296
			print from, from + ($2 - $1 + 4294967296) % 4294967296 }' | sort -n |
		awk '{ sent += $2 - $1; if ($1 > to) to = $1; if ($2 > to) { whole += $2 - to; to = $2 } }
			END { print sent + 0, whole + 0 }'
}

@test "a stream of GSO packets is copied whole, each byte once" {
	for server in $B4 "[$B6]"; do
		once "tap0w tapaw tapbw" in_ns a curl -sS -m 10 -o /dev/null "http://$server:8080/large"
		for dev in tap0w tapaw tapbw; do
			at $dev
			read -r sent whole < <(stream src port 8080)
			echo "$dev $server: $sent bytes copied, which cover $whole" >&2
			[ "$whole" -ge 3000000 ] # and httpd's header
			[ "$whole" -le 3001000 ]
			# A retransmission is a second packet; without one these are the same.
			[ "$sent" -le $((whole + 200000)) ]
			[ "$(copies 'src port 8080 and greater 1600')" -gt 10 ]
		done
	done
	[ "$(counter all failed)" = 0 ]
	[ "$(counter all congested)" = 0 ]
}

@test "fragments, both families" {
	once "tap0w tapbw" pings a $B4 -s 4000
	for dev in tap0w tapbw; do
		at $dev
		copies_are 18 "icmp or (ip[6:2] & 0x1fff != 0)" # 3 requests and 3 replies in 3 pieces
	done
	once "tap0w tapbw" pings a $B6 -s 4000
	for dev in tap0w tapbw; do
		at $dev
		copies_are 18 'ip6[6] = 44'
	done
}

@test "copies are cut where asked, and a filter that rejects them makes none" {
	add cut --endpoint b --to-device tapb --snaplen 60 --filter icmp
	add none --to-device tapb --filter 'vlan or tcp port 9'
	once tapbw pings a $B4 -s 200
	at tapbw
	copies_are 6 'icmp and greater 242' # by session b
	copies_are 6 'icmp and less 60'
	copies_are 12 icmp
	[ "$(counter cut truncated)" = 6 ]
	[ "$(counter none matched)" = 0 ]
	podlane mirror del cut
	podlane mirror del none
}

@test "ARP and neighbour discovery of pods are there as well" {
	in_ns b ip neigh flush all
	in_ns b sh -c "ip neigh replace $NODE4 lladdr 02:00:00:00:00:09 dev eth0 nud stale || :"
	once tapbw in_ns b sh -c "busybox arping -q -c 2 -I eth0 169.254.1.1 || :"
	[ "$(copies arp)" -ge 1 ]
}
