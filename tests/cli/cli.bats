#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# time limit: 240
#
# The command line against a stand-in daemon (fake_daemon.py): what it asks, what it prints, and
# how it ends. The real daemon is driven in real.bats.

bats_require_minimum_version 1.5.0
load ../guard

setup() {
	root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	podlane=${PODLANE_BUILD:-$root/build}/podlane
	dir=$BATS_TEST_TMPDIR
	export PODLANE_SOCKET=$dir/s.sock TERM=xterm
	unset NO_COLOR
	daemon='' watching=''
}

teardown() {
	[ -z "$watching" ] || { kill "$watching" && wait "$watching"; } 2>/dev/null || true
	[ -z "$daemon" ] || { kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null; } || true
	[ ! -e /run/netns/red ] || ip netns del red
}

start() { # [SCENARIO]
	rm -f "${PODLANE_SOCKET:?}"
	"$BATS_TEST_DIRNAME/fake_daemon.py" "$PODLANE_SOCKET" "$dir/log" "${1:-normal}" 3>&- &
	daemon=$!
	local i
	for ((i = 0; i < 200; i++)); do
		[ -S "$PODLANE_SOCKET" ] && return
		sleep 0.05
	done
	return 1
}

wait_for() { # COMMAND...: within twenty seconds
	local i
	for ((i = 0; i < 200; i++)); do
		! "$@" || return 0
		sleep 0.1
	done
	echo "did not come: $*" && return 1
}

asked() { # JQ-FILTER: about the last request
	tail -n 1 "$dir/log" | jq -e "$1" >/dev/null || { cat "$dir/log" && false; }
}

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
	[ -z "$output" ] || { echo "stdout: $output" && false; }
}

has() { # TEXT: in the output
	[[ $output == *"$1"* ]] || { echo "not in the output: $1" && echo "$output" && false; }
}

lacks() { [[ $output != *"$1"* ]] || { echo "in the output: $1" && echo "$output" && false; }; }

json() { # JQ-FILTER: holds for the output
	jq -e "$1" <<<"$output" >/dev/null || { echo "$output" && false; }
}

on_terminal() { # ARGUMENT...: the command with a terminal as its output
	run script -qec "$(printf '%q ' "$podlane" "$@")" /dev/null
}

# ---- how it ends ----

@test "no daemon: exit 3 and what to do" {
	fails 3 "podlaned does not answer at $PODLANE_SOCKET: is it running? (systemctl status podlaned)" status
	: >"$PODLANE_SOCKET" # no socket at all
	fails 3 "does not answer" endpoint list
}

@test "the socket of a dead daemon: exit 3" {
	start
	kill -KILL "$daemon" && wait "$daemon" || true
	fails 3 "is it running?" status
}

@test "a daemon that hangs: exit 3 within the time limit" {
	start hang
	SECONDS=0
	fails 3 "did not answer in time" status
	[ "$SECONDS" -lt 20 ]
}

@test "a daemon that closes the connection: exit 3" {
	start close
	fails 3 "closed the connection" status
}

@test "answers that make no sense: exit 1" {
	start garbage
	fails 1 "not a JSON object" status
	kill "$daemon"; wait "$daemon" || true
	start denied-shape
	fails 1 "neither a success nor an error" status
}

@test "an error of the daemon: exit 1 and its sentence" {
	start refuse
	fails 1 "podlane endpoint list: the daemon is starting: try again" endpoint list
	fails 1 "the daemon is starting" -j status
}

@test "usage errors: exit 2, nothing asked, the way to the help" {
	start
	fails 2 "did you mean 'status'?" statsu
	fails 2 "See podlane endpoint show --help." endpoint show
	fails 2 "unexpected argument 'now'" status now
	fails 2 "a command is missing"
	fails 2 "--count is only valid with --watch" stats --count 3
	fails 2 "0.1 to 3600" stats --watch=0
	fails 2 "0.1 to 3600" stats --watch 1e9
	fails 2 "0.1 to 3600 seconds, not 'abc'" stats -w abc
	fails 2 "0.1 to 3600 seconds, not 'abc'" mirror stats -w abc
	fails 2 "'loud' is not a valid level" log-level loud
	fails 2 "not 'sometimes'" --color sometimes status
	fails 2 "too long" --socket "/$(printf 'x%.0s' {1..200})" status
	[ ! -s "$dir/log" ]
}

