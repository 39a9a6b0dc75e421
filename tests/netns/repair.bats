#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What somebody takes from the datapath behind the daemon's back comes back within a second, and
# one line of the log says so.
# kernels: no
# time limit: 200

load node

# Under its other name this file tests the other way to attach.
setup_file() {
	load node
	export PL_ATTACH=auto
	case $BATS_TEST_FILENAME in *_clsact.bats) PL_ATTACH=clsact ;; esac
	node_up --attach $PL_ATTACH --native $OUT4/32
	export DEV ID
	DEV=$(host_end a)
	ID=$(podlane -j endpoint show a | jq .endpoint.id)
}
teardown_file() { load node && node_down; }
teardown() {
	nft delete table inet witness 2>/dev/null || :
	floods_kill
}

by_tcx() { [ "$PL_ATTACH" = auto ] && podlane -j status | jq -e .features.tcx >/dev/null; }
attached() { podlane -j endpoint show a | jq -r ".endpoint.attached.$1"; }
pins() { echo /sys/fs/bpf/podlane/v*/; }
repairs() { grep -c "datapath repaired $1" "$BATS_FILE_TMPDIR/podlaned.log" || :; }

# Polls for a second at most (ten under emulation).
within_a_second() {
	local end=$((${EPOCHREALTIME/[.,]/} + $(if emulated; then echo 10; else echo 1; fi) * 1000000))
	until "$@" >/dev/null 2>&1; do
		[ ${EPOCHREALTIME/[.,]/} -lt $end ] || { echo "not within a second: $*"; return 1; }
		sleep 0.02
	done
}

repaired() { [ "$(repairs "$1")" -gt "$2" ]; } # OBJECT COUNT

# healed OBJECT COMMAND...: what it breaks is repaired in time and told once, and all works as before
healed() {
	local object=$1 before
	shift
	before=$(repairs "$object")
	"$@"
	within_a_second repaired "$object" "$before"
	sleep 0.6
	[ "$(repairs "$object")" = $((before + 1)) ]
	[ "$(attached fromPod)" = "$(attached toPod)" ]
	[ "$(attached fromPod)" != none ]
	witness_up
	pings a $B4
	pings b $A4
	pings b $A6
	witness_down
	spoof_dropped
}

# A frame with an address that is not a's is dropped, and counted.
spoof_dropped() {
	local before
	before=$(reason a out DROP_SPOOFED_IP)
	in_ns a ip addr add 10.201.0.99/32 dev eth0
	in_ns a ping -n -q -c 1 -W 0.2 -I 10.201.0.99 $B4 || :
	in_ns a ip addr del 10.201.0.99/32 dev eth0
	[ "$(reason a out DROP_SPOOFED_IP)" -gt "$before" ]
}

ifindex() { cat "/sys/class/net/$DEV/ifindex"; }
remove_pin() { rm "$(pins)links/${1:?}-$(ifindex)"; }
detach_link() { bpftool link detach id "$(bpftool -j link show pinned "$(pins)links/$1-$(ifindex)" | jq .id)"; }

le32() { printf '%d %d %d %d' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24)); }
dotted() { tr . ' ' <<<"$1"; }
map() { local op=$1 name=$2 && shift 2 && bpftool map "$op" pinned "$(pins)maps/$name" "$@"; }
# shellcheck disable=SC2046 # numbers
drop_device() { map delete pl_devices key $(le32 "$(ifindex)"); }
# shellcheck disable=SC2046
drop_address() { map delete pl_addrs4 key $(dotted $A4); }
# shellcheck disable=SC2046
change_address() { map update pl_addrs4 key $(dotted $A4) value $(le32 0) $(le32 2); }
# shellcheck disable=SC2046
zero() { # MAP KEY: its whole value
	local size
	size=$(bpftool -j map show pinned "$(pins)maps/$1" | jq .bytes_value)
	map update "$1" key $(le32 "$2") value $(yes 0 | head -n "$size")
}
zero_slot() { zero pl_endpoints "$ID"; }

@test "the pin of a link, or the note of a filter, that is removed" {
	if by_tcx; then
		healed "object=attachment hook=from_pod" remove_pin from_pod
		healed "object=attachment hook=to_pod" remove_pin to_pod
	else
		healed "object=attachment hook=from_pod" rm "$(pins)links/from_pod-$(ifindex)-clsact"
		[ -L "$(pins)links/from_pod-$(ifindex)-clsact" ]
	fi
}

@test "a link that is detached, or a filter or qdisc that is deleted" {
	if by_tcx; then
		healed "object=attachment hook=from_pod" detach_link from_pod
	else
		healed "object=attachment hook=from_pod" tc filter del dev "$DEV" ingress
		healed "object=attachment hook=to_pod" tc filter del dev "$DEV" egress
		healed "object=attachment hook=from_pod" tc qdisc del dev "$DEV" clsact
	fi
}

