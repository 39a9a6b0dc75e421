#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The plugin between a runtime and a scripted daemon: what it asks, what it makes of each answer,
# and what it does when there is none. Links exist only where a test makes them itself.
# time limit: 300
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; $versions and $conf are of lib.bash

load lib

setup() { cni_setup; }
teardown() {
	cni_teardown
	ip link del plhost 2>/dev/null || :
	ip link del plother 2>/dev/null || :
}

endpoint='{"containerId":"c1","ifname":"eth0","network":"net1","hostIfname":"plaaaaaaaaaaaa",
	"hostMac":"02:00:00:00:00:01","podMac":"02:00:00:00:00:02","mtu":1500,
	"addresses":[{"address":"10.77.0.2/32","gateway":"10.77.0.1"},{"address":"fd77::2/128","gateway":"fd77::1"}]}'
added="{\"ok\":true,\"endpoint\":$endpoint,\"routes\":[{\"dst\":\"0.0.0.0/0\",\"gw\":\"10.77.0.1\"}]}"

refusal() { echo "{\"ok\":false,\"error\":{\"code\":\"$1\",\"message\":\"$2\"}}"; }

# A pair as podlane leaves it, and its record.
lay_pair() { # CONTAINER
	ip link add plhost type veth peer name eth0 netns "$1"
	jq -n --arg id "$1" --arg ino "$(stat -L -c %i "/run/netns/$1")" \
		--argjson h "$(ip -j link show plhost)" --argjson p "$(ip -n "$1" -j link show eth0)" '
		{version: 1, containerId: $id, ifname: "eth0", network: "net1", netns: "/run/netns/\($id)",
		netnsInode: ($ino | tonumber), pod: {name: "", namespace: "", uid: ""}, mode: "pod", link: "veth",
		hostIfname: "plhost", ifindex: $h[0].ifindex, podIfindex: $p[0].ifindex, hostMac: $h[0].address,
		podMac: $p[0].address, mtu: 1500, addresses: [], antispoof: true, ipMasq: false, ipam: "podlane",
		createdNs: 1}' >"$T/run/endpoints/$1:eth0.json"
}

@test "VERSION lists every version and echoes the asked one, whatever else is known" {
	for v in $versions 0.1.0 9.9.9; do
		output=$(CNI_COMMAND=VERSION "$T/bin/podlane" <<<"{\"cniVersion\":\"$v\"}")
		is ".cniVersion == \"$v\" and .supportedVersions == [\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]"
	done
	output=$(CNI_COMMAND=VERSION "$T/bin/podlane" </dev/null)
	is '.cniVersion == "1.1.0"'
	conf='{'; call VERSION; fails_with 6
}

@test "ADD hands over the netns itself and the canonical network, once" {
	new_pod c1; script endpoint.add "$added"; start_fake
	conf=$(conf 1.0.0); call ADD c1
	succeeds
	[ "$(operations)" = endpoint.add ]
	asked 1 ".inode == $(stat -L -c %i /run/netns/c1)"
	asked 1 '.request | .containerId == "c1" and .ifname == "eth0" and .netns == "/run/netns/c1" and .network.name == "net1"'
	asked 1 '.request | has("ips") or has("mac") or has("addresses") or has("hostIfname") | not'
}

@test "the result has the form of the asked version" {
	new_pod c1; script endpoint.add "$added"; start_fake
	for v in $versions; do
		conf=$(conf "$v"); call ADD c1
		succeeds
		is ".cniVersion == \"$v\" and .interfaces[1].sandbox == \"/run/netns/c1\" and .ips[0].interface == 1"
		case $v in
		0.*) is '[.ips[].version] == ["4", "6"]' ;;
		*) is '[.ips[] | has("version")] == [false, false]' ;;
		esac
		case $v in
		1.1.0) is '.interfaces[1].mtu == 1500' ;;
		*) is '.interfaces[1] | has("mtu") | not' ;;
		esac
	done
}

