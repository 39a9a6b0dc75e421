#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The ranges that the node gives addresses from: what is sent to an address that no pod has ends here,
# with an ICMP error, where it would otherwise go round between the node and its default router.
#
#    client (eth0) 198.51.100.2 --- outside (router; eth0, cl0) --- up0 node --- pods a, b, c
#
# Outside routes the pods' addresses to the node, whose default route leads back to it.
# time limit: 300

load node

setup_file() {
	load node
	outside_up
	ip netns add client
	ip link add eth0 netns client type veth peer name cl0 netns outside
	ip -n client link set lo up
	ip -n client addr add 198.51.100.2/24 dev eth0
	ip -n client addr add 2001:db8:2::2/64 dev eth0 nodad
	ip -n client link set eth0 up
	ip -n outside addr add 198.51.100.1/24 dev cl0
	ip -n outside addr add 2001:db8:2::1/64 dev cl0 nodad
	ip -n outside link set cl0 up
	ip -n client route add default via 198.51.100.1
	ip -n client route add default via 2001:db8:2::1
	in_ns outside sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
		net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 \
		net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0
	sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.up0.rp_filter=0 \
		net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.up0.send_redirects=0 \
		net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
	# How often an echo request passes the node.
	nft -f - <<-NFT
		table inet rounds {
			counter seen { }
			chain prerouting {
				type filter hook prerouting priority -300;
				icmp type echo-request counter name seen
				icmpv6 type echo-request counter name seen
			}
		}
	NFT
	daemon_start
	pod_up a
	pod_up b
	pod_up c
	eventually both
	eventually pings client "$(ip6_of a)" # the routers' link-local addresses are tentative at first
}
teardown_file() {
	nft delete table inet rounds
	load node && node_down
}
teardown() {
	kill -CONT "$(daemon_pid)" 2>/dev/null || :
	rm -f "${BATS_FILE_TMPDIR:?}/conf.json"
}

