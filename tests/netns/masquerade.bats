#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The masquerade of pods comes back within a second whatever somebody does to its table, with one line
# of the log; CHECK, STATUS and status see where it does not work; and what others have in nftables is
# neither touched nor dear.
# kernels: no

load node

setup_file() {
	load node
	outside_up
	ip -n outside route del ${POD4}.0/24 via $NODE4 # no way back but to the node
	daemon_start
	export CONF=$BATS_FILE_TMPDIR/masq.json
	echo '{"cniVersion": "1.1.0", "name": "masq", "type": "podlane", "ipMasq": true}' >"$CONF"
	pod_up m --network "$CONF"
	pod_up plain
	nft -f - <<-NFT
		table inet witness {
			chain post {
				type filter hook postrouting priority 200;
				ip daddr $OUT4 counter
			}
		}
		table ip other {
			set s {
				type ipv4_addr
			}
			chain c {
			}
		}
	NFT
	export OURS
	OURS=$(ours)
}
teardown_file() { load node && node_down; }

ours() { nft -s list table inet podlane; }
others() { nft -s list ruleset | sed 's/packets [0-9]* bytes [0-9]*//' | awk '/^table inet podlane/ { skip = 1 } !skip { print } /^}/ { skip = 0 }'; }
repairs() { grep -c "datapath repaired object=masquerade" "$BATS_FILE_TMPDIR/podlaned.log" || :; }
within_a_second() {
	local end=$((${EPOCHREALTIME/[.,]/} + 1000000))
	until "$@" >/dev/null 2>&1; do
		[ ${EPOCHREALTIME/[.,]/} -lt $end ] || { echo "not within a second: $*"; return 1; }
		sleep 0.02
	done
}
as_it_was() { [ "$(ours)" = "$OURS" ]; }
healed() { # COMMAND...: what it breaks comes back, told once, and pods are masqueraded again
	local before theirs
	before=$(repairs)
	"$@"
	theirs=$(others)
	within_a_second as_it_was
	pings m $OUT4
	[ "$(repairs)" = $((before + 1)) ] || { tail "$BATS_FILE_TMPDIR/podlaned.log"; false; }
	[ "$(others)" = "$theirs" ]
	podlane -j status | jq -e '.warnings == []'
	sleep 0.6 # the same table is not made twice within half a second
}
rule() { echo "rule inet podlane postrouting handle $(nft -a list chain inet podlane postrouting | sed -n 's/.*masquerade # handle //p' | head -n 1)"; }
drop_rule() { nft "delete $(rule)"; }
swap_rule() { nft "replace $(rule) ip saddr @masq4 accept"; } # in one step, or it is repaired twice
drop_address() { nft delete element inet podlane masq4 "{ $(ip4_of m) }"; }
add_address() { nft add element inet podlane masq4 "{ $(ip4_of plain) }"; }
add_native() { nft add element inet podlane direct4 "{ $OUT4 }"; }
sleep_table() { nft add table inet podlane '{ flags dormant; }'; }

@test "a table that is deleted, asleep, or lacks a chain, a set, a rule or an address" {
	pings m $OUT4
	healed nft delete table inet podlane
	healed sleep_table
	healed drop_rule
	healed swap_rule
	healed nft flush chain inet podlane postrouting
	healed drop_address
	healed add_address
	healed add_native
	healed nft flush set inet podlane direct4
}

@test "nft flush ruleset; and again after pods came and went" {
	cp /dev/null "$BATS_TEST_TMPDIR/rules"
	nft list ruleset >"$BATS_TEST_TMPDIR/rules"
	healed nft flush ruleset
	pod_up later --network "$CONF"
	podlane endpoint del later
	ip netns del later
	healed nft flush ruleset
	sed '/^table inet podlane/,/^}/d' "$BATS_TEST_TMPDIR/rules" | nft -f -
}

@test "what podlane does itself is no repair" {
	before=$(repairs)
	for i in 1 2 3; do
		pod_up own$i --network "$CONF"
		sleep 0.3
	done
	for i in 1 2 3; do
		podlane endpoint del own$i
		ip netns del own$i
	done
	sleep 0.6
	[ "$(repairs)" = "$before" ]
}

cpu() { cut -d" " -f1 "/proc/$(daemon_pid)/schedstat"; } # nanoseconds

@test "a thousand changes of others' rules cost a hundredth of a processor at most" {
	before=$(cpu)
	begin=${EPOCHREALTIME/[.,]/}
	# A line, a transaction.
	for i in $(seq 500); do
		printf '%s element ip other s { 10.0.0.1 }\n' add delete
	done | nft -i >/dev/null
	ms=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
	used=$((($(cpu) - before) / 1000))
	echo "$used us in $ms ms" >&3
	[ $((used / 10)) -le "$ms" ] # a hundredth
	as_it_was
}

cni() { # VERB: the plugin, asked for the container c
	local prev=null
	[ ! -e "$BATS_TEST_TMPDIR/result" ] || prev=$(cat "$BATS_TEST_TMPDIR/result")
	jq --argjson prev "$prev" 'if $prev then .prevResult = $prev else . end' "$CONF" |
		CNI_COMMAND=$1 CNI_PATH=/ CNI_CONTAINERID=c CNI_IFNAME=eth0 CNI_NETNS=/run/netns/c "$BUILD/podlane-cni"
}
fails_with() { # CODE TEXT VERB
	run cni "$3"
	echo "$output" >&2
	[ "$status" -ne 0 ]
	jq -e --argjson code "$1" --arg text "$2" '.code == $code and (.msg + .details | contains($text))' <<<"$output"
}
warned() { podlane -j status | jq -e '.warnings | any(contains("masquerade"))'; }

@test "where it cannot be put back, STATUS, CHECK and status say so, until it can" {
	ip netns add c
	cni ADD >"$BATS_TEST_TMPDIR/result.new"
	mv "$BATS_TEST_TMPDIR/result.new" "$BATS_TEST_TMPDIR/result"
	cni STATUS
	cni CHECK
	# A table that has an owner is nobody else's to change.
	mkfifo "$BATS_TEST_TMPDIR/in"
	nft -i <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- 4>&- &
	local owner=$!
	exec 5>"$BATS_TEST_TMPDIR/in"
	until nft list table inet podlane | grep -q owner; do
		nft delete table inet podlane || :
		echo 'add table inet podlane { flags owner; }' >&5
		sleep 0.05
		kill -0 $owner || skip "nftables knows no owner of a table here: $(cat "$BATS_TEST_TMPDIR/out")"
	done
	within_a_second warned
	fails_with 51 masquerade STATUS
	fails_with 104 masquerade CHECK
	exec 5>&-
	wait $owner || :
	within_a_second as_pods_need
	cni STATUS
	cni CHECK
	podlane -j status | jq -e '.warnings == []'
	cni DEL
	ip netns del c
	as_it_was
}
as_pods_need() { nft list table inet podlane | grep -q masquerade && cni CHECK; }
