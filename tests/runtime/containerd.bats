#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# containerd: `ctr run --cni`, and pod sandboxes through its CRI plugin, as kubelet makes them.
# time limit: 400
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; variables of lib.bash

load lib
containerd_pid=''

setup() {
	need containerd ctr runc jq
	node_setup
	make_rootfs "$T/rootfs"
	make_image "$T/rootfs" localhost/bb:1 "$T/bb.tar" /bin/sleep 600
}

teardown() {
	[ -z "$containerd_pid" ] || engine_down
	node_teardown
}

engine_up() { # CONFLIST
	mkdir -p "$T/net.d" "$T/c/logs"
	echo "$1" >"$T/net.d/10-pods.conflist"
	# OOM scores and hugetlb are more than this node may be able to set.
	cat >"$T/c/config.toml" <<-END
		version = 2
		root = "$T/c/root"
		state = "$T/c/state"
		[grpc]
		  address = "$T/c/c.sock"
		[ttrpc]
		  address = "$T/c/ttrpc.sock"
		[plugins."io.containerd.internal.v1.opt"]
		  path = "$T/c/opt"
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "localhost/bb:1"
		  restrict_oom_score_adj = true
		  disable_apparmor = true
		  tolerate_missing_hugetlb_controller = true
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "$T/bin"
		    conf_dir = "$T/net.d"
	END
	containerd -c "$T/c/config.toml" >"$T/c/log" 2>&1 3>&- &
	containerd_pid=$!
	await 20 c version
	c -n k8s.io image import "$T/bb.tar" >/dev/null
	c image import "$T/bb.tar" >/dev/null
}

engine_down() {
	local ns t
	for ns in default k8s.io; do
		for t in $(c -n "$ns" task ls -q 2>/dev/null); do
			c -n "$ns" task kill -s 9 "$t" >/dev/null 2>&1 || :
			c -n "$ns" task rm -f "${t:?}" >/dev/null 2>&1 || :
		done
	done
	kill "$containerd_pid"
	wait "$containerd_pid" 2>/dev/null || :
}

c() { ctr -a "$T/c/c.sock" "$@"; }
# Debian's own python3, whatever else comes first in PATH.
cri_client() {
	local why
	why=$(/usr/bin/python3 -c 'import grpc; from grpc_tools import protoc' 2>&1) ||
		skip "what cri.py imports is not installed: ${why##*$'\n'}"
}
cri() { CRI_CGROUP=/$group /usr/bin/python3 "$BATS_TEST_DIRNAME/cri.py" "$T/c/c.sock" "$@"; }

# ctr has these two folders built in.
lay_built_in_folders() {
	writable /etc /opt
	mkdir -p /etc/cni/net.d /opt/cni/bin
	rm -f /etc/cni/net.d/* /opt/cni/bin/*
	cp "$T/net.d"/* /etc/cni/net.d/
	cp -P "$T/bin"/* /opt/cni/bin/
}

@test "containerd: ctr run --cni, two containers say hello by the fast path" {
	engine_up "$(conflist 1.0.0)"
	lay_built_in_folders
	c run -d --cni --cgroup "/$group/a" localhost/bb:1 a busybox httpd -f -p 80 -h /www
	c run -d --cni --cgroup "/$group/b" localhost/bb:1 b sleep 600
	a=$(endpoints | jq -r '.[] | select(.containerId == "default-a") | .addresses[0].address | split("/")[0]')
	before=$(fast_packets)
	[ "$(c task exec --exec-id x b timeout 15 wget -q -O - "http://$a/")" = "hello from podlane" ]
	[ $(($(fast_packets) - before)) -ge 5 ]
	[ "$(c run --rm --cni --cgroup "/$group/d" localhost/bb:1 d timeout 15 wget -q -O - "http://$a/")" = "hello from podlane" ]
	[ "$(endpoints | jq length)" = 2 ] # that of d is gone
}

@test "containerd: pod sandboxes by CRI, several at once, hello between two, everything gone after" {
	need python3
	cri_client
	engine_up "$(conflist 1.0.0 '{"type":"portmap","capabilities":{"portMappings":true}}')"
	await 20 network_ready
	cri run p1 p2 p3 p4 >"$T/pods"
	[ "$(awk '{ print $3 }' "$T/pods" | sort -u | wc -l)" = 4 ]
	[ "$(endpoints | jq -r '[.[].pod | "\(.namespace)/\(.name)/\(.uid)"] | sort | .[0]')" = default/p1/uid-p1 ]
	read -r _ id1 ip1 ip1six < <(grep ^p1 "$T/pods")
	read -r _ id2 _ < <(grep ^p2 "$T/pods")
	cri start "$id1" web localhost/bb:1 httpd -f -p 80 -h /www
	two=$(cri start "$id2" client localhost/bb:1 sleep 600)
	before=$(fast_packets)
	[ "$(cri exec "$two" timeout 15 wget -q -O - "http://$ip1/")" = "hello from podlane" ]
	[ "$(cri exec "$two" timeout 15 wget -q -O - "http://[$ip1six]/")" = "hello from podlane" ]
	[ $(($(fast_packets) - before)) -ge 10 ]
	awk '{ print $2 }' "$T/pods" | while read -r id; do cri remove "$id"; done
	node_is_clean
}

network_ready() { cri status | grep -q '^NetworkReady True'; }

@test "containerd: a sandbox is removed while the daemon is dead; a new one says why it must wait" {
	need python3
	cri_client
	engine_up "$(conflist 1.0.0)"
	await 20 network_ready
	read -r _ id _ < <(cri run p1)
	stop_daemon -KILL
	cri remove "$id"
	[ -z "$(ls "$T/run/endpoints")" ]
	status=0
	cri run p2 2>"$T/said" || status=$?
	[ "$status" != 0 ]
	grep -q podlaned "$T/said"
	start_daemon
	node_is_clean
	cri run p2
}
