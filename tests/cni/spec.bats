#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The CNI specification, version 1.1.0, with the real daemon: each test names the section and the
# verb whose MUSTs it holds the plugin to. Where older versions differ, all of them are tried.
#   host (the sandbox): podlaned, the host ends | c1, c2 ...: containers, each with eth0
# time limit: 600
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; $versions and $conf are of lib.bash

load lib

setup() {
	cni_setup
	start_daemon
}
teardown() { cni_teardown; }

@test "Section 1, Plugin configuration objects: args and unknown capabilities are ignored, other unknown keys refused" {
	add c1 1.1.0 '.args = {labels: {a: "b"}, cni: {unknown: 1}} | .capabilities = {portMappings: true} |
		.runtimeConfig = {portMappings: [{hostPort: 80, containerPort: 80}]} | ."cni.dev/later" = {a: 1} |
		.cniVersions = ["1.0.0", "1.1.0"] | .disableCheck = false | .disableGC = true | .loadOnlyInlinedPlugins = true'
	new_pod c2
	conf=$(conf 1.1.0 '.colour = "red"')
	call ADD c2
	fails_with 2 colour red
}

@test "Section 2, Errors: status 0 on success, not 0 with an error object on failure" {
	add c1
	conf=$(conf 1.1.0 '.mtu = 1')
	new_pod c2
	call ADD c2
	fails_with 7 mtu
	is '.cniVersion == "1.1.0" and (.code | type) == "number" and (.msg | type) == "string"'
	ip netns exec c2 ip link show eth0 && return 1
	status=0
	output=$(CNI_COMMAND=ADD CNI_CONTAINERID=c2 CNI_IFNAME=eth0 CNI_NETNS=/run/netns/c2 "$T/bin/podlane" <&- 2>"$T/stderr") || status=$?
	fails_with 5
}

@test "Section 2, Parameters: required variables are checked and named (code 4)" {
	conf=$(conf 1.1.0 '."cni.dev/valid-attachments" = []')
	new_pod c1
	call ADD '' ''
	fails_with 4 CNI_CONTAINERID CNI_IFNAME
	CNI_NETNS='' call ADD c1
	fails_with 4 CNI_NETNS
	CNI_NETNS='' call CHECK c1
	fails_with 4 CNI_NETNS
	call DEL ''
	fails_with 4 CNI_CONTAINERID
	CNI_PATH='' call GC
	fails_with 4 CNI_PATH
	call NEVER c1
	fails_with 4 CNI_COMMAND
	call ADD -x
	fails_with 4 CNI_CONTAINERID
	for name in . .. a/b a:b 'a b' sixteen-letters-; do
		call ADD c1 "$name"
		fails_with 4 CNI_IFNAME
	done
	for args in FOO=1 IP FOO $'IP=\xff' 'IP=10.77.0.9;K8S_POD_NAME' 'IP=10.77.0.9/33' '=;=' 'MAC=02:00'; do
		CNI_ARGS=$args call ADD c1
		fails_with 4 CNI_ARGS
	done
	nothing_left
}

@test "Section 2, Parameters: optional ones may be missing, and hold any characters" {
	new_pod c1
	conf=$(conf 1.1.0)
	unset CNI_PATH
	CNI_ARGS='' call ADD c1 fifteen-letters
	succeeds
	is '.interfaces[1].name == "fifteen-letters"'
	pod c1 ip link show fifteen-letters
	call DEL c1 fifteen-letters
	succeeds
	CNI_ARGS=';;K8S_POD_NAME=a=b "c" \d;K8S_POD_NAMESPACE=é;IgnoreUnknown=true;$(x)=`y`;' call ADD c1
	succeeds
	[ "$(endpoints | jq -r '.[0].pod | .name + .namespace')" = 'a=b "c" \dé' ]
	output=$(env -i CNI_COMMAND=STATUS PODLANE_RUN_DIR="$T/run" "$T/bin/podlane" <<<"$conf")
	is_silent
	id=$(printf 'x%.0s' {1..255}) # the longest
	ip netns add "long"
	namespaces+=(long)
	CNI_NETNS=/run/netns/long call ADD "$id" eth0
	succeeds
	CNI_NETNS='' call DEL "$id" eth0
	succeeds
	[ "$(endpoints | jq length)" = 1 ]
}

