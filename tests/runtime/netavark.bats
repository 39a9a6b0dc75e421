#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# podman 5 knows no CNI any more: podlane as a netavark plugin, with the podman and netavark of
# Debian 13 in a chroot, which netavark.prepare makes: each test works on an overlay of it.
# time limit: 900
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; variables of lib.bash

load lib

base=${PODLANE_CHROOT:-$PWD/build/trixie-podman}

setup() {
	need debootstrap jq curl
	[ -e "$base" ] || skip "$base is not installed: tests/runtime/netavark.prepare makes it"
	node_setup
	root=$T/root
	make_rootfs "$T/rootfs"
	tar -C "$T/rootfs" -cf "$T/rootfs.tar" .
	mkdir -p "$T/upper" "$T/scratch" "$root"
	mount -t overlay -o "lowerdir=$base,upperdir=$T/upper,workdir=$T/scratch" overlay "$root"
	local d
	for d in proc sys dev run; do mount --rbind "/$d" "$root/$d"; done
	mkdir -p "$root/plugins" "$root/etc/containers/networks"
	install -m 755 "$build/podlane-cni" "$root/plugins/podlane"
	# Libraries that only this build needs, such as those of the sanitizers.
	ldd "$build/podlane-cni" | awk '$3 ~ /^\// { print $3 }' | while read -r lib; do
		[ -e "$root$lib" ] || [ -e "$root/usr$lib" ] || install -D -m 644 "$lib" "$root$lib"
	done
	cat >"$root/etc/containers/containers.conf" <<-END
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
		network_backend = "netavark"
		netavark_plugin_dirs = ["/plugins"]
		network_config_dir = "$T/networks"
	END
	cat >"$root/etc/containers/storage.conf" <<-END
		[storage]
		driver = "overlay"
		graphroot = "$T/graph"
		runroot = "$T/store"
	END
	mkdir -p "$T/networks"
	export PODMAN_IGNORE_CGROUPSV1_WARNING=1
}

teardown() {
	[ -z "$T" ] || [ ! -e "$T/graph" ] || podman rm -fa -t 0 >/dev/null 2>&1 || :
	node_teardown # with the mounts below $T
}

podman() { chroot "$T/root" /usr/bin/podman "$@"; }

start() { # NAME [OPTION...]
	local name=$1
	shift
	podman run -d --name "$name" --network pods --cgroup-parent "/$group" "$@" localhost/bb httpd -f -p 80 -h /www
}

address() { # NAME FAMILY
	podman exec "$1" ip -o -"$2" addr show eth0 scope global | awk '{ sub("/.*", "", $4); print $4; exit }'
}

make_network() { # [OPTION...]
	podman network create --driver podlane --subnet 10.77.0.0/24 --subnet fd77::/112 "$@" pods
	podman import -q "$T/rootfs.tar" localhost/bb >/dev/null
}

@test "netavark: podman 5, two containers say hello by the fast path, IPv4 and IPv6" {
	make_network
	start a
	start b
	before=$(fast_packets)
	[ "$(podman exec a timeout 15 wget -q -O - "http://$(address b 4)/")" = "hello from podlane" ]
	[ "$(podman exec b timeout 15 wget -q -O - "http://[$(address a 6)]/")" = "hello from podlane" ]
	[ $(($(fast_packets) - before)) -ge 10 ]
	[ "$(podman inspect a --format '{{.NetworkSettings.Networks.pods.IPAddress}}')" = "$(address a 4)" ]
	[ "$(endpoints | jq -r '[.[].pod.name] | sort | join(" ")')" = "a b" ]
	podman rm -f -t 0 a b
	node_is_clean
}

@test "netavark: --ip, --mac-address, the gateway, and the way out" {
	make_network -o mtu=1400
	[ "$(podman network inspect pods | jq -r '.[0].subnets[0].gateway')" = 10.77.0.1 ]
	start a --ip 10.77.0.77 --mac-address 02:00:00:00:00:77
	[ "$(address a 4)" = 10.77.0.77 ]
	podman exec a ip link show eth0 | grep -q 'mtu 1400'
	podman exec a ip link show eth0 | grep -q 02:00:00:00:00:77
	outside busybox httpd -f -p 8000 -h "$T/rootfs/www" 3>&- &
	await 20 outside curl -s -m 1 http://127.0.0.1:8000/
	[ "$(podman exec a timeout 15 wget -q -O - http://192.0.2.2:8000/)" = "hello from podlane" ]
	kill $!
}

@test "netavark: wrong options and published ports are refused in words" {
	status=0
	podman network create --driver podlane --subnet 10.77.0.0/24 -o mut=1 bad >"$T/said" 2>&1 || status=$?
	[ "$status" != 0 ]
	grep -q mtu "$T/said"
	make_network
	status=0
	start a -p 8080:80 >"$T/said" 2>&1 || status=$?
	[ "$status" != 0 ]
	grep -q publish "$T/said"
	podman rm -fa -t 0
	node_is_clean
}

@test "netavark: a container ends well while the daemon is dead" {
	make_network
	start a
	stop_daemon -KILL
	podman rm -f -t 0 a
	[ -z "$(ls "$T/run/endpoints")" ]
	start_daemon
	node_is_clean
}
