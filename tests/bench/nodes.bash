# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Loaded by tests/bench/run: one node for each contender, all there at the same time, all alike but
# for what connects their pods. Every name below is a network namespace.
#
#    NAME-a (eth0) ---+------------+
#    NAME-b (eth0) ---|    NAME    | up0 --- eth0 NAME-o (outside) 192.0.2.2, 2001:db8:1::2
#    NAME-c (eth0) ---+------------+     192.0.2.1, 2001:db8:1::1 on the node's side
#
# The uplink's neighbours are permanent, so that no resolution falls into a slice.
# shellcheck disable=SC2034,SC2154 # run sets $work, $B, $T, ASIDE, and uses what is set here

POD4=10.201.0 POD6=fd42:706c::
CNI4=10.202.0 # of the pods that the CNI phase makes
OUT4=192.0.2.2 OUT6=2001:db8:1::2
NODE4=192.0.2.1 NODE6=2001:db8:1::1
NODE_MAC=02:70:6c:00:00:01 OUT_MAC=02:70:6c:00:00:02
NATIVE=192.0.2.0/24,2001:db8:1::/64
PLUGINS=${CNI_PLUGINS:-/usr/lib/cni} # Debian's containernetworking-plugins

# `ip netns exec` would hide the mounts that netns files are.
inside() { # NETNS COMMAND...
	local ns=$1
	shift
	nsenter --net="/run/netns/$ns" -- "$@"
}

# No TIME_WAIT: its timers would fire a minute later, in another contender's slice. And cubic, where
# the machine's own choice may pace what it sends, so that a timer is measured, not the way.
netns_new() { # NAME...
	local ns
	for ns; do
		ip netns add "$ns"
		ip -n "$ns" link set lo up
		inside "$ns" sysctl -qw net.ipv4.tcp_max_tw_buckets=0
		inside "$ns" sysctl -qw net.ipv4.tcp_congestion_control=cubic 2>/dev/null ||
			inside "$ns" sysctl -qw net.ipv4.tcp_congestion_control=reno
	done
}

node_new() { # NAME
	local node=$1
	netns_new "$node" "$node-o"
	inside "$node" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	ip link add up0 netns "$node" address $NODE_MAC type veth peer name eth0 netns "$node-o" address $OUT_MAC
	wire "$node" up0 $NODE4 $NODE6 $OUT4 $OUT6 $OUT_MAC
	wire "$node-o" eth0 $OUT4 $OUT6 $NODE4 $NODE6 $NODE_MAC
	ip -n "$node-o" route add $POD4.0/24 via $NODE4
	ip -n "$node-o" route add $POD6/64 via $NODE6
}

wire() { # NETNS DEVICE ADDRESS4 ADDRESS6 PEER4 PEER6 PEER-MAC
	ip -n "$1" addr add "$3/24" dev "$2"
	ip -n "$1" addr add "$4/64" dev "$2" nodad
	ip -n "$1" link set "$2" up
	ip -n "$1" neigh add "$5" dev "$2" lladdr "$7" nud permanent
	ip -n "$1" neigh add "$6" dev "$2" lladdr "$7" nud permanent
	ip -n "$1" route add default via "$5"
	ip -n "$1" route add default via "$6"
}

# Nodes are made by subshells: what must be known later stands in files of $work.
note_addresses() { # POD ADDRESS4 ADDRESS6
	echo "$2" >"$work/$1.v4"
	echo "$3" >"$work/$1.v6"
}

# ---- plain veth, and the mechanism's limit ----

veth_up() { # [NAME]
	local name=${1:-veth} pod n=1
	netns_new "$name-a" "$name-b"
	ip link add eth0 netns "$name-a" type veth peer name eth0 netns "$name-b"
	for pod in a b; do
		n=$((n + 1))
		ip -n "$name-$pod" addr add $POD4.$n/24 dev eth0
		ip -n "$name-$pod" addr add $POD6$n/64 dev eth0 nodad
		ip -n "$name-$pod" link set eth0 up
		note_addresses "$name-$pod" $POD4.$n $POD6$n
	done
}