@test "Section 2, ADD: makes the interface of that name in that namespace, and packets flow when it returns" {
	for v in $versions; do
		add "c${v//./}" "$v"
		pod "c${v//./}" ip -j addr show eth0 | jq -e --slurpfile r "$T/c${v//./}.json" \
			'[.[0].addr_info[] | select(.scope == "global") | "\(.local)/\(.prefixlen)"] == [$r[0].ips[].address]'
	done
	pod c030 ping -q -c 1 -W 5 "$(jq -r '.ips[0].address | split("/")[0]' "$T/c110.json")"
	pod c030 ping -q -c 1 -W 5 "$(jq -r '.ips[1].address | split("/")[0]' "$T/c110.json")"
	pod c030 ping -q -c 1 -W 5 "$(jq -r '.ips[0].gateway' "$T/c030.json")"
}

@test "Section 2, ADD: an interface of that name that exists MUST be an error, and stays as it is" {
	new_pod c1
	ip -n c1 link add eth0 type veth peer name other
	conf=$(conf 1.1.0)
	call ADD c1
	fails_with 103 eth0
	pod c1 ip link show other
	nothing_left
}

@test "Section 2, ADD: twice for one container and interface is refused, another interface name is not" {
	add c1
	conf=$(conf 1.1.0)
	call ADD c1
	fails_with 103
	pod c1 ip link show eth0
	call ADD c1 eth1
	succeeds
	pod c1 ip link show eth1
	conf=$(jq -c --argjson r "$output" '.prevResult = $r' <<<"$conf")
	call CHECK c1 eth1
	succeeds
	check c1
	succeeds
	call DEL c1 eth1
	succeeds
	check c1
	succeeds
	call DEL c1
	succeeds
	nothing_left
}

@test "Section 2, ADD: ten for one container and interface at the same time: one succeeds, the others leave it alone" {
	new_pod c1
	conf=$(conf 1.1.0)
	pids=()
	for i in {1..10}; do
		cni ADD c1 <<<"$conf" >"$T/add.$i" 2>&1 3>&- &
		pids+=($!)
	done
	good=0
	for p in "${pids[@]}"; do ! wait "$p" || good=$((good + 1)); done
	[ "$good" = 1 ]
	[ "$(cat "$T"/add.* | jq -s '[.[] | select(.code == 103)] | length')" = 9 ]
	[ "$(endpoints | jq -c '[.[] | .addresses[].address]')" = "$(cat "$T"/add.* | jq -c 'select(.ips) | [.ips[].address]')" ]
	pod c1 ping -q -c 1 -W 5 10.77.0.1
}

@test "Section 2, ADD: a prevResult is handled: what was there is printed with ours added" {
	new_pod c1
	conf=$(conf 1.1.0 '.prevResult = {cniVersion: "1.1.0", interfaces: [{name: "x0", socketPath: "/s", pciID: "p"}],
		ips: [{address: "1.1.1.1/32", interface: 0}], odd: {a: [1]}}')
	call ADD c1
	succeeds
	is '.odd == {a: [1]} and .interfaces[0] == {name: "x0", socketPath: "/s", pciID: "p"}'
	is '.interfaces | length == 3'
	is '.ips | length == 3'
	is '[.ips[].interface] == [0, 2, 2]'
}

@test "Section 2, DEL: removes everything that ADD made" {
	add c1
	conf=$(with_prev c1)
	call DEL c1
	succeeds
	is_silent
	refute pod c1 ip link show eth0
	nothing_left
}

