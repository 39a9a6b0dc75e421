#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# time limit: 240
#
# The commands of README.md and the examples of the man pages, as a reader would type them: from top to
# bottom, in a network of their own. (Those of podlane-mirror(8) are in mirror_examples.bats, and what
# README says of container runtimes is in tests/runtime/.)

bats_require_minimum_version 1.5.0
load ../guard

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return
	root=$PWD dir=$BATS_TEST_TMPDIR
	[ "$(id -u)" = 0 ] || skip "needs root: network namespaces and BPF"
	build=$(realpath "${PODLANE_BUILD:-build}")
	export PATH=$build:$PATH
	[ -x "$(command -v podlaned)" ] || skip "podlaned is not built"
	unset PODLANE_SOCKET
	daemon=''
}

teardown() {
	[ -z "$daemon" ] || { kill "$daemon" && wait "$daemon"; } 2>/dev/null || true
	podlaned --remove 2>/dev/null || true
	! ip link show tap0 >/dev/null 2>&1 || ip link del tap0
	local ns
	for ns in red blue web; do
		[ ! -e "/run/netns/$ns" ] || ip netns del "$ns"
	done
}

daemon_start() {
	podlaned 2>"$dir/log" 3>&- &
	daemon=$!
	local i
	for ((i = 0; i < 200; i++)); do
		! podlane status >/dev/null 2>&1 || return 0
		sleep 0.1
	done
	cat "$dir/log" && false
}

# What is run: the lines of README's blocks of commands, without their comments.
readme_commands() { awk '/^```sh$/ { inside = 1; next } /^```$/ { inside = 0 } inside { sub(/ +# .*/, ""); print }' README.md; }

# /etc is the machine's; what is written there goes to a folder of the test's.
own_etc() {
	mkdir -p "$dir/etc" "$dir/work"
	mount -t overlay -o "lowerdir=/etc,upperdir=$dir/etc,workdir=$dir/work" overlay /etc ||
		skip "this kernel cannot lay a folder over /etc"
	! mountpoint -q /etc || rm -rf /etc/cni # of the folder that lies over it: README makes its own
}

@test "README from top to bottom: each command does what it says" {
	own_etc
	local line n=0
	readme_commands >"$dir/commands"
	while read -r line; do
		echo "README: $line"
		n=$((n + 1))
		case $line in
		# scripts/chroot-proof runs these on machines where nothing is installed.
		make | scripts/install-deps*) : ;;
		make*) make -s help | grep -q "^$line " ;;
		"podlaned &") daemon_start ;;
		*) eval "$line" >"$dir/out" 3>&- 2>"$dir/err" || { cat "$dir/out" "$dir/err" && false; } ;;
		esac
		case $line in
		"podlane endpoint list"*) grep -q ' blue .* 10.201.0.50' "$dir/out" ;;
		"podlane stats") grep -q 'red .* FORWARD_LOCAL' "$dir/out" ;;
		"podlane mirror add look"*) grep -q 'look: active, to device tap0' "$dir/out" ;;
		"bpftool map lookup"*) grep -q PL_ADDR_POD "$dir/out" ;;
		"bpftool map dump"*) grep -q '"pod_mac"' "$dir/out" ;;
		ls*) grep -q from_pod- "$dir/out" ;;
		esac
	done <"$dir/commands"
	[ "$n" -ge 25 ]

	# And what stands in its sentences.
	grep -q '`podlane endpoint del red`' README.md
	podlane endpoint del red
	podlane endpoint add red --network podlane # that of the configuration list which was copied
	podlane endpoint del red
	podlane endpoint del blue
	kill "$daemon" && wait "$daemon" || true
	daemon=''
	grep -q '`podlaned --remove`' README.md
	podlaned --remove
	[ ! -e /sys/fs/bpf/podlane ]
}

@test "README names the network that the configuration list defines" {
	local name
	name=$(jq -r .name scripts/10-podlane.conflist)
	grep -qF "default_network = \"$name\"" README.md
	grep -qF "defines the network \`$name\`" README.md
	[ "$(jq -r '.plugins[1].type' scripts/10-podlane.conflist)" = portmap ]
}

# Blocks of a page's examples, one after the other, each ended by a line "--".
examples() { # PAGE
	awk '/^\.Sh EXAMPLES/ { on = 1 } /^\.Sh SEE/ { on = 0 }
		on && /^\.Bd -literal/ { inside = 1; next } on && /^\.Ed/ { if (inside) print "--"; inside = 0 }
		inside { gsub(/\\e/, "\\"); print }' "agent/man/$1"
}

ends_by_itself() { case $1 in *--watch* | *podlaned\ --[ul]*) false ;; esac }

run_block() { # TEXT: a few commands, which may go on for ever
	echo "example: $1"
	case $1 in
	'{'*) jq -e . <<<"$1" >/dev/null ;;
	import*) python3 -c "$1" ;;
	*)
		if ends_by_itself "$1"; then
			bash -euc "$1" 3>&-
			return
		fi
		timeout -k 2 30 bash -euc "$1" >"$dir/out" 2>"$dir/err" 3>&- &
		local running=$! i
		case $1 in
		*podlaned*)
			for ((i = 0; i < 200; i++)); do
				! grep -q ready "$dir/err" || break
				sleep 0.1
			done
			grep -q ready "$dir/err" || { cat "$dir/err" && false; }
			;;
		*) sleep 0.5 && kill -0 "$running" || { cat "$dir/err" && false; } ;; # it was understood
		esac
		kill "$running" && wait "$running" || true
		;;
	esac
}

run_examples() { # PAGE: prints how many there were
	local line block='' n=0
	while IFS= read -r line; do
		if [ "$line" = -- ]; then
			run_block "$block"
			block='' n=$((n + 1))
		else
			block+=${block:+$'\n'}$line
		fi
	done < <(examples "$1")
	[ "$n" -ge 1 ]
}

@test "the examples of podlaned(8) and podlaned.json(5)" {
	run_examples podlaned.8
	run_examples podlaned.json.5
}

@test "the examples of podlane(8) and podlane-socket(7)" {
	ip link add tap0 type veth peer name tap1
	ip link set tap0 up
	daemon_start
	run_examples podlane.8
	run_examples podlane-socket.7
}
