#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The control socket and the run directory on a bad day: clients that hold connections, requests that
# come all at once, folders that somebody removes while the daemon runs.
# kernels: no
# time limit: 200

load node

setup_file() {
	load node
	export LOG=$BATS_FILE_TMPDIR/podlaned.log
	mkdir -m 700 /run/podlane # as systemd does
	node_up
}
teardown_file() {
	load node
	kill -CONT "$(daemon_pid)" || :
	node_down
}
teardown() { [ ! -e "$BATS_TEST_TMPDIR/pid" ] || kill "$(cat "$BATS_TEST_TMPDIR/pid")" 2>/dev/null || :; }

records() { (cd /run/podlane/endpoints && ls) | paste -sd' '; }
lines() { grep -c "$1" "$LOG" || :; }
cpu_ticks() { awk '{print $14 + $15}' "/proc/$(daemon_pid)/stat"; }

# Polls for a second at most.
within_a_second() {
	local end=$((${EPOCHREALTIME/[.,]/} + 1000000))
	until "$@" >/dev/null 2>&1; do
		[ ${EPOCHREALTIME/[.,]/} -lt $end ] || { echo "not within a second: $*"; return 1; }
		sleep 0.02
	done
}

# clients N: so many connections that say nothing, until the test ends
clients() {
	python3 - "$1" >"$BATS_TEST_TMPDIR/clients" 2>&1 3>&- <<-'PY' &
		import signal, socket, sys
		held = []
		for _ in range(int(sys.argv[1])):
		    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		    s.connect("/run/podlane/podlane.sock")
		    held.append(s)
		print("connected", flush=True)
		signal.pause()
	PY
	echo $! >"$BATS_TEST_TMPDIR/pid"
	eventually grep -q connected "$BATS_TEST_TMPDIR/clients"
}

# Who holds the connections keeps neither a question nor an ADD out, and costs nothing.
served_beside_clients() {
	local ticks
	podlane status >/dev/null
	pod_up late
	pings late $B4
	podlane endpoint del late
	ip netns del late
	ticks=$(cpu_ticks)
	sleep 0.5
	[ $(($(cpu_ticks) - ticks)) -le 15 ] # of 50: a loop that spins takes them all
}

@test "700 connections that say nothing" {
	clients 700
	served_beside_clients
	[ "$(lines 'connections closed for others to get in')" -ge 1 ]
	[ "$(find "/proc/$(daemon_pid)/fd" -lname 'socket:*' | wc -l)" -le 560 ]
}

@test "more connections than there are file descriptors" {
	daemon_stop
	printf '#!/bin/sh\nulimit -n 120\nexec "%s" "$@"\n' "$BUILD/podlaned" >"$BATS_TEST_TMPDIR/podlaned"
	chmod +x "$BATS_TEST_TMPDIR/podlaned"
	PODLANED=$BATS_TEST_TMPDIR/podlaned daemon_start
	clients 300
	served_beside_clients
	kill "$(cat "$BATS_TEST_TMPDIR/pid")"
	daemon_stop
	daemon_start
	served_beside_clients
}

@test "what is no network namespace, sent as one" {
	cat >"$BATS_TEST_TMPDIR/add.py" <<-'PY'
		import array, json, os, socket, sys
		fds = {
		    "file": lambda: os.open("/etc/passwd", os.O_RDONLY),
		    "folder": lambda: os.open("/", os.O_RDONLY),
		    "path": lambda: os.open("/run/netns/wrong", os.O_PATH),
		    "device": lambda: os.open("/dev/zero", os.O_RDWR),
		    "pipe": lambda: os.pipe()[0],
		    "socket": lambda: socket.socket(socket.AF_UNIX).detach(),
		    "mount": lambda: os.open("/proc/self/ns/mnt", os.O_RDONLY),
		    "user": lambda: os.open("/proc/self/ns/user", os.O_RDONLY),
		    "own": lambda: os.open("/proc/self/ns/net", os.O_RDONLY),
		    "process": lambda: os.pidfd_open(os.getpid()),
		}
		for name, make in fds.items():
		    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		    s.settimeout(10)
		    s.connect("/run/podlane/podlane.sock")
		    s.sendmsg([json.dumps({"op": "endpoint.add", "v": 1, "containerId": "wrong", "ifname": "eth0"}).encode()],
		        [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [make()] * int(sys.argv[1])))])
		    reply = json.loads(s.recv(131072))
		    print(name, reply)
		    assert not reply["ok"]
	PY
	before=$(records)
	ip netns add wrong
	python3 "$BATS_TEST_TMPDIR/add.py" 1
	python3 "$BATS_TEST_TMPDIR/add.py" 3
	[ "$(records)" = "$before" ]
	[ "$(ip -o link show | grep -c ' pl')" = 3 ]
	ip netns del wrong
	pings a $B4
}

