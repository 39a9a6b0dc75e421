#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The life of a mirror session: begun, refused, shown, paused, resumed, kept over restarts, ended.
# time limit: 300

load mirror

setup_file() {
	load mirror
	node_up
	tap_up tap0
}
teardown_file() {
	load mirror
	node_down
	ip link del tap0 2>/dev/null || :
}
teardown() {
	watch_stop
	[ -e /run/podlane/podlane.sock ] && podlane status >/dev/null 2>&1 || daemon_start
	sessions_down
}

@test "a session copies what its endpoints send and get" {
	add ids
	watch_start
	pings a $B4
	watch_stop
	copies_are 3 'icmp[icmptype] = icmp-echo'
	copies_are 3 'icmp[icmptype] = icmp-echoreply'
	[ "$(counter ids sent)" -ge 6 ]
	[ "$(counter ids failed)" = 0 ]
}

@test "endpoints and direction choose" {
	add out --endpoint a --direction out
	watch_start
	pings a $B4
	pings c $B4
	watch_stop
	copies_are 3 "icmp and src host $A4"
	copies_are 0 "icmp and not src host $A4"
	podlane mirror del out
	add in --endpoint $A4 --direction in
	watch_start
	pings a $B4
	watch_stop
	copies_are 3 "icmp and dst host $A4"
	copies_are 0 "icmp and src host $A4"
}

@test "a filter in tcpdump's language chooses, in the kernel" {
	add echo --filter "icmp[icmptype] = icmp-echo and dst host $B4"
	add six --filter 'icmp6 and ip6[40] = 129'
	watch_start
	pings a $B4
	pings a $C4
	pings a $B6
	watch_stop
	copies_are 3 'icmp'
	copies_are 3 'icmp6 and ip6[40] = 129'
	[ "$(counter echo matched)" = 3 ]
	[ "$(counter six matched)" = 3 ]
}

@test "a wrong filter is shown with its wrong word" {
	run podlane mirror add bad --all --to-device tap0 --filter 'tcp and prot 443'
	[ "$status" -ne 0 ]
	[[ $output == *"unknown keyword 'prot'; did you mean 'port'?"* ]] ||
		[[ $output == *"unknown keyword 'prot'; did you mean 'proto'?"* ]]
	[[ $output == *'  tcp and prot 443'* ]]
	[[ $output == *'          ^'* ]]
	refused 'DNS' add bad --filter 'host example.com'
	refused 'no mirror session' podlane mirror show bad
}

@test "what cannot be is refused by name" {
	add one
	refused 'already' add one
	refused 'no device nope: make it first, or declare' podlane mirror add x --all --to-device nope
	refused 'host itself' podlane mirror add x --all --to-device lo
	refused 'themselves' podlane mirror add x --all --to-device plm-3
	refused 'no endpoint is named "nope": add it first, or declare' podlane mirror add x --all --to-endpoint nope
	refused 'no mirror session' podlane mirror del nope
	refused 'is this node itself' podlane mirror add x --endpoint a --to-vxlan $NODE4 --vni 1
	refused 'is this node itself' podlane mirror add x --endpoint a --to-vxlan 127.0.0.1 --vni 1
	refused 'is endpoint' podlane mirror add x --endpoint a --to-vxlan $B4 --vni 1
	[ "$(podlane -j mirror list | jq '.mirrors | length')" = 1 ]
}

@test "a target that is mirrored itself is refused, in either order" {
	add pair --endpoint a --to-endpoint c
	refused 'is the target of session pair' add x --endpoint c
	refused 'itself mirrored by session pair' add x --endpoint b --to-endpoint a
	refused 'is the target of session x' add x --endpoint b --to-endpoint b
	refused 'itself mirrored' podlane mirror add x --endpoint b --to-device "$(host_end a)"
}

