#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# time limit: 240
#
# What podlane -j prints is what agent/man/podlane.schema.json says: of the real daemon, and of the
# stand-in that other tests use.

bats_require_minimum_version 1.5.0
load ../guard

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return
	schema=agent/man/podlane.schema.json
	podlane=${PODLANE_BUILD:-build}/podlane dir=$BATS_TEST_TMPDIR
	export PODLANE_SOCKET=$dir/run/podlane.sock
	mkdir "$dir/run"
	daemon=''
	/usr/bin/python3 -c 'import jsonschema' 2>/dev/null || skip "python3-jsonschema is not installed"
}

teardown() {
	[ -z "$daemon" ] || { kill "$daemon" && wait "$daemon"; } 2>/dev/null || true
	[ -z "${real:-}" ] || "${podlane}d" --remove --run-dir "$dir/run" --bpffs /sys/fs/bpf/schema-test || true
	[ ! -e /run/netns/red ] || ip netns del red
	local device
	for device in tap0 up0; do
		[ -z "${real:-}" ] || ip link del $device || true
	done
}

daemon_up() { # COMMAND...
	"$@" 2>"$dir/log" 3>&- &
	daemon=$!
	local i
	for ((i = 0; i < 200; i++)); do
		! "$podlane" status >/dev/null 2>&1 || return 0
		sleep 0.1
	done
	cat "$dir/log" && false
}

says() { # NAME ARGUMENT...: the command succeeds; what it prints, line by line, is to be NAME
	local name=$1
	shift
	"$podlane" -j "$@" >"$dir/out" 2>"$dir/err" || { echo "$*" && cat "$dir/err" && false; }
	jq -c . "$dir/out" | sed "s/^/$name /" >>"$dir/said"
	[ ! -s "$dir/err" ] || sed 's/^/warning /' "$dir/err" >>"$dir/said"
}

fails() { # ARGUMENT...
	! "$podlane" -j "$@" 2>"$dir/err" || false
	sed 's/^/error /' "$dir/err" >>"$dir/said"
}

every_command() {
	says status status
	says version version
	says log-level log-level
	says endpoint-list endpoint list
	says endpoint-show endpoint show "$1"
	says stats stats
	says stats stats "$1"
	says stats-by stats --by reason
	says stats-by stats --by endpoint
	says stats-watch stats -w 0.1 -n 1
	says stats-watch stats -w 0.1 -n 2 --by reason
	says mirror-list mirror list
	says mirror-compile mirror compile 'tcp port 80'
	says mirror-stats mirror stats
	says mirror-stats-watch mirror stats -w 0.1 -n 2
	fails endpoint show nobody
	fails status now
}

all_is_of_the_schema() {
	local name
	tests/cli/check_schema.py $schema <"$dir/said"
	# Each command of the schema was asked.
	while read -r name; do
		grep -q "^$name " "$dir/said" || { echo "nothing said $name" && false; }
	done < <(jq -r '.anyOf[]["$ref"] | sub("#/[$]defs/"; "")' $schema)
}

@test "the real daemon's answers" {
	[ "$(id -u)" = 0 ] || skip "needs root: network namespaces and BPF"
	[ -x "${podlane}d" ] || skip "podlaned is not built"
	real=1
	ip link add tap0 type veth peer name tap1
	ip link set tap0 up
	ip link add up0 type veth peer name up1
	ip link set up0 up
	ip addr add 192.0.2.1/24 dev up0
	ip route add default via 192.0.2.254
	daemon_up "${podlane}d" --run-dir "$dir/run" --bpffs /sys/fs/bpf/schema-test
	ip netns add red
	says endpoint-add endpoint add red
	CNI_COMMAND=ADD CNI_CONTAINERID=web CNI_NETNS=/run/netns/red CNI_IFNAME=web0 CNI_PATH=${podlane%/*} \
		CNI_ARGS="K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_UID=u-1" "$podlane-cni" <<-END
			{"cniVersion": "1.0.0", "name": "lab", "type": "podlane", "allow": ["vlan"],
			 "ipam": {"type": "podlane", "subnet": "10.78.0.0/24"}}
		END
	ip netns exec red ping -q -c 2 -i 0.1 10.78.0.1 || true
	says mirror-add mirror add one --endpoint web --endpoint nobody --to-device tap0 --filter icmp --sample-flows 2 \
		--pps 10 --bps 10k --snaplen 96 --seconds 100 --packets 50
	says mirror-add mirror add two --all --to-vxlan 192.0.2.9 --vni 7 --port 4790 --local 192.0.2.1 --sample-packets 3
	"$podlane" mirror del two
	says mirror-add mirror add two --endpoint web --to-vxlan 192.0.2.9 --vni 7
	says mirror-add mirror add three --endpoint shop/web-0 --to-endpoint red --direction out --include-drops
	says mirror-show mirror show one
	every_command web-0
	says mirror-del mirror del two
	ip -n red link set eth0 down
	says endpoint-list endpoint list
	says endpoint-del endpoint del web-0
	all_is_of_the_schema
}

@test "the stand-in's answers" {
	daemon_up tests/cli/fake_daemon.py "$PODLANE_SOCKET" "$dir/asked"
	every_command web-0
	says mirror-show mirror show far
	says mirror-add mirror add m --endpoint nobody --to-device tap0
	says mirror-del mirror del ids
	says endpoint-del endpoint del web-0
	tests/cli/check_schema.py $schema <"$dir/said"
}

@test "the schema has every command that prints something" {
	local command
	while read -r command; do
		case $command in help | complete) continue ;; esac
		jq -e --arg name "${command// /-}" '.["$defs"] | has($name)' $schema >/dev/null || { echo "no $command" && false; }
	done < <("$podlane" --help | sed -nE '/^Commands:/,/^$/s/^  ([a-z-]+( [a-z-]+)*)( .*|$)/\1/p')
}

@test "a key that nobody wrote down is found" {
	echo '{"level": "info", "colour": "blue"}' | sed 's/^/log-level /' >"$dir/said"
	run -1 tests/cli/check_schema.py $schema <"$dir/said"
	[[ $output == *colour* ]]
	echo 'log-level {"level": "loud"}' >"$dir/said"
	run -1 tests/cli/check_schema.py $schema <"$dir/said"
}

@test "podlane-socket(7) and podlane(8) tell of every key of the schema" {
	local key
	while read -r key; do
		grep -qwF -- "$key" agent/man/podlane-socket.7 agent/man/podlane.8 || { echo "no man page has $key" && false; }
	done < <(tests/cli/check_schema.py --keys $schema)
}