@test "with -j errors are JSON, too, on stderr alone" {
	start
	local form
	for form in -j --json "-o json" --output=json -ojson; do
		# shellcheck disable=SC2086 # two words
		fails 1 '' endpoint show nobody $form
		jq -e '.error == {code: "ENOENT", message: "no endpoint is named \"nobody\"", exit: 1}' <<<"$stderr"
		# shellcheck disable=SC2086
		fails 2 '' status now $form
		jq -e '.error.code == "EINVAL" and .error.exit == 2' <<<"$stderr"
		# shellcheck disable=SC2086
		fails 2 '' --nonsense $form
		jq -e '.error.message | startswith("unknown option")' <<<"$stderr"
	done
	fails 2 '' -j
	jq -e '.error.message == "a command is missing"' <<<"$stderr"
	fails 2 '' -j endpoint show $'a\377'
	jq -e '.error.message | endswith("is not valid UTF-8")' <<<"$stderr"
	fails 2 "is not valid UTF-8" mirror add m --all --filter $'\377' --to-device tap0
	kill "$daemon" && wait "$daemon" || true
	fails 3 '' -j status
	jq -e '.error.exit == 3' <<<"$stderr"
}

@test "-o json, table and wide" {
	start
	ok -o json status
	json '.pid == 4242'
	ok status -o table
	has "pid 4242"
	ok endpoint list -o wide
	[[ ${lines[0]} =~ ^ID\ +NAME\ +IFNAME\ +ADDRESSES\ +HOST\ END\ +LINK\ +READY\ +ATTACH\ +NETWORK\ +CONTAINER$ ]]
	[[ ${lines[2]} == *"shop/web-0"*" 4f1e2d3c5b6a798807162534435261708f9eadbccbdae9f80716253443526170" ]]
	fails 2 "--json and --output wide exclude each other" -j -o wide status
	fails 2 "json|table|wide" -o yaml status
}

@test "version: of the command, and of the daemon if it answers" {
	start
	ok version
	[[ ${lines[0]} =~ ^podlane\ +[0-9]+\.[0-9]+ && ${lines[1]} =~ ^podlaned\ +0\.1\.0$ ]]
	ok version -j
	json '(.podlane | test("^[0-9]+\\.")) and .podlaned == "0.1.0"'
	kill "$daemon" && wait "$daemon" || true
	run --separate-stderr "$podlane" version
	[ "$status" -eq 3 ] && [[ $output =~ ^podlane\ +[0-9]+ && $stderr == *"is it running?"* ]]
}

@test "tables fit a terminal of 80 columns" {
	start
	local command
	for command in "endpoint list" stats "stats -w 0.2 -n 1" "stats --by reason" "endpoint show blue" "mirror list" \
		"mirror show far" "mirror stats" "mirror stats -w 0.2 -n 1"; do
		# shellcheck disable=SC2086 # words
		run script -qec "stty cols 80 rows 50; $(printf '%q ' "$podlane" $command --color never)" /dev/null
		[ "$status" -eq 0 ] && [ "${#lines[@]}" -gt 1 ]
		# Without the bytes that place the cursor.
		sed 's/\r$//; s/\x1b\[[?0-9]*[A-Za-z]//g' <<<"$output" | awk -v command="$command" '
			length($0) > 80 { print command ": " $0; bad = 1 } END { exit bad }'
	done
	has "SENT"
	# A long row goes on below.
	run script -qec "stty cols 60 rows 50; $(printf '%q ' "$podlane" endpoint list --color never)" /dev/null
	[[ ${lines[2]} == *"fd42:706c::2"* && ${lines[1]} != *"fd42:706c::2"* ]]
}