# The daemon stands still while they come, so that all are due at the same time. SO_TIMESTAMPNS tells when
# it sent a reply. The kernel holds its RTNL lock for most of the time that the deletions take: who asks it
# about links or programs meanwhile waits.
@test "30 DELs at once: a status that comes after them is answered before them, and many while they last" {
	for i in {1..30}; do pod_up "d$i"; done
	cat >"$BATS_TEST_TMPDIR/order.py" <<-'PY'
		import json, os, select, signal, socket, struct
		daemon = int(os.environ["DAEMON"])
		def ask(request):
		    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		    s.settimeout(20)
		    s.connect("/run/podlane/podlane.sock")
		    s.setsockopt(socket.SOL_SOCKET, 35, 1)
		    s.send(json.dumps(dict(request, v=1)).encode())
		    return s
		def when(s):
		    answer, stamps, _, _ = s.recvmsg(131072, 64)
		    answer = json.loads(answer)
		    assert answer["ok"], answer
		    return struct.unpack("qq", stamps[0][2]), answer
		os.kill(daemon, signal.SIGSTOP)
		dels = [ask({"op": "endpoint.del", "containerId": f"d{i}", "ifname": "eth0"}) for i in range(1, 31)]
		status = ask({"op": "status"})
		os.kill(daemon, signal.SIGCONT)
		answered = 0
		while len(select.select(dels, [], [], 0)[0]) < len(dels):
		    when(ask({"op": "status"}))
		    answered += 1
		print("statuses while the links were deleted:", answered)
		assert answered >= 30
		first = min(when(s)[0] for s in dels)
		stamp, answer = when(status)
		assert stamp < first, (stamp, first)
		loop = ask({"op": "status"})
		loop = when(loop)[1]["loop"]
		print(loop)
		assert 0 < loop["recentUs"] <= loop["longestUs"] and loop["longestIn"] and loop["over20Ms"] >= 0
	PY
	DAEMON=$(daemon_pid) python3 "$BATS_TEST_TMPDIR/order.py"
	[ "$(podlane -j status | jq .endpoints)" = 3 ]
	podlane status | grep -E '^loop +longest turn [0-9.]+ ms \(.+\), [0-9.]+ ms in the last minute'
	for i in {1..30}; do ip netns del "d${i:?}"; done
}

@test "a link that the kernel does not delete: DEL says why, the endpoint works on, a later DEL succeeds" {
	daemon_stop
	export STUBBORN=$BATS_TEST_TMPDIR/stubborn
	PODLANED=$BUILD/tests/tools/stubborn daemon_start
	pod_up d
	pod_up e
	local address pod
	address=$(ip4_of d)
	: >"$STUBBORN"
	for _ in 1 2; do
		run podlane endpoint del d
		echo "$output"
		[ "$status" = 1 ]
		[[ $output = *"delete the link pl"*" of d:eth0: Operation not permitted"* ]]
		[ "$(podlane -j endpoint show d | jq -r '.endpoint | "\(.ready) \(.attached)"')" = "true $(podlane -j endpoint show a | jq -c '.endpoint.attached')" ]
		witness_up
		pings d $A4
		pings a "$address"
		witness_down
	done
	for pod in d e; do podlane endpoint del $pod 2>"$BATS_TEST_TMPDIR/$pod" 3>&- & done
	eventually eval 'grep -q "not permitted" "$BATS_TEST_TMPDIR/d" && grep -q "not permitted" "$BATS_TEST_TMPDIR/e"'
	eventually pings e "$address"
	[ -e /run/podlane/endpoints/d:eth0.json ]
	rm "${STUBBORN:?}"
	podlane endpoint del d
	podlane endpoint del e
	[ ! -e /run/podlane/endpoints/d:eth0.json ]
	[ "$(ip -o link show | grep -c ' pl')" = 3 ]
	! grep "impossible state" "$LOG" || false
	ip netns del d
	ip netns del e
	daemon_stop
	daemon_start
}

