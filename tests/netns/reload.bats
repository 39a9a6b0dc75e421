#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The configuration is read again on SIGHUP: what changed is done and logged, what cannot be done without
# a restart is named with both values, and a file with a mistake changes nothing. The service manager is
# told when a reload begins and ends, and that the loop is alive.
# kernels: no

load node

setup_file() {
	load node
	outside_up
	ip link add up1 type veth peer name far1
	export CONF=$BATS_FILE_TMPDIR/podlaned.json NOTE=$BATS_FILE_TMPDIR/notes
	echo '{}' >"$CONF"
	# A service manager: notes each datagram as one line, with its own clock.
	cat >"$BATS_FILE_TMPDIR/manager.py" <<-'PY'
		import os, socket, sys, time
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind(sys.argv[1])
		with open(sys.argv[2], "a", buffering=1) as out:
		    while True:
		        text = s.recv(4096).decode().replace("\n", " ")
		        out.write("%d %s\n" % (time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000, text))
	PY
	export NOTIFY_SOCKET=$BATS_FILE_TMPDIR/notify
	python3 "$BATS_FILE_TMPDIR/manager.py" "$NOTIFY_SOCKET" "$NOTE" 3>&- 4>&- &
	echo $! >"$BATS_FILE_TMPDIR/servers" # node_down ends it
	eventually test -S "$NOTIFY_SOCKET"
	WATCHDOG_USEC=400000 "$BUILD/podlaned" -c "$CONF" --max-flows 8192 >"$BATS_FILE_TMPDIR/podlaned.log" 2>&1 </dev/null 3>&- 4>&- &
	echo $! >"$BATS_FILE_TMPDIR/podlaned.pid"
	eventually podlane status
	pod_up a
	pod_up b
	export A4 B4
	A4=$(ip4_of a) B4=$(ip4_of b)
}
teardown_file() {
	load node && node_down
	ip link del up1 2>/dev/null || :
}

