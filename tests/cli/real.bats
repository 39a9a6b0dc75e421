#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# time limit: 240
#
# The command line against the real daemon: plain network namespaces get a network by hand, and
# what is printed is what is so.
#
#   outside 192.0.2.254 --- up0 192.0.2.1 [node: podlaned] --- red, blue (10.201.0.0/24, fd42:706c::/64)

bats_require_minimum_version 1.5.0
load ../guard

setup_file() {
	root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	export root podlane=${PODLANE_BUILD:-$root/build}/podlane podlaned=${PODLANE_BUILD:-$root/build}/podlaned
	[ "$(id -u)" = 0 ] || skip "needs root: network namespaces and BPF"
	[ -x "$podlaned" ] || skip "podlaned is not built"
	export dir=$BATS_FILE_TMPDIR PODLANE_SOCKET=$BATS_FILE_TMPDIR/run/podlane.sock
	ip netns add outside
	ip link add up0 type veth peer name eth0 netns outside
	ip addr add 192.0.2.1/24 dev up0
	ip link set up0 up
	ip -n outside addr add 192.0.2.254/24 dev eth0
	ip -n outside link set eth0 up
	ip -n outside route add default via 192.0.2.1
	ip route add default via 192.0.2.254
	"$podlaned" --run-dir "$dir/run" --bpffs /sys/fs/bpf/cli-test 2>"$dir/log" 3>&- &
	export daemon=$!
	local i
	for ((i = 0; i < 200; i++)); do
		[ ! -S "$PODLANE_SOCKET" ] || break
		sleep 0.1
	done
	[ -S "$PODLANE_SOCKET" ] || { cat "$dir/log" && false; }
	ip netns add red
	ip netns add blue
}

teardown_file() {
	[ -z "${daemon:-}" ] || { kill "$daemon" && wait "$daemon"; } || true
	[ -z "${daemon:-}" ] || "$podlaned" --remove --run-dir "$dir/run" --bpffs /sys/fs/bpf/cli-test || true
	local ns
	for ns in red blue outside; do
		[ ! -e "/run/netns/$ns" ] || ip netns del "${ns:?}"
	done
}

setup() { cd "$root" || return; }

ok() { # ARGUMENT...
	run --separate-stderr "$podlane" "$@"
	# shellcheck disable=SC2154 # set by run
	[ "$status" -eq 0 ] || { echo "status $status: $stderr" && false; }
}

fails() { # STATUS TEXT ARGUMENT...
	local expected=$1 text=$2
	shift 2
	run --separate-stderr "$podlane" "$@"
	[ "$status" -eq "$expected" ] || { echo "status $status: $stderr" && false; }
	[[ $stderr == *"$text"* ]] || { echo "stderr: $stderr" && false; }
}

json() { # JQ-FILTER: holds for the output
	jq -e "$1" <<<"$output" >/dev/null || { echo "$output" && false; }
}

wait_for() { # COMMAND...: within ten seconds
	local i
	for ((i = 0; i < 100; i++)); do
		"$@" && return
		sleep 0.1
	done
	return 1
}

@test "status of an empty node" {
	ok status -j
	json '.endpoints == 0 and .uplinks[0].name == "up0" and .uplinks[0].attached != "none"'
	ok status
	[[ $output == *"0 of at most 4095, 0 ready"* ]]
	ok endpoint list
	[ "${#lines[@]}" -eq 1 ]
}

@test "add gives addresses that work at once, as asked" {
	ok endpoint add red
	[[ $output == "red: eth0 has 10.201.0."*", fd42:706c::"*"veth, ready" ]]
	ok endpoint add blue --ip 10.201.0.77 --mtu 1400 --mac 02:00:00:00:00:77 -j
	json '.endpoint.addresses[0].address == "10.201.0.77/32" and .endpoint.mtu == 1400
		and .endpoint.podMac == "02:00:00:00:00:77" and .endpoint.ready and .endpoint.netns == "/run/netns/blue"'
	ip -n blue -j link show eth0 | jq -e '.[0].mtu == 1400 and .[0].address == "02:00:00:00:00:77"'
	ip netns exec red ping -c 1 -W 2 10.201.0.77
	ip netns exec blue ping -c 1 -W 2 192.0.2.254
	ip netns exec outside ping -c 1 -W 2 10.201.0.77
}

