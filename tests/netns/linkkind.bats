#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The kind of link that a pod gets on this kernel, whichever that is: what "auto" means, and that an
# explicit netkit is made or refused by name, beside veth pods which work all the while.
# time limit: 120

load node

setup_file() {
	load node
	node_up
	# The kernel's own word, past podlane's probe.
	export NETKIT=''
	! ip link add probe type netkit 2>/dev/null || { NETKIT=1 && ip link del probe; }
}
teardown_file() { load node && node_down; }
teardown() { nft delete table inet witness 2>/dev/null || :; }

kind() { podlane -j endpoint show "$1" | jq -r .endpoint.link; }
veth_pods_work() {
	witness_up
	pings a $B4
	pings b $A6
	[ "$(witness_caught)" = 0 ]
}
# Nothing of a pod that was refused: no record, no lease, no link on either side.
nothing_left() { # NAME
	[ ! -e "/run/podlane/endpoints/$1:eth0.json" ]
	[ "$(podlane -j status | jq .endpoints)" = 3 ]
	run in_ns "$1" ip link show eth0
	[ "$status" -ne 0 ]
	[ "$(ip -o link show | grep -c ' pl')" = 3 ]
}

@test "status tells whether this kernel has netkit" {
	[ "$(podlane -j status | jq .features.netkit)" = "$([ -n "$NETKIT" ] && echo true || echo false)" ]
}

@test "auto is netkit where the kernel has it, veth elsewhere, and reaches a veth pod by the fast path" {
	pod_up auto --link auto
	[ "$(kind auto)" = "$([ -n "$NETKIT" ] && echo netkit-l3 || echo veth)" ]
	witness_up
	pings auto $A4
	pings a "$(ip6_of auto)"
	[ "$(witness_caught)" = 0 ]
	podlane endpoint del auto
	ip netns del auto
}

@test "nothing said is veth" {
	[ "$(kind a)" = veth ]
}

@test "an explicit netkit is refused by name where the kernel has none" {
	[ -z "$NETKIT" ] || skip "this kernel has netkit"
	ip netns add wanting
	for mode in l3 l2; do
		run podlane endpoint add wanting --link netkit --netkit-mode $mode
		[ "$status" -ne 0 ]
		[[ $output = *"this kernel has no netkit devices"*veth* ]]
		nothing_left wanting
	done
	veth_pods_work
	ip netns del wanting
}

@test "the same through CNI: an error of the specification's form" {
	[ -z "$NETKIT" ] || skip "this kernel has netkit"
	ip netns add wanting
	run env CNI_COMMAND=ADD CNI_CONTAINERID=wanting CNI_NETNS=/run/netns/wanting CNI_IFNAME=eth0 CNI_PATH=/ \
		"$BUILD/podlane-cni" <<<'{"cniVersion": "1.0.0", "name": "pods", "type": "podlane", "link": "netkit"}'
	[ "$status" -ne 0 ]
	jq -e '.code >= 1 and (.msg + .details | contains("no netkit devices"))' <<<"$output"
	nothing_left wanting
	veth_pods_work
	ip netns del wanting
}
