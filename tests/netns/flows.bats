#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A flow stays on the way that it came, also where the other end of it lies beyond the uplink: a
# service's backend that answers the pod by the pod's own address, and a masqueraded pod that is
# called from outside. Rules like kube-proxy's drop what conntrack finds invalid.
# kernels: no
# time limit: 200

load node

VIP4=10.96.0.11 VIP6=fd96::11

setup_file() {
	load node
	node_up
	nft -f - <<-NFT
		table inet nat {
			chain prerouting {
				type nat hook prerouting priority dstnat;
				ip daddr $VIP4 dnat ip to $OUT4
				ip6 daddr $VIP6 dnat ip6 to $OUT6
			}
			chain postrouting {
				type nat hook postrouting priority srcnat;
				oifname "up0" ip saddr $B4 masquerade
				oifname "up0" ip6 saddr $B6 masquerade
			}
			chain forward {
				type filter hook forward priority filter;
				ct state invalid counter drop
			}
		}
	NFT
	mkdir -p "$BATS_FILE_TMPDIR/www"
	echo hello >"$BATS_FILE_TMPDIR/www/index.html"
	for ns in outside b; do
		serve $ns busybox httpd -f -p '[::]:80' -h "$BATS_FILE_TMPDIR/www"
		serve $ns "$BUILD/tests/tools/peer" udp 5353
		listens $ns 80
		eventually in_ns $ns sh -c "ss -lun | grep -q :5353"
	done
}
teardown_file() { load node && node_down; }

get() { [ "$(in_ns "$1" curl -sS -m 3 "$2")" = hello ]; }
# ask NETNS ADDRESS: the answer must come from the address that was asked
ask() { [ "$(in_ns "$1" timeout 5 bash -c "exec 5<>/dev/udp/$2/5353 && echo one >&5 && head -n 1 <&5")" = one ]; }

# The datagram goes in fragments; the peer keeps 2048 bytes of it, and these come in fragments again.
ask_large() {
	[ "$(in_ns "$1" timeout 5 bash -c "exec 5<>/dev/udp/$2/5353 && head -c 3000 /dev/zero | tr '\\0' x >&5 &&
		head -c 2048 <&5 | wc -c")" = 2048 ]
}

@test "pod to a service with its backend elsewhere, which sees the pod's address" {
	capture outside "$BATS_TEST_TMPDIR/seen" "src $A4 and tcp port 80"
	get a http://$VIP4/
	wait $captured
	[ -s "$BATS_TEST_TMPDIR/seen" ]
	get a "http://[$VIP6]/"
}

@test "the same by UDP and by ping" {
	ask a $VIP4
	ask a $VIP6
	pings a $VIP4
	pings a $VIP6
}

@test "datagrams in fragments, by the service, to a pod and from outside" {
	ask_large a $VIP4
	ask_large a $VIP6
	ask_large a "$B4"
	ask_large outside "$B4"
	ask_large outside "$B6"
	ask_large a $VIP4
	ask a $VIP4
}

@test "the pod's own flows and those to it, beside the service's" {
	before=$(reason a in FORWARD_LOCAL)
	pings outside "$A4"
	pings outside "$A6"
	[ "$(reason a in FORWARD_LOCAL)" -ge $((before + 6)) ]
	get a "http://$OUT4/"
	get a http://$VIP4/
	get a "http://$B4/"
}

@test "outside to a masqueraded pod: it answers by its own address, past the stack" {
	before=$(reason b out FORWARD_NATIVE)
	ask outside "$B4"
	ask outside "$B6"
	get outside "http://$B4/"
	get outside "http://[$B6]/"
	pings outside "$B4"
	pings outside "$B6"
	[ "$(reason b out FORWARD_NATIVE)" -gt $((before + 10)) ]
}

@test "the masqueraded pod to outside, meanwhile" {
	get b "http://$OUT4/"
	get b "http://[$OUT6]/"
	ask b "$OUT4"
	pings b "$OUT4"
}