@test "a full disk is told" {
	start
	run -1 bash -c '"$0" endpoint list >/dev/full' "$podlane"
	has "cannot write"
	run -1 bash -c '"$0" -j status >/dev/full' "$podlane"
}

@test "every command has a help that names it, and lists its options" {
	ok --help
	has "usage: podlane"
	local all
	mapfile -t all < <("$podlane" --help | sed -nE '/^Commands:/,/^$/s/^  ([a-z-]+( [a-z-]+)*) .*/\1/p')
	[ "${#all[@]}" -ge 14 ]
	local command words
	for command in "${all[@]}"; do
		[ "$command" != complete ] || continue # completes "--help" like any other word
		read -ra words <<<"$command"
		ok "${words[@]}" --help
		has "usage: podlane $command"
		has "--json"
		awk 'length($0) > 80 { print; bad = 1 } END { exit bad }' <<<"$output"
		local own=$output
		ok help "${words[@]}"
		[ "$output" = "$own" ]
	done
	ok --version
	[[ $output =~ ^podlane\ [0-9]+\.[0-9]+ ]]
}

# ---- status, endpoints ----

@test "status says what matters" {
	start
	ok status
	has "0.1.0, pid 4242, up 1d 2h"
	has "tcx, redirectNeigh, checksumCheck, btf; unavailable: netkit"
	has "attached: 9 by tcx, 1 by clsact"
	has "uplink1, index 3, NOT ATTACHED"
	has "4 of at most 4095, 3 of 4 ready"
	asked '.op == "status" and .v == 1'
	ok status -j
	json '.pid == 4242 and .features.netkit == false and (has("ok") | not)'
}

@test "endpoint list is a table by id, hashes cut, control bytes masked" {
	start
	ok endpoint list
	[[ ${lines[0]} =~ ^ID\ +NAME\ +IFNAME\ +ADDRESSES\ +LINK\ +READY$ ]]
	[[ ${lines[1]} == *" 1  blue "*"10.201.0.2, fd42:706c::2"*" yes" ]]
	[[ ${lines[2]} == *"shop/web-0"* ]]
	[[ ${lines[3]} == *"slow"*" no" ]]
	[[ ${lines[4]} == *'evil?[31m?name'*"shaped"* ]]
	[ "${#lines[@]}" -eq 5 ]
	lacks $'\033'
	ok endpoint ls -o wide
	[[ ${lines[3]} == *"slow"*" no "*"clsact/-"* ]]
}

@test "pages are joined, as a table and as one JSON document" {
	start pages
	ok endpoint list
	[ "${#lines[@]}" -eq 5 ]
	ok -j endpoint list
	json '(.endpoints | length) == 4 and (has("more") | not)'
	ok -j stats
	json '(.stats | length) == 5'
}

@test "nothing there reads well too" {
	start empty
	ok endpoint list
	[ "${#lines[@]}" -eq 1 ]
	ok -j endpoint list
	json '.endpoints == []'
	ok stats
	has "No packets yet."
	ok endpoint show blue
	has "No packets yet."
}

@test "endpoint show explains state and counters" {
	start
	ok endpoint show web-0
	has "pod          shop/web-0, uid u-1"
	has "10.201.0.3/32 via 10.201.0.1"
	has "mirrors      ids"
	has "handed to a pod of this node"
	asked '.op == "endpoint.show" and .query == "web-0"'
	ok endpoint show slow
	has "ready        no: the pod end is down"
	has "from-pod: clsact, to-pod: not attached"
	has "antispoof    OFF"
	lacks "allowed"
	ok endpoint show blue
	has "antispoof    on"
	has "allowed      vlan, link-local"
	ok endpoint show -j slow
	json '.endpoint.id == 3 and (.reasons | length) == 3'
	fails 1 'no endpoint is named "nobody"' endpoint show nobody
}

