#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# runc and crun with no engine above them: the plugin as an OCI hook, createRuntime and poststop.
# time limit: 200
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; variables of lib.bash

load lib
containers=()

setup() {
	need runc jq
	node_setup
	make_rootfs "$T/rootfs"
	conflist 1.0.0 | jq -c '.plugins[0] + {cniVersion, name}' >"$T/conf.json"
}

teardown() {
	local id
	for id in "${containers[@]}"; do oci delete -f "$id" 2>/dev/null || :; done
	node_teardown
}

oci() {
	case $runtime in
	# It refuses a hybrid of cgroup 1 and 2.
	crun) unshare -m --propagation slave sh -c 'umount /sys/fs/cgroup/unified 2>/dev/null; exec crun "$@"' crun --root "$T/state" "$@" ;;
	*) "$runtime" --root "$T/state" "$@" ;;
	esac
}

launch() { # ID COMMAND...: detached, with the hooks
	local id=$1 hook
	shift
	hook=$(realpath "$BATS_TEST_DIRNAME/../../scripts/oci-hook")
	mkdir -p "$T/$id"
	(cd "$T/$id" && runc spec)
	jq --arg r "$T/rootfs" --arg h "$hook" --arg c "$T/conf.json" --arg p "$T/bin/podlane" --arg g "/$group/$id" \
		--arg d "PODLANE_RUN_DIR=$T/run" '.root = {path: $r, readonly: true} | .process.terminal = false |
		.process.args = $ARGS.positional | .process.rlimits = [] | .linux.cgroupsPath = $g |
		.process.capabilities |= map_values(. + ["CAP_NET_RAW"]) | .hooks = {
		createRuntime: [{path: $h, args: ["hook", "ADD", $c, $p], env: [$d]}],
		poststop: [{path: $h, args: ["hook", "DEL", $c, $p], env: [$d]}]}' --args -- "$@" \
		<"$T/$id/config.json" >"$T/$id/new"
	mv "$T/$id/new" "$T/$id/config.json"
	containers+=("$id")
	oci run -d -b "$T/$id" "$id" </dev/null >"$T/$id/log" 2>&1 3>&- || {
		cat "$T/$id/log" >&2
		return 1
	}
}

address() { endpoints | jq -r --arg id "$1" '.[] | select(.containerId == $id) | .addresses[0].address | split("/")[0]'; }

hello_by_hooks() {
	launch a httpd -f -p 80 -h /www
	launch b sleep 600
	before=$(fast_packets)
	[ "$(oci exec b timeout 15 wget -q -O - "http://$(address a)/")" = "hello from podlane" ]
	[ $(($(fast_packets) - before)) -ge 5 ]
	oci delete -f a
	oci delete -f b
	containers=()
	node_is_clean
}

@test "runc: createRuntime connects a container, poststop removes everything" {
	runtime=runc
	hello_by_hooks
}

@test "crun: createRuntime connects a container, poststop removes everything" {
	need crun
	runtime=crun
	hello_by_hooks
}

@test "runc: a container does not start when the network cannot be had" {
	runtime=runc
	stop_daemon
	status=0
	launch a sleep 600 2>"$T/said" || status=$?
	[ "$status" != 0 ]
	grep -q podlaned "$T/said"
}