@test "Section 2, DEL: MUST accept several calls, and succeed where things are missing" {
	add c1
	add c2
	add c3
	conf=$(conf 1.1.0) # no prevResult
	for i in 1 2 3; do call DEL c1; succeeds; done
	conf=$(conf 1.1.0 '.prevResult = {}')
	call DEL c1
	succeeds
	conf=$(conf 1.1.0)
	ip netns del c2
	call DEL c2
	succeeds
	CNI_NETNS='' call DEL c3
	succeeds
	pod c3 ip link show eth0 && return 1
	call DEL never
	succeeds
	nothing_left
	add c4 # DEL came before ADD
	CNI_NETNS=/run/netns/gone call DEL c4
	succeeds
	nothing_left
}

@test "Section 2, DEL: with the daemon killed, success and nothing left; its next start settles the rest" {
	add c1
	add c2 1.1.0 '.ipMasq = true'
	stop_daemon -KILL
	conf=$(conf 1.1.0)
	call DEL c1
	succeeds
	ip netns del c2
	call DEL c2
	succeeds
	call DEL c2
	succeeds
	nothing_left
	start_daemon
	[ "$(endpoints)" = "[]" ]
	refute grep -rq 10.77 <(nft list ruleset 2>/dev/null)
	add c1
}

@test "Section 2, DEL: with the daemon hung, success within the limit; it agrees when it wakes up" {
	add c1
	kill -STOP "$daemon_pid"
	conf=$(conf 1.1.0)
	PODLANE_CNI_TIMEOUT_MS=500 call DEL c1
	succeeds
	nothing_left
	kill -CONT "$daemon_pid"
	await 20 daemon_answers
	[ "$(endpoints)" = "[]" ]
	add c1
}

@test "Section 2, ADD: one that a hung daemon did not answer leaves nothing, now and when it wakes up" {
	new_pod c1
	kill -STOP "$daemon_pid"
	conf=$(conf 1.1.0)
	PODLANE_CNI_TIMEOUT_MS=500 call ADD c1
	fails_with 11
	nothing_left
	kill -CONT "$daemon_pid"
	await 20 daemon_answers # it is answered after the requests that came before
	nothing_left
	[ "$(endpoints)" = "[]" ]
	grep -q 'request not begun: its client has gone op=endpoint.add' "$T/podlaned.log"
	refute grep -q 'endpoint added' "$T/podlaned.log"
	add c1
}

@test "Section 2, ADD: with no daemon 'try again later' within a second, nothing left" {
	stop_daemon
	new_pod c1
	conf=$(conf 1.1.0)
	call_at_once ADD c1
	fails_with 11
	nothing_left
}

@test "Section 2, CHECK: succeeds right after ADD and is silent, in every version that has it" {
	for v in 0.4.0 1.0.0 1.1.0; do
		add "c${v//./}" "$v"
		check "c${v//./}"
		succeeds
		is_silent
	done
	add c031 0.3.1
	check c031
	fails_with 1
}

@test "Section 2, CHECK: MUST consult prevResult" {
	add c1
	conf=$(conf 1.1.0)
	call CHECK c1
	fails_with 7 prevResult
	conf=$(with_prev c1 | jq '.prevResult.ips[0].address = "10.77.0.99/32"')
	call CHECK c1
	fails_with 104 10.77.0.99
	conf=$(with_prev c1 | jq '.prevResult.interfaces[1].name = "eth7"')
	call CHECK c1
	fails_with 104 eth0
}

@test "Section 2, CHECK: names what is missing or wrong" {
	add c1
	pod c1 ip route del default
	check c1
	fails_with 104 route
	pod c1 ip route replace default via 10.77.0.1 dev eth0 onlink proto static
	check c1
	succeeds
	pod c1 ip neigh del 10.77.0.1 dev eth0
	check c1
	fails_with 104 neighbour
	pod c1 ip neigh replace 10.77.0.1 dev eth0 lladdr "$(jq -r '.interfaces[0].mac' "$T/c1.json")" nud permanent
	check c1
	succeeds
	ip route del 10.77.0.2
	check c1
	if [ "$status" -ne 0 ]; then # the daemon makes it again in a moment
		fails_with 104 10.77.0.2
		await 20 grep -q 'host end repaired container=c1 .*route 10.77.0.2' "$T/podlaned.log"
	fi
	check c1
	succeeds
	pod c1 ip addr del fd77::2/128 dev eth0
	check c1
	fails_with 104 fd77::2
	pod c1 ip link set eth0 down
	check c1
	fails_with 104 eth0
}