@test "requests of the runtime for one pod reach the daemon" {
	new_pod c1; script endpoint.add "$added"; start_fake
	export CNI_ARGS='IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=u1;IP=10.77.0.9'
	conf=$(conf 1.0.0 '.capabilities = {ips: true, mac: true} | .runtimeConfig = {ips: ["fd77::9/64"],
		mac: "02:00:00:00:00:09"} | .args.cni.ips = ["10.77.0.9"]'); call ADD c1
	succeeds
	asked 1 '.request | .ips == ["10.77.0.9", "fd77::9"] and .mac == "02:00:00:00:00:09" and .pod == {name: "web", namespace: "shop", uid: "u1"}'
}

@test "bad input: each a clear error, and the daemon is not asked" {
	new_pod c1; script endpoint.add "$added"; start_fake
	conf='{"cniVersion":"1.0.0",'; call ADD c1; fails_with 6 JSON
	conf=$(conf 1.0.0 '.mtuu = 1300'); call ADD c1; fails_with 2 mtuu 1300 '"mtu"'
	conf=$(conf 1.0.0 '.ipam.rangs = []'); call ADD c1; fails_with 2 rangs
	conf=$(conf 1.0.0 '.mtu = "big"'); call ADD c1; fails_with 7 mtu
	conf=$(conf 1.0.0 'del(.name)'); call ADD c1; fails_with 7 name
	conf=$(conf 0.2.0); call ADD c1; fails_with 1 0.2.0
	conf=$(conf 1.2.0); call ADD c1; fails_with 1 1.2.0
	conf=$(conf 1.0.0); call ADD ''; fails_with 4 CNI_CONTAINERID
	conf=$(conf 1.0.0); call ADD c1 a/b; fails_with 4 CNI_IFNAME
	conf=$(conf 1.0.0); call NONSENSE c1; fails_with 4 CNI_COMMAND NONSENSE
	conf=$(conf 1.0.0); call ADD '' ''; fails_with 4 CNI_CONTAINERID CNI_IFNAME 'container runtime' 'podlane endpoint add'
	conf=$(conf 1.0.0); CNI_NETNS='' call ADD c1; fails_with 4 CNI_NETNS
	conf=$(conf 1.0.0); CNI_NETNS=/run/netns/gone call ADD c1; fails_with 4 CNI_NETNS /run/netns/gone
	conf=$(conf 1.0.0); CNI_NETNS=$T/script.json call ADD c1; fails_with 4 CNI_NETNS
	conf=$(conf 1.0.0); CNI_NETNS=/proc/self/ns/net call ADD c1; fails_with 4 CNI_NETNS
	conf=$(conf 1.0.0); CNI_ARGS='FOO=1' call ADD c1; fails_with 4 FOO
	conf=$(conf 1.0.0); CNI_ARGS='IP=10.0.0' call ADD c1; fails_with 4 10.0.0
	conf=$(conf 1.0.0 '.mode = "accelerate"'); call ADD c1; fails_with 7 prevResult
	[ ! -e "$T/log" ]
}

@test "what the daemon refuses arrives with its code and its sentence" {
	new_pod c1; start_fake
	while read -r errno code; do
		script endpoint.add "$(refusal "$errno" "sentence about $errno")"
		conf=$(conf 1.0.0); call ADD c1; fails_with "$code" "sentence about $errno"
	done <<-END
		EAGAIN 11
		ENOSPC 101
		EADDRINUSE 102
		EEXIST 103
		EINVAL 7
		EPERM 105
		ENOTSUP 106
		EIO 5
		ENOMEM 100
	END
	# A refused ADD is the daemon's to undo: an existing endpoint must not be deleted.
	refute grep -q endpoint.del "$T/log"
}

@test "without a daemon ADD says 'try again later' at once and does not run the IPAM plugin" {
	new_pod c1; stub_ipam stub
	conf=$(conf 1.0.0 '.ipam = {type: "stub"}')
	call_at_once ADD c1; fails_with 11 podlaned
	[ -z "$(ipam_calls)" ]
	: >"$T/run/podlane.sock" # a leftover that nobody listens on
	call ADD c1; fails_with 11
	conf=$(conf 1.0.0 '.prevResult = {cniVersion: "1.0.0", interfaces: [{name: "eth0", sandbox: "x"}], ips: []}')
	call CHECK c1; fails_with 11
	conf=$(conf 1.1.0 '."cni.dev/valid-attachments" = []'); call GC; fails_with 11
	conf=$(conf 1.1.0); call STATUS; fails_with 50
}