@test "reasons of a newer daemon are printed as they are" {
	start newer
	ok endpoint show blue
	has "PASS_QUANTUM"
	has "(unknown to this podlane)"
	ok stats
	has "PASS_QUANTUM"
	ok stats -j
	json '[.stats[].reasons[] | select(.reason == "PASS_QUANTUM")][0].colour == "blue"'
}

# ---- endpoint add and del ----

needs_root() { [ "$(id -u)" = 0 ] || skip "needs root: network namespaces"; }

@test "endpoint add passes the namespace and nothing that was not said" {
	needs_root
	start
	ip netns add red
	ok endpoint add red
	has "red: eth0 has 10.201.0.10, fd42:706c::a; host end pl000000000009, veth, ready"
	asked '.op == "endpoint.add" and .containerId == "red" and .ifname == "eth0"
		and .netns == "/run/netns/red" and (.fd | startswith("net:[")) and .v == 1
		and (has("network") or has("ips") or has("mac") | not)'
}

@test "endpoint add takes a path, a process, and every option" {
	needs_root
	start
	ip netns add red
	ok endpoint add /run/netns/red --name my.pod --ifname net1 --ip 10.201.0.7 --ip FD42:706C:0::7 \
		--mac 02:00:00:00:00:07 --link netkit --netkit-mode l2 --mtu 9000 --no-antispoof --allow vlan --allow non-ip
	asked '.containerId == "my.pod" and .ifname == "net1" and .netns == "/run/netns/red"
		and .ips == ["10.201.0.7", "fd42:706c::7"] and .mac == "02:00:00:00:00:07"
		and .network == {link: "netkit", netkitMode: "l2", mtu: 9000, antispoof: false, allow: ["vlan", "non-ip"]}'
	ok endpoint add "pid:$$"
	asked ".containerId == \"pid-$$\" and .netns == \"/proc/$$/ns/net\"
		and .fd == \"$(readlink /proc/$$/ns/net)\""
	cd /run/netns
	ok endpoint add ./red
	asked '.containerId == "red" and .netns == "/run/netns/red"'
}

@test "endpoint add finds a network by file and by name, and checks it" {
	needs_root
	start
	ip netns add red
	export NETCONFPATH=$dir/net.d
	mkdir "$NETCONFPATH"
	echo '{' >"$NETCONFPATH/00-broken.conf"
	cat >"$NETCONFPATH/10-fast.conflist" <<-'END'
		{"cniVersion": "1.0.0", "name": "fast", "plugins": [
			{"type": "tuning"},
			{"type": "podlane", "mtu": 1400, "ipam": {"type": "podlane", "subnet": "10.5.0.0/24"}}]}
	END
	ok endpoint add red --network fast --no-antispoof
	asked '.network.name == "fast" and .network.mtu == 1400 and .network.antispoof == false'
	ok endpoint add red --network "$NETCONFPATH/10-fast.conflist"
	asked '.network.name == "fast" and .network.antispoof != false'
	: >"$dir/log"

	fails 1 "no podlane network named slow in $NETCONFPATH" endpoint add red --network slow
	fails 1 "line 2" endpoint add red --network "$NETCONFPATH/00-broken.conf"
	fails 1 "$dir/none.conf" endpoint add red --network "$dir/none.conf"
	echo '{"name": "x", "type": "bridge"}' >"$dir/bridge.conf"
	fails 1 "type is not podlane" endpoint add red --network "$dir/bridge.conf"
	echo '{"name": "x", "type": "podlane", "ipam": {"type": "host-local"}}' >"$dir/other.conf"
	fails 1 "host-local" endpoint add red --network "$dir/other.conf"
	echo '{"name": "x", "type": "podlane", "mtuu": 1}' >"$dir/typo.conf"
	fails 1 "mtu" endpoint add red --network "$dir/typo.conf"
	[ ! -s "$dir/log" ]
}