@test "what cannot be added is refused by name, and leaves nothing" {
	fails 1 "has an endpoint eth0 already" endpoint add blue
	fails 1 "10.201.0.77" endpoint add blue --ifname net1 --ip 10.201.0.77
	fails 1 "10.9.9.9" endpoint add blue --ifname net1 --ip 10.9.9.9
	fails 1 "the host's own" endpoint add "pid:$$" --name host
	ip -n blue link add net1 type dummy || ip -n blue link add net1 type bridge
	fails 1 "net1" endpoint add blue --ifname net1
	ip -n blue link del net1
	ok endpoint list -j
	json '.endpoints | length == 2'
	run ip -o link show type veth
	[ "$(grep -c ': pl' <<<"$output")" -eq 2 ]
}

@test "list and show find an endpoint by all its names" {
	local address host
	ok endpoint list -j
	host=$(jq -r '.endpoints[] | select(.containerId == "blue").hostIfname' <<<"$output")
	address=$(jq -r '.endpoints[] | select(.containerId == "blue").addresses[1].address' <<<"$output")
	local name
	for name in blue blue:eth0 10.201.0.77 "${address%/*}" "$host"; do
		ok endpoint show "$name" -j
		json '.endpoint.containerId == "blue"'
	done
	fails 1 "nobody" endpoint show nobody
	ok endpoint show blue
	[[ $output == *"antispoof    on"* && $output == *"FORWARD_LOCAL"*"handed to a pod of this node"* ]]
}

forwarded() { # the packets that the fast path handed to red
	"$podlane" -j stats red |
		jq '[.stats[].reasons[] | select(.reason == "FORWARD_LOCAL" and .direction == "in").packets] | add // 0'
}

@test "stats count what was sent" {
	local before
	before=$(forwarded)
	ip netns exec blue ping -q -c 5 -i 0.05 -W 2 "$(address_of red)"
	[ "$(($(forwarded) - before))" -eq 5 ]
}

address_of() { # CONTAINER
	"$podlane" -j endpoint show "$1" | jq -r '.endpoint.addresses[0].address' | cut -d/ -f1
}

@test "stats --watch shows the rate while it lasts" {
	ip netns exec blue ping -q -c 40 -i 0.05 -W 2 "$(address_of red)" >/dev/null 3>&- &
	local ping=$!
	ok stats red -j --watch 1 --count 1
	wait "$ping"
	json '[.stats[].reasons[] | select(.reason == "FORWARD_LOCAL")] | length == 2 and all(.packetsPerSecond > 5)'
}

@test "the daemon has no libpcap, and takes only programs" {
	run ldd "$podlaned"
	[ "$status" = 0 ]
	[[ $output = *libbpf* && $output != *libpcap* ]]
	ok mirror compile ip
	[ "$output" = "4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0" ]
	ok -j mirror compile ip
	json '.filter == "ip" and (.program | startswith("4,40 "))'
	fails 1 "unknown keyword 'prot'" mirror compile 'prot 6'
	fails 1 "'nope' is a host or network name" mirror add x --all --to-device lo --filter 'host nope'
}

@test "a pod whose link goes down is not ready, and says why" {
	ip -n blue link set eth0 down
	is_down() { "$podlane" -j endpoint show blue | jq -e '.endpoint.ready | not' >/dev/null; }
	wait_for is_down
	ok endpoint show blue
	[[ $output == *"ready        no: the pod end is down"* ]]
	ok status
	[[ $output == *"1 of 2 ready (podlane endpoint list"* ]]
	ip -n blue link set eth0 up
	is_up() { ! is_down; }
	wait_for is_up
}

@test "options go over the daemon's own network" {
	ok endpoint add blue --name second --ifname net1 --no-antispoof --mtu 1300 -j
	json '.endpoint.antispoof == false and .endpoint.mtu == 1300 and .endpoint.network == "default"'
	ok endpoint show second
	[[ $output == *"antispoof    OFF"* ]]
	ok endpoint del second --ifname net1
	run ip -n blue link show net1
	[ "$status" -ne 0 ]
}