# own: podlane's routes, one a line
own() {
	{ ip route show proto 112 && ip -6 route show proto 112; } | sed -E 's/ dev lo//; s/ pref medium//; s/ +$//'
}
both() { [ "$(own)" = "unreachable $POD4.0/24 metric 4294967295
unreachable $POD6/64 metric 4294967295" ]; }
has() { own | grep -qx "unreachable $1 metric 4294967295"; }
lacks() { ! has "$1"; }
none() { [ -z "$(own)" ]; }

rounds() { nft -j reset counter inet rounds seen | jq '.nftables[] | select(.counter) | .counter.packets'; }

# lost NETNS ADDRESS: one echo request; what the sender is told in $said, how often it passed in $passed
lost() {
	rounds >/dev/null
	said=$(in_ns "$1" ping -n -c 1 -W 2 "$2") || :
	passed=$(rounds)
	echo "$said; passed the node $passed times" >&2
}

# ends_here NETNS ADDRESS
ends_here() {
	lost "$1" "$2"
	[ "$passed" = 1 ] && [[ $said = *nreachable* || $said = *"No route"* ]]
}

goes_round() {
	lost "$1" "$2"
	[ "$passed" -gt 10 ]
}

@test "each range has its route, at the lowest priority, and pods are reached as before" {
	both
	pings client "$(ip4_of a)"
	pings client "$(ip6_of a)"
	pings a "$(ip4_of b)"
	pings a "$(ip6_of b)"
}

@test "a pod that was deleted: its packets end here, from the network and from a pod" {
	v4=$(ip4_of c) v6=$(ip6_of c)
	pings client "$v4"
	pings client "$v6"
	podlane endpoint del c
	for from in client a; do
		ends_here $from "$v4"
		ends_here $from "$v6"
	done
	ip netns del c
	pod_up c
}

@test "an address that no pod ever had, in a native network too" {
	ends_here client $POD4.200
	ends_here client ${POD6}200
	daemon_stop
	daemon_start --native $POD4.0/24,$POD6/64
	ends_here client $POD4.200
	ends_here client ${POD6}200
	ends_here a $POD4.200
	ends_here a ${POD6}200
	daemon_stop
	daemon_start
}

@test "without the routes they go round; taken away, they are put back" {
	kill -STOP "$(daemon_pid)"
	ip route flush proto 112
	ip -6 route flush proto 112
	goes_round client $POD4.200
	goes_round client ${POD6}200
	kill -CONT "$(daemon_pid)"
	eventually both
	ends_here client $POD4.200
	ends_here client ${POD6}200
	ip route del unreachable $POD4.0/24 metric 4294967295
	eventually both
	for quietly in 0 1; do # whether IPv6 tells of the routes that go with a device
		sysctl -qw net.ipv6.route.skip_notify_on_dev_down=$quietly
		ip link set lo down
		lacks $POD6/64
		ip link set lo up
		eventually both
	done
}

@test "others' routes of the same network stay, and one of podlane's that nobody wants goes" {
	ip route add unreachable $POD4.0/24 metric 5
	ip -6 route add unreachable $POD6/64 metric 5
	ip route add unreachable 203.0.113.0/24 proto 112
	ip -6 route add unreachable 2001:db8:9::/64 metric 4294967295 proto 112
	daemon_stop
	daemon_start
	eventually both
	ip route del unreachable $POD4.0/24 metric 5
	ip -6 route del unreachable $POD6/64 metric 5
}

@test "a route of somebody else's in the very place is left, and said once" {
	daemon_stop
	ip route del unreachable $POD4.0/24 metric 4294967295
	ip route add unreachable $POD4.0/24 metric 4294967295
	: >"$BATS_FILE_TMPDIR/podlaned.log"
	daemon_start
	ip -6 route flush proto 112
	eventually has $POD6/64
	ip -6 route flush proto 112
	eventually has $POD6/64
	[ "$(grep -c "routes of the ranges not as they should be.*$POD4.0/24" "$BATS_FILE_TMPDIR/podlaned.log")" = 1 ]
	ip route show $POD4.0/24 | grep -q '^unreachable'
	lacks $POD4.0/24
	ip route del unreachable $POD4.0/24 metric 4294967295
	daemon_stop
	daemon_start
	eventually both
}

network() { # NAME IPAM
	jq -n --arg n "$1" --argjson i "$2" '{cniVersion: "1.0.0", name: $n, type: "podlane", ipam: $i}' >"$BATS_FILE_TMPDIR/conf.json"
}

@test "a network of a container runtime: its ranges alone, over a restart, until no endpoint is in them" {
	network shared '{"ranges": [[{"subnet": "10.99.0.0/16", "rangeStart": "10.99.3.0", "rangeEnd": "10.99.3.255"}]], "exclude": ["10.99.3.0/26"]}'
	ip netns add d
	podlane endpoint add d --network "$BATS_FILE_TMPDIR/conf.json"
	eventually has 10.99.3.128/25
	eventually has 10.99.3.64/26
	lacks 10.99.0.0/16
	lacks 10.99.3.0/26
	daemon_stop KILL
	daemon_start
	# The one that holds the endpoint, until an endpoint is added again.
	eventually has 10.99.3.64/26
	podlane endpoint del d
	has 10.99.3.64/26 # what is still sent to it must not go round
	daemon_stop
	daemon_start
	eventually both
	ip netns del d
}

@test "a subnet of two addresses: both are pods', which go by a link-local gateway" {
	network tiny '{"ranges": [[{"subnet": "10.97.0.6/31"}], [{"subnet": "fd97::6/127"}]]}'
	for name in d e; do
		ip netns add $name
		podlane endpoint add $name --network "$BATS_FILE_TMPDIR/conf.json"
	done
	eventually has 10.97.0.6/31
	eventually has fd97::6/127
	ip -n d route show default | grep -q 'via 169.254.1.1 dev eth0'
	ip -n e -6 route show default | grep -q 'via fe80::1 dev eth0'
	pings d 10.97.0.7
	pings d fd97::7
	pings e $NODE4
	pings e $NODE6
	pings d 169.254.1.1
	podlane endpoint del e
	ends_here d 10.97.0.7
	ends_here d fd97::7
	podlane endpoint del d
	ip netns del d
	ip netns del e
}

@test "the range in the daemon's file changes: so does the route" {
	echo '{"network": {"ipam": {"ranges": [[{"subnet": "10.98.0.0/24"}]]}}}' >"$BATS_FILE_TMPDIR/conf.json"
	podlane endpoint del b
	podlane endpoint del c
	podlane endpoint del a
	daemon_stop
	daemon_start --config "$BATS_FILE_TMPDIR/conf.json"
	eventually has 10.98.0.0/24
	lacks $POD4.0/24
	lacks $POD6/64
}

@test "podlaned --remove takes them away" {
	daemon_stop
	[ -n "$(own)" ]
	"$BUILD/podlaned" --remove
	none
}
