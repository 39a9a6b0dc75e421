#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The datapath outlives the daemon: end, kill, restart and a change of the way to attach lose no
# packet of a running flow, and the witness shows that the fast path never stopped.
# time limit: 200

load node

setup_file() { load node && node_up; }
teardown_file() { load node && node_down; }
teardown() {
	nft delete table inet witness 2>/dev/null || :
	floods_kill
}

@test "restarted, killed and started again under traffic: no packet is lost" {
	witness_up 'oifname != "up0"' # answers to the outside take the stack
	flood_start a $B4
	flood_start c $A6
	flood_start outside $B4
	for signal in TERM KILL TERM KILL; do
		daemon_stop $signal
		daemon_start
	done
	flood_lossless
}

@test "from tcx to clsact and back under traffic: no packet is lost" {
	podlane -j status | jq -e .features.tcx >/dev/null || skip "this kernel has no tcx"
	witness_up
	flood_start a $B4
	for kind in clsact tcx clsact auto; do
		daemon_stop
		daemon_start --attach $kind
	done
	flood_lossless
	[ "$(podlane -j endpoint show a | jq -r .endpoint.attached.fromPod)" = tcx ]
}

@test "a map size that changed builds a new set beside the old: no packet is lost" {
	witness_up
	flood_start a $B4
	daemon_stop
	daemon_start --max-endpoints 100
	flood_lossless
	[ "$(podlane -j status | jq .maxEndpoints)" = 100 ]
	[ "$(podlane -j status | jq .ready)" = 3 ]
	daemon_stop
	daemon_start
	witness_down
	witness_up
	pings a $B4
}

@test "with the daemon dead the pods go on, and counters are kept over the restart" {
	witness_up
	before=$(reason b in FORWARD_LOCAL)
	daemon_stop KILL
	pings a $B4
	daemon_start
	[ "$(reason b in FORWARD_LOCAL)" -ge $((before + 3)) ]
	podlane -j status | jq -e .adopted
}

@test "a pod whose link went away with the daemon dead is settled at the start" {
	pod_up gone
	dev=$(host_end gone)
	daemon_stop KILL
	ip link del "$dev"
	daemon_start
	run podlane endpoint show gone
	[ "$status" -ne 0 ]
	[ ! -e /run/podlane/endpoints/gone:eth0.json ]
	pod_up gone2 # the address is free again
	podlane endpoint del gone2
	ip netns del gone
	ip netns del gone2
}

@test "an ADD that was killed half-way is undone at the start" {
	pod_up half
	dev=$(host_end half)
	daemon_stop KILL
	record=/run/podlane/endpoints/half:eth0.json
	jq '.ifindex = 0 | .podIfindex = 0' $record >$record.new
	mv $record.new $record
	daemon_start
	[ ! -e $record ]
	run ip link show "$dev"
	[ "$status" -ne 0 ]
	ip netns del half
}

@test "a record that is no JSON is set aside, the others live" {
	daemon_stop
	echo '{"version": 1, "containerId": ' >/run/podlane/endpoints/broken:eth0.json
	daemon_start
	[ -e /run/podlane/endpoints/broken:eth0.json.bad ]
	[ "$(podlane -j status | jq .endpoints)" = 3 ]
	pings a $B4
	rm /run/podlane/endpoints/broken:eth0.json.bad
}