log() { sed "1,${SEEN:-0}d" "$BATS_FILE_TMPDIR/podlaned.log"; }
mark() { SEEN=$(wc -l <"$BATS_FILE_TMPDIR/podlaned.log"); }
refute() { if "$@"; then echo "succeeded, but must not: $*" >&2 && return 1; fi; }
said() { log | grep -F -e "$1"; }
readies() { grep -c READY=1 "$NOTE" || :; }
reloaded() { [ "$(readies)" -gt "$1" ]; }
reload() { # JSON: and waits until it is over
	local before
	before=$(readies)
	mark
	[ $# = 0 ] || echo "$1" >"$CONF"
	kill -HUP "$(daemon_pid)"
	eventually reloaded "$before"
	log >&2
}

@test "nothing has changed" {
	reload
	said "configuration read again, nothing has changed"
	refute said "setting"
	pings a $B4
}

@test "the service manager is told of the reload, and of the watchdog" {
	reload
	line=$(grep RELOADING=1 "$NOTE" | tail -n 1)
	at=${line%% *} stamp=${line##*MONOTONIC_USEC=}
	[ "$stamp" -le "$at" ] && [ $((at - stamp)) -lt 5000000 ]
	[ "$(tail -n 30 "$NOTE" | grep -v WATCHDOG | tail -n 1 | cut -d' ' -f2)" = READY=1 ]
	beats=$(grep -c WATCHDOG=1 "$NOTE")
	eventually eval '[ "$(grep -c WATCHDOG=1 "$NOTE")" -ge '$((beats + 3))' ]'
	# Twice in the time that it is given.
	awk '/WATCHDOG=1/ { if (last && $1 - last > 390000) bad = 1; last = $1 } END { exit bad }' "$NOTE"
}

frozen() { kill -STOP "$(daemon_pid)"; }

@test "a loop that does not turn sends nothing" {
	frozen
	sleep 0.1
	beats=$(grep -c WATCHDOG=1 "$NOTE")
	sleep 0.5
	[ "$(grep -c WATCHDOG=1 "$NOTE")" = "$beats" ]
	kill -CONT "$(daemon_pid)"
	eventually podlane status
}

attached() { podlane -j status | jq -c '[.uplinks[].name]'; }
native() { podlane -j status | jq -c .native; }

@test "what can change while it runs: uplinks, native networks, budgets, log level, network, mirrors" {
	[ "$(attached)" = '["up0"]' ]
	reload '{"uplinks": ["up1"], "native": ["192.0.2.0/24", "!192.0.2.128/25"], "flowBudget": 1000, "flowRate": 2000,
		"logLevel": "warning", "network": {"name": "other", "ipam": {"ranges": [[{"subnet": "10.202.0.0/24"}]]}},
		"mirrors": [{"name": "m", "endpoints": "all", "target": {"device": "tap0"}}]}'
	said 'setting changed key=uplinks from=[] to="[\"up1\"]"'
	said 'setting changed key=native from=[] to="[\"192.0.2.0/24\",\"!192.0.2.128/25\"]"'
	said 'setting changed key=flowBudget from=16384 to=1000'
	said 'setting changed key=logLevel from=info to=warn'
	[ "$(log | grep -c "setting changed")" -ge 3 ]
	refute said "needs a restart"
	[ "$(attached)" = '["up1"]' ]
	[ "$(native)" = '["192.0.2.0/24","!192.0.2.128/25"]' ]
	podlane -j status | jq -e '.flows.budget == 1000 and .flows.rate == 2000 and .logLevel == "warn"'
	[ "$(podlane -j mirror list | jq -r '.mirrors[].name')" = m ]
	pod_up c
	[[ $(ip4_of c) = 10.202.0.* ]]
	[ "$(podlane -j endpoint show c | jq -r .endpoint.network)" = other ]
	eventually eval 'ip route show proto 112 | grep -q 10.202.0.0/24'
	[ "$(ip4_of a)" = $A4 ]
	pings a $B4
	pings c $B4
	podlane endpoint del c

	reload '{"uplinks": ["up0"], "native": ["192.0.2.0/24"]}'
	[ "$(attached)" = '["up0"]' ]
	[ "$(podlane -j mirror list | jq '.mirrors | length')" = 0 ]
	before=$(reason a out FORWARD_NATIVE)
	pings a $OUT4
	[ "$(reason a out FORWARD_NATIVE)" -ge $((before + 3)) ]
	reload '{}'
	[ "$(native)" = '[]' ]
	before=$(reason a out FORWARD_NATIVE)
	pings a $OUT4
	[ "$(reason a out FORWARD_NATIVE)" = "$before" ]
}

@test "what needs a restart is named with both values, each time, and stays as it is" {
	for i in 1 2; do
		reload '{"runDir": "/run/elsewhere", "maxEndpoints": 7, "maxFlows": 4096, "attach": "clsact", "expedite": false, "logLevel": "info"}'
		said 'setting needs a restart key=runDir running=/run/podlane configured=/run/elsewhere'
		said 'setting needs a restart key=maxEndpoints running=4095 configured=7'
		said 'setting needs a restart key=expedite running=true configured=false'
		said 'setting needs a restart key=attach running=auto configured=clsact'
		refute said "maxFlows" # the command line says what it is
		podlane -j status | jq -e '.maxEndpoints == 4095 and .runDir == "/run/podlane"'
	done
	reload '{}'
	said "nothing has changed"
}

@test "a file with mistakes changes nothing, and each mistake is told" {
	reload '{"native": ["10.0.0.5/8"], "logLevel": "loud", "uplinks": ["up1"]}'
	said 'native[0]: \"10.0.0.5/8\" has bits beyond the prefix length'
	said 'logLevel: \"loud\" is not one of'
	refute said "setting changed"
	[ "$(attached)" = '["up0"]' ]
	reload '{"native": '
	said "podlaned.json:"
	rm "${CONF:?}"
	reload
	said "No such file"
	[ "$(attached)" = '["up0"]' ]
	pings a $B4
	reload '{}'
	said "nothing has changed"
}

@test "a hundred reloads at once, and one while packets run: no packet is lost" {
	witness_up
	flood_start a $B4
	for i in $(seq 50); do
		echo "{\"native\": [\"198.51.100.$((i % 2 * 128))/25\"], \"uplinks\": [\"up$((i % 2))\"]}" >"$CONF.new"
		mv "$CONF.new" "$CONF"
		kill -HUP "$(daemon_pid)"
		kill -HUP "$(daemon_pid)"
	done
	reload '{}'
	flood_lossless
	witness_down
}

# A pod that does what it can to fill the log: every line is one that a parser reads, and they are few.
# Without sanitizers, and alone, the daemon takes less than a hundredth of a processor for it.
@test "a pod that takes its link down and up again and again: ten lines of a message, and little of a processor" {
	mark
	cpu() { cut -d" " -f1 "/proc/$(daemon_pid)/schedstat"; } # nanoseconds
	before=$(cpu)
	begin=${EPOCHREALTIME/[.,]/}
	in_ns a timeout 6 sh -c 'while :; do ip link set eth0 down; ip link set eth0 up; done' || :
	ms=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
	used=$((($(cpu) - before) / 1000))
	echo "$used us in $ms ms, $(log | grep -c 'container=a') lines" >&3
	[ "$(log | grep -c 'endpoint.* ready container=a')" -le 10 ]
	[ "$(log | grep -c 'container=a')" -le 20 ] # its neighbours, which are put back, are told, too
	[ "$(log | grep -c 'container=a')" -ge 1 ]
	[ $((used / 200)) -le "$ms" ] # a fifth
	in_ns a ip link set eth0 up
	eventually eval "podlane -j endpoint show a | jq -e .endpoint.ready"
}