limit_pod() { # POD N
	local pod=limit-$1 n=$2 host_mac=02:70:6c:00:01:0$2
	netns_new "$pod"
	ip link add "host-$1" netns limit address $host_mac type veth \
		peer name eth0 netns "$pod" address "02:70:6c:00:02:0$n"
	ip -n limit link set "host-$1" up
	ip -n "$pod" addr add "$POD4.$n/32" dev eth0
	ip -n "$pod" addr add "$POD6$n/128" dev eth0 nodad
	ip -n "$pod" link set eth0 up
	ip -n "$pod" neigh add 169.254.1.1 dev eth0 lladdr $host_mac nud permanent
	ip -n "$pod" neigh add fe80::1 dev eth0 lladdr $host_mac nud permanent
	ip -n "$pod" route add default via 169.254.1.1 dev eth0 onlink
	ip -n "$pod" route add default via fe80::1 dev eth0 onlink
	note_addresses "$pod" $POD4.$n $POD6$n
}

# a and b are redirected to each other, c to the uplink and the uplink to c.
limit_up() {
	node_new limit
	limit_pod a 2
	limit_pod b 3
	limit_pod c 4
	mkdir -p /sys/fs/bpf/limit
	limit_attach limit_peer host-a host-b a
	limit_attach limit_peer host-b host-a b
	limit_attach limit_peer up0 host-c up0
	limit_attach limit_neigh host-c up0 c $OUT4 $OUT6
}

limit_attach() { # PROGRAM DEVICE TARGET PIN [NEXT4 NEXT6]
	local program=$1 device=$2 target=$3 pin=$4
	shift 4
	inside limit "$T/bpf" limit "$T/limit.bpf.o" "$program" "$device" "$target" "/sys/fs/bpf/limit/$pin" "$@"
}

# ---- nodes whose pods a CNI plugin makes ----

host_local() { # NODE RANGE...: host-local's part of a configuration
	local node=$1 ranges='' r
	shift
	for r; do ranges+="${ranges:+, }[{\"subnet\": \"$r\"}]"; done
	printf '{"type": "host-local", "dataDir": "%s", "ranges": [%s], "routes": [{"dst": "0.0.0.0/0"}%s]}' \
		"$work/ipam-$node" "$ranges" "$([ $# = 1 ] || printf ', {"dst": "::/0"}')"
}

# Writes $work/NODE.conf for the traffic, of both families, and $work/NODE.cni.conf for the CNI
# phase: IPv4 alone, for host-local's plugins wait for duplicate address detection otherwise.
write_conf() { # NODE PLUGIN MASQ
	local node=$1 plugin=$2 masq=$3 keys
	local both4=$POD4.0/24 both6=$POD6/64 cni4=$CNI4.0/24
	case $plugin in
	bridge)
		keys='"isGateway": true, "bridge"'
		conf "$node" "$plugin" "$masq" "$keys: \"br0\"" "$(host_local "$node" $both4 $both6)" >"$work/$node.conf"
		conf "$node-cni" "$plugin" "$masq" "$keys: \"br1\"" "$(host_local "$node-cni" $cni4)" >"$work/$node.cni.conf"
		;;
	ptp)
		keys='"mtu": 1500'
		conf "$node" "$plugin" "$masq" "$keys" "$(host_local "$node" $both4 $both6)" >"$work/$node.conf"
		conf "$node-cni" "$plugin" "$masq" "$keys" "$(host_local "$node-cni" $cni4)" >"$work/$node.cni.conf"
		;;
	podlane)
		keys='"mtu": 1500'
		conf "$node" "$plugin" "$masq" "$keys" \
			"{\"ranges\": [[{\"subnet\": \"$both4\"}], [{\"subnet\": \"$both6\"}]]}" >"$work/$node.conf"
		conf "$node-cni" "$plugin" "$masq" "$keys" \
			"{\"ranges\": [[{\"subnet\": \"$cni4\"}]]}" >"$work/$node.cni.conf"
		;;
	esac
}