@test "the uplink's program" {
	if by_tcx; then
		take() { rm "$(pins)links/from_uplink-$(cat /sys/class/net/up0/ifindex)"; }
	else
		take() { tc filter del dev up0 ingress; }
	fi
	healed "object=attachment hook=from_uplink" take
	witness_up 'oifname != "up0"'
	pings outside $A4
}

@test "a map entry that is removed, changed or zeroed" {
	healed "object=device ifindex=$(ifindex)" drop_device
	healed "object=address address=$A4" drop_address
	healed "object=address address=$A4" change_address
	healed "object=endpoint slot=$ID" zero_slot
}

# shellcheck disable=SC2046 # numbers
drop_network() { map delete pl_networks4 key $(le32 32) $(dotted $OUT4); }
zero_config() { zero pl_config 0; }
native() { reason a out FORWARD_NATIVE; }

# shellcheck disable=SC2046
add_network() { map update pl_networks4 key $(le32 24) 198 51 100 0 value $(le32 1); }

@test "a native network, and one that is none of ours" {
	for take in drop_network zero_config add_network; do
		healed "object=networks" $take
		before=$(native)
		pings a $OUT4
		[ "$(native)" -gt "$before" ]
	done
}

sent() { podlane -j mirror show m | jq .mirror.counters.sent; }
copies() { # the session copies what a sends
	local before
	before=$(sent)
	pings a $B4
	[ "$(sent)" -ge $((before + 3)) ]
}
zero_mirror() { zero pl_mirrors "$SLOT"; }
# poke MAP KEY OFFSET BYTE...: these bytes of a value
poke() {
	local name=$1 key=$2 at=$3 value byte
	shift 3
	# shellcheck disable=SC2046
	mapfile -t value < <(bpftool -j map lookup pinned "$(pins)maps/$name" key $(le32 "$key") | jq -r '.value[]')
	for byte; do value[at++]=$byte; done
	# shellcheck disable=SC2046
	map update "$name" key $(le32 "$key") value "${value[@]}"
}
drop_mask() { poke pl_endpoints "$ID" 48 0 0 0 0 0 0 0 0; }    # mirror_out
add_mask() { poke pl_endpoints "$ID" 56 255 255 255 255 255 255 255 255; } # mirror_in
change_mirror() { poke pl_mirrors "$SLOT" 0 1 0 0 0; }         # target: lo
other_session() { poke pl_mirrors "$SLOT" 48 99 99 0 0; }      # id
stage_pin() { ls "$(pins)"links/stage-*; }
take_stage() { if by_tcx; then rm "$(stage_pin)"; else tc filter del dev plm-drain ingress; fi; }
take_sink() { if by_tcx; then rm "$(pins)"links/sink-*; else tc filter del dev "plm-$1" ingress; fi; }

@test "what a mirror session has" {
	ip link add tap0 type veth peer name tap1
	ip link set tap0 up
	ip link set tap1 up
	podlane mirror add m --endpoint a --to-device tap0 --snaplen 100 --filter icmp
	SLOT=$(podlane -j mirror show m | jq .mirror.slot)
	copies
	healed "object=endpoint slot=$ID" zero_slot
	copies
	for take in drop_mask add_mask; do
		healed "object=endpoint slot=$ID" $take
		copies
	done
	for take in zero_mirror change_mirror other_session; do
		before=$(sent)
		healed "object=mirror slot=$SLOT" $take
		copies
		[ "$(sent)" -gt "$before" ] # what is repaired does not count anew
	done
	healed "object=program name=match" map delete pl_programs key 0 0 0 0
	copies
	healed "object=program name=pl_mirror" map delete pl_programs key 1 0 0 0
	copies
	healed "object=attachment hook=stage" take_stage
	copies
	podlane mirror add t --endpoint b --to-vxlan $OUT4 --vni 9
	healed "object=attachment hook=sink" take_sink "$(podlane -j mirror show t | jq .mirror.slot)"
	podlane mirror del t
	podlane mirror del m
	ip link del tap0
}

# What takes the program's place so that it cannot come back; a pin that cannot be made, where there is tcx.
block() {
	if by_tcx; then
		rm "$(pins)links/from_pod-$(ifindex)"
		mkdir "$(pins)links/from_pod-$(ifindex)"
	else
		local ours
		ours=$(tc filter show dev "$DEV" ingress | grep -o 'handle 0x[0-9a-f]*')
		tc filter del dev "$DEV" ingress
		# shellcheck disable=SC2086 # two words
		tc filter add dev "$DEV" ingress protocol all prio 20556 $ours bpf bytecode '1,6 0 0 0,' flowid 1:1
	fi
}
unblock() {
	if by_tcx; then
		local place
		place=$(pins)links/from_pod-$INDEX
		rmdir "${place:?}"
	else
		tc filter del dev "$DEV" ingress
	fi
}
is_degraded() { podlane -j endpoint show a | jq -e .endpoint.degraded; }
all_ready() { podlane -j status | jq -e '.ready == .endpoints and .degraded == 0'; }
failures() { grep -cE "datapath (not repaired|update failed), trying again" "$BATS_FILE_TMPDIR/podlaned.log" || :; }