@test "endpoint add refuses what is wrong before it asks" {
	needs_root
	start
	ip netns add red
	fails 1 "there is no network namespace /run/netns/none: make it with 'ip netns add NAME'" endpoint add none
	fails 1 "there is no process 999999999" endpoint add pid:999999999
	fails 1 "'x' is not a valid process id" endpoint add pid:x
	: >"$dir/plain"
	fails 1 "is not a network namespace" endpoint add "$dir/plain"
	fails 1 "is not a network namespace" endpoint add /proc/self/ns/mnt
	mkfifo "$dir/fifo"
	fails 1 "is not a network namespace" endpoint add "$dir/fifo"
	fails 2 "is not a valid IP address" endpoint add red --ip 10.0.0.256
	fails 2 "is not a valid MAC address" endpoint add red --mac 02:00
	fails 2 "is not a valid interface name" endpoint add red --ifname this.name.is.too.long
	fails 2 "container id" endpoint add red --name 'a b'
	fails 2 "from 68 to 65535" endpoint add red --mtu 67
	[ ! -s "$dir/log" ]
	fails 1 "already" endpoint add red --name blue
}

@test "endpoint del takes every name that endpoint list and show take" {
	start
	ok endpoint del blue
	has "deleted blue:eth0"
	asked '.op == "endpoint.del" and .containerId == "blue" and .ifname == "eth0"'
	local name id=4f1e2d3c5b6a798807162534435261708f9eadbccbdae9f80716253443526170
	for name in web-0 shop/web-0 shop/web-0:eth0 4f1e2d3c5b6a $id pl000000000002; do
		ok endpoint del "$name"
		has "deleted shop/web-0:eth0"
		asked ".op == \"endpoint.del\" and .containerId == \"$id\" and .ifname == \"eth0\""
	done
	fails 1 'no endpoint is named "nobody"' endpoint del nobody
	# There may be a link without a record: the daemon looks for that by the container's id.
	asked '.op == "endpoint.del" and .containerId == "nobody" and .ifname == "eth0"'
	fails 1 'no endpoint is named "blue:net1"' endpoint del blue --ifname net1
	asked '.op == "endpoint.del" and .containerId == "blue" and .ifname == "net1"'
	fails 1 'no endpoint is named "blu"' endpoint del blu
	ok endpoint del blue -j
	json '.existed'
}

# ---- stats ----

@test "stats: totals per endpoint and reason, and folded" {
	start
	ok stats
	[[ ${lines[0]} =~ ^ENDPOINT\ +DIR\ +REASON\ +PACKETS\ +BYTES$ ]]
	[[ ${lines[1]} == "(node)"*PASS_ARP* ]]
	[ "${#lines[@]}" -eq 14 ]
	ok stats --by reason
	[[ ${lines[0]} =~ ^DIR\ +REASON ]]
	[ "${#lines[@]}" -eq 5 ]
	ok stats --by endpoint -j
	json '[.stats[] | select(.name == "blue" and .direction == "out")][0] | .packets > 7 and (has("packetsPerSecond") | not)'
	ok stats web-0
	asked '.query == "web-0"'
	lacks "blue"
}

@test "stats --watch: rates as blocks, as lines of JSON, and an end" {
	start
	ok stats --watch 0.2 --count 2
	[ "$(grep -c '^[0-9:]*, every 0.2 s, [0-9]* of 13 rows idle' <<<"$output")" -eq 2 ]
	[ "$(grep -c '^in .* packets/s, .*bit/s; out ' <<<"$output")" -eq 2 ]
	has "PACKETS/S"
	has "FORWARD_LOCAL"
	lacks "PASS_NOT_POD" # stood still
	has "rows idle"
	lacks $'\033'
	ok stats -j --watch=0.2 --count 3
	[ "${#lines[@]}" -eq 3 ]
	jq -es 'length == 3 and all(.[]; .seconds > 0.1 and .time != null)
		and ([.[].stats[].reasons[] | select(.reason == "FORWARD_LOCAL")] | all(.packetsPerSecond > 100))' <<<"$output"
	ok stats -j --watch 0.2 --count 1 --by reason
	json '[.stats[] | select(.reason == "FORWARD_LOCAL")][0].packetsPerSecond > 100'
}

