#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Addresses of a delegated IPAM plugin (section 4 of the CNI specification): used, checked and given
# back; and never lost or leaked, whoever hangs, fails or is killed at whatever moment.
#   host (the sandbox): podlaned, the host ends | c1, c2 ...: containers, each with eth0
# time limit: 200
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; $conf is of lib.bash

load lib

setup() {
	cni_setup
	start_daemon
}
teardown() { cni_teardown; }

@test "Section 4, Delegation: host-local's address is used, checked and given back" {
	host_local
	add c1 1.0.0 "$filter"
	add c2 1.0.0 "$filter"
	is '.ips[0].address | startswith("10.77.1.3/")'
	[ "$(leases)" = 4 ]
	pod c1 ping -q -c 1 -W 5 10.77.1.3
	pod c1 ping -q -c 1 -W 5 fd77:1::3
	check c1
	succeeds
	# What only the delegate knows: its lease is gone.
	mv "$T/leases/net1/10.77.1.2" "$T/leases/net1/fd77:1::2" "$T"
	check c1
	[ "$status" != 0 ]
	is '.msg | contains("host-local")'
	mv "$T/10.77.1.2" "$T/fd77:1::2" "$T/leases/net1"
	check c1
	succeeds
	call DEL c1
	succeeds
	call DEL c1
	succeeds
	call DEL c2
	succeeds
	[ "$(leases)" = 0 ]
	nothing_left
}

@test "Section 4, Delegation: static's addresses, routes and name servers are used" {
	host_local
	ln -sf "$(dirname "$(readlink "$T/bin/host-local")")/static" "$T/bin/static"
	add c1 1.0.0 '.ipam = {type: "static", addresses: [{address: "10.77.3.7/24", gateway: "10.77.3.1"}, {address: "fd77:3::7/64"}],
		routes: [{dst: "0.0.0.0/0"}, {dst: "::/0"}], dns: {nameservers: ["10.77.3.53"]}}'
	is '[.ips[].address] == ["10.77.3.7/32", "fd77:3::7/128"]'
	is '.dns.nameservers == ["10.77.3.53"]'
	pod c1 ping -q -c 1 -W 5 10.77.3.1
	check c1
	succeeds
	call DEL c1
	succeeds
	nothing_left
}

@test "Section 4, Delegation: when ADD fails after the delegate's, the delegate gets DEL" {
	host_local
	new_pod c1
	ip -n c1 link add eth0 type veth peer name other
	conf=$(conf 1.0.0 "$filter")
	call ADD c1
	fails_with 103
	[ "$(leases)" = 0 ]
	nothing_left
}

@test "Section 4, Delegation: the routes that the delegate asks for are made and checked, no others" {
	stub_ipam stub
	echo '{"ips":[{"address":"10.77.2.5/24","gateway":"10.77.2.1"}],"routes":[{"dst":"10.78.0.0/16"}]}' >"$T/ipam.ADD"
	add c1 1.0.0 '.ipam = {type: "stub"}'
	is '[.routes[].dst] == ["10.78.0.0/16"]'
	pod c1 ip route show | grep -q '^10.78.0.0/16'
	refute grep -q default <(pod c1 ip route show)
	check c1
	succeeds
	pod c1 ip route del 10.78.0.0/16
	check c1
	fails_with 104 10.78.0.0/16
	for number in '"table":"main"' '"mtu":-1' '"scope":253'; do
		echo '{"ips":[{"address":"10.77.2.6/24","gateway":"10.77.2.1"}],"routes":[{"dst":"10.78.0.0/16",'"$number"'}]}' >"$T/ipam.ADD"
		new_pod "c${#number}"
		call ADD "c${#number}"
		fails_with 7 'ipam.routes[0]' "$(jq -r 'keys[0]' <<<"{$number}")"
	done
}

@test "Section 4, Delegation: same environment, configuration and stderr; searched in CNI_PATH" {
	stub_ipam stub
	echo '{"cniVersion":"1.1.0","ips":[{"address":"10.77.2.5/24","gateway":"10.77.2.1"}]}' >"$T/ipam.ADD"
	add c1 1.1.0 '.ipam = {type: "stub"}'
	jq -e --argjson c "$conf" '.id == "c1" and .if == "eth0" and .ns == "/run/netns/c1" and .conf == $c' "$T/ipam.log"
	grep -q 'stub ADD' "$T/stderr"
	check c1
	succeeds
	conf=$(jq '."cni.dev/valid-attachments" = []' <<<"$conf")
	call GC
	succeeds
	call STATUS
	succeeds
	call DEL c1
	succeeds
	[ "$(ipam_calls)" = "ADD CHECK GC STATUS DEL" ]
	# A delegate that fails makes the operation fail.
	echo '{"code":111,"msg":"no"}' >"$T/ipam.STATUS"
	: >"$T/ipam.STATUS.fails"
	call STATUS
	fails_with 111
}

