#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Harmless: whatever state the target is in, the originals pass, none is lost or changed, and the
# session's counters say what became of the copies.
# time limit: 300

load mirror

setup_file() {
	load mirror
	node_up
	mkdir "$BATS_FILE_TMPDIR/www"
	head -c 2000000 /dev/urandom >"$BATS_FILE_TMPDIR/www/stream"
	serve b busybox httpd -f -p '[::]:8080' -h "$BATS_FILE_TMPDIR/www"
	listens b 8080
}
teardown_file() { load mirror && node_down; }
teardown() {
	flood_kill
	[ -z "${reader:-}" ] || kill "$reader"
	watch_stop
	sessions_down
	local dev
	for dev in tap0 tap1 tun0 br0; do ip link del $dev 2>/dev/null || :; done
}

flood_kill() {
	[ -n "${flood:-}" ] || return 0
	kill -INT "$flood" 2>/dev/null || :
	wait "$flood" 2>/dev/null || :
	flood=
}
# flood_start [OPTION...]: from a to b, until flood_lossless; the payload is checked by ping
flood_start() {
	ip netns exec a ping -n -i 0.002 -W 1 -p 5a "$@" $B4 >"$BATS_TEST_TMPDIR/flood" 2>&1 3>&- &
	flood=$!
	sleep 0.3
}
flood_lossless() {
	sleep 0.3
	flood_kill
	lossless "$BATS_TEST_TMPDIR/flood" 10 a >&2 # however busy the machine
	! grep -E 'DUP|wrong data' "$BATS_TEST_TMPDIR/flood"
}
# A stream of GSO packets from b to a, unharmed.
stream_whole() {
	[ "$(in_ns a curl -sS -m 10 "http://$B4:8080/stream" | md5sum)" = \
		"$(md5sum <"$BATS_FILE_TMPDIR/www/stream")" ]
}

@test "the target is down: copies are lost and counted" {
	tap_up tap0
	add m --filter icmp
	flood_start
	ip link set tap0 down
	sleep 0.3
	flood_lossless
	[ "$(counter m congested)" -gt 10 ]
	[[ $(field m why) == *'tap0 is down'* ]]
	stream_whole
	ip link set tap0 up
	before=$(counter m sent)
	pings a $B4
	[ "$(counter m sent)" -ge $((before + 6)) ]
}

@test "the target's far end is down" {
	tap_up tap0
	add m
	ip link set tap0w down
	flood_start
	flood_lossless
	[ "$(counter m congested)" -gt 10 ]
	stream_whole
}

@test "the target is deleted and made again in mid-stream" {
	add_and_remove() {
		tap_up tap0
		sleep 0.1
		ip link del tap0
	}
	tap_up tap0
	add m
	flood_start
	for i in 1 2 3 4 5; do add_and_remove 2>/dev/null || ip link del tap0; done
	flood_lossless
	state_is m paused
	tap_up tap0
	eventually state_is m active
}

@test "the target is deleted while there is no daemon: copies fail, and are counted" {
	tap_up tap0
	add m --filter icmp
	daemon_stop KILL
	ip link del tap0
	flood_start
	flood_lossless
	stream_whole
	daemon_start
	state_is m paused
	failed=$(counter m failed)
	[ "$failed" -gt 10 ]
	[[ $(counter m lastError) == *EINVAL* ]]
	tap_up tap0 # another ifindex
	eventually state_is m active
	pings a $B4
	[ "$(counter m sent)" = 6 ]
	[ "$(counter m failed)" = "$failed" ]
}

@test "the target's queue is full" {
	tap_up tap0
	tc qdisc add dev tap0 root tbf rate 8kbit burst 1600 limit 1600
	add m
	flood_start
	flood_lossless
	[ "$(counter m congested)" -gt 10 ]
	stream_whole
}

@test "the target's MTU is too small" {
	tap_up tap0
	ip link set tap0 mtu 500
	ip link set tap0w mtu 500
	add m --filter icmp
	flood_start -s 1000
	flood_lossless
	[ "$(counter m congested)" -gt 10 ]
	podlane mirror del m
	add m
	stream_whole
}