conf() { # NAME PLUGIN MASQ KEYS IPAM
	printf '{"cniVersion": "1.0.0", "name": "%s", "type": "%s", "ipMasq": %s, %s, "ipam": %s}\n' "$@"
}

plugin_path() { # PLUGIN
	case $1 in podlane) echo "$B/podlane-cni" ;; *) echo "$PLUGINS/$1" ;; esac
}

address_of() { # 4|6: of the pod that was made last
	jq -r --argjson family "$1" '[.ips[].address | select(contains(":") == ($family == 6))][0] | split("/")[0]' "$work/result"
}

pods_up() { # NODE PLUGIN POD...
	local node=$1 plugin=$2 pod
	shift 2
	for pod; do
		netns_new "$node-$pod"
		CNI_COMMAND=ADD CNI_CONTAINERID="$node-$pod" CNI_NETNS=/run/netns/$node-$pod CNI_IFNAME=eth0 \
			CNI_PATH=$PLUGINS PODLANE_RUN_DIR=$work/run-$node \
			inside "$node" "$(plugin_path "$plugin")" <"$work/$node.conf" >"$work/result" ||
			{ echo "$plugin could not make a pod: $(tr -s '\n\t' ' ' <"$work/result")" >&2 && return 1; }
		note_addresses "$node-$pod" "$(address_of 4)" "$(address_of 6)"
	done
}

cni_node_up() { # NODE PLUGIN MASQ
	node_new "$1"
	write_conf "$1" "$2" "$3"
	pods_up "$1" "$2" a b
}

# ---- podlane ----

podlane() { # NODE ARGUMENT...
	local node=$1
	shift
	inside "$node" "$B/podlane" --socket "$work/run-$node/podlane.sock" "$@"
}

daemon_up() { # NODE OPTION...: $DAEMON, where that is another than $B/podlaned
	local node=$1 i
	shift
	mkdir -p "$work/run-$node"
	# No function: the pid would be that of a shell, and the daemon never told to end.
	nsenter --net="/run/netns/$node" -- "${ASIDE[@]}" "${DAEMON:-$B/podlaned}" --run-dir "$work/run-$node" --bpffs "/sys/fs/bpf/$node" \
		--uplinks up0 "$@" >"$work/$node.log" 2>&1 &
	echo $! >"$work/$node.pid"
	for i in $(seq 200); do
		podlane "$node" status >/dev/null 2>&1 && return
		sleep 0.05
	done
	echo "podlaned does not answer; it said: $(tail -n 1 "$work/$node.log")" >&2
	return 1
}

daemon_down() { # NODE
	local pid i
	pid=$(cat "$work/$1.pid")
	kill "$pid"
	for i in $(seq 200); do
		kill -0 "$pid" 2>/dev/null || return 0
		sleep 0.05
	done
	echo "podlaned does not end" >&2
	return 1
}

podlane_up() { # NODE MASQ OPTION...
	local node=$1 masq=$2
	shift 2
	node_new "$node"
	daemon_up "$node" "$@"
	write_conf "$node" podlane "$masq"
	pods_up "$node" podlane a b c
}

# Where copies go: a device like a tap, whose reader takes everything and throws it away.
tap_up() { # NODE
	ip link add tap0 netns "$1" type veth peer name sensor0 netns "$1"
	ip -n "$1" link set tap0 up
	ip -n "$1" link set sensor0 up
}

sessions_up() { # NODE COUNT OPTION...: mirror sessions to the tap
	local node=$1 count=$2 i
	shift 2
	tap_up "$node"
	for i in $(seq "$count"); do
		podlane "$node" mirror add "s$i" --to-device tap0 "$@" >/dev/null
	done
}