@test "stats --watch waits for a daemon that restarts" {
	start
	"$podlane" stats --watch 0.2 >"$dir/out" 2>"$dir/err" 3>&- &
	watching=$!
	blocks() { [ "$(grep -c '^[0-9:]*, every' "$dir/out")" -ge "$1" ]; }
	wait_for blocks 1
	kill "$daemon" && wait "$daemon" || true
	wait_for grep -q "trying again" "$dir/err"
	local before
	before=$(grep -c '^[0-9:]*, every' "$dir/out")
	start
	wait_for blocks $((before + 2))
	kill -0 "$watching"
}

# ---- mirrors ----

@test "mirror add builds the request of the protocol" {
	start
	ok mirror add ids --endpoint shop/web-0 --endpoint blue --direction in --filter 'tcp and dst port 443' \
		--to-device tap0 --sample-flows 10 --pps 10k --bps 2.5M --snaplen 128 --seconds 60 --packets 1000 --include-drops
	has "ids: active, to device tap0"
	asked '.program | startswith("16,40 0 0 12,21 0 7 2048,")'
	asked 'del(.program) == {op: "mirror.add", v: 1, fd: null, name: "ids", endpoints: ["shop/web-0", "blue"],
		direction: "in", filter: "tcp and dst port 443", target: {device: "tap0"}, sample: {flows: 10},
		rate: {pps: 10000, bps: 2500000}, snaplen: 128, expire: {seconds: 60, packets: 1000}, includeDrops: true}'
	ok mirror add far --all --to-vxlan 192.0.2.9 --vni 7 --port 8472 --local 192.0.2.1 --sample-packets 5
	asked '. == {op: "mirror.add", v: 1, fd: null, name: "far", endpoints: ["all"], direction: "both",
		target: {vxlan: {remote: "192.0.2.9", local: "192.0.2.1", vni: 7, port: 8472}}, sample: {packets: 5}}'
	ok mirror add g --all --to-gre 2001:db8::9 --key 5
	asked '.target == {gre: {remote: "2001:db8::9", key: 5}}'
	ok mirror add e --all --to-endpoint blue
	asked '.target == {endpoint: "blue"}'
	ok mirror add e --all --to-erspan 192.0.2.9
	asked '.target == {erspan: {remote: "192.0.2.9"}}'
}

@test "mirror add refuses what cannot be meant" {
	start
	fails 2 "specify --endpoint or --all" mirror add m --to-device tap0
	fails 2 "--endpoint and --all exclude each other" mirror add m --all --endpoint a --to-device tap0
	fails 2 "specify a target: --to-device, --to-endpoint" mirror add m --all
	fails 2 "one target" mirror add m --all --to-device tap0 --to-gre 192.0.2.1
	fails 2 "--to-vxlan needs --vni" mirror add m --all --to-vxlan 192.0.2.1
	fails 2 "--vni is not valid with --to-gre" mirror add m --all --to-gre 192.0.2.1 --vni 1
	fails 2 "--key is not valid with --to-device" mirror add m --all --to-device tap0 --key 1
	fails 2 "exclude each other" mirror add m --all --to-device tap0 --sample-packets 2 --sample-flows 2
	fails 2 "is not a valid IP address" mirror add m --all --to-gre collector
	fails 2 "like 500, 10k" mirror add m --all --to-device tap0 --pps fast
	fails 2 "not a valid session name" mirror add 'a/b' --all --to-device tap0
	[ ! -s "$dir/log" ]
}

@test "mirror add warns of names that no endpoint has" {
	start
	ok mirror add m --endpoint shop/web-0 --endpoint nobody --to-device tap0
	[[ $stderr == "podlane: warning: no endpoint is named nobody: the session copies its packets once there is one" ]]
	has "m: active, to device tap0"
	ok -j mirror add m --endpoint nobody --to-device tap0
	jq -e '.warning | startswith("no endpoint is named nobody")' <<<"$stderr"
	json '.mirror.unmatched == ["nobody"]'
	ok mirror add m --endpoint blue --to-device tap0
	[ -z "$stderr" ]
}