named_or_repaired() { # OBJECT WORD...: by the last check; the daemon looks for itself, too
	if [ "$status" -eq 0 ]; then
		grep -q "datapath repaired object=$1" "$T/podlaned.log"
	else
		fails_with 104 "${@:2}"
	fi
}

@test "Section 2, CHECK: a BPF program that was taken away is named, unless it is back by then" {
	add c1
	check c1
	succeeds
	find /sys/fs/bpf/podlane -path '*links*' -type f -delete
	tc filter del dev "$(host_end c1)" ingress 2>/dev/null || :
	check c1
	named_or_repaired attachment program
}

again() { # the daemon, which puts its maps right at its start
	stop_daemon
	start_daemon
}

@test "Section 2, CHECK: map entries that are missing or another's, and a lost record, are named" {
	add c1
	maps=$(echo /sys/fs/bpf/podlane/v*/maps)
	bpftool map delete pinned "$maps/pl_addrs4" key 10 77 0 2
	check c1
	named_or_repaired address pl_addrs 10.77.0.2
	again
	check c1
	succeeds
	link=$(printf '%08x' "$(cat "/sys/class/net/$(host_end c1)/ifindex")" | sed 's/\(..\)\(..\)\(..\)\(..\)/0x\4 0x\3 0x\2 0x\1/')
	# shellcheck disable=SC2086 # bytes
	id=$(bpftool -j map lookup pinned "$maps/pl_devices" key $link | jq .formatted.value.endpoint)
	# shellcheck disable=SC2086,SC2046
	bpftool map update pinned "$maps/pl_endpoints" key "$id" 0 0 0 value $(printf '0 %.0s' {1..64})
	check c1
	named_or_repaired endpoint pl_endpoints "$(host_end c1)"
	again
	check c1
	succeeds
	# shellcheck disable=SC2086
	bpftool map delete pinned "$maps/pl_devices" key $link
	check c1
	named_or_repaired device pl_devices "$(host_end c1)"
	again
	mv "$T/run/endpoints/c1:eth0.json" "$T/away"
	check c1
	if [ "$status" -eq 0 ]; then # the daemon has written it again by then
		[ -e "$T/run/endpoints/c1:eth0.json" ]
	else
		fails_with 104 'record on disk'
	fi
	mv "$T/away" "$T/run/endpoints/c1:eth0.json"
	check c1
	succeeds
}

@test "Section 2, CHECK: a lost link, an unknown container and a dead daemon are errors" {
	add c1
	ip link del "$(host_end c1)"
	check c1
	[ "$status" != 0 ]
	add c2
	conf=$(conf 1.1.0)
	call DEL c2
	check c2
	fails_with 3 c2
	add c3
	stop_daemon
	check c3
	fails_with 11
}

@test "Section 2, CHECK: MUST allow what a later plugin of the chain adds" {
	add c1
	pod c1 ip route add 192.0.2.0/24 via 10.77.0.1 dev eth0 onlink
	pod c1 ip addr add 192.0.2.7/32 dev eth0
	check c1
	succeeds
}

@test "Section 2, STATUS: 0 and silent when ready, 50 with the reason when not; nothing depends on it" {
	conf=$(conf 1.1.0)
	call STATUS
	succeeds
	is_silent
	add c1 1.1.0 '.ipam.ranges = [[{subnet: "10.77.0.0/24", rangeStart: "10.77.0.5", rangeEnd: "10.77.0.5"}]]'
	call STATUS
	fails_with 50 'no address left'
	new_pod c2
	call ADD c2
	fails_with 101
	stop_daemon
	conf=$(conf 1.1.0)
	call STATUS
	fails_with 50 podlaned
	conf=$(conf 1.0.0)
	call STATUS
	fails_with 1
}

