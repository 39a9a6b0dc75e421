#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The host's side of a pod's link on a bad day: what the stack needs to reach a pod is made again
# within a second, whoever took it away; what has the index of a host end that moved away is nobody's
# pod, and stays.
# kernels: no
# time limit: 200

load node

setup_file() { load node && node_up && ip netns add elsewhere; }
teardown_file() { load node && node_down; }

refute() { if "$@"; then echo "it should not: $*" && return 1; fi; } # "!" alone ends no test
LOG() { cat "$BATS_FILE_TMPDIR/podlaned.log"; }
repairs() { LOG | grep -c "host end repaired container=$1 " || :; }

# Polls for a second at most (ten under emulation).
within_a_second() {
	local end=$((${EPOCHREALTIME/[.,]/} + $(if emulated; then echo 10; else echo 1; fi) * 1000000))
	until "$@" >/dev/null 2>&1; do
		[ ${EPOCHREALTIME/[.,]/} -lt $end ] || { echo "not within a second: $*" && "$@"; return 1; }
		sleep 0.02
	done
}

# Names of a pod's link, before it is tampered with: D, V4, V6, M, GW4, GW6
of() {
	read -r D M IDX V4 V6 < <(podlane -j endpoint show "$1" | jq -r '.endpoint | [.hostIfname, .podMac, .ifindex,
		([.addresses[].address | split("/")[0]] | (map(select(contains(":") | not))[0], map(select(contains(":")))[0]))] | @tsv')
	P=$1 GW4=$POD4.1 GW6=${POD6}1
}

is_ready() { [ "$(podlane -j endpoint show "$1" | jq .endpoint.ready)" = true ]; }
is_not_ready() { [ "$(podlane -j endpoint show "$1" | jq .endpoint.ready)" = false ]; }

# All that leads to the pod is there.
reachable() {
	[ -n "$(ip route show "$V4/32" dev "$D" scope link)" ] && [ -n "$(ip -6 route show "$V6/128" dev "$D")" ] &&
		[ "$(ip neigh show "$V4" dev "$D" nud permanent)" = "$V4 lladdr $M PERMANENT " ] &&
		[ "$(ip neigh show "$V6" dev "$D" nud permanent)" = "$V6 lladdr $M PERMANENT " ] &&
		ip -o addr show dev "$D" | grep -qF " $GW4/32 " && ip -o addr show dev "$D" | grep -qF " $GW6/128 "
}

# The node's own packets go by the stack.
answers() { ping -n -q -c 1 -W 1 "$V4" >/dev/null && ping -n -q -c 1 -W 1 "$V6" >/dev/null; }

logged_once_more() { [ "$(repairs "$P")" = $(($1 + 1)) ]; }

down_up() { ip link set "$D" down && ip link set "$D" up; }
down_a_while_up() { ip link set "$D" down && eventually is_not_ready "$P" && ip link set "$D" up; }
route4() { ip route del "$V4"; }
route6() { ip -6 route del "$V6"; }
all_routes() { ip route flush dev "$D" && ip -6 route flush dev "$D"; }
neigh4() { ip neigh del "$V4" dev "$D"; }
neigh6() { ip neigh del "$V6" dev "$D"; }
all_neighbours() { ip neigh flush dev "$D" nud permanent; }
route_elsewhere4() { ip route replace "$V4/32" via $OUT4; }
route_elsewhere6() { ip -6 route replace "$V6/128" via $OUT6; }
other_mac() { ip neigh replace "$V4" lladdr 02:00:00:00:00:99 dev "$D"; }
gateway4() { ip addr del "$GW4/32" dev "$D"; }
gateway6() { ip addr del "$GW6/128" dev "$D"; }
away() { ip link set "$D" netns elsewhere; }
back() { ip -n elsewhere link set "$D" netns $$ && ip link set "$D" up; }
away_and_back() { away && back; }
away_a_while_and_back() { away && eventually is_not_ready "$P" && back; }