@test "another pod as the target gets the copies, and they go no further" {
	add analyser --to-endpoint c
	in_ns c sysctl -qw net.ipv4.icmp_echo_ignore_all=1
	watch_start eth0 c
	pings a $B4
	pings a $B6
	watch_stop
	copies_are 3 'icmp[icmptype] = icmp-echo'
	copies_are 3 'icmp[icmptype] = icmp-echoreply'
	copies_are 3 'icmp6 and ip6[40] = 128'
	copies_are 3 'icmp6 and ip6[40] = 129'
	[ "$(podlane -j endpoint show c | jq '.endpoint.mirrors | length')" = 0 ]
	[ "$(podlane -j endpoint show a | jq -r '.endpoint.mirrors[0]')" = analyser ]
}

@test "a session waits for its endpoint and sees its first packets" {
	add early --endpoint late
	state_is early waiting
	[[ $(field early why) == *late* ]]
	watch_start
	pod_up late
	state_is early active
	in_ns late ping -n -c 1 -W 1 $B4
	watch_stop
	copies_are 1 'icmp[icmptype] = icmp-echo'
	podlane endpoint del late >/dev/null
	ip netns del late
	state_is early waiting
}

@test "the target goes and comes: pause, say so, resume" {
	tap_up tap1
	add away --to-device tap1
	pings a $B4
	ip link del tap1
	eventually state_is away paused
	[[ $(field away why) == *'tap1 is not there'* ]]
	pings a $B4
	before=$(counter away matched)
	pings a $B4
	[ "$(counter away matched)" = "$before" ]
	tap_up tap1
	eventually state_is away active
	watch_start tap1w
	pings a $B4
	watch_stop
	copies_are 3 'icmp[icmptype] = icmp-echo'
	ip link del tap1
}

@test "a target pod goes and comes back by the same name" {
	pod_up sensor
	add s --to-endpoint sensor
	podlane endpoint del sensor >/dev/null
	ip netns del sensor
	state_is s paused
	pod_up sensor
	state_is s active
	watch_start eth0 sensor
	pings a $B4
	watch_stop
	copies_are 3 'icmp[icmptype] = icmp-echo'
	podlane mirror del s
	podlane endpoint del sensor >/dev/null
	ip netns del sensor
}

@test "a device that changes its name is gone, and the one that has it then is the target" {
	tap_up tap2
	add renamed --to-device tap2
	ip link set tap2 down
	ip link set tap2 name tap3
	eventually state_is renamed paused
	ip link set tap3 name tap2
	ip link set tap2 up
	eventually state_is renamed active
	ip link del tap2
}

@test "sessions, their counters and copies survive a restart and a kill" {
	add kept --filter icmp --seconds 1000
	add trimmed --snaplen 64 --endpoint a
	pings a $B4
	before=$(counter kept sent)
	[ "$before" -ge 6 ]
	for signal in TERM KILL; do
		watch_start
		daemon_stop $signal
		pings a $B4
		watch_stop
		copies_are 6 'icmp[icmptype] = icmp-echo' # of both sessions, with no daemon
		daemon_start
		state_is kept active
		state_is trimmed active
		[ "$(counter kept sent)" -ge $((before + 6)) ]
		[ "$(field kept secondsLeft)" -lt 1000 ]
		before=$(counter kept sent)
	done
	watch_start
	pings a $B4
	watch_stop
	copies_are 6 'icmp[icmptype] = icmp-echo'
}

@test "sessions and their counters survive a start with other maps" {
	add kept --filter icmp
	add trimmed --snaplen 64 --endpoint a --filter icmp
	pings a $B4
	[ "$(counter kept sent)" = 6 ]
	daemon_stop
	daemon_start --max-endpoints 100
	state_is kept active
	state_is trimmed active
	[ "$(counter kept sent)" = 6 ]
	watch_start
	pings a $B4
	watch_stop
	copies_are 6 'icmp[icmptype] = icmp-echo'
	[ "$(counter kept sent)" = 12 ]
	[ "$(counter trimmed truncated)" = 12 ]
	daemon_stop
	daemon_start
}

