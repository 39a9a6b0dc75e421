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

edited() { jq "$2" /run/podlane/endpoints/a:eth0.json >"/run/podlane/endpoints/$1:eth0.json"; } # ID CHANGE
uplink() { podlane -j status | jq -e '.uplinks | map(select(.name == "up0" and .attached != "none")) | length == 1' >/dev/null; }

@test "whatever else lies among the records neither holds up the start nor harms what lives" {
	local up mac e=/run/podlane/endpoints
	pod_up d
	D=$(host_end d)
	daemon_stop
	mkfifo $e/fifo:eth0.json
	mkdir $e/folder:eth0.json
	touch $e/folder:eth0.json/file
	ln -s /etc/hostname $e/symlink:eth0.json
	ln -s nowhere $e/dangling:eth0.json
	truncate -s 1G $e/large:eth0.json
	python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("'$e'/socket:eth0.json")'
	up=$(cat /sys/class/net/up0/ifindex) mac=$(cat /sys/class/net/up0/address)
	# The uplink: an ADD cut short would delete it, an endpoint take it away from the node.
	edited uplink1 '.containerId = "uplink1" | .hostIfname = "up0" | .ifindex = 0 | .podIfindex = 0'
	edited uplink2 ".containerId = \"uplink2\" | .hostIfname = \"up0\" | .ifindex = $up | .hostMac = \"$mac\"
		| .addresses = [] | .createdNs = 1"
	# Another pod's link, under that pod's name and under another; older, so that it comes first.
	edited thief1 '.containerId = "thief1" | .addresses = [] | .createdNs = 1'
	thief2=$(jq -r .hostIfname $e/d:eth0.json | tr 0-9a-f 1-9a-f0)
	edited thief2 ".containerId = \"thief2\" | .hostIfname = \"$thief2\" | .addresses = [] | .createdNs = 1"
	# An address that another pod has.
	jq '.addresses = $a[0].addresses | .createdNs += 1' --slurpfile a $e/a:eth0.json $e/d:eth0.json >$e/new
	mv $e/new $e/d:eth0.json
	daemon_start
	[ "$(podlane -j status | jq .ready)" = 3 ]
	[ "$(podlane -j status | jq .endpoints)" = 3 ]
	uplink
	ip link show "$D" >/dev/null
	witness_up
	pings a $B4
	pings outside $A6
	witness_down
	for name in fifo folder symlink dangling large socket uplink1 uplink2 thief1 thief2 d; do
		echo "$name"
		[ -e "$e/$name:eth0.json.bad" ] || [ -L "$e/$name:eth0.json.bad" ]
		[ "$(grep -c "error record set aside.*[/=]${name}[: ]" "$BATS_FILE_TMPDIR/podlaned.log")" = 1 ]
	done
	[ "$(find $e -name '*.json' | wc -l)" = 3 ]
	rm -r /run/podlane/endpoints/*.bad
	run podlane endpoint del d # there is no such endpoint, but its link goes, by the name that ADD gave it
	run ip link show "$D"
	[ "$status" -ne 0 ]
	ip netns del d
}

@test "a lock that is a symbolic link is not followed" {
	daemon_stop
	echo precious >"$BATS_TEST_TMPDIR/file"
	rm /run/podlane/podlaned.lock
	ln -s "$BATS_TEST_TMPDIR/file" /run/podlane/podlaned.lock
	run "$BUILD/podlaned"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output = *"podlaned.lock: it is a symbolic link"*"remove it"* ]]
	[ "$(cat "$BATS_TEST_TMPDIR/file")" = precious ]
	rm /run/podlane/podlaned.lock
	daemon_start
	pings a $B4
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