# Each pod is repaired five times a minute at most: see the last test.
@test "whatever is taken from a host end comes back within a second, with one line in the log" {
	pod_up d
	local pods=(a b c d) n=0 fault before
	for fault in down_up down_a_while_up route4 route6 all_routes neigh4 neigh6 all_neighbours route_elsewhere4 \
		route_elsewhere6 other_mac gateway4 gateway6 away_and_back away_a_while_and_back; do
		of "${pods[n++ % 4]}"
		reachable
		before=$(repairs "$P")
		echo "$P: $fault"
		$fault
		within_a_second reachable
		within_a_second logged_once_more "$before"
		within_a_second is_ready "$P"
		answers
	done
	sleep 0.3
	[ "$(LOG | grep -c "host end repaired")" = $n ]
	for P in a b c d; do of $P && reachable; done
	podlane endpoint del d
	ip netns del d
}

save() { of "$1" && declare -p P D V4 V6 M GW4 GW6 IDX | sed 's/^declare --/declare -g/' >"$BATS_TEST_TMPDIR/$1"; }
saved() { eval "$(cat "$BATS_TEST_TMPDIR/$1")"; }

@test "what happened while no daemon ran is made up for at its start" {
	pod_up d
	pod_up e
	local pods=(a b c d e) faults=(down_up all_routes all_neighbours gateway6 away_and_back)
	for n in 0 1 2 3 4; do save ${pods[n]}; done
	daemon_stop KILL
	for n in 0 1 2 3 4; do saved ${pods[n]} && ${faults[n]}; done
	daemon_start
	for n in 0 1 2 3 4; do
		of ${pods[n]}
		within_a_second reachable
		is_ready "$P"
		answers
		LOG | tail -n 30 | grep "host end repaired container=$P "
	done
	podlane endpoint del d
	podlane endpoint del e
	ip netns del d
	ip netns del e
}

stranger() { # a device of the host with the index of the host end that is elsewhere
	ip link add stranger index "$IDX" type veth peer name stranger1
	ip link set stranger up
	ip link set stranger1 up
}
is_stranger() { [ "$(cat /sys/class/net/stranger/ifindex)" = "$IDX" ]; }
is_untouched() { is_stranger && ! find /sys/fs/bpf/podlane/v*/links/ -name "*-$IDX*" | grep . && ! tc filter show dev stranger ingress | grep .; }
is_gone() { ! podlane endpoint show "$1" >/dev/null 2>&1; }
record() { echo "/run/podlane/endpoints/$1:eth0.json"; }
plugin_del() {
	CNI_COMMAND=DEL CNI_CONTAINERID=$1 CNI_NETNS=/run/netns/$1 CNI_IFNAME=eth0 CNI_PATH=/ "$BUILD/podlane-cni" <<-CONF
		{"cniVersion": "1.0.0", "name": "$(jq -r .network "$(record "$1")")", "type": "podlane"}
	CONF
}

# Three days on which a stranger gets the index: while the daemon reads events, while it is stuck and
# reads the stranger in place of the host end, and while there is none.
running() { away && stranger; }
stuck() {
	kill -STOP "$(daemon_pid)"
	away
	stranger
	kill -CONT "$(daemon_pid)"
}
dead() {
	daemon_stop KILL
	away
	stranger
	daemon_start
}

@test "another device with the index of a host end that moved away is not taken for it, and stays at DEL" {
	local day
	for day in running stuck dead; do
		echo "$day"
		pod_up m
		of m
		$day
		eventually is_not_ready m
		podlane endpoint show m | grep -q 'another network namespace'
		eventually is_untouched
		[ "$(jq -r .hostIfname "$(record m)")" = "$D" ]
		podlane endpoint del m
		is_gone m
		is_untouched
		ip link del stranger
		ip -n elsewhere link del "$D"
		ip netns del m
	done
}

