# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154 # the tests read and set these
# A node for the worked examples of podlane-mirror(8), and how one is run as it stands in the page.
#
#   outside 192.0.2.254 --- up0 192.0.2.1 [node: podlaned] --- red .10, blue .20, probe .30 of 10.201.0.0/24

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

# The first example: what an analyser listens on, and the session that feeds it.
feed_analyser() {
	example 'ip link add ids0 type veth peer name ids1'
	example 'sysctl -w net.ipv6.conf.ids0.disable_ipv6=1'
	example 'sysctl -w net.ipv6.conf.ids1.disable_ipv6=1'
	example 'ip link set ids0 up'
	example 'ip link set ids1 up'
	example "podlane mirror add web --endpoint blue --filter 'tcp port 8080' --to-device ids0"
}