@test "a network of a file" {
	echo '{"cniVersion": "1.0.0", "name": "lab", "type": "podlane",
		"ipam": {"type": "podlane", "subnet": "10.77.0.0/24"}}' >"$dir/lab.conf"
	ok endpoint add blue --name lab --ifname lab0 --network "$dir/lab.conf" -j
	json '.endpoint.network == "lab" and .endpoint.addresses == [{address: "10.77.0.2/32", gateway: "10.77.0.1"}]'
	ok status
	[[ $output == *"networks     "*lab* ]]
	ok endpoint del lab --ifname lab0
}

add_pod() { # CONTAINER IFNAME: as a container runtime does
	CNI_COMMAND=ADD CNI_CONTAINERID=$1 CNI_NETNS=/run/netns/red CNI_IFNAME=$2 CNI_PATH=${podlane%/*} \
		CNI_ARGS="IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0" "$podlane-cni" <<-END
			{"cniVersion": "1.0.0", "name": "lab", "type": "podlane",
			 "ipam": {"type": "podlane", "subnet": "10.78.0.0/24"}}
		END
}

@test "what list shows as a name, show, stats, mirror and del take" {
	local id=4f1e2d3c5b6a798807162534435261708f9eadbccbdae9f80716253443526170 name
	add_pod $id web0
	add_pod $id web1
	ok endpoint list
	[ "$(grep -c ' shop/web-0 ' <<<"$output")" -eq 2 ]
	for name in shop/web-0 web-0 $id 4f1e2d3c5b6a; do
		fails 1 "names more than one endpoint" endpoint show "$name"
		fails 1 "names more than one endpoint" endpoint del "$name"
		ok endpoint show "$name:web1" -j
		json '.endpoint.ifname == "web1" and .endpoint.pod.name == "web-0"'
		ok stats "$name:web1" -j
		json '.stats[0].ifname == "web1" and .stats[0].pod.namespace == "shop"'
		ok mirror add names --endpoint "$name:web1" --endpoint nobody --to-device up0 -j
		json '.mirror.selected == 1 and .mirror.unmatched == ["nobody"]'
		[[ $stderr == *"no endpoint is named nobody"* ]]
		ok mirror del names
	done
	[[ $("$podlane" complete endpoint show sh) == $'shop/web-0\nshop/web-0' ]]
	[[ $("$podlane" complete endpoint show 4f1e2d3c5b6a:) == $'4f1e2d3c5b6a:web0\n4f1e2d3c5b6a:web1' ]]
	ok endpoint rm shop/web-0:web1
	[ "$output" = "deleted shop/web-0:web1" ]
	ok endpoint del web-0
	[ "$output" = "deleted shop/web-0:web0" ]
	run ip -n red link show web0
	[ "$status" -ne 0 ]
	ok endpoint add red --name bluebell --ifname bb0
	fails 1 'no endpoint is named "blueb"' endpoint del blueb # only hashes may be shortened
	fails 1 'no endpoint is named "blueb"' endpoint show blueb
	ok endpoint del bluebell
}

@test "JSON: times in RFC 3339, and no pod where none is known" {
	ok endpoint show blue -j
	json '.endpoint | has("pod") | not'
	# Both say the same time, and it is that of this test.
	json '.endpoint | (.createdNs / 1000000000 | floor) == (.created | sub("[.][0-9]{9}Z$"; "Z") | fromdate)'
	[ "$(jq -r .endpoint.created <<<"$output" | date -f - +%s)" -gt "$(($(date +%s) - 600))" ]
	ok stats -j
	json '.stats | length >= 2 and all(has("pod") | not)'
}

@test "log-level changes the running daemon" {
	ok log-level debug
	ok log-level
	[ "$output" = debug ]
	ok log-level info
}

@test "del removes link and record; twice says that there is none" {
	ok endpoint del red
	[ "$output" = "deleted red:eth0" ]
	run ip -n red link show eth0
	[ "$status" -ne 0 ]
	fails 1 'no endpoint is named "red"' endpoint del red
	ok endpoint list -j
	json '[.endpoints[].containerId] == ["blue"]'
	[ ! -e "$dir/run/endpoints/red:eth0.json" ]
}