@test "Section 2, VERSION: the versions, with the asked one echoed" {
	stop_daemon # it is not needed
	for v in $versions; do
		output=$(CNI_COMMAND=VERSION "$T/bin/podlane" <<<"{\"cniVersion\":\"$v\"}")
		is ".cniVersion == \"$v\" and (.supportedVersions | index(\"$v\"))"
	done
}

@test "Section 2, GC: removes every attachment of the network that is not valid, and nothing else" {
	add c1
	add c2
	add c3 1.1.0 '.name = "net2"'
	ip netns del c2
	conf=$(conf 1.1.0 '."cni.dev/valid-attachments" = [{containerID: "c1", ifname: "eth0"}] | ."cni.dev/attachments" = ."cni.dev/valid-attachments"')
	call GC
	succeeds
	is_silent
	[ "$(ls "$T/run/endpoints")" = "$(printf 'c1:eth0.json\nc3:eth0.json')" ]
	pod c1 ip link show eth0
	pod c3 ip link show eth0
	conf=$(conf 1.1.0 '."cni.dev/valid-attachments" = null')
	call GC
	succeeds
	[ "$(ls "$T/run/endpoints")" = "c3:eth0.json" ]
	refute pod c1 ip link show eth0
}

@test "Section 3, Lifecycle: MUST handle different containers at once" {
	conf=$(conf 1.1.0)
	pids=()
	for i in {1..12}; do new_pod "c$i"; done
	for i in {1..12}; do
		cni ADD "c$i" <<<"$conf" >"$T/c$i.json" 3>&- &
		pids+=($!)
	done
	for p in "${pids[@]}"; do wait "$p"; done
	[ "$(cat "$T"/c*.json | jq -r '.ips[].address' | sort -u | wc -l)" = 24 ]
	pids=()
	for i in {1..12}; do
		cni DEL "c$i" <<<"$conf" 3>&- &
		pids+=($!)
	done
	for p in "${pids[@]}"; do wait "$p"; done
	nothing_left
}

@test "Section 5, Result types: every key as the asked version has it" {
	for v in $versions; do
		add "c${v//./}" "$v" '.dns = {nameservers: ["10.77.0.53"], domain: "pods", search: ["a", "b"], options: ["ndots:2"]}'
		is ".cniVersion == \"$v\""
		is '.interfaces | length == 2'
		is ".interfaces[0] | (.name | startswith(\"pl\")) and (.sandbox // \"\") == \"\""
		is ".interfaces[1] | .name == \"eth0\" and .sandbox == \"/run/netns/c${v//./}\""
		is '[.interfaces[].mac | test("^([0-9a-f]{2}:){5}[0-9a-f]{2}$")] == [true, true]'
		is '[.ips[].interface] == [1, 1]'
		is '.ips[0].gateway == "10.77.0.1" and .ips[1].gateway == "fd77::1"'
		is '[.routes[].dst] | index("0.0.0.0/0") != null and index("::/0") != null'
		is '.dns == {nameservers: ["10.77.0.53"], domain: "pods", search: ["a", "b"], options: ["ndots:2"]}'
		case $v in
		0.*) is '[.ips[].version] == ["4", "6"]' ;;
		*) is '[.ips[] | has("version")] == [false, false]' ;;
		esac
		case $v in
		1.1.0) is '.interfaces[1].mtu >= 1280' ;;
		*) is '.interfaces[1] | has("mtu") | not' ;;
		esac
		[ "$(pod "c${v//./}" cat /sys/class/net/eth0/address 2>/dev/null || ip -n "c${v//./}" -j link show eth0 | jq -r '.[0].address')" = \
			"$(jq -r '.interfaces[1].mac' <<<"$output")" ]
	done
}