# ---- a service ----

SERVICE4=10.96.0.10 SERVICE6=fd42:7370::10
SERVICE_PORT=8080 # below those that direct connections get: no tuple of one is ever the other's

# The rules of one service with one backend, as kube-proxy writes them.
service_rules() { # NETNS COMMAND PODS SERVICE BACKEND BACKEND:PORT
	local ns=$1 command=$2 pods=$3 service=$4 backend=$5 to=$6
	rule() { inside "$ns" "$command" -w "$@"; }
	rule -t nat -N KUBE-MARK-MASQ
	rule -t nat -A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
	rule -t nat -N KUBE-SEP-1
	rule -t nat -A KUBE-SEP-1 -s "$backend" -j KUBE-MARK-MASQ
	rule -t nat -A KUBE-SEP-1 -p tcp -j DNAT --to-destination "$to"
	rule -t nat -N KUBE-SVC-1
	rule -t nat -A KUBE-SVC-1 ! -s "$pods" -d "$service" -p tcp --dport $SERVICE_PORT -j KUBE-MARK-MASQ
	rule -t nat -A KUBE-SVC-1 -j KUBE-SEP-1
	rule -t nat -N KUBE-SERVICES
	rule -t nat -A KUBE-SERVICES -d "$service" -p tcp --dport $SERVICE_PORT -j KUBE-SVC-1
	rule -t nat -A PREROUTING -j KUBE-SERVICES
	rule -t nat -A OUTPUT -j KUBE-SERVICES
	rule -t nat -N KUBE-POSTROUTING
	rule -t nat -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
	rule -t nat -A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
	rule -t nat -A KUBE-POSTROUTING -j MASQUERADE
	rule -t nat -A POSTROUTING -j KUBE-POSTROUTING
	rule -N KUBE-FORWARD
	rule -A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
	rule -A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
	rule -A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
	rule -A FORWARD -j KUBE-FORWARD
}

# In a node's stack, between its pods: whatever is of no translated connection, either way.
witness() { # NETNS [OPTION...]: counts there, and does what the options say
	local ns=$1
	shift
	inside "$ns" iptables -w -t mangle -A FORWARD -s $POD4.0/24 -d $POD4.0/24 -p tcp -m conntrack ! --ctstate DNAT "$@"
	inside "$ns" ip6tables -w -t mangle -A FORWARD -s $POD6/64 -d $POD6/64 -p tcp -m conntrack ! --ctstate DNAT "$@"
}

witnessed() { # NETNS: packets
	{
		inside "$1" iptables -w -t mangle -vxnL FORWARD
		inside "$1" ip6tables -w -t mangle -vxnL FORWARD
	} | awk '$1 ~ /^[0-9]+$/ { n += $1 } END { print n + 0 }'
}

service_up() { # NODE NETNS: to the node's pod b; the netns translates
	local v4 v6
	v4=$(cat "$work/$1-b.v4") v6=$(cat "$work/$1-b.v6")
	service_rules "$2" iptables $POD4.0/24 $SERVICE4 "$v4" "$v4:$SERVICE_PORT"
	service_rules "$2" ip6tables $POD6/64 $SERVICE6 "$v6" "[$v6]:$SERVICE_PORT"
}

# No host between: the server's own namespace translates.
veth_service_up() { # NAME
	veth_up "$1"
	service_up "$1" "$1-b"
	ip -n "$1-a" route add $SERVICE4 via "$(cat "$work/$1-b.v4")"
	ip -n "$1-a" route add $SERVICE6 via "$(cat "$work/$1-b.v6")"
}

ptp_service_up() { # NAME
	cni_node_up "$1" ptp false
	service_up "$1" "$1"
	witness "$1" # sees what podlane's must not, and shows that it can
}

podlane_service_up() { # NAME
	podlane_up "$1" false --native $NATIVE
	service_up "$1" "$1"
	witness "$1" -j DROP
}
