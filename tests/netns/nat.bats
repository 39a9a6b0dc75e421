#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Flows that entered a pod through the stack are answered through the stack: what kube-proxy and
# portmap write keeps working beside the fast path, and flows without NAT stay on it.
# time limit: 200

load node

VIP4=10.96.0.10 VIP6=fd96::10

setup_file() {
	load node
	node_up
	nft -f - <<-NFT
		table inet nat {
			chain prerouting {
				type nat hook prerouting priority dstnat;
				ip daddr $VIP4 tcp dport 80 dnat ip to $B4:8080
				ip daddr $VIP4 udp dport 53 dnat ip to $B4:5353
				ip6 daddr $VIP6 tcp dport 80 dnat ip6 to [$B6]:8080
				ip daddr $NODE4 tcp dport 8888 dnat ip to $B4:8080
				ip6 daddr $NODE6 tcp dport 8888 dnat ip6 to [$B6]:8080
			}
			chain postrouting {
				type nat hook postrouting priority srcnat;
				ip saddr $B4 ip daddr $B4 masquerade
				ip6 saddr $B6 ip6 daddr $B6 masquerade
				oifname "up0" ip saddr $POD4.0/24 masquerade
			}
		}
	NFT
	mkdir -p "$BATS_FILE_TMPDIR/www"
	echo hello >"$BATS_FILE_TMPDIR/www/index.html"
	serve b busybox httpd -f -p '[::]:8080' -h "$BATS_FILE_TMPDIR/www"
	serve outside busybox httpd -f -p '[::]:80' -h "$BATS_FILE_TMPDIR/www"
	listens b 8080
	listens outside 80
}
teardown_file() { load node && node_down; }

get() { # FROM URL
	[ "$(in_ns "$1" curl -sS -m 3 "$2")" = hello ]
}

@test "pod to service to pod, IPv4 and IPv6" {
	get a http://$VIP4/
	get a "http://[$VIP6]/"
	[ "$(reason b out PASS_NO_FLOW)" -gt 0 ]
}

@test "a service of which the pod is its own server: hairpin" {
	get b http://$VIP4/
	get b "http://[$VIP6]/"
}

@test "the same server by its own address, at the same time: the fast path" {
	get a http://$VIP4/
	before=$(reason b in FORWARD_LOCAL)
	get a "http://$B4:8080/"
	get a "http://[$B6]:8080/"
	[ "$(reason b in FORWARD_LOCAL)" -gt "$before" ]
	get a http://$VIP4/
}

@test "outside to a port of the host that leads to a pod" {
	get outside http://$NODE4:8888/
	get outside "http://[$NODE6]:8888/"
}

@test "outside to the pod itself, by the fast path, while the port mapping is in use" {
	get outside http://$NODE4:8888/
	get outside "http://$B4:8080/"
	get outside "http://[$B6]:8080/"
	get outside http://$NODE4:8888/
}

@test "pod to outside, masqueraded" {
	get a http://$OUT4/
	capture outside "$BATS_TEST_TMPDIR/seen" "src $NODE4 and icmp"
	in_ns a ping -n -q -c 3 -i 0.1 -W 1 $OUT4
	wait $captured
	[ -s "$BATS_TEST_TMPDIR/seen" ]
}

@test "a probe from the host to a pod" {
	[ "$(curl -sS -m 3 "http://$B4:8080/")" = hello ]
	[ "$(curl -sS -m 3 "http://[$B6]:8080/")" = hello ]
}

@test "a UDP service, there and back" {
	serve b "$BUILD/tests/tools/peer" udp 5353
	eventually in_ns b sh -c "ss -lun | grep -q :5353"
	answer=$(in_ns a timeout 5 bash -c "exec 5<>/dev/udp/$VIP4/53 && echo one >&5 && head -n 1 <&5")
	[ "$answer" = one ]
}

@test "many connections by the service and by the address, mixed, none fails" {
	rounds=15
	! emulated || rounds=4
	for _ in $(seq $rounds); do
		get a http://$VIP4/
		get a "http://$B4:8080/"
		get c "http://[$VIP6]/"
		get c "http://[$B6]:8080/"
	done
}

@test "a daemon restart in the middle of a translated connection breaks nothing" {
	nft add rule inet nat prerouting ip daddr $VIP4 tcp dport 81 dnat ip to $B4:8081
	serve b "$BUILD/tests/tools/peer" tick 8081
	listens b 8081
	ip netns exec a timeout 60 bash -c "exec 5<>/dev/tcp/$VIP4/81 && cat <&5" >"$BATS_TEST_TMPDIR/lines" 2>/dev/null </dev/null 3>&- 4>&- &
	echo $! >>"$BATS_FILE_TMPDIR/servers"
	some() { [ "$(wc -l <"$BATS_TEST_TMPDIR/lines")" -ge "$1" ]; }
	eventually some 5
	daemon_stop KILL
	daemon_start
	eventually some $(($(wc -l <"$BATS_TEST_TMPDIR/lines") + 5))
}
