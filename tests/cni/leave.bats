#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Removal of endpoints that leave at the same time. The daemon is stopped (SIGSTOP) while requests
# arrive, so that they wait on its socket together when it goes on.
#   host (the sandbox): podlaned, the host ends | c1 ... c20: containers, each with eth0
# time limit: 400
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; $conf is of the test

load lib

setup() {
	cni_setup
	start_daemon --log-level debug
	conf=$(conf 1.1.0)
	pids=()
}
teardown() { cni_teardown; }

add() { # N...: containers cN
	local i
	for i; do
		[ -e "/run/netns/c$i" ] || new_pod "c$i"
		call ADD "c$i"
		succeeds
	done
}

later() { # VERB CONTAINER: in the background
	cni "$@" <<<"$conf" >"$T/$1-$2.${#pids[@]}" 2>&1 3>&- &
	pids+=($!)
}

connected() { # N: so many wait for the daemon, beside the socket that it listens on
	[ "$(grep -cF "$T/run/podlane.sock" /proc/net/unix)" -gt "$1" ]
}

hold() { kill -STOP "$daemon_pid"; }
go_on() { kill -CONT "$daemon_pid"; }

all_succeed() {
	local p
	for p in "${pids[@]}"; do wait "$p" || { cat "$T"/[A-Z]*-c* "$T/podlaned.log" >&2 && return 1; }; done
	pids=()
}

links() { ip -o link show | grep -cE ': pl[0-9a-f]{12}@' || :; }
pins() { find /sys/fs/bpf/podlane/v*/links -name '*pod*' | wc -l; }
batches() { grep -o 'links are being deleted n=.*' "$T/podlaned.log" | cut -d= -f2 | paste -sd' '; }

nothing_left() {
	[ "$(links)" = 0 ]
	[ "$(pins)" = 0 ]
	[ -z "$(ls "$T/run/endpoints")" ]
	[ "$(endpoints)" = '[]' ]
}

@test "20 DELs that wait at the same time share one deletion, and each answer comes after it" {
	add {1..20}
	[ "$(pins)" = 40 ]
	hold
	for i in {1..20}; do later DEL "c$i"; done
	await 20 connected 20
	go_on
	all_succeed
	nothing_left
	# The first may be alone; no kernel makes 20 of it.
	[ "$(batches | wc -w)" -le 4 ]
	[[ " $(batches)" =~ \ (1[0-9]|20) ]]
	for i in {1..20}; do refute ip -n "c$i" link show eth0; done
	[ "$(cat /sys/kernel/rcu_expedited)" = 0 ]
}

@test "two DELs of one endpoint at the same time succeed, and neither before it has gone" {
	add 1
	hold
	later DEL c1
	later DEL c1
	await 20 connected 2
	go_on
	wait -n "${pids[@]}"
	[ "$(links)" = 0 ]
	all_succeed
	nothing_left
}

@test "ADD while the DEL of the same container waits" {
	add 1
	before=$(ip -n c1 -j link show eth0 | jq -r '.[0].address')
	hold
	later DEL c1
	await 20 connected 1
	later ADD c1
	await 20 connected 2
	go_on
	all_succeed
	[ "$(links)" = 1 ]
	[ "$(ip -n c1 -j link show eth0 | jq -r '.[0].address')" != "$before" ]
	[ "$(endpoints | jq -c '[.[] | [.containerId, .ready]]')" = '[["c1",true]]' ]
	ip netns exec c1 ping -q -c 1 -W 5 10.77.0.1
}

# DEL and ADD of c1 and a STATUS, which wait for the daemon together; the order of the answers is in
# $T/order. "leave": who asked for the ADD goes away when the STATUS is answered.
in_order() { # [leave]
	cat >"$T/order.py" <<-'PYTHON'
		import array, json, os, select, socket, struct, sys
		STAMP = 35 # SO_TIMESTAMPNS: when the daemon sent it, however late it is read
		path = os.environ["PODLANE_RUN_DIR"] + "/podlane.sock"
		clients = {}
		def connect(name):
		    clients[name] = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		    clients[name].connect(path)
		    clients[name].setsockopt(socket.SOL_SOCKET, STAMP, 1)
		    return clients[name]
		name = {"v": 1, "containerId": "c1", "ifname": "eth0"}
		ns = os.open("/run/netns/c1", os.O_RDONLY)
		connect("del").send(json.dumps({"op": "endpoint.del", **name}).encode())
		connect("add").sendmsg([json.dumps({"op": "endpoint.add", "netns": "/run/netns/c1", **name}).encode()],
		    [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [ns]))])
		connect("status").send(json.dumps({"op": "status", "v": 1}).encode())
		print("sent", flush=True)
		times = {}
		leaving = clients.pop("add") if sys.argv[1:] == ["leave"] else None
		while clients:
		    for s in select.select(list(clients.values()), [], [], 30)[0]:
		        which = next(n for n in clients if clients[n] is s)
		        answer, stamps, _, _ = s.recvmsg(131072, 64)
		        assert json.loads(answer)["ok"], which
		        times[which] = struct.unpack("qq", stamps[0][2])
		        del clients[which]
		        if which == "status" and leaving:
		            leaving.close()
		print("\n".join(sorted(times, key=times.get)))
	PYTHON
	hold
	PODLANE_RUN_DIR=$T/run python3 "$T/order.py" "$@" >"$T/order" 2>"$T/order.err" 3>&- &
	pids=($!)
	await 20 grep -q sent "$T/order"
	go_on
	all_succeed
}