@test "Section 5, Error: the well-known codes" {
	new_pod c1
	conf=$(conf 9.9.9)
	call ADD c1
	fails_with 1 9.9.9
	conf=$(conf 1.1.0 '.mtuu = 1234')
	call ADD c1
	fails_with 2 mtuu 1234
	conf='{"cniVersion": '
	call ADD c1
	fails_with 6
	conf=$(conf 1.1.0 '.ipam.ranges[0][0].subnet = "10.77.0.0/33"')
	call ADD c1
	fails_with 7 subnet
	for v in $versions; do # "the same value as provided by the configuration"
		conf=$(conf "$v" '.mtu = 1')
		call ADD c1
		fails_with 7 mtu
		is ".cniVersion == \"$v\""
	done
	nothing_left
}

@test "ipam.routes: a table is used and checked, a scope that no route can have is refused" {
	add c1 1.1.0 '.ipam.routes = [{dst: "0.0.0.0/0"}, {dst: "10.78.0.0/16", table: 1000, priority: 7}, {dst: "fd78::/64", table: 1000},
		{dst: "10.77.0.1/32", scope: 253}, {dst: "10.79.0.0/16", scope: 0}]'
	is '[.routes[] | select(.table)] == [{dst: "10.78.0.0/16", gw: "10.77.0.1", priority: 7, table: 1000}, {dst: "fd78::/64", gw: "fd77::1", table: 1000}]'
	is '[.routes[].dst] == ["0.0.0.0/0", "10.78.0.0/16", "fd78::/64", "10.79.0.0/16"]'
	pod c1 ip route show table 1000 | grep -q '^10.78.0.0/16 via 10.77.0.1 .*metric 7'
	refute grep 10.78 <(pod c1 ip route show)
	check c1
	succeeds
	pod c1 ip -6 route del fd78::/64 table 1000
	check c1
	fails_with 104 fd78::/64
	new_pod c2
	for route in '{dst: "10.79.0.0/16", scope: 253}' '{dst: "10.77.0.1/32", gw: "10.77.0.9", scope: 253}' '{dst: "10.79.0.0/16", scope: 254}'; do
		conf=$(conf 1.1.0 ".ipam.routes = [$route]")
		call ADD c2
		fails_with 7 'ipam.routes[0].scope' gateway
	done
	conf=$(conf 1.1.0 '.ipam.routes = [{dst: "10.79.0.0/16", table: "main"}]')
	call ADD c2
	fails_with 7 table
	refute pod c2 ip link show eth0
}

@test "requested addresses: given, or refused by name" {
	CNI_ARGS='IP=10.77.0.40;IgnoreUnknown=1' add c1
	is '.ips[0].address == "10.77.0.40/32"'
	add c2 1.1.0 '.capabilities.ips = true | .runtimeConfig.ips = ["10.77.0.41/24", "fd77::41"] | .runtimeConfig.mac = "02:00:00:00:00:41"'
	is '[.ips[].address] == ["10.77.0.41/32", "fd77::41/128"]'
	is '.interfaces[1].mac == "02:00:00:00:00:41"'
	add c3 1.1.0 '.args.cni.ips = ["10.77.0.42"]'
	is '.ips[0].address == "10.77.0.42/32"'
	new_pod c4
	conf=$(conf 1.1.0)
	CNI_ARGS='IP=10.77.0.40' call ADD c4
	fails_with 102 10.77.0.40
	CNI_ARGS='IP=10.99.0.40' call ADD c4
	fails_with 7 10.99.0.40
	CNI_ARGS='IP=10.77.0.1' call ADD c4
	[ "$status" != 0 ]
	refute pod c4 ip link show eth0
}