run_dir_is_back() {
	[ -S /run/podlane/podlane.sock ] && [ "$(records)" = "$1" ] && [ -e /run/podlane/mirrors/m.json ] &&
		[ "$(cat /run/podlane/podlaned.lock)" = "$(daemon_pid)" ] && podlane status
}

@test "the run directory removed: socket, lock and records are made again within a second" {
	ip link add tap0 type veth peer name tap1
	podlane mirror add m --endpoint a --to-device tap0
	before=$(records)
	told=$(lines "run directory was removed")
	rm -r /run/podlane
	within_a_second run_dir_is_back "$before"
	[ "$(stat -c %a /run/podlane)" = 700 ]
	[ "$(lines "run directory was removed")" = $((told + 1)) ]
	cmp <(podlane -j endpoint show a | jq -S '.endpoint.addresses') <(jq -S .addresses /run/podlane/endpoints/a:eth0.json)
	! grep " error " "$LOG" | grep -v "not permitted" || false
	# An address in use is never drawn again, also not by the next daemon.
	rm -r /run/podlane
	within_a_second run_dir_is_back "$before"
	daemon_stop KILL
	daemon_start
	run "$BUILD/podlaned"
	[[ $output = *"another podlaned (pid $(daemon_pid))"* ]]
	for i in 1 2 3 4; do pod_up "n$i"; done
	[ "$(podlane -j endpoint list | jq -r '.endpoints[].addresses[].address' | sort | uniq -d)" = "" ]
	[ "$(podlane -j status | jq .endpoints)" = 7 ]
	pings a $B4
	pings n4 $A4
	podlane mirror del m
	ip link del tap0
	for i in 1 2 3 4; do podlane endpoint del "n$i" && ip netns del "n${i:?}"; done
}

@test "records removed, and the folder left: they are written again" {
	before=$(records)
	rm /run/podlane/endpoints/*
	eventually eval '[ "$(records)" = "$before" ]'
	rm /run/podlane/endpoints/b:eth0.json
	eventually eval '[ "$(records)" = "$before" ]'
	pod_up gone
	podlane endpoint del gone
	sleep 1.3 # of an endpoint that was deleted none comes back
	[ "$(records)" = "$before" ]
	ip netns del gone
}

@test "another daemon that begins in the run directory meanwhile" {
	first=$(daemon_pid)
	kill -STOP "$first"
	rm -r /run/podlane
	run "$BUILD/podlaned" # on the same datapath: that one ends
	kill -CONT "$first"
	[ "$status" = 1 ]
	[[ $output = *"in use by another podlaned"* ]]
	within_a_second podlane status
	[ "$(podlane -j status | jq .endpoints)" = 3 ]
	kill -STOP "$first"
	rm -r /run/podlane
	"$BUILD/podlaned" --bpffs /sys/fs/bpf/second >"$BATS_TEST_TMPDIR/second" 2>&1 </dev/null 3>&- 4>&- &
	second=$!
	echo $second >"$BATS_TEST_TMPDIR/pid"
	eventually test -S /run/podlane/podlane.sock
	kill -CONT "$first"
	eventually eval '! kill -0 "$first"' # the datapath goes on
	grep "error .*another podlaned (pid $second) has" "$LOG"
	podlane status
	pings a $B4
	kill $second
	wait $second
	"$BUILD/podlaned" --remove --bpffs /sys/fs/bpf/second
	daemon_start
}