@test "an ADD that a hung daemon does not answer ends in time and is undone" {
	new_pod c1; script endpoint.add '"hang"'; start_fake
	export PODLANE_CNI_TIMEOUT_MS=300
	conf=$(conf 1.0.0)
	begin=${EPOCHREALTIME/[.,]/}
	call ADD c1; fails_with 11 'in time'
	[ $((${EPOCHREALTIME/[.,]/} - begin)) -lt 4000000 ]
}

@test "an ADD whose daemon dies half-way leaves neither link nor record nor lease" {
	new_pod c1; lay_pair c1; mv "$T/run/endpoints/c1:eth0.json" "$T/later"
	stub_ipam stub; echo '{"ips":[{"address":"10.1.0.5/24"}]}' >"$T/ipam.ADD"
	script endpoint.add '"close"'; script endpoint.del '"close"'; start_fake
	# The record appears while the ADD is under way, as the daemon writes it.
	cat >"$T/bin/slow" <<-END
		#!/bin/bash
		[ \$CNI_COMMAND != ADD ] || cp "$T/later" "$T/run/endpoints/c1:eth0.json"
		exec "$T/bin/stub"
	END
	chmod 755 "$T/bin/slow"
	conf=$(conf 1.0.0 '.ipam = {type: "slow"}'); call ADD c1; fails_with 11
	[ -z "$(ls "$T/run/endpoints")" ]
	refute ip link show plhost
	[ "$(ipam_calls)" = "ADD DEL" ]
}

@test "an unanswered ADD never removes an endpoint that was there before" {
	new_pod c1; lay_pair c1
	script endpoint.add '"close"'; start_fake
	conf=$(conf 1.0.0); call ADD c1; fails_with 11
	ip link show plhost
	[ -e "$T/run/endpoints/c1:eth0.json" ]
}

@test "DEL needs neither netns, prevResult, a valid configuration nor a known container" {
	script endpoint.del '{"ok":true,"existed":false}'; start_fake
	for v in $versions; do
		conf=$(conf "$v"); CNI_NETNS='' call DEL c1; succeeds; is_silent
		conf=$(conf "$v" '.mtuu = 1 | del(.ipam)'); CNI_NETNS=/gone call DEL c1; succeeds; is_silent
	done
	asked 1 '.request | .containerId == "c1" and .ifname == "eth0" and .network == "net1"'
}

@test "DEL with the daemon dead removes link and record, and twice is success" {
	new_pod c1; lay_pair c1
	conf=$(conf 1.0.0); CNI_NETNS='' call DEL c1; succeeds; is_silent
	refute ip link show plhost
	refute ip -n c1 link show eth0
	[ -z "$(ls "$T/run/endpoints")" ]
	call DEL c1; succeeds
	call DEL never; succeeds
}

@test "DEL with the daemon hung finishes by itself within its limit" {
	new_pod c1; lay_pair c1
	script endpoint.del '"hang"'; start_fake
	export PODLANE_CNI_TIMEOUT_MS=300
	begin=${EPOCHREALTIME/[.,]/}
	conf=$(conf 1.0.0); call DEL c1; succeeds
	[ $((${EPOCHREALTIME/[.,]/} - begin)) -lt 4000000 ]
	refute ip link show plhost
	[ -z "$(ls "$T/run/endpoints")" ]
}

@test "DEL with the daemon and the netns gone removes the record" {
	new_pod c1; lay_pair c1
	ip netns del c1
	conf=$(conf 1.0.0); call DEL c1; succeeds
	[ -z "$(ls "$T/run/endpoints")" ]
}

