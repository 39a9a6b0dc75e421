# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Loaded by the tests in this folder. The sandbox's own network namespace is the node:
#
#    pod a (eth0) --- pl...  +-------------+
#    pod b (eth0) --- pl...  |    node     | up0 --- eth0 (outside) 192.0.2.2, 2001:db8:1::2
#    pod c (eth0) --- pl...  +-------------+     192.0.2.1, 2001:db8:1::1 on the node's side
#
# The witness is a netfilter hook on the node's forwarding path that drops and counts. With it up,
# what still arrives did not come through the stack.

load ../guard

BUILD=${PODLANE_BUILD:-$BATS_TEST_DIRNAME/../../build}
POD4=10.201.0 POD6=fd42:706c::
OUT4=192.0.2.2 OUT6=2001:db8:1::2
NODE4=192.0.2.1 NODE6=2001:db8:1::1

podlane() { "$BUILD/podlane" "$@"; }

# Polls until the command succeeds; fails after 10 s.
eventually() {
	for _ in $(seq 200); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.05
	done
	echo "still not true after 10 s: $*" >&2
	"$@"
}

# daemon_start [OPTION...]; $PODLANED: another one than what is tested
daemon_start() {
	"${PODLANED:-$BUILD/podlaned}" --log-level info "$@" >>"$BATS_FILE_TMPDIR/podlaned.log" 2>&1 </dev/null 3>&- 4>&- &
	echo $! >"$BATS_FILE_TMPDIR/podlaned.pid"
	eventually podlane status || { cat "$BATS_FILE_TMPDIR/podlaned.log" >&2; return 1; }
}

# The daemon has found nothing amiss in the datapath: what it did, it did at once.
nothing_repaired() { ! grep "datapath repaired" "$BATS_FILE_TMPDIR/podlaned.log" >&2; }

daemon_pid() { cat "$BATS_FILE_TMPDIR/podlaned.pid"; }

# daemon_stop [SIGNAL]
# shellcheck disable=SC2120 # tests pass it
daemon_stop() {
	local pid
	pid=$(daemon_pid 2>/dev/null) || return 0
	kill "-${1:-TERM}" "$pid" 2>/dev/null || :
	while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
	rm -f "${BATS_FILE_TMPDIR:?}/podlaned.pid"
}

outside_up() {
	ip netns add outside
	ip link add up0 type veth peer name eth0 netns outside
	ip addr add $NODE4/24 dev up0
	ip addr add $NODE6/64 dev up0 nodad
	# Until a link-local address is known to be nobody else's, a node that forwards asks for no neighbour.
	echo 0 >/proc/sys/net/ipv6/conf/up0/accept_dad
	ip netns exec outside sysctl -qw net.ipv6.conf.eth0.accept_dad=0
	ip link set up0 up
	ip -n outside link set lo up
	ip -n outside addr add $OUT4/24 dev eth0
	ip -n outside addr add $OUT6/64 dev eth0 nodad
	ip -n outside link set eth0 up
	ip -n outside route add $POD4.0/24 via $NODE4
	ip -n outside route add ${POD6}/64 via $NODE6
	ip route add default via $OUT4
	ip route add default via $OUT6
}

# pod_up NAME [OPTION of podlane endpoint add...]
pod_up() {
	local name=$1
	shift
	ip netns add "$name"
	ip -n "$name" link set lo up
	podlane endpoint add "$name" "$@" >/dev/null
}

in_ns() { ip netns exec "$@"; }

# serve NETNS COMMAND...: a server that ends with the file's tests and holds none of their streams
serve() {
	ip netns exec "$@" >/dev/null 2>&1 </dev/null 3>&- 4>&- &
	echo $! >>"$BATS_FILE_TMPDIR/servers"
}
listens() { eventually in_ns "$1" sh -c "ss -ltn | grep -q :$2"; } # NETNS PORT
ip4_of() { podlane -j endpoint show "$1" | jq -r '[.endpoint.addresses[].address|select(contains(":")|not)][0]|split("/")[0]'; }
ip6_of() { podlane -j endpoint show "$1" | jq -r '[.endpoint.addresses[].address|select(contains(":"))][0]|split("/")[0]'; }
host_end() { podlane -j endpoint show "$1" | jq -r .endpoint.hostIfname; }

# reason ENDPOINT DIRECTION REASON: packets so far; ENDPOINT "node" is the node itself
reason() {
	podlane -j stats | jq -s --arg e "$1" --arg d "$2" --arg r "$3" '[.. | objects |
		select(.reasons? and ((.containerId == $e) or ($e == "node" and .endpoint == 0))) | .reasons[] |
		select(.reason == $r and .direction == $d) | .packets] | add // 0'
}

# capture NETNS FILE FILTER: returns once it listens on eth0; `wait $captured` ends with one packet in FILE
capture() {
	in_ns "$1" timeout 20 tcpdump -n -Z root -i eth0 -c 1 "$3" >"$2" 2>"$2.log" 3>&- &
	captured=$!
	eventually grep -q listening "$2.log"
}