@test "an ADD that waits for its name to be free keeps nobody else waiting" {
	add 1
	in_order
	[ "$(paste -sd' ' "$T/order")" = "sent status del add" ] || { cat "$T/order" "$T/order.err" && false; }
	[ "$(links)" = 1 ]
	[ "$(endpoints | jq -c '[.[] | [.containerId, .ready]]')" = '[["c1",true]]' ]
}

@test "an ADD that waits for its name leaves nothing when its caller goes meanwhile" {
	add 1
	in_order leave
	[ "$(paste -sd' ' "$T/order")" = "sent status del" ] || { cat "$T/order" "$T/order.err" && false; }
	await 20 nothing_left
}

@test "a caller that ends while its DEL waits: the endpoint goes, the daemon stays" {
	add 1 2
	hold
	later DEL c1
	await 20 connected 1
	# Not the subshell that waits for it.
	kill -KILL "$(pgrep -P "${pids[0]}" podlane || echo "${pids[0]}")"
	wait "${pids[0]}" || :
	go_on
	await 20 test ! -e "$T/run/endpoints/c1:eth0.json"
	[ "$(links)" = 1 ]
	[ "$(endpoints | jq -r '.[].containerId')" = c2 ]
	call DEL c2
	succeeds
	nothing_left
}

@test "a daemon that is told to end finishes what leaves" {
	add {1..8}
	hold
	for i in {1..8}; do later DEL "c$i"; done
	await 20 connected 8
	go_on
	kill -TERM "$daemon_pid"
	all_succeed
	wait "$daemon_pid"
	daemon_pid=''
	[ "$(links)" = 0 ]
	[ -z "$(ls "$T/run/endpoints")" ]
	start_daemon
	nothing_left
}

@test "a daemon that is killed while endpoints leave: each DEL succeeds, the next start finds nothing to settle" {
	for delay in 0 0.003 0.006 0.01 0.015 0.025; do
		add {1..5}
		pids=()
		hold
		for i in {1..5}; do later DEL "c$i"; done
		await 20 connected 5
		go_on
		sleep $delay
		stop_daemon -KILL
		all_succeed
		[ "$(links)" = 0 ]
		[ -z "$(ls "$T/run/endpoints")" ]
		start_daemon --log-level debug
		nothing_left
		[ "$(cat /sys/kernel/rcu_expedited)" = 0 ]
	done
}

@test "grace periods that a killed daemon left in haste are put back at the next start, the administrator's are not" {
	local expedite
	for expedite in true false; do
		stop_daemon -KILL
		# As it is between the two steps of a deletion.
		ln -s /sys/kernel/rcu_expedited /sys/fs/bpf/podlane/rcu_expedited
		echo 1 >/sys/kernel/rcu_expedited
		start_daemon --expedite $expedite
		[ "$(cat /sys/kernel/rcu_expedited)" = 0 ]
		[ ! -L /sys/fs/bpf/podlane/rcu_expedited ]
	done
	echo 1 >/sys/kernel/rcu_expedited
	add 1 2
	stop_daemon
	start_daemon
	call DEL c1
	succeeds
	[ "$(cat /sys/kernel/rcu_expedited)" = 1 ]
}

@test "GC of many endpoints deletes their links together" {
	add {1..12}
	conf=$(conf 1.1.0 '."cni.dev/valid-attachments" = [{containerID: "c7", ifname: "eth0"}]')
	call GC
	succeeds
	[ "$(batches)" = 11 ]
	[ "$(endpoints | jq -r '.[].containerId')" = c7 ]
	[ "$(links)" = 1 ]
	[ "$(pins)" = 2 ]
}

@test "links that go with their namespaces leave nothing behind" {
	add {1..6}
	for i in {1..5}; do ip netns del "c${i:?}"; done
	await 20 only_c6
	[ "$(pins)" = 2 ]
	[ "$(links)" = 1 ]
}
only_c6() { [ "$(ls "$T/run/endpoints")" = c6:eth0.json ]; }

@test "masquerading ends with those that leave, and with the last" {
	conf=$(conf 1.1.0 '.ipMasq = true')
	add {1..6}
	hold
	for i in {1..4}; do later DEL "c$i"; done
	await 20 connected 4
	go_on
	all_succeed
	[ "$(nft -j list set inet podlane masq4 | jq -c '[.nftables[].set? | select(.) | .elem[]] | sort')" = '["10.77.0.6","10.77.0.7"]' ]
	call DEL c5
	call DEL c6
	succeeds
	refute nft list table inet podlane
	nothing_left
}

@test "a link whose record was lost: ADD makes it anew, DEL removes it, with and without the daemon" {
	add 1 2 3
	ip link add plffffffffffff type veth peer name stranger # a name like ours is not enough
	stop_daemon
	rm "${T:?}/run/endpoints/"*
	call DEL c1
	succeeds
	[ "$(links)" = 3 ]
	refute ip -n c1 link show eth0
	start_daemon
	call DEL c2
	succeeds
	refute ip -n c2 link show eth0
	before=$(ip -n c3 -j link show eth0 | jq -r '.[0].address')
	call ADD c3
	succeeds
	[ "$(ip -n c3 -j link show eth0 | jq -r '.[0].address')" != "$before" ]
	call DEL c3
	succeeds
	ip link show plffffffffffff
	ip link del plffffffffffff
	nothing_left
}

@test "STATUS 51 where the datapath's pins are gone; a restart makes it well" {
	call STATUS
	succeeds
	rm /sys/fs/bpf/podlane/v*/progs/pl_from_pod
	call STATUS
	if [ "$status" -eq 0 ]; then # the daemon has pinned it again by then
		grep -q 'datapath repaired object=pins' "$T/podlaned.log"
	else
		fails_with 51 pl_from_pod
	fi
	stop_daemon
	start_daemon
	call STATUS
	succeeds
}