@test "a second ADD of one name is refused, and frees nothing of the pod that lives" {
	host_local
	add c1 1.0.0 "$filter"
	lease=$(cat "$T/leases/net1/10.77.1.2")
	before=$(endpoints)
	for i in 1 2; do
		call ADD c1
		fails_with 103 c1 eth0 'delete it first'
	done
	# Nor where only the daemon knows of it.
	mv "$T/run/endpoints/c1:eth0.json" "$T/away"
	call ADD c1
	[ "$status" != 0 ]
	[ -e "$T/run/endpoints/c1:eth0.json" ] || mv "$T/away" "$T/run/endpoints/c1:eth0.json"
	[ "$(cat "$T/leases/net1/10.77.1.2")" = "$lease" ]
	[ "$(leases)" = 2 ]
	[ "$(endpoints)" = "$before" ]
	add c2 1.0.0 "$filter"
	is '.ips[0].address == "10.77.1.3/32"'
	pod c1 ping -q -c 1 -W 5 10.77.1.3
	check c1
	succeeds
	call DEL c1
	call DEL c2
	succeeds
	[ "$(leases)" = 0 ]
	nothing_left
}

@test "a second ADD of one name keeps the lease of a plugin that gives the same one twice" {
	stub_ipam stub
	echo '{"ips":[{"address":"10.77.2.5/24","gateway":"10.77.2.1"}]}' >"$T/ipam.ADD"
	add c1 1.0.0 '.ipam = {type: "stub"}'
	mv "$T/run/endpoints/c1:eth0.json" "$T/away" # this ADD asks the IPAM plugin, and then the daemon
	call ADD c1
	[ "$status" != 0 ]
	[[ $(ipam_calls) != *DEL* ]]
	[ -e "$T/run/endpoints/c1:eth0.json" ] || mv "$T/away" "$T/run/endpoints/c1:eth0.json"
	# A daemon that does not say leaves the record's word.
	kill -STOP "$daemon_pid"
	PODLANE_CNI_TIMEOUT_MS=300 call ADD c1
	kill -CONT "$daemon_pid"
	fails_with 103
	[[ $(ipam_calls) != *DEL* ]]
}

@test "ADDs of one name at the same time: one succeeds and keeps its lease, the others are refused" {
	host_local
	new_pod c1
	conf=$(conf 1.0.0 "$filter")
	pids=()
	for i in {1..6}; do
		cni ADD c1 <<<"$conf" >"$T/add.$i" 2>&1 3>&- &
		pids+=($!)
	done
	good=0
	for p in "${pids[@]}"; do ! wait "$p" || good=$((good + 1)); done
	[ "$good" = 1 ]
	[ "$(cat "$T"/add.* | jq -s '[.[] | select(.code == 103)] | length')" = 5 ]
	[ "$(leases)" = 2 ]
	[ "$(endpoints | jq -r '.[0].addresses[0].address')" = "$(cat "$T"/add.* | jq -r 'select(.ips) | .ips[0].address')" ]
	pod c1 ping -q -c 1 -W 5 10.77.1.1
	call DEL c1
	succeeds
	[ "$(leases)" = 0 ]
	nothing_left
}

@test "of two addresses, the one that another endpoint has is named, and the first is free again" {
	stub_ipam stub
	echo '{"ips":[{"address":"10.77.2.6/24"}]}' >"$T/ipam.ADD"
	add c1 1.0.0 '.ipam = {type: "stub"}'
	new_pod c2
	echo '{"ips":[{"address":"10.77.2.5/24"},{"address":"10.77.2.6/24"}]}' >"$T/ipam.ADD"
	call ADD c2
	fails_with 102 10.77.2.6
	is '.msg | contains("10.77.2.5") | not'
	echo '{"ips":[{"address":"10.77.2.5/24"}]}' >"$T/ipam.ADD"
	call ADD c2
	succeeds
}

