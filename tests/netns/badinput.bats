#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What is wrong is refused in a sentence that says what to do, and leaves nothing half-made.
# time limit: 120
# kernels: no

load node

setup_file() { load node && node_up; }
teardown_file() { load node && node_down; }

refused() { # TEXT COMMAND...: must fail, saying TEXT
	local text=$1
	shift
	run "$@"
	echo "status $status: $output" >&2
	[ "$status" -ne 0 ]
	[[ $output = *"$text"* ]]
}

nothing_left() { # NAME
	[ ! -e "/run/podlane/endpoints/$1:eth0.json" ]
	run in_ns "$1" ip link show eth0
	[ "$status" -ne 0 ]
	[ "$(ip -o link show | grep -c ' pl')" = 3 ]
	[ "$(find /sys/fs/bpf/podlane/v3/links -name 'from_pod-*' | wc -l)" -le 3 ]
}

@test "a second daemon" {
	refused "another podlaned (pid $(daemon_pid))" "$BUILD/podlaned"
	pings a $B4
}

@test "no privilege" {
	# Where nobody can reach them: neither the build nor the folder of sanitizer reports need be such.
	install -D -m 755 -t /run/nobody "$BUILD/podlaned" "$BUILD/podlane"
	install -d -o 65534 /run/nobody/run
	local as_nobody=(env -u ASAN_OPTIONS -u UBSAN_OPTIONS setpriv --reuid 65534 --clear-groups)
	run "${as_nobody[@]}" /run/nobody/podlaned --run-dir /run/nobody/run --bpffs /sys/fs/bpf/none
	echo "$output" >&2
	[ "$status" -ne 0 ]
	[[ $output = *"error podlaned ends error="*"must run as root"* ]]
	[ "$status" = 1 ]
	run "${as_nobody[@]}" /run/nobody/podlane status
	echo "$output" >&2
	[ "$status" -ne 0 ]
	[[ $output = "podlane status: only root"* ]]
}

@test "a bpffs that is none" {
	refused "mount -t bpf" "$BUILD/podlaned" --run-dir /run/second --bpffs /run/second/bpf
}

@test "configuration: broken JSON, unknown keys, bad values, each with its place" {
	conf=$BATS_TEST_TMPDIR/conf.json
	echo '{"attach": }' >$conf
	refused "conf.json:1:" "$BUILD/podlaned" --check-config --config $conf
	echo '{"maxEndpoint": 3}' >$conf
	refused 'did you mean "maxEndpoints"?' "$BUILD/podlaned" --check-config --config $conf
	refused 'did you mean \"maxEndpoints\"?' "$BUILD/podlaned" --config $conf # a line of the log
	[ "$status" = 2 ]
	echo '{"native": ["10.0.0.0/33"]}' >$conf
	refused 'native[0]' "$BUILD/podlaned" --check-config --config $conf
	refused 'write !10.96.0.0/12' "$BUILD/podlaned" --check-config --native '10.0.0.0/8,!10.96.7.1/12'
	for check in --check-config ''; do
		refused "no-such.json: No such file" "$BUILD/podlaned" $check --config /no-such.json
		[ "$status" = 2 ]
		[[ $output != *"no error found"* ]]
	done
	printf '%s\n' '{"maxFlows": 5,' ' "native": ["10.0.0.5/8"], "network": {"mtu": "x", "netkitmode": "l2"},' \
		' "mirrors": [{"name": "m", "endpoints": "all", "filter": "port prot 9", "target": {"device": "tap0"}}]}' >$conf
	refused "maxFlows: 5 is not between" "$BUILD/podlaned" --check-config -c $conf
	[ "$status" = 2 ]
	[[ $output = *'native[0]: "10.0.0.5/8"'* && $output = *'network: mtu: must be a whole number, and is "x"'* ]]
	[[ $output = *'did you mean "netkitMode"?'* ]]
	[[ $output = *$'mirrors[0]: podlane mirror compile: filter: '*$'\n  port prot 9\n       ^'* ]] # the caret is below the word
	refused "/tmp lies on no BPF file system" "$BUILD/podlaned" --check-config --bpffs /tmp
	refused "lies on no BPF file system" "$BUILD/podlaned" --run-dir /run/second --bpffs /tmp/podlane
	[ "$status" = 2 ]
	"$BUILD/podlaned" --check-config >"$BATS_TEST_TMPDIR/out" # there is no file here
	grep -q "^/etc/podlane/podlaned.json is not there" "$BATS_TEST_TMPDIR/out"
	echo '{"attach": "tcx"}' >$conf
	"$BUILD/podlaned" --check-config --config $conf | grep -q "no error found"
	refused "max-endpoints" "$BUILD/podlaned" --check-config --max-endpoints zero
	refused "unrecognized option" "$BUILD/podlaned" --no-such-option
	[ "$status" = 2 ]
	refused "no arguments are expected" "$BUILD/podlaned" start
	for option in -h --help; do "$BUILD/podlaned" $option | grep -q -- "-c, --config FILE"; done
	for option in -V --version; do "$BUILD/podlaned" $option | grep -q "^podlaned [0-9]"; done
	"$BUILD/podlaned" --check-config --log-level warning -c $conf
}