@test "networks of one family: the other has neither address nor route, and packets flow at once" {
	v6='.ipam = {ranges: [[{subnet: "fd77:6::/64"}]], exclude: ["fd77:6::2/127"]}'
	# As runtimes leave a namespace that they take for one without IPv6.
	new_pod c1
	ip netns exec c1 sysctl -qw net.ipv6.conf.default.disable_ipv6=1
	add c1 1.1.0 "$v6"
	is '[.ips[] | [.address, .gateway]] == [["fd77:6::4/128", "fd77:6::1"]]'
	is '[.routes[].dst] == ["::/0"]'
	add c2 1.1.0 "$v6"
	pod c1 ping -q -c 1 -W 5 fd77:6::5
	pod c1 ping -q -c 1 -W 5 fd77:6::1
	[ -z "$(ip -n c1 -4 addr show dev eth0)$(ip -n c1 -4 route show)" ]
	check c2
	succeeds
	add c3 1.1.0 '.ipam.ranges = [[{subnet: "10.77.4.0/24"}]]'
	is '[.ips[].address] == ["10.77.4.2/32"]'
	is '[.routes[].dst] == ["0.0.0.0/0"]'
	add c4 1.1.0 '.ipam.ranges = [[{subnet: "10.77.4.0/24"}]]'
	pod c3 ping -q -c 1 -W 5 10.77.4.3
	[ -z "$(ip -n c3 -6 route show default)" ]
	check c3
	succeeds
	conf=$(conf 1.1.0)
	for i in 1 2 3 4; do call DEL "c$i"; succeeds; done
	nothing_left
}

@test "an exhausted range, a namespace that is gone and a file that is none leave nothing half-made" {
	add c1 1.1.0 '.ipam.ranges = [[{subnet: "10.77.0.0/24", rangeStart: "10.77.0.5", rangeEnd: "10.77.0.5"}], [{subnet: "fd77::/112"}]]'
	new_pod c2
	call ADD c2
	fails_with 101 10.77.0
	call DEL c1
	conf=$(conf 1.1.0)
	CNI_NETNS=/run/netns/gone call ADD c2
	fails_with 4 /run/netns/gone
	CNI_NETNS=$T/podlaned.log call ADD c2
	fails_with 4
	CNI_NETNS=/proc/self/ns/net call ADD c2
	fails_with 4
	nothing_left
}

@test "several interfaces in one pod, several networks on one node" {
	two='.name = "net2" | .mtu = 1400 | .ipam = {ranges: [[{subnet: "10.77.8.0/24"}], [{subnet: "fd77:8::/112"}]],
		routes: [{dst: "10.77.8.0/24"}, {dst: "fd77:8::/112"}]}'
	add c1
	conf=$(conf 1.1.0 "$two")
	call ADD c1 eth1
	succeeds
	is '.interfaces[1] | .name == "eth1" and .mtu == 1400'
	echo "$output" >"$T/second.json"
	add c2 1.1.0 "$two"
	add c3
	for ip in 10.77.8.2 10.77.8.3 fd77:8::2 fd77:8::3; do
		pod c1 ping -q -c 1 -W 5 $ip
		pod c2 ping -q -c 1 -W 5 $ip
	done
	pod c1 ping -q -c 1 -W 5 10.77.0.3
	pod c3 ping -q -c 1 -W 5 10.77.0.2
	conf=$(conf 1.1.0 "$two" | jq -c --slurpfile r "$T/second.json" '.prevResult = $r[0]')
	call CHECK c1 eth1
	succeeds
	call DEL c1 eth1
	succeeds
	conf=$(conf 1.1.0)
	check c1
	succeeds
	pod c1 ping -q -c 1 -W 5 10.77.0.3
	[ "$(ls "$T/run/endpoints")" = "$(printf '%s:eth0.json\n' c1 c2 c3)" ]
}

sbr() { # VERB CONTAINER IFNAME: Debian's, after podlane in the list of $conf
	jq -c --argjson r "$3" '{cniVersion, name, type: "sbr", prevResult: $r}' <<<"$conf" |
		env CNI_COMMAND="$1" CNI_CONTAINERID="$2" CNI_IFNAME=eth1 CNI_NETNS="/run/netns/$2" "$T/bin/sbr" 2>"$T/stderr"
}