@test "mirror list, show, stats, del" {
	start
	ok mirror list
	[[ ${lines[1]} == ids*active*shop/web-0*both*"device tap0"*97*3*"tcp port 443" ]]
	[[ ${lines[2]} == far*paused*all*"vxlan 192.0.2.9 vni 7"* ]]
	ok mirror show far
	has "state        paused: device vx0 is gone"
	has "name         far, of the daemon's configuration"
	has "endpoints    all (4 now)"
	has "vxlan 192.0.2.9 vni 7 (by device plm-1)"
	has "1 in 10 flows"
	has "60 s (35 s left)"
	has "copies that the kernel refused"
	has "ENETDOWN"
	ok mirror stats
	[[ ${lines[0]} =~ ^NAME\ +STATE\ +MATCHED\ +LIMITED\ +SENT\ +BYTES\ +LOST$ ]]
	[[ ${lines[1]} =~ ^ids\ +active\ +100\ +0\ +97\ +6.25\ KiB\ +3$ ]]
	ok mirror stats -j ids
	json '(.mirrors | length) == 1 and .mirrors[0].counters.sent == 97'
	ok mirror stats -w 0.2 -n 2
	[ "$(grep -c MATCHED/S <<<"$output")" -eq 2 ]
	ok mirror stats ids -n 1 --watch=0.2 -j
	json '.mirrors[0].rates.sent == 0'
	ok mirror del ids
	has "deleted ids; it sent 97 copies"
	fails 1 'no mirror session is named "none"' mirror show none
}

@test "log-level shows and sets" {
	start
	ok log-level
	[ "$output" = info ]
	ok log-level debug
	[ "$output" = debug ]
	asked '.op == "log.level" and .level == "debug"'
}

# ---- colours ----

@test "colours on a terminal only, unless told otherwise" {
	start
	ok endpoint list
	lacks $'\033'
	ok endpoint list --color always
	has $'\033[31mno\033[0m'
	on_terminal endpoint list
	has $'\033[31mno\033[0m'
	on_terminal endpoint list --color=never
	lacks $'\033['
	NO_COLOR=1 on_terminal endpoint list
	lacks $'\033['
	NO_COLOR='' on_terminal endpoint list
	has $'\033[31m'
	TERM=dumb on_terminal endpoint list
	lacks $'\033['
	NO_COLOR=1 ok endpoint list --color=always
	has $'\033[31m'
}

@test "watch replaces the screen on a terminal" {
	start
	on_terminal stats --watch 0.2 --count 2
	[ "$(grep -o $'\033\\[H' <<<"$output" | wc -l)" -eq 2 ]
}

# ---- completion ----