@test "a host end that moved away and left its index to another comes back: the pod lives on" {
	local day
	for day in running stuck dead; do
		echo "$day"
		pod_up m
		of m
		$day
		eventually is_not_ready m
		back
		eventually is_ready m
		[ "$(podlane -j endpoint show m | jq .endpoint.ifindex)" != "$IDX" ]
		[ "$(jq .ifindex "$(record m)")" = "$(podlane -j endpoint show m | jq .endpoint.ifindex)" ]
		within_a_second reachable
		answers
		witness_up
		pings a "$V4"
		witness_down
		podlane endpoint del m
		refute ip link show "$D"
		is_untouched
		ip link del stranger
		ip netns del m
	done
}

@test "DEL by the plugin alone takes the host end wherever it is, and no other device" {
	local days=(away away_and_back running) n
	for n in 0 1 2; do pod_up m$n && save m$n; done
	daemon_stop KILL
	for n in 0 1 2; do
		echo "${days[n]}"
		saved m$n
		${days[n]}
		plugin_del m$n
		refute ip link show "$D"
		refute ip -n elsewhere link show "$D"
		[ ! -e "$(record m$n)" ]
	done
	is_stranger
	ip link del stranger
	daemon_start
	for n in 0 1 2; do ip netns del m$n; done
}

@test "DEL by the plugin alone of an ADD that was cut short: its own link alone" {
	pod_up m
	of m
	daemon_stop KILL
	jq '.ifindex = 0 | .podIfindex = 0' "$(record m)" >"$BATS_TEST_TMPDIR/half"
	cp "$BATS_TEST_TMPDIR/half" "$(record m)"
	plugin_del m
	refute ip link show "$D"
	[ ! -e "$(record m)" ]
	# Somebody else's device of that name.
	ip link add "$D" type veth peer name far
	cp "$BATS_TEST_TMPDIR/half" "$(record m)"
	plugin_del m
	ip link show "$D"
	[ ! -e "$(record m)" ]
	cp "$BATS_TEST_TMPDIR/half" "$(record m)"
	daemon_start
	ip link show "$D"
	[ ! -e "$(record m)" ]
	ip link del "$D"
	ip netns del m
}

@test "a pod's end that a later plugin sets down and up has its permanent neighbours again" {
	pod_up m
	of m
	in_ns m ip link set eth0 down
	in_ns m ip link set eth0 up
	in_ns m ip route add $GW4 dev eth0 scope link || :
	has_neighbours() { [ "$(in_ns m ip neigh show dev eth0 nud permanent | wc -l)" = 2 ]; }
	within_a_second has_neighbours
	LOG | grep 'pod end repaired container=m '
	podlane endpoint del m
	ip netns del m
}

left_alone() { LOG | grep -q "host end is changed by others again and again, left so for a minute container=f "; }

@test "whoever takes it away again and again is not fought" {
	pod_up f
	of f
	for _ in 1 2 3 4 5; do
		within_a_second reachable
		route4
	done
	within_a_second reachable
	route4
	within_a_second left_alone
	sleep 0.3
	refute reachable
	[ "$(LOG | grep -c "left so for a minute container=f ")" = 1 ]
	podlane endpoint del f
	ip netns del f
}

all_ready() { [ "$(podlane -j status | jq -c '[.endpoints, .ready, (.uplinks | map(select(.attached != "none")) | length)]')" = "[3,3,1]" ]; }

# The first dump is number 1; each is tried five times, and the start needs two.
@test "a start whose dumps are torn, once or twice: every pod is ready in the end" {
	local torn
	for torn in 1-7 2-6; do
		echo "$torn"
		daemon_stop
		TORN=$torn PODLANED=$BUILD/tests/tools/torn daemon_start
		eventually all_ready
		of a
		within_a_second reachable
		answers
	done
	LOG | grep 'start is not complete, trying again error="dump the links'
	daemon_stop
	run env TORN=1-100000 "$BUILD/tests/tools/torn"
	[ "$status" = 1 ]
	[[ $output = *"dump the links: "* ]]
	daemon_start
	all_ready
}