# witness_up [MATCH]: what the stack would forward (and MATCH says) is dropped and counted from now on
witness_up() {
	nft -f - <<-NFT
		table inet witness {
			counter caught { }
			chain forward {
				type filter hook forward priority -400;
				${1:-} meta l4proto { tcp, udp, icmp, icmpv6 } counter name caught drop
			}
		}
	NFT
}
witness_down() { nft delete table inet witness; }
witness_caught() { nft -j list counter inet witness caught | jq '.nftables[] | select(.counter) | .counter.packets'; }

# pings FROM ADDRESS [OPTION...]: all 3 echoes must come back
pings() {
	local from=$1 to=$2 said
	shift 2
	said=$(nsenter "--net=/run/netns/$from" ping -n -q -c 3 -i 0.05 -W 1 "$@" "$to") || :
	echo "$said" >&2
	[[ $said = *" 3 received"* ]]
}

# Emulated, everything takes ten times as long; what comes of many repetitions shows natively.
emulated() { [ -n "${PODLANE_KERNEL_TEST:-}" ]; }

# flood_start FROM ADDRESS [SECONDS]: a ping every so many seconds from now on; several may run
flood_start() {
	local n pause=0.002
	n=$(cat "$BATS_FILE_TMPDIR/floods" 2>/dev/null | wc -l) # the files themselves may not be there yet
	! emulated || pause=0.02
	ip netns exec "$1" ping -n -i "${3:-$pause}" -W 1 "$2" >"$BATS_FILE_TMPDIR/flood-$n" 2>&1 3>&- &
	echo "$! $BATS_FILE_TMPDIR/flood-$n $1 $2" >>"$BATS_FILE_TMPDIR/floods"
}

# lossless FILE N WHAT: the output of a ping that was interrupted shows more than N requests, and every
# answer up to the one that was still under way
lossless() {
	awk -v n="$2" -v what="$3" '
		match($0, /icmp_seq=[0-9]+/) {
			seq = substr($0, RSTART + 9, RLENGTH - 9) + 0
			if (seq > last) { missing += seq - last - 1; last = seq }
		}
		/ transmitted/ { sent = $1 }
		END { print what ": sent " sent ", lost " missing + 0 ", the last was " last
			exit !(sent > n && !missing && sent - last <= 1) }' "$1"
}

flooded() { [ "$(grep -c icmp_seq= "$1")" -gt 100 ]; } # FILE

# Ends the floods once each has sent many, and loses none.
flood_lossless() {
	local pid file what bad=0
	sleep 0.2
	while read -r pid file what; do eventually flooded "$file" || :; done <"$BATS_FILE_TMPDIR/floods"
	while read -r pid file what; do kill -INT "$pid"; done <"$BATS_FILE_TMPDIR/floods"
	while read -r pid file what; do
		while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
		lossless "$file" 100 "$what" || bad=1
	done <"$BATS_FILE_TMPDIR/floods"
	rm -f "${BATS_FILE_TMPDIR:?}"/flood*
	echo "caught by the witness: $(witness_caught)"
	[ $bad = 0 ] && [ "$(witness_caught)" = 0 ]
}

floods_kill() {
	[ ! -e "$BATS_FILE_TMPDIR/floods" ] || cut -d' ' -f1 "$BATS_FILE_TMPDIR/floods" | xargs kill 2>/dev/null || :
	rm -f "${BATS_FILE_TMPDIR:?}"/flood*
}

# The whole node of most files: outside, three pods, the daemon's options as arguments. Each pod
# takes the link options in PL_LINK_A, ..._B, ..._C, if any.
node_up() {
	outside_up
	daemon_start "$@"
	# shellcheck disable=SC2086
	pod_up a ${PL_LINK_A:-}
	# shellcheck disable=SC2086
	pod_up b ${PL_LINK_B:-}
	# shellcheck disable=SC2086
	pod_up c ${PL_LINK_C:-}
	A4=$(ip4_of a) B4=$(ip4_of b) C4=$(ip4_of c)
	A6=$(ip6_of a) B6=$(ip6_of b) C6=$(ip6_of c)
	export A4 B4 C4 A6 B6 C6
}

# A file's tests share a node; whatever remains goes with the sandbox, this is for order alone.
node_down() {
	daemon_stop
	[ ! -e "$BATS_FILE_TMPDIR/servers" ] || xargs kill <"$BATS_FILE_TMPDIR/servers" 2>/dev/null || :
	local ns
	for ns in $(ip netns list | awk '{print $1}'); do ip netns del "${ns:?}"; done
	ip link del up0 2>/dev/null || :
	"$BUILD/podlaned" --remove >>"$BATS_FILE_TMPDIR/podlaned.log" 2>&1 || :
	rm -rf /run/podlane
	nft delete table inet witness 2>/dev/null || :
}