spoofed() { "$build/podlane" --socket "$T/run/podlane.sock" -j stats | jq '[.. | objects | select(.reason? == "DROP_SPOOFED_IP") | .packets] | add // 0'; }

@test "several interfaces in one pod: the sbr plugin makes each answer by itself, without ipam.routes" {
	for dir in /usr/lib/cni /opt/cni/bin; do
		[ ! -x "$dir/sbr" ] || ln -sf "$dir/sbr" "$T/bin/sbr"
	done
	[ -e "$T/bin/sbr" ] || skip "the sbr plugin is not installed"
	two='.name = "net2" | .ipam = {ranges: [[{subnet: "10.77.8.0/24"}], [{subnet: "fd77:8::/112"}]]}'
	add c1 1.0.0
	conf=$(conf 1.0.0 "$two")
	call ADD c1 eth1
	succeeds
	second=$output
	add c2 1.0.0 "$two"
	# Answers take the first interface's default route, where they are spoofed.
	refute pod c2 ping -q -c 1 -W 1 10.77.8.2
	[ "$(spoofed)" -gt 0 ]
	sbr ADD c1 "$second" >"$T/second.json"
	before=$(spoofed)
	for ip in 10.77.8.2 fd77:8::2; do pod c2 ping -q -c 2 -W 5 $ip; done
	pod c1 ping -q -c 2 -W 5 -I 10.77.8.2 10.77.8.3
	pod c1 ping -q -c 2 -W 5 -I fd77:8::2 fd77:8::3
	add c3 1.0.0
	for ip in 10.77.0.3 fd77::3; do pod c1 ping -q -c 2 -W 5 $ip; done
	for ip in 10.77.0.2 fd77::2; do pod c3 ping -q -c 2 -W 5 $ip; done
	[ "$(spoofed)" = "$before" ]
	check c1
	succeeds
	conf=$(conf 1.0.0 "$two" | jq -c --slurpfile r "$T/second.json" '.prevResult = $r[0]')
	call CHECK c1 eth1
	succeeds
	sbr DEL c1 "$(cat "$T/second.json")"
	call DEL c1 eth1
	succeeds
	refute grep -q . <(pod c1 ip rule show from 10.77.8.2)
	pod c1 ping -q -c 1 -W 5 10.77.0.3
}

link_state() {
	{
		ip -4 -j addr show vethA
		ip -n c1 -4 -j addr show eth0
		ip -j link show vethA
		ip -n c1 -j link show eth0
		ip -j route show dev vethA
	} | jq -c '.[] | [.ifindex, .address, .mtu, .dst, (.addr_info // [] | .[] | .local, .prefixlen)]'
}

@test "mode accelerate: links and addresses of the earlier plugin stay, before and after DEL" {
	new_pod c1
	ip link add vethA type veth peer name eth0 netns c1
	ip link set vethA up
	ip -n c1 link set eth0 up
	ip -n c1 addr add 10.77.5.2/32 dev eth0
	ip addr add 10.77.5.1/32 dev vethA
	ip route add 10.77.5.2/32 dev vethA
	before=$(link_state)
	prev='{cniVersion: "1.0.0", interfaces: [{name: "vethA"}, {name: "eth0", sandbox: "/run/netns/c1"}],
		ips: [{address: "10.77.5.2/32", gateway: "10.77.5.1", interface: 1}], dns: {}}'
	conf=$(conf 1.0.0 "del(.ipam) | .mode = \"accelerate\" | .prevResult = $prev")
	call ADD c1
	succeeds
	[ "$(jq -S . <<<"$output")" = "$(jq -nS "$prev")" ]
	[ "$(endpoints | jq -r '.[0].hostIfname')" = vethA ]
	call CHECK c1
	succeeds
	call DEL c1
	succeeds
	call DEL c1
	succeeds
	[ "$before" = "$(link_state)" ]
	ip link del vethA
}
