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

rounds() { if emulated; then echo "$1"; else echo "$1 $1"; fi; }

@test "restarted, killed and started again under traffic: no packet is lost" {
	witness_up 'oifname != "up0"' # answers to the outside take the stack
	flood_start a $B4
	flood_start c $A6
	flood_start outside $B4
	for signal in $(rounds "TERM KILL"); do
		daemon_stop $signal
		daemon_start
	done
	flood_lossless
}

@test "from tcx to clsact and back under traffic: no packet is lost" {
	podlane -j status | jq -e .features.tcx >/dev/null || skip "this kernel has no tcx"
	witness_up
	flood_start a $B4
	for kind in $(rounds "clsact tcx"); do
		daemon_stop
		daemon_start --attach $kind
	done
	flood_lossless
	[ "$(podlane -j endpoint show a | jq -r .endpoint.attached.fromPod)" = tcx ]
}

# Of what is pinned there; empty where nothing is.
pinned_id() { bpftool -j "$1" show pinned /sys/fs/bpf/podlane/v*/"$1"s/"$2" | jq .id; } # KIND NAME
is_gone() { ! bpftool "$1" show id "$2"; }						# KIND ID
slots() { podlane -j endpoint list | jq -c '[.endpoints[] | [.containerId, .id]] | sort'; }

@test "maps of another size take the place of the old ones, with what these held: no packet is lost" {
	witness_up
	flood_start a $B4 0.01
	before=$(slots) counted=$(reason b in FORWARD_LOCAL)
	for size in 100 1024; do
		map=$(pinned_id map pl_endpoints) prog=$(pinned_id prog pl_from_pod)
		daemon_stop
		daemon_start --max-endpoints $size
		[ "$(podlane -j status | jq .maxEndpoints)" = $size ]
		[ "$(podlane -j status | jq .ready)" = 3 ]
		[ "$(slots)" = "$before" ]
		[ "$(reason b in FORWARD_LOCAL)" -gt "$counted" ]
		# No device runs what was, and nothing holds it.
		[ "$(pinned_id map pl_endpoints)" != "$map" ]
		eventually is_gone prog "$prog"
		eventually is_gone map "$map"
	done
	flood_lossless
	nothing_repaired
	witness_down
	witness_up
	pings a $B4
	pings outside $C4
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
