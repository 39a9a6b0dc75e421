#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A daemon of another ABI version takes over, and one of the former takes over again: no packet is
# lost, and nothing of the version before is left. The other version ($BUILD/other-abi) has a
# number one higher and values with a field more.
# time limit: 240

load node

VIP4=10.96.0.10

# Under its other names this file tests the other way to attach, and netkit: b L3, c L2.
setup_file() {
	load node
	export PL_ATTACH=auto
	case $BATS_TEST_FILENAME in
	*_clsact.bats) PL_ATTACH=clsact ;;
	*_netkit.bats) export PL_LINK_B='--link netkit --netkit-mode l3' PL_LINK_C='--link netkit --netkit-mode l2' ;;
	esac
	node_up --attach $PL_ATTACH
	for pod in a b c; do serve $pod "$BUILD/tests/tools/talk" serve 7000 7001; done
	listens b 7001
	nft -f - <<-NFT
		table ip service {
			chain prerouting {
				type nat hook prerouting priority dstnat;
				ip daddr $VIP4 tcp dport 80 dnat to $B4:7001
			}
		}
	NFT
}
teardown_file() {
	load node
	nft delete table ip service 2>/dev/null || :
	node_down
}
teardown() {
	nft delete table inet witness 2>/dev/null || :
	[ ! -e "$BATS_TEST_TMPDIR/talks" ] || cut -d' ' -f1 "$BATS_TEST_TMPDIR/talks" | xargs kill 2>/dev/null || :
}

version() { podlane -j status | jq .abi; }
root() { echo /sys/fs/bpf/podlane; }

# talk_start FROM PROTOCOL ADDRESS PORT
talk_start() {
	local file
	file=$(mktemp -p "$BATS_TEST_TMPDIR" talk-XXXX)
	ip netns exec "$1" "$BUILD/tests/tools/talk" "${@:2}" "$(if emulated; then echo 20; else echo 2000; fi)" >"$file" 2>&1 3>&- 4>&- &
	echo "$! $file $*" >>"$BATS_TEST_TMPDIR/talks"
}

# Ends all of them; each must have heard every answer. Emulated, everything stands still for longer
# than TCP waits: what it sends again tells nothing there.
talks_lossless() {
	local pid file what bad=0 said='^sent [0-9]\{3,\} lost 0 retransmitted 0 '
	! emulated || said='^sent [0-9]\{3,\} lost 0 '
	sleep 0.5
	while read -r pid file what; do kill -INT "$pid"; done <"$BATS_TEST_TMPDIR/talks"
	while read -r pid file what; do
		while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
		echo "$what: $(cat "$file")"
		grep -q "$said" "$file" || bad=1
	done <"$BATS_TEST_TMPDIR/talks"
	rm "$BATS_TEST_TMPDIR/talks"
	echo "caught by the witness: $(witness_caught)"
	[ $bad = 0 ] && [ "$(witness_caught)" = 0 ]
}

# What goes to the outside, and the service, take the stack.
fast_witness_up() {
	witness_up 'oifname != "up0"'
	nft insert rule inet witness forward tcp dport 7001 accept
	nft insert rule inet witness forward tcp sport 7001 accept
}

traffic_start() {
	talk_start a udp $B4 7000
	talk_start c udp $A6 7000
	talk_start outside udp $B4 7000
	talk_start a tcp $C4 7000
	talk_start a tcp $VIP4 80
	talk_start outside tcp $A4 7000
	sleep 0.5
}

# pinned VERSION KIND: "NAME ID" of what the set has pinned: map, prog or link
pinned() {
	local path
	for path in "$(root)/v$1/$2s"/*; do
		[ -L "$path" ] || [ ! -e "$path" ] || echo "${path##*/} $(bpftool -j "$2" show pinned "$path" | jq .id)"
	done
}

ids() { cut -d' ' -f2 | sort; }

