# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2119,SC2120,SC2154 # the tests read and set these
# For the CNI tests: how the plugin is called, and a daemon behind it, real or scripted.
# Everything lives in $BATS_TEST_TMPDIR; processes are ended by the id that started them.

load ../guard

build=${PODLANE_BUILD:-$PWD/build}
versions="0.3.0 0.3.1 0.4.0 1.0.0 1.1.0"
T='' daemon_pid='' namespaces=() # teardown runs after a setup that skipped, too

cni_setup() {
	T=$BATS_TEST_TMPDIR
	mkdir -p "$T/bin" "$T/run/endpoints"
	ln -sf "$build/podlane-cni" "$T/bin/podlane"
	export PODLANE_RUN_DIR=$T/run CNI_PATH=$T/bin
	unset PODLANE_SOCKET CNI_ARGS
	daemon_pid='' namespaces=()
}

cni_teardown() {
	stop_daemon
	local n
	for n in "${namespaces[@]}"; do ip netns del "${n:?}" 2>/dev/null || :; done
}

stop_daemon() {
	[ -n "${daemon_pid:-}" ] || return 0
	kill -CONT "$daemon_pid" 2>/dev/null || :
	kill "${1:--TERM}" "$daemon_pid" 2>/dev/null || :
	wait "$daemon_pid" 2>/dev/null || :
	daemon_pid=''
}

# errexit does not see a failing "! command".
refute() { # COMMAND...: must fail
	if "$@"; then
		echo "succeeded, but must not: $*" >&2
		return 1
	fi
}

await() { # SECONDS COMMAND...: until it succeeds
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { echo "gave up waiting for: $*" >&2 && return 1; }
		sleep 0.05
	done
}

# The scripted daemon: $T/script.json is what it answers, $T/log what it was asked.
start_fake() {
	"$build/tests/tools/fake_daemon" "$T/run/podlane.sock" "$T/script.json" "$T/log" 3>&- &
	daemon_pid=$!
	await 20 test -S "$T/run/podlane.sock"
}

script() { # OPERATION REPLY: adds to the script
	[ -e "$T/script.json" ] || echo '{}' >"$T/script.json"
	jq --arg op "$1" --argjson reply "$2" '.[$op] = $reply' "$T/script.json" >"$T/script.new"
	mv "$T/script.new" "$T/script.json"
}

# The real one, if it was built. Options are passed on.
start_daemon() {
	[ -x "$build/podlaned" ] || skip "podlaned is not built"
	"$build/podlaned" --run-dir "$T/run" --bpffs /sys/fs/bpf/podlane "$@" >"$T/podlaned.log" 2>&1 3>&- &
	daemon_pid=$!
	await 20 daemon_settled
	daemon_answers || { cat "$T/podlaned.log" >&2 && return 1; }
}

daemon_answers() { "$build/podlane" --socket "$T/run/podlane.sock" status >/dev/null; }
daemon_settled() { ! kill -0 "$daemon_pid" || daemon_answers; }

new_pod() { # NAME: a container's network namespace
	ip netns add "$1"
	namespaces+=("$1")
	ip -n "$1" link set lo up
}

endpoints() { "$build/podlane" --socket "$T/run/podlane.sock" -j endpoint list | jq -c '.endpoints // .'; }

# A network of the built-in IPAM; further jq on it: conf VERSION [FILTER]
conf() {
	jq -nc --arg v "$1" '{cniVersion: $v, name: "net1", type: "podlane",
		ipam: {ranges: [[{subnet: "10.77.0.0/24"}], [{subnet: "fd77::/112"}]]}} | '"${2:-.}"
}

# cni VERB CONTAINER [IFNAME]: configuration on stdin; environment of a runtime.
cni() {
	env CNI_COMMAND="$1" CNI_CONTAINERID="${2:-}" CNI_IFNAME="${3-eth0}" \
		CNI_NETNS="${CNI_NETNS-/run/netns/${2:-}}" "$T/bin/podlane"
}

# call VERB CONTAINER [IFNAME]: as cni, but keeps $status and $output; $conf is the configuration.
call() {
	status=0
	output=$(cni "$@" <<<"$conf" 2>"$T/stderr") || status=$?
}

# As call, within a second: the best of three, since the machine may be busy with other things.
call_at_once() {
	local i begin
	for i in 1 2 3; do
		begin=${EPOCHREALTIME/[.,]/}
		call "$@"
		[ $((${EPOCHREALTIME/[.,]/} - begin)) -ge 1000000 ] || return 0
	done
	echo "$1 took more than a second, three times" >&2
	return 1
}

