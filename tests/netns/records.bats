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

# Not what `bpftool link show` lists: the links of the whole machine, those of tests beside this one, too.
everything() {
	local pin
	find /sys/fs/bpf/podlane /run/podlane/endpoints | sort
	for pin in /sys/fs/bpf/podlane/v*/links/*; do
		bpftool -j link show pinned "$pin" 2>/dev/null | jq -c '[.id, .prog_id]'
	done
}

# refused SAYING [OPTION...]: a start ends with status 3, says what to do and changes nothing
refused() {
	local saying=$1
	shift
	witness_up
	everything >"$BATS_TEST_TMPDIR/before"
	run "$BUILD/podlaned" "$@"
	echo "$output"
	[ "$status" = 3 ]
	[[ $output = *"$saying"* ]]
	[[ $output = *"the datapath is left as it is"* ]]
	everything | diff "$BATS_TEST_TMPDIR/before" -
	pings a $B4
	pings outside $C6
	witness_down
}

@test "a record of another version ends the start, and the pods keep their datapath" {
	record=/run/podlane/endpoints/b:eth0.json
	daemon_stop
	cp $record "$BATS_TEST_TMPDIR/kept"
	sed -i 's/"version": 1/"version": 2/' $record
	refused "version 2 is not known here, 1 is): start the podlaned that made them"
	cp "$BATS_TEST_TMPDIR/kept" $record
	daemon_start
	[ "$(podlane -j status | jq .ready)" = 3 ]
}

@test "more endpoints than maxEndpoints end the start, and the pods keep their datapath" {
	daemon_stop
	refused "3 endpoints are on this node, and maxEndpoints is 2: raise it to 3 at least" --max-endpoints 2
	# Records of pods that are gone want no room.
	for n in 1 2 3; do
		jq ".containerId = \"gone$n\" | .ifindex = 100000 + $n | .hostIfname = \"plgone$n\" | .createdNs = $n" \
			/run/podlane/endpoints/a:eth0.json >/run/podlane/endpoints/gone$n:eth0.json
	done
	daemon_start --max-endpoints 3
	[ "$(podlane -j status | jq .ready)" = 3 ]
	[ "$(find /run/podlane/endpoints -type f | wc -l)" = 3 ]
	daemon_stop
	daemon_start
	pings a $B4
}

@test "an uplink that got the index of a pod that died with the daemon" {
	pod_up dead
	dev=$(host_end dead)
	index=$(cat "/sys/class/net/$dev/ifindex")
	daemon_stop KILL
	ip link del "$dev"
	ip link del up0
	ip link add up0 index "$index" type veth peer name eth0 netns outside
	ip addr add $NODE4/24 dev up0
	ip link set up0 up
	ip -n outside addr add $OUT4/24 dev eth0
	ip -n outside link set eth0 up
	ip -n outside route add $POD4.0/24 via $NODE4
	ip route add default via $OUT4
	daemon_start
	podlane status
	podlane -j status | jq -e --argjson index "$index" \
		'.endpoints == 3 and (.uplinks | length == 1 and .[0].name == "up0" and .[0].ifindex == $index and .[0].attached != "none")'
	[ -e /sys/class/net/up0 ]
	witness_up 'oifname != "up0"'
	pings outside $A4
	witness_down
	ip netns del dead
	sleep 0.6
	! grep "datapath repaired" "$BATS_FILE_TMPDIR/podlaned.log"
}