@test "a program that cannot come back makes its endpoint degraded, for as long as it is missing" {
	all_ready
	INDEX=$(ifindex)
	before=$(failures)
	block
	within_a_second is_degraded
	podlane endpoint list | grep -E "^ *$ID +a .* degraded( |$)"
	podlane endpoint list | grep -E "^ *[0-9]+ +b .* yes( |$)"
	podlane endpoint show a
	podlane endpoint show a | grep "^ready  *degraded: program from_pod is not attached to device $(ifindex): "
	podlane -j endpoint list | jq -e '[.endpoints[] | select(.ready | not)] | length == 1 and .[0].containerId == "a"
		and .[0].degraded and (.[0].notReady | startswith("program from_pod is not attached"))'
	podlane status | grep "^endpoints .* 2 of 3 ready "
	podlane -j status | jq -e '.endpoints == 3 and .ready == 2 and .degraded == 1'
	pings a $B4 # more is not lost than the program
	sleep 2.5   # two more tries, of which the log says nothing
	[ "$(failures)" = $((before + 1)) ]
	is_degraded
	unblock
	eventually all_ready
	[ "$(attached fromPod)" != none ]
	spoof_dropped
}

remove_map() { rm "$(pins)maps/pl_endpoints"; }
remove_all() { rm -r /sys/fs/bpf/podlane; }
pinned_links() { find "$(pins)links" -type l -o -type f | sed 's/.*links.//' | sort; }

@test "pins that are removed" {
	links=$(pinned_links)
	healed "object=pins" remove_map
	[ -e "$(pins)maps/pl_endpoints" ]
	if by_tcx; then # the links go with their pins
		healed "object=pins" remove_all
	else
		set=$(pins)
		healed "object=pins" rm -r "${set:?}"
	fi
	within_a_second eval '[ "$(pinned_links)" = "$links" ]'
}

@test "a bpffs that is unmounted, and mounted again: no packet is lost" {
	links=$(pinned_links)
	witness_up
	flood_start a $B4
	umount -l /sys/fs/bpf
	within_a_second grep "pins were deleted" "$BATS_FILE_TMPDIR/podlaned.log"
	sleep 1.5
	[ "$(grep -c "pins were deleted" "$BATS_FILE_TMPDIR/podlaned.log")" = 1 ]
	before=$(repairs "object=pins")
	mount -t bpf bpf /sys/fs/bpf
	within_a_second repaired "object=pins" "$before"
	[ "$(pinned_links)" = "$links" ]
	sleep 0.6
	flood_lossless
	witness_down
	daemon_stop
	daemon_start --attach $PL_ATTACH --native $OUT4/32
	[ "$(podlane -j status | jq .adopted)" = true ]
	witness_up
	pings a $B4
}

@test "deletions and additions at the same time are no fault" {
	before=$(repairs object)
	for n in 1 2 3 4 5 6; do
		pod_up p$n
		[ $((n % 2)) = 0 ] || ip link del "$(host_end p$n)"
		podlane endpoint del p$n || :
		ip netns del p$n
	done
	sleep 0.6
	[ "$(repairs object)" = "$before" ]
}

@test "without a bpffs: an ADD is refused and leaves nothing, a DEL succeeds and leaves no pin" {
	pod_up old
	links=$(podlane -j status | jq .attachments)
	umount -l /sys/fs/bpf
	ip netns add new
	run podlane endpoint add new
	[ "$status" = 1 ]
	[[ $output = *attach* ]]
	[ ! -e /run/podlane/endpoints/new:eth0.json ]
	run in_ns new ip link show eth0
	[ "$status" -ne 0 ]
	[ "$(podlane -j status | jq .attachments)" = "$links" ]
	podlane endpoint del old
	before=$(repairs "object=pins")
	mount -t bpf bpf /sys/fs/bpf
	within_a_second repaired "object=pins" "$before"
	for pin in $(pinned_links); do
		pin=${pin#*-}
		ip -o link | grep -q "^${pin%%-*}: " || { echo "of a device that is gone: $pin"; return 1; }
	done
	podlane endpoint add new
	witness_up
	pings new $B4
	podlane endpoint del new
	ip netns del new
	ip netns del old
}