@test "endpoint add: a duplicate, a bad address, one outside the range, one in use" {
	refused "has an endpoint eth0 already" podlane endpoint add a
	ip netns add bad
	refused "" podlane endpoint add bad --ip 10.201.0.999
	refused "10.99.0.1" podlane endpoint add bad --ip 10.99.0.1
	refused "$A4" podlane endpoint add bad --ip $A4
	refused "$POD4.1" podlane endpoint add bad --ip $POD4.1
	nothing_left bad
	ip netns del bad
}

@test "endpoint add: an interface name that is taken, one that is none, a netns that is gone" {
	ip netns add bad
	ip -n bad link add eth0 type veth peer name other
	refused "has an interface named eth0 already" podlane endpoint add bad
	[ "$(ip -o link show | grep -c ' pl')" = 3 ]
	ip -n bad link del eth0
	refused "" podlane endpoint add bad --ifname this-name-is-too-long
	refused "" podlane endpoint add bad --ifname a/b
	nothing_left bad
	ip netns del bad
	refused "no-such-ns" podlane endpoint add no-such-ns
	echo x >"$BATS_TEST_TMPDIR/file"
	refused "" podlane endpoint add "$BATS_TEST_TMPDIR/file" --name notns
}

@test "an exhausted range, and the address that comes free" {
	conf=$BATS_TEST_TMPDIR/net.json
	echo '{"name": "tiny", "type": "podlane", "ipam": {"subnet": "10.50.0.0/30"}}' >$conf
	ip netns add t1
	ip netns add t2
	podlane endpoint add t1 --network $conf
	refused "10.50.0" podlane endpoint add t2 --network $conf
	[ ! -e /run/podlane/endpoints/t2:eth0.json ]
	podlane endpoint del t1
	podlane endpoint add t2 --network $conf
	podlane endpoint del t2
	ip netns del t1
	ip netns del t2
}

@test "a route that the kernel refuses undoes everything" {
	conf=$BATS_TEST_TMPDIR/net.json
	echo '{"name": "odd", "type": "podlane", "ipam": {"subnet": "10.51.0.0/24", "routes": [{"dst": "10.52.0.0/16", "gw": "224.0.0.1"}]}}' >$conf
	ip netns add bad
	refused "10.52.0.0/16" podlane endpoint add bad --network $conf
	nothing_left bad
	podlane endpoint add bad
	podlane endpoint del bad
	ip netns del bad
}

@test "the socket: no JSON, no object, unknown operation and keys, a foreign version" {
	cat >"$BATS_TEST_TMPDIR/ask.py" <<-'PY'
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		s.settimeout(3)
		s.connect("/run/podlane/podlane.sock")
		s.send(sys.argv[1].encode())
		print(s.recv(131072).decode())
	PY
	ask() { python3 "$BATS_TEST_TMPDIR/ask.py" "$1"; }
	ask 'no json' | grep -q EBADMSG
	ask '[1]' | grep -q EBADMSG
	ask '{}' | grep -q 'lacks'
	ask '{"op": "dance"}' | grep -q 'unknown operation'
	ask '{"op": "status", "vv": 1}' | grep -q 'unknown key'
	ask '{"op": "status", "v": 99}' | grep -q 'version'
	ask '{"op": "endpoint.add"}' | grep -q containerId
	ask '{"op": "endpoint.add", "containerId": "x", "ifname": "eth0"}' | grep -q 'network namespace'
	ask '{"op": "endpoint.gc", "network": "default"}' | grep -q 'valid'
	ask '{"op": "endpoint.del", "containerId": 5, "ifname": "eth0"}' | grep -q 'expected a string'
	ask "{\"op\": \"endpoint.add\", \"containerId\": \"$(head -c 100000 /dev/zero | tr '\0' x)\", \"ifname\": \"e\"}" | grep -q '"ok": *false'
	[ "$(podlane -j status | jq .endpoints)" = 3 ]
}
