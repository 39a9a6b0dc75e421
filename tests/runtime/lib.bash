# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154 # the tests read and set these
# For the tests with real container engines. The sandbox is the node; beside it:
#
#   pods --- [ sandbox: podlaned, the engine ] up0 --- wire0 [ namespace "outside", 192.0.2.2 ]
#
# An engine keeps all its state below $BATS_TEST_TMPDIR; what it makes in the machine's cgroups lies
# below one folder of ours, which ends with the test.

load ../cni/lib

# A setup that skips has made nothing, and teardown runs all the same: the empty group tells it so. Names
# that are deleted or unmounted are written ${NAME:?}, for an empty one would mean the machine's own.
group='' covered=()

need() { # PROGRAM...
	local p
	for p; do
		command -v "$p" >/dev/null || skip "$p is not installed"
	done
}

node_setup() {
	cni_setup
	group=podlane-$(od -An -N6 -tx1 /dev/urandom | tr -d ' ') # other sandboxes have the same process ids
	plugins=/usr/lib/cni
	[ -d "$plugins" ] || plugins=/opt/cni/bin
	local p
	for p in "$plugins"/*; do
		[ "${p##*/}" = podlane ] || ln -sf "$p" "$T/bin/"
	done
	writable /var/lib # libcni keeps results there, whoever uses it
	new_pod outside
	ip link add up0 type veth peer name wire0 netns outside
	ip addr add 192.0.2.1/24 dev up0
	ip addr add 2001:db8::1/64 dev up0 nodad
	ip link set up0 up
	ip -n outside addr add 192.0.2.2/24 dev wire0
	ip -n outside addr add 2001:db8::2/64 dev wire0 nodad
	ip -n outside link set wire0 up
	ip route add default via 192.0.2.2
	start_daemon
}

node_teardown() {
	[ -n "$group" ] || return 0
	cni_teardown
	ip link del up0 2>/dev/null || :
	# What an engine did not live to remove must not meet the next test.
	pod_links | while read -r link; do ip link del "$link"; done
	awk -v t="${T:?}/" 'index($2, t) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount -l
	local d
	for d in "${covered[@]}"; do umount -l "${d:?}"; done
	rm -rf "${T:?}/rootfs"
	await 20 cgroups_are_gone
}

# What an engine left running in our folder is ours to end.
cgroups_are_gone() {
	find /sys/fs/cgroup -path "*/${group:?}/*" -name cgroup.procs -exec cat {} + 2>/dev/null |
		grep -vx 0 | sort -u | xargs -r kill -KILL
	find /sys/fs/cgroup -depth -type d -path "*/${group:?}*" -exec rmdir {} \; 2>/dev/null
	[ -z "$(find /sys/fs/cgroup -maxdepth 2 -type d -name "$group*")" ]
}

# Writes below DIR end in the test's folder, until node_teardown.
writable() { # DIR...
	local d
	for d; do
		mkdir -p "$T/over$d" "$T/work$d"
		mount -t overlay -o "lowerdir=$d,upperdir=$T/over$d,workdir=$T/work$d" overlay "$d"
		covered+=("$d")
	done
}

outside() { nsenter --net=/run/netns/outside "$@"; }

# A root file system of busybox, with a page that says hello.
make_rootfs() { # DIR
	local busybox
	busybox=$(command -v busybox) || skip "busybox is not installed"
	mkdir -p "$1"/{bin,etc,proc,sys,dev,tmp,www,run}
	cp "$busybox" "$1/bin/busybox"
	"$busybox" --list | while read -r applet; do
		[ "$applet" = busybox ] || ln -sf busybox "$1/bin/$applet"
	done
	echo "hello from podlane" >"$1/www/index.html"
	echo "root:x:0:0:root:/:/bin/sh" >"$1/etc/passwd"
}

# An image archive of one layer, for engines without a build tool.
make_image() { # ROOTFS NAME ARCHIVE COMMAND...
	local rootfs=$1 name=$2 archive=$3 d=$T/image blobs=$T/image/blobs/sha256
	shift 3
	rm -rf "${d:?}"
	mkdir -p "$blobs"
	tar -C "$rootfs" -cf "$d/layer" .
	local layer config manifest
	layer=$(put_blob "$d/layer")
	jq -nc --arg l "sha256:$layer" '{architecture: "amd64", os: "linux", config: {Env: ["PATH=/bin"], Cmd: $ARGS.positional},
		rootfs: {type: "layers", diff_ids: [$l]}, history: [{created_by: "podlane"}]}' --args -- "$@" >"$d/config"
	config=$(put_blob "$d/config")
	jq -nc --arg c "sha256:$config" --argjson cs "$(stat -c %s "$d/config")" --arg l "sha256:$layer" \
		--argjson ls "$(stat -c %s "$d/layer")" '{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
		config: {mediaType: "application/vnd.oci.image.config.v1+json", digest: $c, size: $cs},
		layers: [{mediaType: "application/vnd.oci.image.layer.v1.tar", digest: $l, size: $ls}]}' >"$d/manifest"
	manifest=$(put_blob "$d/manifest")
	jq -nc --arg n "$name" --arg m "sha256:$manifest" --argjson ms "$(stat -c %s "$d/manifest")" '{schemaVersion: 2, manifests:
		[{mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $m, size: $ms, annotations:
		{"io.containerd.image.name": $n, "org.opencontainers.image.ref.name": ($n | split(":") | last)}}]}' >"$d/index.json"
	echo '{"imageLayoutVersion":"1.0.0"}' >"$d/oci-layout"
	tar -C "$d" -cf "$archive" oci-layout index.json blobs
	rm -rf "${d:?}"
}

put_blob() { # FILE: its digest
	local digest
	digest=$(sha256sum <"$1")
	cp "$1" "$blobs/${digest%% *}"
	echo "${digest%% *}"
}

# conflist VERSION [PLUGIN...]: podlane and the plugins (JSON objects) after it
conflist() {
	local version=$1
	shift
	jq -nc --arg v "$version" '{cniVersion: $v, name: "pods", plugins: ([{type: "podlane", ipMasq: true,
		ipam: {ranges: [[{subnet: "10.77.0.0/24"}], [{subnet: "fd77::/112"}]]},
		capabilities: {ips: true, mac: true}}] + $ARGS.positional)}' --jsonargs -- "$@"
}

# Packets that the fast path handed from pod to pod, all endpoints together.
fast_packets() {
	"$build/podlane" --socket "$T/run/podlane.sock" -j stats |
		jq '[.stats // . | .[].reasons[] | select(.reason == "FORWARD_LOCAL") | .packets] | add // 0'
}

# Everything that podlane made for pods is gone.
node_is_clean() {
	await 20 no_pod_links
	[ "$(endpoints)" = "[]" ]
	[ -z "$(ls "$T/run/endpoints")" ]
	refute grep -E '10\.77\.|fd77:' <({ ip route show table all && ip -6 route show table all; } | grep -v '^unreachable .*proto 112 ')
}

pod_links() { ip -o link show | sed -nE 's/^[0-9]+: (pl[0-9a-f]{12})@.*/\1/p'; }
no_pod_links() { [ -z "$(pod_links)" ]; }
