#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# time limit: 240
#
# The worked examples of podlane-mirror(8), run as they stand there, and what arrives.
#
#   outside 192.0.2.254 --- up0 192.0.2.1 [node: podlaned] --- red .10, blue .20, probe .30 of 10.201.0.0/24

bats_require_minimum_version 1.5.0
load ../guard

setup_file() {
	root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	export root build=${PODLANE_BUILD:-$root/build} dir=$BATS_FILE_TMPDIR
	[ "$(id -u)" = 0 ] || skip "needs root: network namespaces and BPF"
	[ -x "$build/podlaned" ] || skip "podlaned is not built"
	export PODLANE_SOCKET=$dir/run/podlane.sock PATH=$build:$PATH
	# The page as a shell reads it: continued lines joined, spaces alike.
	sed 's/\\e$/\\/' "$root/agent/man/podlane-mirror.8" | sed -z 's/\\\n[[:space:]]*//g; s/[ \t]\+/ /g' >"$dir/page"
	ip netns add outside
	ip link add up0 type veth peer name eth0 netns outside
	ip addr add 192.0.2.1/24 dev up0
	ip link set up0 up
	ip -n outside addr add 192.0.2.254/24 dev eth0
	ip -n outside link set eth0 up
	ip -n outside route add default via 192.0.2.1
	podlaned --run-dir "$dir/run" --bpffs /sys/fs/bpf/cli-test 2>"$dir/log" 3>&- &
	export daemon=$!
	local i ns
	for ((i = 0; i < 200; i++)); do
		[ ! -S "$PODLANE_SOCKET" ] || break
		sleep 0.1
	done
	[ -S "$PODLANE_SOCKET" ] || { cat "$dir/log" && false; }
	i=0
	for ns in red blue probe; do
		ip netns add "$ns"
		podlane endpoint add "$ns" --ip "10.201.0.$((i += 10))"
	done
}

teardown_file() {
	[ -z "${daemon:-}" ] || { kill "$daemon" && wait "$daemon"; } || true
	[ -z "${daemon:-}" ] || podlaned --remove --run-dir "$dir/run" --bpffs /sys/fs/bpf/cli-test || true
	local ns
	for ns in red blue probe outside; do
		[ ! -e "/run/netns/$ns" ] || ip netns del "${ns:?}"
	done
}

setup() { watching=; }

teardown() {
	[ -z "$watching" ] || { kill "$watching" && wait "$watching"; } 2>/dev/null || true
	local name
	for name in remote sample forged; do # of a test that failed
		podlane mirror del "$name" >/dev/null 2>&1 || true
	done
}

example() { # LINE [PREFIX...]: it stands in the page; runs it
	local line=$1
	shift
	grep -qxF "$line" "$dir/page" || { echo "not in podlane-mirror(8): $line" && false; }
	eval "$* $line"
}

watch() { # LINE FILTER [PREFIX...]: the page's tcpdump, with more options of ours
	local line=$1 filter=$2 i
	shift 2
	grep -qxF "$line" "$dir/page" || { echo "not in podlane-mirror(8): $line" && false; }
	: >"$dir/seen"
	# shellcheck disable=SC2086 # words of the page
	"$@" $line -l -e "$filter" >"$dir/seen" 2>"$dir/tcpdump" 3>&- &
	watching=$!
	for ((i = 0; i < 200; i++)); do
		! grep -q 'listening on' "$dir/tcpdump" || return 0
		sleep 0.1
	done
	cat "$dir/tcpdump" && false
}

seen() { # COUNT PATTERN: so many lines, no more, no less
	local i
	for ((i = 0; i < 100; i++)); do
		[ "$(grep -cE "$2" "$dir/seen")" -lt "$1" ] || break
		sleep 0.1
	done
	sleep 0.3 # for more than there should be
	[ "$(grep -cE "$2" "$dir/seen")" -eq "$1" ] || { cat "$dir/seen" && podlane mirror list && false; }
}

counter() { podlane -j mirror show "$1" | jq ".mirror.counters.$2"; }