is() { # JQ-EXPRESSION: holds for $output
	jq -e "$1" >/dev/null <<<"$output" || {
		echo "does not hold: $1"
		echo "status $status, output: $output"
		cat "$T/stderr"
		return 1
	} >&2
}

fails_with() { # CODE [WORDS that msg or details hold]...
	local code=$1 word
	shift
	[ "$status" != 0 ] || { echo "succeeded: $output" >&2 && return 1; }
	is ".code == $code and (.msg | length > 0) and (.cniVersion | length > 0)" || return
	for word; do
		is "(.msg + (.details // \"\")) | contains($(jq -n --arg w "$word" '$w'))" || return
	done
}

succeeds() {
	[ "$status" = 0 ] || { echo "status $status: $output $(cat "$T/stderr")" >&2 && return 1; }
}

is_silent() { [ -z "$output" ] || { echo "said: $output" >&2 && return 1; }; }

asked() { # N JQ-EXPRESSION: of the Nth request to the scripted daemon
	sed -n "$1p" "$T/log" | jq -e "$2" >/dev/null || { cat "$T/log" >&2 && return 1; }
}

operations() { jq -r .request.op "$T/log" | paste -sd' '; }

# An IPAM plugin of our own: answers by $T/ipam.VERB (a JSON file), notes each call in $T/ipam.log.
stub_ipam() { # NAME
	cat >"$T/bin/$1" <<-STUB
		#!/bin/bash
		stdin=\$(cat)
		jq -nc --arg verb "\$CNI_COMMAND" --arg id "\$CNI_CONTAINERID" --arg ns "\$CNI_NETNS" \
			--arg if "\$CNI_IFNAME" --arg path "\$CNI_PATH" --arg args "\$CNI_ARGS" --argjson conf "\$stdin" \
			'\$ARGS.named' >>"$T/ipam.log"
		echo "stub \$CNI_COMMAND" >&2
		[ ! -e "$T/ipam.\$CNI_COMMAND" ] || cat "$T/ipam.\$CNI_COMMAND"
		[ ! -e "$T/ipam.\$CNI_COMMAND.fails" ]
	STUB
	chmod 755 "$T/bin/$1"
}

ipam_calls() { jq -r .verb "$T/ipam.log" 2>/dev/null | paste -sd' '; }

# ---- with the real daemon ----

add() { # CONTAINER [VERSION] [FILTER]: with the result in $T/CONTAINER.json
	[ -e "/run/netns/$1" ] || new_pod "$1"
	conf=$(conf "${2:-1.1.0}" "${3:-.}")
	call ADD "$1"
	succeeds
	echo "$output" >"$T/$1.json"
}

with_prev() { # CONTAINER: $conf with the result of its ADD
	jq -c --slurpfile r "$T/$1.json" '.prevResult = $r[0]' <<<"$conf"
}

check() { # CONTAINER
	status=0
	output=$(with_prev "$1" | cni CHECK "$1" 2>"$T/stderr") || status=$?
}

pod() { nsenter --net="/run/netns/$1" "${@:2}"; }

nothing_left() {
	refute pod_links
	[ -z "$(ls "$T/run/endpoints")" ]
	refute grep -E "10\.77\.|fd77:" <({ ip route show table all && ip -6 route show table all; } | grep -v '^unreachable .*proto 112 ')
}

pod_links() { ip -o link show | grep -E ': pl[0-9a-f]{12}@'; }

host_end() { jq -r '.interfaces[0].name' "$T/$1.json"; }

host_local() { # the jq filter of a network with Debian's host-local
	local dir
	for dir in /usr/lib/cni /opt/cni/bin; do
		[ ! -x "$dir/host-local" ] || ln -sf "$dir/host-local" "$T/bin/host-local"
	done
	[ -e "$T/bin/host-local" ] || skip "host-local is not installed"
	filter=".ipam = {type: \"host-local\", dataDir: \"$T/leases\", ranges: [[{subnet: \"10.77.1.0/24\"}], [{subnet: \"fd77:1::/64\"}]],
		routes: [{dst: \"0.0.0.0/0\"}, {dst: \"::/0\"}]}"
}

leases() { find "$T/leases" -name '[0-9f]*' 2>/dev/null | wc -l; }
