#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Plugins that stand after podlane in a list and change the pod's end of the link, and pods that do so
# themselves: what is followed, what is not, and that nobody gains another's identity.
#   host (the sandbox): podlaned, the host ends | c1, c2: containers, each with eth0
# time limit: 120
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; $conf is of lib.bash

load lib

setup() {
	cni_setup
	start_daemon
}
teardown() { cni_teardown; }

tuning() { # VERB CONTAINER FILTER RESULT: Debian's, after podlane in the list of $conf
	jq -c --argjson r "$4" "{cniVersion, name, type: \"tuning\", dataDir: \"$T/tuning\", prevResult: \$r} | $3" <<<"$conf" |
		env CNI_COMMAND="$1" CNI_CONTAINERID="$2" CNI_IFNAME=eth0 CNI_NETNS="/run/netns/$2" "$T/bin/tuning" 2>"$T/stderr"
}

need_tuning() {
	local dir
	for dir in /usr/lib/cni /opt/cni/bin; do
		[ ! -x "$dir/tuning" ] || ln -sf "$dir/tuning" "$T/bin/tuning"
	done
	[ -e "$T/bin/tuning" ] || skip "the tuning plugin is not installed"
}

mac() { ip -n "$1" -j link show eth0 | jq -r '.[0].address'; }

known() { # CONTAINER KEY VALUE: what the daemon has of it
	[ "$(endpoints | jq -r ".[] | select(.containerId == \"$1\") | .$2")" = "$3" ]
}

host_mtu() { ip -j link show "$(host_end "$1")" | jq '.[0].mtu'; }

hear() { # CONTAINER CONTAINER: both families, and the host
	pod "$1" ping -q -c 1 -W 5 "$(jq -r '.ips[0].address | split("/")[0]' "$T/$2.json")"
	pod "$1" ping -q -c 1 -W 5 "$(jq -r '.ips[1].address | split("/")[0]' "$T/$2.json")"
	ping -q -c 1 -W 5 "$(jq -r '.ips[0].address | split("/")[0]' "$T/$1.json")"
}

@test "tuning after podlane gives another MAC and MTU: both are followed, CHECK succeeds, DEL cleans up" {
	need_tuning
	change='.mac = "02:00:00:00:be:ef" | .mtu = 1400'
	add c1 1.0.0
	add c2 1.0.0
	first=$(cat "$T/c1.json")
	tuning ADD c1 "$change" "$first" >"$T/c1.json"
	[ "$(mac c1)" = 02:00:00:00:be:ef ]
	await 5 known c1 podMac 02:00:00:00:be:ef
	await 5 known c1 mtu 1400
	[ "$(host_mtu c1)" = 1400 ]
	hear c1 c2
	hear c2 c1
	check c1
	succeeds
	is_silent
	tuning CHECK c1 "$change" "$(cat "$T/c1.json")"
	# The record says so as well: a restart changes nothing.
	stop_daemon
	start_daemon
	known c1 podMac 02:00:00:00:be:ef
	check c1
	succeeds
	hear c2 c1
	tuning DEL c1 "$change" "$(cat "$T/c1.json")"
	call DEL c1
	succeeds
	call DEL c2
	succeeds
	nothing_left
}

@test "CHECK right after the change has followed it; without a word of the list it names the MAC" {
	add c1
	ip -n c1 link set eth0 address 02:00:00:00:be:ef
	check c1
	fails_with 104 02:00:00:00:be:ef "$(jq -r '.interfaces[1].mac' "$T/c1.json")"
	jq '.interfaces[1].mac = "02:00:00:00:be:ef"' "$T/c1.json" >"$T/new"
	mv "$T/new" "$T/c1.json"
	check c1
	succeeds
	ip -n c1 link set eth0 mtu 1300
	check c1
	succeeds
	[ "$(host_mtu c1)" = 1300 ]
}

@test "a pod that takes another's MAC gets neither its packets nor its name, and is cut off until it gives it back" {
	add c1
	add c2
	ip link add up0 type veth peer name up1
	own=$(mac c1)
	host=$(ip -j link show up0 | jq -r '.[0].address')
	for theirs in "$(mac c2)" "$(jq -r '.interfaces[0].mac' "$T/c2.json")" "$(jq -r '.interfaces[0].mac' "$T/c1.json")" "$host"; do
		ip -n c1 link set eth0 address "$theirs"
		check c1
		fails_with 104 "$theirs"
		known c1 podMac "$own"
		refute pod c1 ping -q -c 1 -W 0.3 10.77.0.1
		ping -q -c 1 -W 5 10.77.0.3
		pod c2 ping -q -c 1 -W 5 10.77.0.1
		check c2
		succeeds
	done
	ip link del up0
	ip -n c1 link set eth0 address "$own"
	hear c1 c2
	# Its own choice changes its MAC, but no address.
	ip -n c1 link set eth0 address 02:00:00:00:00:99
	await 5 known c1 podMac 02:00:00:00:00:99
	hear c1 c2
	ip -n c1 addr add 10.77.0.3/32 dev eth0
	refute pod c1 ping -q -c 1 -W 0.3 -I 10.77.0.3 10.77.0.1
	pod c2 ping -q -c 1 -W 5 10.77.0.1
}

@test "an MTU that would take IPv6 off the host end is not followed; a larger one is" {
	add c1
	ip -n c1 link set eth0 mtu 600
	check c1
	fails_with 104 600
	[ "$(host_mtu c1)" = 1500 ]
	ip -n c1 link set eth0 mtu 9000
	await 5 known c1 mtu 9000
	[ "$(host_mtu c1)" = 9000 ]
	ip -6 addr show dev "$(host_end c1)" | grep -q fd77::1
}

@test "changes while no daemon runs are followed when it starts" {
	add c1
	add c2
	stop_daemon
	ip -n c1 link set eth0 address 02:00:00:00:be:ef mtu 1400
	start_daemon
	await 5 known c1 podMac 02:00:00:00:be:ef
	await 5 known c1 mtu 1400
	hear c2 c1
	hear c1 c2
}

@test "a pod that changes its MAC without end costs few lines of log, and the last one counts" {
	add c1
	add c2
	for i in {0..9} {0..9} {0..9}; do
		for k in {0..9}; do echo "link set eth0 address 02:00:00:00:0$i:0$k"; done
	done >"$T/batch"
	ip -n c1 -batch "$T/batch"
	await 10 known c1 podMac 02:00:00:00:09:09
	hear c2 c1
	[ "$(grep -c 'pod end changed' "$T/podlaned.log")" -le 2 ]
}

@test "a later plugin that sets the pod end down and up, or the host end: no neighbour of the host is lost" {
	add c1
	add c2
	ip -n c1 link set eth0 down
	ip -n c1 link set eth0 up
	[ "$(ip -j neigh show dev "$(host_end c1)" nud permanent | jq -r '[.[].lladdr] | unique | join(" ")')" = "$(mac c1)" ]
	# What the kernel took from the pod is named.
	check c1
	fails_with 104 route
}