@test "DEL without a daemon touches no link that is not provably the recorded one" {
	new_pod c1; lay_pair c1
	# The same index alone says nothing.
	ip link set plhost name plother address 02:00:00:00:00:77
	ip -n c1 link set eth0 name eth9 address 02:00:00:00:00:78
	conf=$(conf 1.0.0); call DEL c1; succeeds
	ip link show plother
	[ -z "$(ls "$T/run/endpoints")" ]
}

@test "DEL of another network leaves the endpoint alone" {
	new_pod c1; lay_pair c1
	conf=$(conf 1.0.0 '.name = "net2"'); call DEL c1; succeeds
	ip link show plhost
	[ -e "$T/run/endpoints/c1:eth0.json" ]
}

@test "DEL without a daemon leaves the link of mode accelerate alone" {
	new_pod c1; lay_pair c1
	jq '.mode = "accelerate"' "$T/run/endpoints/c1:eth0.json" >"$T/r"; mv "$T/r" "$T/run/endpoints/c1:eth0.json"
	conf=$(conf 1.0.0); call DEL c1; succeeds
	ip link show plhost
	[ -z "$(ls "$T/run/endpoints")" ]
}

@test "CHECK compares with prevResult and names what differs" {
	new_pod c1; start_fake
	prev='.prevResult = {cniVersion: "1.0.0", interfaces: [{name: "plh"}, {name: "eth0", sandbox: "/run/netns/c1"}],
		ips: [{address: "10.77.0.2/32", gateway: "10.77.0.1", interface: 1}, {address: "9.9.9.9/32", interface: 0}]}'
	script endpoint.check '{"ok":true}'
	conf=$(conf 1.0.0 "$prev"); call CHECK c1; succeeds; is_silent
	asked 1 '.request | .addresses == [{address: "10.77.0.2/32", gateway: "10.77.0.1"}] and (has("mac") | not)'
	asked 1 ".inode == $(stat -L -c %i /run/netns/c1)"
	script endpoint.check '{"ok":false,"error":{"code":"ESTALE","message":"2 things differ","differences":["address a is missing","no route b"]}}'
	call CHECK c1; fails_with 104 'address a is missing; no route b'
	script endpoint.check "$(refusal ENOENT 'no such endpoint')"
	call CHECK c1; fails_with 3 'no such endpoint'
	conf=$(conf 1.0.0); call CHECK c1; fails_with 7 prevResult
	conf=$(conf 0.3.1 "$prev"); call CHECK c1; fails_with 1 0.4.0
}

@test "STATUS is silent where ADD would succeed, else 50 or 51 with the reason" {
	script network.status '{"ok":true,"available":12}'; start_fake
	conf=$(conf 1.1.0); call STATUS; succeeds; is_silent
	script network.status '{"ok":true,"available":-1}'; call STATUS; succeeds
	script network.status '{"ok":true,"available":0}'; call STATUS; fails_with 50 address
	script network.status "$(refusal EAGAIN 'still starting')"; call STATUS; fails_with 50 'still starting'
	script network.status "$(refusal ENOSPC 'range full')"; call STATUS; fails_with 50 'range full'
	script network.status "$(refusal ENETDOWN 'programs are gone')"; call STATUS; fails_with 51 'programs are gone'
	conf=$(conf 1.1.0 '.mtuu = 1'); call STATUS; fails_with 2
	conf=$(conf 1.0.0); call STATUS; fails_with 1 'STATUS needs CNI version 1.1.0' 'cniVersion 1.0.0'
}