@test "a broken record costs no other session" {
	add good
	daemon_stop
	echo '{"version": 1, "slot": 99' >/run/podlane/mirrors/broken.json
	cp /run/podlane/mirrors/good.json /run/podlane/mirrors/twin.json
	daemon_start
	state_is good active
	[ -e /run/podlane/mirrors/broken.json.bad ]
	[ -e /run/podlane/mirrors/twin.json.bad ]
	[ "$(podlane -j mirror list | jq '.mirrors | length')" = 1 ]
	rm /run/podlane/mirrors/*.bad
}

@test "the command that compiles the configuration's filters is missing, or lies" {
	daemon_stop
	conf=$BATS_TEST_TMPDIR/podlaned.json
	echo '{"mirrors": [{"name": "always", "endpoints": "all", "filter": "icmp", "target": {"device": "tap0"}}]}' >"$conf"
	cp "$BUILD/podlaned" "$BATS_TEST_TMPDIR/podlaned"
	PODLANED=$BATS_TEST_TMPDIR/podlaned daemon_start --config "$conf"
	state_is always paused
	[[ $(field always why) == *'the command "podlane", which does that, is not beside podlaned'* ]]
	pings a $B4
	[ "$(counter always matched)" = 0 ]
	daemon_stop
	printf '#!/bin/sh\necho 2,5 0 0 7,6 0 0 0\n' >"$BATS_TEST_TMPDIR/podlane"
	chmod +x "$BATS_TEST_TMPDIR/podlane"
	run "$BATS_TEST_TMPDIR/podlaned" --check-config --config "$conf"
	[ "$status" = 2 ]
	[[ $output == *"mirrors[0]: program: it is no valid classic BPF"* ]]
	# With the right command the session goes on where it was recorded.
	daemon_start --config "$conf"
	eventually state_is always active
	daemon_stop
	daemon_start
}

@test "the configuration's sessions begin with the daemon, last, change and go with it" {
	daemon_stop
	conf=$BATS_TEST_TMPDIR/podlaned.json
	cat >"$conf" <<-JSON
		{"mirrors": [{"name": "always", "endpoints": "all", "filter": "icmp",
			"target": {"device": "tap0"}},
		 {"name": "later", "endpoints": ["web"], "target": {"device": "tap9"}}]}
	JSON
	"$BUILD/podlaned" --check-config --config "$conf"
	daemon_start --config "$conf"
	state_is always active
	[ "$(field always declared)" = true ]
	state_is later paused
	pings a $B4
	before=$(counter always sent)
	[ "$before" -ge 6 ]
	daemon_stop
	daemon_start --config "$conf"
	[ "$(counter always sent)" = "$before" ]
	tap_up tap9
	eventually state_is later waiting
	ip link del tap9

	daemon_stop
	sed -i 's/"icmp"/"udp port 9"/' "$conf"
	daemon_start --config "$conf"
	[ "$(field always filter)" = 'udp port 9' ]
	[ "$(counter always sent)" = 0 ]
	daemon_stop
	sed -i 's/udp port/udp prot/' "$conf"
	run "$BUILD/podlaned" --check-config --config "$conf"
	[ "$status" -ne 0 ]
	[[ $output == *'mirrors[0]'*"'prot'"* ]]
	daemon_start
	[ "$(podlane -j mirror list | jq '.mirrors | length')" = 0 ]
}

@test "expiry by number of copies and by time" {
	add few --packets 4 --filter icmp
	watch_start
	pings a $B4
	pings a $B4
	watch_stop
	copies_are 4 icmp
	eventually state_is few expired
	[[ $(field few why) == *'copies are made'* ]]
	[ "$(counter few sent)" = 4 ]
	add few --seconds 1 --filter icmp # the name is free again
	eventually state_is few expired
	[[ $(field few why) == *'time is over'* ]]
	before=$(counter few matched)
	pings a $B4
	[ "$(counter few matched)" = "$before" ]
}

@test "sampling: one in N packets, and one in N flows with both directions alike" {
	add packets --sample-packets 4 --filter icmp
	in_ns a ping -n -q -c 200 -i 0.002 $B4
	[ "$(counter packets matched)" = 400 ]
	sent=$(counter packets sent)
	[ "$sent" -gt 40 ]
	[ "$sent" -lt 180 ]
	[ $((sent + $(counter packets sampledOut))) = 400 ]
	podlane mirror del packets

	add flows --sample-flows 3 --filter icmp
	watch_start
	for i in $(seq 40); do in_ns a ping -n -q -c 1 -W 1 $B4 >/dev/null; done
	watch_stop
	requests=$(copies 'icmp[icmptype] = icmp-echo')
	[ "$requests" -gt 1 ]
	[ "$requests" -lt 35 ]
	copies_are "$requests" 'icmp[icmptype] = icmp-echoreply'
}

@test "a rate limit holds back copies, never packets" {
	add slow --pps 10 --filter icmp
	in_ns a ping -n -q -c 100 -i 0.002 -W 1 $B4 | grep ' 100 received'
	[ "$(counter slow matched)" = 200 ]
	[ "$(counter slow sent)" -le 25 ]
	[ $(($(counter slow sent) + $(counter slow rateLimited))) = 200 ]
}

@test "a limit of bytes holds on live traffic, and watch shows its rates" {
	local begun=$EPOCHREALTIME bytes
	add narrow --bps 5000 --filter icmp
	in_ns a ping -n -q -c 100 -i 0.002 -W 1 -s 1000 $B4 | grep ' 100 received'
	bytes=$(counter narrow sentBytes)
	[ "$(counter narrow matched)" = 200 ]
	[ $(($(counter narrow sent) + $(counter narrow rateLimited))) = 200 ]
	[ "$bytes" -ge 5000 ]
	# A second's burst and what came since; the last copy may overdraw the bucket.
	awk "BEGIN { exit !($bytes <= 5000 * (1 + $EPOCHREALTIME - $begun) + 1042) }"

	in_ns a ping -n -q -c 300 -i 0.01 -s 1000 $B4 >/dev/null 3>&- &
	podlane -j mirror stats narrow -w 1 -n 2 >"$BATS_TEST_TMPDIR/rates"
	wait $!
	tail -n 1 "$BATS_TEST_TMPDIR/rates" | jq -ce '.mirrors[0].rates' # shown where the next line fails
	tail -n 1 "$BATS_TEST_TMPDIR/rates" | jq -e '.mirrors[0].rates |
		.matched > 50 and .rateLimited > 40 and .sentBytes > 1000 and .sentBytes < 12000'
}

@test "a snap length cuts the copy alone, on a device that comes and goes" {
	add short --snaplen 60 --filter icmp
	ip link show plm-stage >/dev/null
	watch_start
	pings a $B4 -s 1000 -p 5a
	watch_stop
	copies_are 6 'icmp and less 60'
	copies_are 0 'greater 61'
	[ "$(counter short truncated)" = 6 ]
	ip link del plm-stage
	eventually ip link show plm-stage
	eventually state_is short active
	watch_start
	pings a $B4 -s 1000
	watch_stop
	copies_are 6 'icmp and less 60'
	podlane mirror del short
	gone plm-stage
	gone plm-drain
}

@test "dropped packets are copied where asked for, and only there" {
	add without --endpoint a
	add with --endpoint a --include-drops
	watch_start
	in_ns a ping -n -c 2 -i 0.05 -W 1 -I lo $B4 || :
	in_ns a ip addr add 10.99.99.99/32 dev eth0
	in_ns a ping -n -c 3 -i 0.05 -W 1 -I 10.99.99.99 $B4 || :
	watch_stop
	in_ns a ip addr del 10.99.99.99/32 dev eth0
	[ "$(reason a out DROP_SPOOFED_IP)" -ge 3 ]
	copies_are 3 'src host 10.99.99.99'
	[ "$(counter without matched)" -lt "$(counter with matched)" ]
}

@test "VXLAN to a collector, through a device that podlane makes and removes" {
	add far --to-vxlan $OUT4 --vni 77 --port 8472
	dev=$(field far targetDevice)
	[ "$(ip -j -d link show "$dev" | jq -r '.[0].linkinfo.info_data.id')" = 77 ]
	ip -n outside link add vx0 type vxlan id 77 dstport 8472 dev eth0
	ip -n outside link set vx0 up
	watch_start vx0 outside
	pings a $B4
	pings a $B6
	watch_stop
	copies_are 3 "icmp[icmptype] = icmp-echo and src host $A4"
	copies_are 3 "icmp6 and ip6[40] = 128 and src host $A6"
	watch_start vx0 outside # in fragments, as the tunnel makes them larger than the path
	pings a $B4 -s 1450
	watch_stop
	copies_are 3 "icmp[icmptype] = icmp-echo and greater 1490"

	# A tunnel is one way: what a stranger wraps does not reach the host.
	ip -n outside addr add 10.77.0.2/24 dev vx0
	ip addr add 10.77.0.1/24 dev "$dev"
	run in_ns outside ping -n -c 2 -i 0.1 -W 1 10.77.0.1
	[ "$status" -ne 0 ]

	ip link del "$dev" # by somebody else: made again
	eventually ip link show "$dev"
	eventually state_is far active
	ifindex=$(field far targetIfindex)
	daemon_stop KILL
	daemon_start
	[ "$(field far targetIfindex)" = "$ifindex" ]
	podlane mirror del far
	gone "$dev"
	ip -n outside link del vx0
}

@test "VXLAN over IPv6" {
	add far6 --to-vxlan $OUT6 --vni 78
	ip -n outside link add vx6 type vxlan id 78 dstport 4789 dev eth0 local $OUT6
	ip -n outside link set vx6 up
	watch_start vx6 outside
	pings a $B4
	watch_stop
	copies_are 3 'icmp[icmptype] = icmp-echo'
	podlane mirror del far6
	ip -n outside link del vx6
}

@test "GRE and ERSPAN where the kernel has them, else an error that says so" {
	for kind in gre erspan; do
		run podlane mirror add t --all --to-$kind $OUT4 --key 9
		if [ "$status" = 0 ]; then
			dev=$(field t targetDevice)
			[[ $(ip -j -d link show "$dev" | jq -r '.[0].linkinfo.info_kind') == *"${kind/gre/gretap}"* ]]
			podlane mirror del t
			gone "$dev"
		else
			[[ $output == *"cannot make devices of kind"* ]]
			[ "$(podlane -j mirror list | jq '.mirrors | length')" = 0 ]
		fi
	done
}

@test "64 sessions at once, each with a filter, and no 65th" {
	for i in $(seq 64); do add "m$i" --filter "icmp and greater $((i * 10))" >/dev/null; done
	refused 'the most' add m65
	[ "$(podlane -j status | jq .mirrors)" = 64 ]
	pings a $B4 -s 300
	[ "$(counter m30 matched)" = 6 ]
	[ "$(counter m40 matched)" = 0 ]
	podlane mirror del m7 >/dev/null
	add m65
}

@test "devices of sessions that an earlier run lost are removed" {
	daemon_stop
	ip link add plm-7 type veth peer name plm-8
	ip link add plm-mine type veth peer name other
	daemon_start
	gone plm-7
	ip link show plm-mine >/dev/null
	ip link del plm-mine
}

@test "podlane leaves no device behind when it is taken off the node" {
	add far --to-vxlan $OUT4 --vni 77
	add short --snaplen 60
	dev=$(field far targetDevice)
	daemon_stop
	[ -e "/sys/class/net/$dev" ]
	[ -e /sys/class/net/plm-stage ] # the datapath goes on
	"$BUILD/podlaned" --remove
	gone "$dev"
	gone plm-stage
	gone plm-drain
	rm -r /run/podlane/mirrors
}
