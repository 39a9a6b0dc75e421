#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# podman with its CNI backend (podman 4; podman 5 has netavark alone, see netavark.bats): podlane by
# itself, with the plugins that stand after it in a list, and after ptp as an accelerator.
# time limit: 400
# of the release: ! podman --version | grep -qE ' version [5-9]' -- its podman has no CNI
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; variables of lib.bash

load lib
engine_is_ours='' # or `podman rm -fa` would be said to the machine's

setup() {
	need podman runc conmon jq curl
	case $(podman --version) in *' version 4.'* | *' version 3.'*) ;; *) skip "this podman has no CNI" ;; esac
	node_setup
	engine_setup
}

teardown() {
	[ -z "$engine_is_ours" ] || podman rm -fa -t 0 >/dev/null 2>&1 || :
	node_teardown
}

engine_setup() {
	mkdir -p "$T/net.d" "$T/tmp"
	make_rootfs "$T/rootfs"
	# Its own limits and sysctls are more than a container may set.
	cat >"$T/containers.conf" <<-END
		[containers]
		log_driver = "k8s-file"
		default_sysctls = []
		default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		runtime = "runc"
		static_dir = "$T/static"
		tmp_dir = "$T/tmp"
		volume_path = "$T/volumes"
		[network]
		network_backend = "cni"
		cni_plugin_dirs = ["$T/bin"]
		network_config_dir = "$T/net.d"
		default_network = "pods"
	END
	cat >"$T/storage.conf" <<-END
		[storage]
		driver = "overlay"
		graphroot = "$T/graph"
		runroot = "$T/store"
	END
	export CONTAINERS_CONF=$T/containers.conf CONTAINERS_STORAGE_CONF=$T/storage.conf
	engine_is_ours=1
	tar -C "$T/rootfs" -cf "$T/rootfs.tar" .
}

network() { # CONFLIST
	echo "$1" >"$T/net.d/10-pods.conflist"
	podman import -q "$T/rootfs.tar" localhost/bb >/dev/null
}

start() { # NAME [OPTION...]: a container that serves /www on port 80
	local name=$1
	shift
	podman run -d --name "$name" --cgroup-parent "/$group" "$@" localhost/bb httpd -f -p 80 -h /www
}

address() { # NAME FAMILY
	podman exec "$1" ip -o -"$2" addr show eth0 scope global | awk '{ sub("/.*", "", $4); print $4; exit }'
}

get() { # CONTAINER URL
	podman exec "$1" timeout 15 wget -q -O - "$2"
}