@test "a target without Ethernet" {
	ip tuntap add dev tun0 mode tun
	ip link set tun0 up
	podlane mirror add m --all --to-device tun0
	flood_start
	flood_lossless
	[ "$(counter m congested)" -gt 10 ] # nobody reads it
	stream_whole
}

@test "a target without Ethernet, and with a reader, gets IP packets" {
	ip tuntap add dev tun0 mode tun
	ip link set tun0 up
	python3 -c '
import fcntl, os, struct
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH", b"tun0", 0x1001)) # TUNSETIFF, IFF_TUN | IFF_NO_PI
while True:
    packet = os.read(tun, 2000)
    print(packet[0] >> 4, packet[9], flush=True)' >"$BATS_TEST_TMPDIR/read" 3>&- &
	reader=$!
	eventually grep -q 1 /sys/class/net/tun0/carrier
	add m --filter icmp --to-device tun0
	pings a $B4
	sleep 0.2
	[ "$(grep -c '^4 1$' "$BATS_TEST_TMPDIR/read")" = 6 ]
	[ "$(counter m sent)" = 6 ]
}

@test "the target leads back to a mirrored pod: the mark ends the circle" {
	tap_up tap0
	ip link add br0 type bridge
	ip link set br0 addrgenmode none
	ip link set br0 up
	ip link set tap0w master br0
	add m
	ip link set "$(host_end b)" master br0 # copies of what b gets are for b's MAC
	flood_start
	flood_lossless
	ip link set "$(host_end b)" nomaster
	[ "$(counter m looped)" -gt 10 ]
	[ "$(reason b in DROP_MIRROR_LOOP)" -gt 10 ]
	# No copy of a copy: as many were matched as packets were sent.
	podlane -j mirror show m | jq -e '.mirror.counters | .matched == .sent + .congested'
	stream_whole
}

@test "two targets whose far ends are bridged" {
	tap_up tap0
	tap_up tap1
	ip link add br0 type bridge
	ip link set br0 addrgenmode none
	ip link set br0 up
	ip link set tap0w master br0
	ip link set tap1w master br0
	add m
	add n --to-device tap1
	flood_start
	flood_lossless
	[ "$(counter m sent)" -gt 10 ]
	stream_whole
}

@test "an analyser pod that answers what it sees disturbs nobody" {
	add m --endpoint a --to-endpoint c
	in_ns c sysctl -qw net.ipv4.ip_forward=1
	flood_start
	flood_lossless
	stream_whole
	[ "$(counter m sent)" -gt 10 ]
}

@test "copies that are cut leave the original whole" {
	tap_up tap0
	add m --snaplen 32
	flood_start -s 1400
	flood_lossless
	stream_whole
	[ "$(counter m truncated)" -gt 10 ]
	[ "$(counter m failed)" = 0 ]
	ip link set tap0 down
	flood_start -s 1400
	flood_lossless
	[ "$(counter m congested)" -gt 10 ]
}

@test "a tunnel to nowhere" {
	podlane mirror add m --all --to-vxlan 192.0.2.77 --vni 5
	podlane mirror add n --all --to-vxlan 203.0.113.77 --vni 6
	flood_start
	flood_lossless
	stream_whole
}

@test "sessions added and removed under traffic" {
	tap_up tap0
	flood_start
	for i in $(seq 10); do
		add x --filter "icmp or port $i" >/dev/null
		add y --snaplen 40 >/dev/null
		podlane mirror del x >/dev/null
		podlane mirror del y >/dev/null
	done
	flood_lossless
}

@test "a filter never lets another's packets through while sessions come and go" {
	tap_up tap0
	tap_up tap1
	add never --filter 'udp port 9' --to-device tap1
	flood_start
	for i in $(seq 15); do
		add x --filter icmp >/dev/null
		podlane mirror del x >/dev/null
		add z --filter "icmp and greater $i" >/dev/null
		podlane mirror del z >/dev/null
	done
	flood_lossless
	[ "$(counter never matched)" = 0 ]
}