complete_line() { # LINE: what bash would offer, sorted
	(
		PATH=${podlane%/*}:$PATH
		# shellcheck source=../../scripts/completion/podlane.bash
		source "$root/scripts/completion/podlane.bash"
		COMP_LINE=$1 COMP_POINT=${#1} COMPREPLY=()
		_podlane
		printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' '
	)
}

@test "completion: commands, options, choices, names of the daemon" {
	start
	[ "$(complete_line 'podlane e')" = "endpoint " ]
	[ "$(complete_line 'podlane endpoint ')" = "add del list show " ]
	[ "$(complete_line 'podlane -j mirror st')" = "stats " ]
	[[ $(complete_line 'podlane stats --') == *"--by "*"--watch "* ]]
	[ "$(complete_line 'podlane stats --by ')" = "endpoint reason " ]
	[ "$(complete_line 'podlane stats --by=e')" = "endpoint " ]
	[ "$(complete_line 'podlane stats --nothing=')" = " " ]
	[ "$(complete_line 'podlane endpoint show s')" = "shop/web-0 slow " ]
	[ "$(complete_line 'podlane endpoint del s')" = "shop/web-0 slow " ]
	asked '.op == "endpoint.names" and .prefix == "s"'
	[ "$(complete_line 'podlane endpoint show blue:')" = "eth0 " ] # bash completes what follows the colon
	[ "$(complete_line 'podlane endpoint rm shop/web-0:e')" = "eth0 " ]
	: >"$dir/log"
	[ "$(complete_line 'podlane mirror del ')" = "far ids " ]
	[ "$(complete_line 'podlane mirror add x --to-device l')" = " " ] # lo would be refused
	[ "$(complete_line 'podlane log-level w')" = "warn " ]
	[ "$(complete_line 'podlane help e')" = "endpoint " ]
	[ "$(complete_line 'podlane help endpoint ')" = "add del list show " ]
	[ "$(complete_line 'podlane help endpoint list ')" = " " ]
	[ "$(complete_line 'podlane -o w')" = "wide " ]
	[ "$(complete_line 'podlane stats -w ')" = " " ]
	[ "$(complete_line 'podlane endpoint show slow ')" = " " ]
}

@test "completion: what is given once is not offered again" {
	start
	[[ $(complete_line 'podlane endpoint add x --mtu 1500 --') != *--mtu* ]]
	[[ $(complete_line 'podlane endpoint add x --ip 10.0.0.1 --') == *--ip\ * ]]
}

@test "completion asks the daemon for what it needs, and no more" {
	start
	local line
	for line in 'podlane endpoint sh' 'podlane endpoint show --j' 'podlane mirror add m --to-device ' \
		'podlane endpoint show blue ' 'podlane stats --by '; do
		complete_line "$line" >/dev/null
	done
	[ ! -s "$dir/log" ]
	complete_line 'podlane stats b' >/dev/null
	complete_line 'podlane mirror add m --endpoint ' >/dev/null
	[ "$(jq -r .op "$dir/log" | sort -u)" = endpoint.names ]
}

@test "completion for zsh" {
	command -v zsh >/dev/null || skip "zsh is not installed"
	start
	# Its own functions are there only while somebody types: what they would be given is what counts.
	cat >"$dir/harness" <<-'END'
		compadd() { print -l -- "${(@P)2}" }
		compset() { print -- "compset $*" }
		_files() { print files }
		words=("$@") CURRENT=$#
		source "$completion"
	END
	in_zsh() { # WORD...
		completion=$root/scripts/completion/_podlane zsh -f "$dir/harness" "$podlane" "$@" | sort | tr '\n' ' '
	}
	[ "$(in_zsh e)" = "endpoint " ]
	[ "$(in_zsh endpoint '')" = "add del list show " ]
	[ "$(in_zsh endpoint show s)" = "shop/web-0 slow " ]
	[ "$(in_zsh endpoint show blue:)" = "blue:eth0 " ]
	[ "$(in_zsh endpoint add x --network '')" = "files " ]
	[ "$(in_zsh stats --by=e)" = "compset -P *= endpoint " ]
}

@test "completion for fish" {
	command -v fish >/dev/null || skip "fish is not installed"
	start
	in_fish() { # LINE
		HOME=$dir PATH=${podlane%/*}:$PATH fish --no-config -c \
			"source $root/scripts/completion/podlane.fish; complete -C '$1'" | sort | tr '\n' ' '
	}
	[ "$(in_fish 'podlane e')" = "endpoint " ]
	[ "$(in_fish 'podlane endpoint ')" = "add del list show " ]
	[ "$(in_fish 'podlane endpoint show s')" = "shop/web-0 slow " ]
	[ "$(in_fish 'podlane endpoint show blue:')" = "blue:eth0 " ]
	[ "$(in_fish 'podlane stats --by=e')" = "--by=endpoint " ]
	[[ $(in_fish "podlane endpoint add x --network $root/READ") == *README.md* ]]
}

@test "completion is silent and quick without a daemon" {
	run --separate-stderr "$podlane" complete endpoint show ''
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
	start hang
	SECONDS=0
	run --separate-stderr "$podlane" complete endpoint show ''
	[ -z "$output$stderr" ]
	[ "$SECONDS" -le 2 ]
}