@test "GC hands over the valid attachments of both spellings; null is an empty list" {
	script endpoint.gc '{"ok":true,"removed":[]}'; start_fake
	conf=$(conf 1.1.0 '."cni.dev/valid-attachments" = [{containerID: "a", ifname: "eth0"}] |
		."cni.dev/attachments" = [{containerID: "b", ifname: "eth1"}]'); call GC; succeeds; is_silent
	asked 1 '.request | .network == "net1" and .valid == [{containerId: "a", ifname: "eth0"}, {containerId: "b", ifname: "eth1"}]'
	conf=$(conf 1.1.0 '."cni.dev/valid-attachments" = null | ."cni.dev/attachments" = null'); call GC; succeeds
	asked 2 '.request.valid == []'
	conf=$(conf 1.1.0 '."cni.dev/attachments" = [{containerID: "a", ifname: "eth0"}]'); call GC; succeeds
	asked 3 '.request.valid == [{containerId: "a", ifname: "eth0"}]'
}

@test "GC without a list, or with a broken one, removes nothing" {
	script endpoint.gc '{"ok":true,"removed":[]}'; stub_ipam stub; start_fake
	# As libcni sends it for a caller that gave none: an IPAM plugin would take it for an empty one.
	conf=$(conf 1.1.0 '.ipam = {type: "stub"}'); call GC; succeeds; is_silent
	grep -q 'cni.dev/valid-attachments: nothing was removed' "$T/stderr"
	[ -z "$(ipam_calls)" ]
	conf=$(conf 1.1.0 '."cni.dev/valid-attachments" = {}'); call GC; fails_with 7
	conf=$(conf 1.1.0 '."cni.dev/valid-attachments" = [{containerID: "a"}]'); call GC; fails_with 7 '[0]'
	conf=$(conf 1.1.0 '."cni.dev/valid-attachments" = []'); CNI_PATH='' call GC; fails_with 4 CNI_PATH
	conf=$(conf 1.0.0 '."cni.dev/valid-attachments" = []'); call GC; fails_with 1
	[ ! -e "$T/log" ]
}

@test "GC with more attachments than one message holds removes the stale ones one by one" {
	script endpoint.list '{"ok":true,"endpoints":[{"containerId":"stale","ifname":"eth0","network":"net1"},
		{"containerId":"stale","ifname":"eth0","network":"net2"},{"containerId":"x7","ifname":"eth0","network":"net1"}]}'
	script endpoint.del '{"ok":true,"existed":true}'; start_fake
	conf=$(conf 1.1.0 '."cni.dev/valid-attachments" = [range(6000) | {containerID: "x\(.)", ifname: "eth0"}]')
	call GC; succeeds
	[ "$(operations)" = "endpoint.list endpoint.del" ]
	asked 2 '.request | .containerId == "stale" and .network == "net1"'
}

@test "a delegated IPAM plugin gets the same environment and configuration" {
	new_pod c1; stub_ipam stub; script endpoint.add "$added"; start_fake
	echo '{"ips":[{"address":"10.1.0.5/24","gateway":"10.1.0.1"},{"address":"fd01::5/64"}],
		"routes":[{"dst":"10.2.0.0/16","gw":"10.1.0.1"}],"dns":{"nameservers":["10.1.0.53"]}}' >"$T/ipam.ADD"
	conf=$(conf 1.0.0 '.ipam = {type: "stub", "any key": [1]}'); CNI_ARGS='GATEWAY=1' call ADD c1
	succeeds
	grep -q 'stub ADD' "$T/stderr" # the plugin's stderr is ours
	jq -e --argjson c "$conf" '.verb == "ADD" and .id == "c1" and .ns == "/run/netns/c1" and .if == "eth0" and .conf == $c
		and .args == "GATEWAY=1"' "$T/ipam.log"
	asked 1 '.request | .addresses == [{address: "10.1.0.5/24", gateway: "10.1.0.1"}, {address: "fd01::5/64"}]'
	asked 1 '.request.routes == [{dst: "10.2.0.0/16", gw: "10.1.0.1"}]'
	is '.dns.nameservers == ["10.1.0.53"]'
}