@test "an IPAM plugin that hangs is ended with what it started; ADD undoes all, DEL can be repeated" {
	stub_ipam stub
	cat >"$T/bin/hung" <<-END
		#!/bin/bash
		[ ! -e "$T/hang.\$CNI_COMMAND" ] || { sleep 600 & echo \$! >"$T/sleeping"; wait; }
		exec "$T/bin/stub"
	END
	chmod 755 "$T/bin/hung"
	export PODLANE_CNI_IPAM_TIMEOUT_MS=300
	echo '{"ips":[{"address":"10.77.2.5/24"}]}' >"$T/ipam.ADD"
	touch "$T/hang.ADD"
	new_pod c1
	conf=$(conf 1.0.0 '.ipam = {type: "hung"}')
	call ADD c1
	fails_with 11 hung ADD 300
	[ "$(ipam_calls)" = DEL ] # it may have got as far as a lease
	await 5 refute kill -0 "$(cat "$T/sleeping")"
	nothing_left
	rm "${T:?}/hang.ADD"
	add c1 1.0.0 '.ipam = {type: "hung"}'
	touch "$T/hang.DEL"
	call DEL c1
	fails_with 11 hung DEL
	await 5 refute kill -0 "$(cat "$T/sleeping")"
	nothing_left # a lease alone may be left, which the next DEL gives back
	rm "${T:?}/hang.DEL"
	call DEL c1
	succeeds
	[ "$(ipam_calls)" = "DEL ADD DEL" ]
}

begin_add() { # CONTAINER: its pid in $plugin
	CNI_COMMAND=ADD CNI_CONTAINERID=$1 CNI_IFNAME=eth0 CNI_NETNS=/run/netns/$1 "$T/bin/podlane" \
		<<<"$conf" >/dev/null 2>&1 3>&- &
	plugin=$!
}

end_hard() { # the plugin of begin_add
	kill -KILL "$plugin" 2>/dev/null || :
	wait "$plugin" 2>/dev/null || :
}

@test "an ADD that is killed at whatever moment leaves neither lease nor link after DEL" {
	host_local
	new_pod c1
	conf=$(conf 1.0.0 "$filter")
	for delay in 0 0.001 0.002 0.003 0.004 0.005 0.006 0.008 0.01 0.013 0.016 0.02 0.03; do
		begin_add c1
		sleep "$delay"
		end_hard
		call DEL c1
		succeeds
		[ "$(leases)" = 0 ] || { echo "after $delay s: $(ls "$T/leases/net1")" >&2 && return 1; }
	done
	nothing_left
	[ "$(endpoints)" = "[]" ]
}

# One has it, another wants it: the second line of /proc/locks.
waits_for_lock() { grep -q -- '-> OFDLCK' /proc/locks; }

@test "DEL after an ADD that was killed waits for its IPAM plugin, which still takes the lease" {
	host_local
	mv "$T/bin/host-local" "$T/bin/real"
	# It takes the lease when it is told to, however long ago podlane has ended.
	cat >"$T/bin/host-local" <<-END
		#!/bin/bash
		if [ \$CNI_COMMAND = ADD ]; then
			touch "$T/begun"
			until [ -e "$T/go" ]; do sleep 0.02; done
		fi
		exec "$T/bin/real"
	END
	chmod 755 "$T/bin/host-local"
	new_pod c1
	conf=$(conf 1.0.0 "$filter")
	begin_add c1
	await 20 test -e "$T/begun"
	end_hard
	cni DEL c1 <<<"$conf" >"$T/del" 2>&1 3>&- &
	del=$!
	await 20 waits_for_lock
	[ "$(leases)" = 0 ]
	touch "$T/go"
	wait "$del"
	[ "$(leases)" = 0 ]
	nothing_left
	add c1 1.0.0 "$filter"
	[ "$(leases)" = 2 ]
}

@test "GC after an ADD that was killed waits for its IPAM plugin, and has its lease collected" {
	# It keeps a lease in a file, and knows GC.
	cat >"$T/bin/keeper" <<-END
		#!/bin/bash
		case \$CNI_COMMAND in
		ADD)
			touch "$T/begun"
			until [ -e "$T/go" ]; do sleep 0.02; done
			touch "$T/lease"
			echo '{"ips":[{"address":"10.77.2.5/24"}]}'
			;;
		GC | DEL) rm -f "${T:?}/lease" ;;
		esac
	END
	chmod 755 "$T/bin/keeper"
	new_pod c1
	conf=$(conf 1.1.0 '.ipam = {type: "keeper"}')
	begin_add c1
	await 20 test -e "$T/begun"
	end_hard
	conf=$(jq -c '."cni.dev/valid-attachments" = []' <<<"$conf")
	cni GC <<<"$conf" >"$T/gc" 2>&1 3>&- &
	await 20 waits_for_lock
	touch "$T/go"
	wait $!
	[ ! -e "$T/lease" ]
	nothing_left
}