# remember VERSION: the ids of a set, for gone
remember() {
	local kind
	for kind in map prog link; do pinned "$1" $kind >"$BATS_TEST_TMPDIR/v$1-$kind"; done
	[ -s "$BATS_TEST_TMPDIR/v$1-map" ] && [ -s "$BATS_TEST_TMPDIR/v$1-prog" ]
}

none_of() { # KIND ID...
	local kind=$1 id
	shift
	for id; do ! bpftool "$kind" show id "$id" >/dev/null 2>&1 || { echo "$kind $id is there yet"; return 1; }; done
}

# gone VERSION SUCCESSOR: no pin, and in the kernel no program, and no map or link but what the successor has
gone() {
	local kind former
	[ "$(ls "$(root)")" = "v$2" ]
	for kind in map link prog; do
		ids <"$BATS_TEST_TMPDIR/v$1-$kind" >"$BATS_TEST_TMPDIR/former"
		: >"$BATS_TEST_TMPDIR/now"
		[ $kind = prog ] || pinned "$2" $kind | ids >"$BATS_TEST_TMPDIR/now"
		mapfile -t former < <(comm -23 "$BATS_TEST_TMPDIR/former" "$BATS_TEST_TMPDIR/now")
		eventually none_of $kind "${former[@]}"
	done
}

other_start() { PODLANED=$BUILD/other-abi/podlaned daemon_start --attach $PL_ATTACH; }
same_start() { daemon_start --attach $PL_ATTACH; }

slots() { podlane -j endpoint list | jq -c '[.endpoints[] | [.containerId, .id]] | sort'; }

# All that shows a datapath to be whole.
whole() {
	local pod
	[ "$(podlane -j status | jq .ready)" = "$(podlane -j status | jq .endpoints)" ]
	for pod in a b; do
		podlane -j endpoint show $pod | jq -e '.endpoint.attached | .fromPod != "none" and .toPod != "none"'
	done
	[ "$(podlane -j status | jq -r '.uplinks[0].attached')" != none ]
	pings a $B4
	pings b $A6
	pings outside $B4
}

# move NAME: c's address goes to a new pod, which all reach
move() {
	podlane endpoint del c
	ip netns del c
	pod_up c ${PL_LINK_C:-} --ip $C4 --ip $C6
	pings a $C4
	pings b $C6
	pings outside $C4
	serve c "$BUILD/tests/tools/talk" serve 7000 7001
	listens c 7001
}

@test "up and down again under traffic: no packet is lost, nothing of the former version is left" {
	here=$(version)
	other=$((here + 1))
	before=$(slots)
	fast_witness_up
	traffic_start
	counted=$(reason b in FORWARD_LOCAL)
	remember $here
	for round in $(if emulated; then echo 1; else echo 1 2; fi); do
		daemon_stop
		other_start
		[ "$(version)" = $other ]
		[ "$(slots)" = "$before" ]
		[ "$(reason b in FORWARD_LOCAL)" -gt "$counted" ]
		gone $here $other
		remember $other
		daemon_stop KILL
		same_start
		[ "$(version)" = $here ]
		[ "$(slots)" = "$before" ]
		[ "$(reason b in FORWARD_LOCAL)" -gt "$counted" ]
		gone $other $here
		remember $here
	done
	talks_lossless
	nothing_repaired
	witness_down
	whole
}

@test "an address that moves to a new pod is reached, after the way up and the way down" {
	here=$(version)
	# Emulated, a start takes half a minute: there, only after the way down.
	for start in $(if emulated; then echo true; else echo other_start same_start; fi); do
		[ $start = true ] || daemon_stop
		$start
		whole
		move
		nft add rule ip service prerouting ip daddr $VIP4 tcp dport 81 dnat to $C4:7001
		in_ns a timeout 5 bash -c "echo hello >/dev/tcp/$VIP4/81"
		in_ns outside timeout 5 bash -c "echo hello >/dev/tcp/$C4/7000"
	done
	[ "$(version)" = $here ]
}