@test "a delegated IPAM plugin that fails is undone, and its own error is passed on" {
	new_pod c1; stub_ipam stub; script endpoint.add "$added"; start_fake
	echo '{"code":111,"msg":"no lease","details":"server is away"}' >"$T/ipam.ADD"; : >"$T/ipam.ADD.fails"
	conf=$(conf 1.0.0 '.ipam = {type: "stub"}'); call ADD c1; fails_with 111 'no lease' 'server is away'
	[ "$(ipam_calls)" = "ADD DEL" ]
	echo 'no JSON' >"$T/ipam.ADD"; call ADD c1; fails_with 107 stub
	rm "${T:?}/ipam.ADD.fails"; echo '{"ips":[]}' >"$T/ipam.ADD"; call ADD c1; fails_with 107 address
	[ "$(ipam_calls)" = "ADD DEL ADD DEL ADD DEL" ]
	refute grep -q endpoint.add "$T/log"
	conf=$(conf 1.0.0 '.ipam = {type: "absent"}'); call ADD c1; fails_with 107 absent
	conf=$(conf 1.0.0 '.ipam = {type: "../stub"}'); call ADD c1; fails_with 7 ../stub
}

@test "a lease is given back when the daemon refuses" {
	new_pod c1; stub_ipam stub; echo '{"ips":[{"address":"10.1.0.5/24"}]}' >"$T/ipam.ADD"
	script endpoint.add "$(refusal EEXIST 'there already')"; start_fake
	conf=$(conf 1.0.0 '.ipam = {type: "stub"}'); call ADD c1; fails_with 103
	[ "$(ipam_calls)" = "ADD DEL" ]
}

@test "DEL, CHECK, GC and STATUS are delegated too, and fail where the delegate fails" {
	new_pod c1; stub_ipam stub; start_fake
	script endpoint.del '{"ok":true,"existed":true}'; script endpoint.check '{"ok":true}'
	script endpoint.gc '{"ok":true,"removed":[]}'; script network.status '{"ok":true,"available":-1}'
	conf=$(conf 1.1.0 '.ipam = {type: "stub"} | ."cni.dev/valid-attachments" = [] |
		.prevResult = {interfaces: [{name: "eth0", sandbox: "x"}], ips: []}')
	for verb in DEL CHECK GC STATUS; do
		call $verb c1; succeeds; is_silent
		echo '{"code":120,"msg":"delegate says no"}' >"$T/ipam.$verb"; : >"$T/ipam.$verb.fails"
		call $verb c1; fails_with 120 'delegate says no'
	done
	[ "$(ipam_calls)" = "DEL DEL CHECK CHECK GC GC STATUS STATUS" ]
	# GC goes on to the delegate when the daemon is away, and still tells.
	stop_daemon; : >"$T/ipam.log"
	call GC; fails_with 11
	[ "$(ipam_calls)" = GC ]
}

@test "mode accelerate finds the host end that belongs to the container's interface" {
	new_pod c1; script endpoint.add "$added"; start_fake
	ip link add vethA type veth peer name eth0 netns c1
	ip link add vethB type veth peer name vethC
	prev='{cniVersion: "1.0.0", interfaces: [{name: "vethB"}, {name: "vethA"}, {name: "eth0", sandbox: "/run/netns/c1"}],
		ips: [{address: "10.5.0.2/24", gateway: "10.5.0.1", interface: 2}], routes: [{dst: "0.0.0.0/0"}], dns: {domain: "x"}}'
	conf=$(conf 1.0.0 "del(.ipam) | .mode = \"accelerate\" | .prevResult = $prev"); call ADD c1
	succeeds
	asked 1 '.request | .hostIfname == "vethA" and .addresses == [{address: "10.5.0.2/24", gateway: "10.5.0.1"}]'
	[ "$(jq -S . <<<"$output")" = "$(jq -nS "$prev")" ] # passed through unchanged
	# A result that names no host interface: netlink knows the other end.
	conf=$(conf 1.0.0 "del(.ipam) | .mode = \"accelerate\" | .prevResult = ($prev | .interfaces |= .[2:] | .ips[0].interface = 0)")
	call ADD c1; succeeds
	asked 2 '.request.hostIfname == "vethA"'
}

@test "mode accelerate refuses what has no pair of its own" {
	new_pod c1; script endpoint.add "$added"; start_fake
	ip -n c1 link add eth0 type bridge
	prev='{interfaces: [{name: "eth0", sandbox: "x"}], ips: [{address: "10.5.0.2/24", interface: 0}]}'
	conf=$(conf 1.0.0 "del(.ipam) | .mode = \"accelerate\" | .prevResult = $prev"); call ADD c1; fails_with 7 bridge
	call ADD c1 eth9; fails_with 7 eth9
	[ ! -e "$T/log" ]
}

