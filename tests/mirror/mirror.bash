# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Loaded by the tests in this folder, beside the node of tests/netns/node.bash:
#
#    pods a, b, c --- node --- outside           tap0 ===== tap0w  <- tcpdump writes what is copied
#                     (sessions copy to tap0)     a veth pair on the node
# shellcheck disable=SC2154 # status and output are bats' own
load ../netns/node

# tap_up NAME: a device to copy to, silent by itself; its far end is NAMEw
tap_up() {
	ip link add "$1" type veth peer name "$1w"
	ip link set "$1" addrgenmode none
	ip link set "$1w" addrgenmode none
	ip link set "$1w" up
	ip link set "$1" up
}

gone() { [ ! -e "/sys/class/net/$1" ]; } # DEVICE

# watch_start [DEVICE [NETNS]]: what arrives there is written down until watch_stop
watch_start() {
	local dev=${1:-tap0w} in=()
	[ -z "${2:-}" ] || in=(ip netns exec "$2")
	watched=$BATS_TEST_TMPDIR/watched
	rm -f "${BATS_TEST_TMPDIR:?}/tcpdump" # it says that the last one listened
	# Only what comes in: the copies. -s: GSO packets as they are.
	"${in[@]}" tcpdump -n -Z root -i "$dev" -Q in -s 70000 -B 65536 --immediate-mode -U -w "$watched" \
		2>"$BATS_TEST_TMPDIR/tcpdump" 3>&- &
	watcher=$!
	eventually grep -q 'listening on' "$BATS_TEST_TMPDIR/tcpdump" || {
		cat "$BATS_TEST_TMPDIR/tcpdump"
		return 1
	}
}
watch_stop() {
	[ -n "${watcher:-}" ] || return 0
	sleep 0.2
	kill -INT "$watcher" 2>/dev/null || :
	wait "$watcher" 2>/dev/null || :
	watcher=
}

# copies [FILTER...]: how many of what was watched match
copies() { tcpdump -n -Z root -r "$watched" "$@" 2>/dev/null | wc -l; }
# The same, told where it is not as expected: copies_are N [FILTER...]
copies_are() {
	local want=$1 got
	shift
	got=$(copies "$@")
	[ "$got" = "$want" ] || {
		echo "expected $want copies of '$*', not $got:"
		tcpdump -n -Z root -r "$watched" 2>/dev/null | head -n 30
		podlane -j mirror list | jq -c '.mirrors[] | [.name, .counters]'
		return 1
	}
}

# add NAME OPTION...: a session to tap0, of all pods unless said otherwise
add() {
	local name=$1 what=(--all) where=(--to-device tap0)
	shift
	[[ " $* " != *" --endpoint "* ]] || what=()
	[[ " $* " != *" --to-"* ]] || where=()
	podlane mirror add "$name" "${what[@]}" "${where[@]}" "$@"
}
field() { podlane -j mirror show "$1" | jq -r ".mirror.$2"; } # NAME PATH
counter() { field "$1" "counters.$2"; }                       # NAME COUNTER
state_is() { [ "$(field "$1" state)" = "$2" ]; }              # NAME STATE
sessions_down() {
	local name
	for name in $(podlane -j mirror list | jq -r '.mirrors[].name'); do
		podlane mirror del "$name" >/dev/null
	done
}

# refused TEXT COMMAND...: fails, and says TEXT
refused() {
	local text=$1
	shift
	run "$@"
	[ "$status" -ne 0 ] && [[ $output == *"$text"* ]] || {
		echo "expected a refusal with '$text', not status $status: $output"
		return 1
	}
}
