#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What a start makes of records that do not fit: of a link that is gone, of an ADD cut short, and of
# what is no record at all.
# kernels: no
# time limit: 200

load node

setup_file() { load node && node_up; }
teardown_file() { load node && node_down; }

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
