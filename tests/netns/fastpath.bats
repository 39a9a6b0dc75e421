#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The short way: with the witness up, pods of the node reach each other and the outside reaches
# pods; and the same pings fail once the programs are gone, so the witness sees what it should.
# time limit: 200

load node

# Under its other names this file tests the other way to attach, and netkit beside veth: b L3, c L2.
setup_file() {
	load node
	export PL_ATTACH=auto
	case $BATS_TEST_FILENAME in
	*_clsact.bats) PL_ATTACH=clsact ;;
	*_netkit.bats) export PL_LINK_B='--link netkit --netkit-mode l3' PL_LINK_C='--link netkit --netkit-mode l2' ;;
	esac
	node_up --attach $PL_ATTACH
}
teardown_file() { load node && node_down; }
teardown() {
	nft delete table inet witness 2>/dev/null || :
	sysctl -qw net.ipv4.ip_forward=1
}

# How many packets the fast path took to b.
to_b() { reason b in FORWARD_LOCAL; }

@test "the programs are attached as asked" {
	podlane -j endpoint show a | jq -r .endpoint.attached.fromPod >"$BATS_TEST_TMPDIR/kind"
	case $PL_ATTACH in
	clsact) grep -qx clsact "$BATS_TEST_TMPDIR/kind" ;;
	*) if podlane -j status | jq -e .features.tcx >/dev/null; then
		grep -qx tcx "$BATS_TEST_TMPDIR/kind"
	else
		grep -qx clsact "$BATS_TEST_TMPDIR/kind"
	fi ;;
	esac
	[ -z "${PL_LINK_B:-}" ] || [ "$(podlane -j endpoint show b | jq -r .endpoint.attached.fromPod)" = netkit ]
}

@test "pod to pod, IPv4: redirected both ways, nothing through the stack" {
	before=$(to_b)
	witness_up
	pings a $B4
	[ "$(witness_caught)" = 0 ]
	[ $(($(to_b) - before)) -ge 3 ]
}

@test "pod to pod, IPv6: redirected both ways, nothing through the stack" {
	before=$(to_b)
	witness_up
	pings a $B6
	[ "$(witness_caught)" = 0 ]
	[ $(($(to_b) - before)) -ge 3 ]
}

@test "between the pods of the second kind of link, and back to the first" {
	witness_up
	pings b $C4
	pings c $B6
	pings c $A4
	pings b $A6
	[ "$(witness_caught)" = 0 ]
}

@test "outside to pod, IPv4: redirected at the uplink" {
	before=$(to_b)
	witness_up 'iifname "up0"'
	pings outside $B4
	[ "$(witness_caught)" = 0 ]
	[ $(($(to_b) - before)) -ge 3 ]
}

@test "outside to pod, IPv6: redirected at the uplink" {
	before=$(to_b)
	witness_up 'iifname "up0"'
	pings outside $B6
	[ "$(witness_caught)" = 0 ]
	[ $(($(to_b) - before)) -ge 3 ]
}

@test "a TCP stream of large segments goes the short way, every byte" {
	witness_up
	mkdir "$BATS_TEST_TMPDIR/www"
	head -c 5000000 /dev/urandom >"$BATS_TEST_TMPDIR/www/file"
	serve b busybox httpd -f -p '[::]:7000' -h "$BATS_TEST_TMPDIR/www"
	listens b 7000
	in_ns a curl -sS -m 20 "http://$B4:7000/file" | cmp - "$BATS_TEST_TMPDIR/www/file"
	in_ns a curl -sS -m 20 "http://[$B6]:7000/file" | cmp - "$BATS_TEST_TMPDIR/www/file"
	in_ns c curl -sS -m 20 "http://$B4:7000/file" | cmp - "$BATS_TEST_TMPDIR/www/file"
	[ "$(witness_caught)" = 0 ]
}

@test "fragments of a flow that the stack does not know go the short way" {
	witness_up
	pings a $B4 -s 4000
	pings a $B6 -s 4000
	[ "$(witness_caught)" = 0 ]
}

@test "the hop limit is decremented by one, v4 and v6" {
	in_ns a ping -n -c 1 -W 1 $B4 | grep -q 'ttl=63'
	in_ns a ping -n -c 1 -W 1 $B6 | grep -q 'ttl=63'
}

@test "an expiring packet goes to the stack, which answers" {
	before=$(reason a out PASS_TTL)
	run in_ns a ping -n -c 1 -W 1 -t 1 $B4
	[[ $output = *"Time to live exceeded"* ]]
	run in_ns a ping -n -c 1 -W 1 -t 1 $B6
	[[ $output = *"Hop limit"* || $output = *"Time exceeded"* ]]
	[ "$(reason a out PASS_TTL)" -ge $((before + 2)) ]
}

@test "a packet too big for the target goes to the stack, which answers" {
	pod_up small --mtu 1300
	s4=$(ip4_of small) s6=$(ip6_of small)
	run in_ns a ping -n -c 1 -W 1 -M 'do' -s 1400 "$s4"
	[[ $output = *"1300"* ]]
	run in_ns a ping -n -c 1 -W 1 -M 'do' -s 1400 "$s6"
	[[ $output = *"1300"* ]]
	[ "$(reason a out PASS_TOO_BIG)" -ge 2 ]
	witness_up
	pings a "$s4" -s 1200
	podlane endpoint del small
	ip netns del small
}

@test "host to pod and back goes through the stack" {
	before=$(reason a in PASS_FROM_STACK)
	ping -n -q -c 2 -i 0.05 -W 1 $A4
	ping -n -q -c 2 -i 0.05 -W 1 $A6
	[ "$(reason a in PASS_FROM_STACK)" -ge $((before + 4)) ]
	[ "$(reason a out PASS_HOST)" -ge 4 ]
}

@test "pod to outside goes through the stack where the network is not native" {
	pings a $OUT4
	pings a $OUT6
	[ "$(reason a out PASS_NOT_POD)" -ge 6 ]
}

@test "a pod reaches its gateway" {
	pings a $POD4.1
	pings a ${POD6}1
}

@test "the host's forwarding switch and the pod's rp_filter do not matter to the short way" {
	in_ns b sysctl -qw net.ipv4.conf.all.rp_filter=1
	sysctl -qw net.ipv4.ip_forward=0
	pings a $B4
	sysctl -qw net.ipv4.ip_forward=1
}

@test "foreign filters on a host end keep seeing what is not redirected, and stay" {
	dev=$(host_end c)
	tc qdisc add dev "$dev" clsact 2>/dev/null || :
	tc filter add dev "$dev" ingress prio 7 protocol ip u32 match u32 0 0 classid 1:1
	pings c $OUT4
	pings c $B4
	daemon_stop
	daemon_start --attach $PL_ATTACH
	tc filter show dev "$dev" ingress | grep -q 'pref 7'
	tc filter del dev "$dev" ingress prio 7
}

@test "without the programs the witness catches the same ping" {
	daemon_stop
	"$BUILD/podlaned" --remove
	witness_up
	run pings a $B4
	[ "$status" -ne 0 ]
	[ "$(witness_caught)" -gt 0 ]
	witness_down
	[ -n "${PL_LINK_B:-}" ] || pings a $B4 # netkit without its program sends nothing, by policy
	witness_up
	daemon_start --attach $PL_ATTACH
	pings a $B4
	[ "$(witness_caught)" = 0 ]
}