@test "podman: two containers say hello to each other by the fast path, IPv4 and IPv6" {
	network "$(conflist 1.0.0)"
	start a
	start b
	before=$(fast_packets)
	[ "$(get a "http://$(address b 4)/")" = "hello from podlane" ]
	[ "$(get b "http://[$(address a 6)]/")" = "hello from podlane" ]
	podman exec a ping -q -c 2 -W 5 "$(address b 4)"
	[ $(($(fast_packets) - before)) -ge 10 ]
	[ "$(endpoints | jq -r '[.[].pod.name] | sort | join(" ")')" = "a b" ]
	podman rm -f -t 0 a b
	node_is_clean
}

@test "podman: the outside is reached through the masquerade, by name of the host" {
	network "$(conflist 1.0.0)"
	start a
	outside busybox httpd -f -p 8000 -h "$T/rootfs/www" 3>&- &
	await 20 outside curl -s -m 1 http://127.0.0.1:8000/
	[ "$(get a http://192.0.2.2:8000/)" = "hello from podlane" ]
	kill $!
}

@test "podman: --ip and --mac-address are what the container gets" {
	network "$(conflist 0.4.0)"
	start a --ip 10.77.0.77 --mac-address 02:00:00:00:00:77
	[ "$(address a 4)" = 10.77.0.77 ]
	podman exec a ip link show eth0 | grep -q 02:00:00:00:00:77
	[ "$(podman inspect a --format '{{.NetworkSettings.Networks.pods.IPAddress}}')" = 10.77.0.77 ]
	status=0
	start b --ip 10.77.0.77 2>"$T/said" || status=$?
	[ "$status" != 0 ]
	grep -q 10.77.0.77 "$T/said"
}

@test "podman: the containers of a pod share one endpoint" {
	network "$(conflist 1.0.0)"
	podman pod create --name p --infra-image localhost/bb --infra-command "sleep 600" --cgroup-parent "/$group"
	podman run -d --pod p --name x localhost/bb httpd -f -p 80 -h /www
	[ "$(podman run --rm --pod p localhost/bb wget -q -O - http://127.0.0.1/)" = "hello from podlane" ]
	[ "$(endpoints | jq length)" = 1 ]
	podman pod rm -f -t 0 p
	node_is_clean
}

# The list that is shipped, under the name that README gives: under another podman uses its own bridge.
@test "podman: portmap after podlane publishes a port to the outside, the host and other pods" {
	need iptables
	sed -i "s/default_network = .*/$(grep -o 'default_network = "[^"]*"' "$BATS_TEST_DIRNAME/../../README.md")/" "$T/containers.conf"
	network "$(cat "$BATS_TEST_DIRNAME/../../scripts/10-podlane.conflist")"
	start a -p 8080:80
	[[ $(address a 4) == 10.202.0.* && $(address a 6) == fd42:706c:0:202::* ]]
	start b
	[ "$(outside curl -s -m 15 http://192.0.2.1:8080/)" = "hello from podlane" ]
	[ "$(curl -s -m 15 http://192.0.2.1:8080/)" = "hello from podlane" ]
	[ "$(get b http://192.0.2.1:8080/)" = "hello from podlane" ]
	# Straight to the container still takes the short way.
	before=$(fast_packets)
	[ "$(get b "http://$(address a 4)/")" = "hello from podlane" ]
	[ "$(fast_packets)" -gt "$before" ]
	podman rm -f -t 0 a b
	refute grep -q 8080 <(iptables-save)
	node_is_clean
}

@test "podman: bandwidth after podlane shapes: no packet goes around the queue" {
	network "$(conflist 1.0.0 '{"type":"bandwidth","ingressRate":800000,"ingressBurst":80000,"egressRate":800000,"egressBurst":80000}')"
	start a
	dd if=/dev/zero of="$T/rootfs/www/big" bs=1k count=200 status=none
	tar -C "$T/rootfs" -cf "$T/rootfs.tar" .
	podman import -q "$T/rootfs.tar" localhost/bb >/dev/null
	start b
	tc qdisc show dev "$(endpoints | jq -r '.[0].hostIfname')" | grep -q tbf
	await 20 is_shaped
	before=$(fast_packets)
	begin=${EPOCHREALTIME/[.,]/}
	podman exec a timeout 30 wget -q -O /dev/null "http://$(address b 4)/big"
	took=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
	echo "200 kB in $took ms at 100 kB/s"
	[ "$took" -gt 1000 ]
	[ "$(fast_packets)" = "$before" ]
}

is_shaped() { [ "$(endpoints | jq '[.[].shaped] | all')" = true ]; }

@test "podman: tuning and firewall after podlane" {
	need iptables
	network "$(conflist 1.0.0 '{"type":"tuning","sysctl":{"net.ipv4.conf.IFNAME.arp_notify":"1"}}' '{"type":"firewall","backend":"iptables"}')"
	start a
	start b
	[ "$(get a "http://$(address b 4)/")" = "hello from podlane" ]
	grep -q 10.77.0 <(iptables-save)
	podman rm -f -t 0 a b
	node_is_clean
}

@test "podman: podlane in mode accelerate after ptp, links and addresses left alone" {
	need iptables
	network "$(jq -nc '{cniVersion: "0.4.0", name: "pods", plugins: [
		{type: "ptp", ipMasq: true, ipam: {type: "host-local", subnet: "10.77.0.0/24", dataDir: $d, routes: [{dst: "0.0.0.0/0"}]}},
		{type: "podlane", mode: "accelerate"}]}' --arg d "$T/leases")"
	start a
	start b
	[ "$(endpoints | jq -c '[.[].mode] | unique')" = '["accelerate"]' ]
	before=$(fast_packets)
	[ "$(get a "http://$(address b 4)/")" = "hello from podlane" ]
	[ $(($(fast_packets) - before)) -ge 5 ]
	[ "$(address a 4)/24" = "$(podman exec a ip -o -4 addr show eth0 | awk '{ print $4 }')" ]
	podman rm -f -t 0 a b
	[ "$(endpoints)" = "[]" ]
	[ -z "$(find "$T/leases" -name '10.77*')" ]
}

@test "podman: a container ends well while the daemon is dead, and nothing is left of it" {
	network "$(conflist 1.0.0)"
	start a
	start b
	stop_daemon -KILL
	[ "$(get a "http://$(address b 4)/")" = "hello from podlane" ] # the datapath goes on
	podman rm -f -t 0 a b
	[ -z "$(ls "$T/run/endpoints")" ]
	status=0
	start c 2>"$T/said" || status=$?
	[ "$status" != 0 ]
	grep -q podlaned "$T/said"
	podman rm -fa -t 0
	start_daemon
	node_is_clean
	start d
}