@test "after another plugin the earlier result is kept and ours is added" {
	new_pod c1; script endpoint.add "$added"; start_fake
	conf=$(conf 1.0.0 '.prevResult = {cniVersion: "1.0.0", interfaces: [{name: "x0"}], ips: [{address: "1.1.1.1/32", interface: 0}]}')
	call ADD c1; succeeds
	is '[.interfaces[].name] == ["x0", "plaaaaaaaaaaaa", "eth0"] and [.ips[].interface] == [0, 2, 2]'
}

@test "--version, --help and a wrong word, with no daemon and nothing on standard input" {
	for option in --version -V; do
		[[ $("$T/bin/podlane" $option </dev/null) = "podlane "*"CNI 0.3.0 to 1.1.0"* ]]
	done
	for option in --help -h; do
		[[ $("$T/bin/podlane" $option </dev/null) = "usage: "*CNI_COMMAND*"podlane-cni(8)"* ]]
	done
	status=0; output=$("$T/bin/podlane" nonsense </dev/null 2>"$T/stderr") || status=$?
	[ "$status" = 2 ]; is_silent; grep -q usage "$T/stderr"
	status=0; output=$(env -u CNI_COMMAND "$T/bin/podlane" </dev/null 2>"$T/stderr") || status=$?
	fails_with 4 'CNI_COMMAND is not set' ADD; grep -q 'podlane-cni(8)' "$T/stderr"
}

@test "netavark: info, create, setup, teardown" {
	net='{"name":"n1","id":"00","driver":"podlane","dns_enabled":true,"ipv6_enabled":false,"internal":false,
		"subnets":[{"subnet":"10.77.0.0/24"}],"ipam_options":{"driver":"host-local"}}'
	output=$("$T/bin/podlane" info); is '.api_version == "1.0.0" and (.version | length > 0)'
	output=$("$T/bin/podlane" create <<<"$net")
	is '.subnets[0].gateway == "10.77.0.1" and .name == "n1" and .id == "00" and .driver == "podlane" and .dns_enabled == false'
	status=0; output=$("$T/bin/podlane" create <<<'{"name":"n1"}') || status=$?
	[ "$status" = 1 ]; is '.error | contains("--subnet")'
	new_pod c1; script endpoint.add "$added"; script endpoint.del '{"ok":true,"existed":true}'; start_fake
	opts="{\"container_id\":\"c1\",\"container_name\":\"web\",\"network\":$net,\"network_options\":{\"interface_name\":\"eth0\",
		\"static_ips\":[\"10.77.0.2\"],\"static_mac\":\"02:00:00:00:00:02\"}}"
	output=$("$T/bin/podlane" setup /run/netns/c1 <<<"$opts")
	is '.interfaces.eth0 | .mac_address == "02:00:00:00:00:02" and .subnets[0] == {ipnet: "10.77.0.2/32", gateway: "10.77.0.1"}'
	asked 1 '.request | .ips == ["10.77.0.2"] and .mac == "02:00:00:00:00:02" and .pod.name == "web" and .network.ipMasq == true'
	output=$("$T/bin/podlane" teardown /run/netns/c1 <<<"$opts"); is_silent
	asked 2 '.request | .op == "endpoint.del" and .network == "n1"'
	status=0; output=$("$T/bin/podlane" setup /run/netns/c1 <<<"$(jq '.port_mappings = [{container_port: 80}]' <<<"$opts")") || status=$?
	[ "$status" = 1 ]; is '.error | contains("publish")'
	stop_daemon
	output=$("$T/bin/podlane" teardown /run/netns/c1 <<<"$opts"); is_silent
	status=0; output=$("$T/bin/podlane" setup /run/netns/c1 <<<"$opts") || status=$?
	[ "$status" = 1 ]; is '.error | contains("podlaned")'
}