@test "an analyser on the node sees one pod's web traffic, both ways, once" {
	example 'ip link add ids0 type veth peer name ids1'
	example 'sysctl -w net.ipv6.conf.ids0.disable_ipv6=1'
	example 'sysctl -w net.ipv6.conf.ids1.disable_ipv6=1'
	example 'ip link set ids0 up'
	example 'ip link set ids1 up'
	example "podlane mirror add web --endpoint blue --filter 'tcp port 8080' --to-device ids0"
	watch 'tcpdump -n -i ids1' ''
	# Nobody listens: the answer is a reset.
	ip netns exec red curl -s -o /dev/null http://10.201.0.20:8080/ || [ $? -eq 7 ]
	ip netns exec red ping -q -c 2 -i 0.1 10.201.0.20
	seen 1 '10.201.0.10.[0-9]+ > 10.201.0.20.8080: Flags \[S\]'
	seen 1 '10.201.0.20.8080 > 10.201.0.10.[0-9]+: Flags \[R'
	seen 2 .
	[ "$(counter web sent)" -eq 2 ]
	run podlane mirror watch web -n 1 -i 0.2
	[ "$status" -eq 0 ] && [[ $output == *web*active* ]]
	grep -qxF 'podlane mirror watch web' "$dir/page"
}

# Debian 12 has none.
@test "suricata on the node raises the alert of its rule, and no other" {
	command -v suricata >/dev/null || skip "no suricata here"
	local i logs=$dir/suricata rule
	mkdir -p "$logs" "$dir/www"
	ip netns exec blue busybox httpd -f -p 10.201.0.20:8080 -h "$dir/www" 3>&- &
	local httpd=$!
	rule=$(grep -m 1 '^echo .alert http' "$dir/page")
	(cd "$dir" && eval "$rule")
	grep -qxF 'suricata -i ids1 -k none -S local.rules -l /var/log/suricata' "$dir/page"
	suricata -i ids1 -k none -S "$dir/local.rules" -l "$logs" >"$logs/out" 2>&1 3>&- &
	watching=$!
	for ((i = 0; i < 300; i++)); do
		! grep -qs 'Engine started' "$logs/out" || break
		sleep 0.1
	done
	ip netns exec red curl -s -o /dev/null http://10.201.0.20:8080/index.html
	ip netns exec red curl -s -o /dev/null http://10.201.0.20:8080/admin
	for ((i = 0; i < 100; i++)); do
		[ ! -s "$logs/fast.log" ] || break
		sleep 0.1
	done
	kill "$httpd"
	sleep 0.5 # for more than there should be
	cat "$logs/fast.log"
	[ "$(wc -l <"$logs/fast.log")" -eq 1 ]
	grep -q 'admin page.* 10.201.0.10:[0-9]* -> 10.201.0.20:8080' "$logs/fast.log"
}

@test "a remote collector gets the first 96 bytes by VXLAN" {
	example 'ip link add vx7 type vxlan id 7 dev eth0 dstport 4789' ip netns exec outside
	example 'ip link set vx7 up' ip netns exec outside
	example 'podlane mirror add remote --endpoint red --snaplen 96 --to-vxlan 192.0.2.254 --vni 7'
	# The first copies wait for the collector's MAC, and may end there.
	ip netns exec red ping -q -c 1 10.201.0.20
	watch 'tcpdump -n -i vx7' 'icmp' ip netns exec outside
	ip netns exec red ping -q -c 2 -i 0.1 -s 1000 10.201.0.20
	seen 4 'length 96: .*10.201.0.(10|20) > 10.201.0.(10|20): ICMP echo (request|reply)'
	[ "$(counter remote truncated)" -ge 4 ]
	podlane mirror del remote
	run ip -br link show type vxlan
	[ -z "$output" ]
}

@test "an analyser in a pod gets a sample of all" {
	example 'podlane mirror add sample --all --sample-flows 100 --pps 10k --seconds 3600 --to-endpoint probe'
	local i
	for ((i = 0; i < 4; i++)); do
		ip netns exec red ping -q -c 5 -i 0.02 10.201.0.20
	done
	[ "$(counter sample matched)" -ge 40 ]
	[ "$(counter sample sampledOut)" -gt 0 ]
	[ "$(podlane -j mirror show sample | jq .mirror.secondsLeft)" -gt 3500 ]
	podlane mirror del sample
}

@test "what is dropped is shown where it is asked for" {
	example "podlane mirror add forged --endpoint red --direction out --include-drops --filter 'not src host 10.201.0.10' --to-device ids0"
	watch 'tcpdump -n -i ids1' 'icmp'
	ip -n red addr add 10.99.0.1/32 dev eth0
	ip netns exec red ping -q -c 2 -i 0.1 -W 1 -I 10.99.0.1 10.201.0.20 || true
	ip -n red addr del 10.99.0.1/32 dev eth0
	seen 2 '10.99.0.1 > 10.201.0.20: ICMP echo request'
	podlane mirror del forged
	podlane mirror del web
	run podlane -j mirror list
	[ "$(jq '.mirrors | length' <<<"$output")" -eq 0 ]
}
