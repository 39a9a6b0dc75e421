#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the tests promise to the machine that they run on: nothing of it is deleted, unmounted or written
# to, not even by a teardown that follows a setup which skipped, and none of them runs outside the sandbox.
# shellcheck disable=SC2154 # status and output are bats' own

bats_require_minimum_version 1.5.0
load ../guard

setup() { cd "$BATS_TEST_DIRNAME/../.." || return; }

@test "sandbox: no file system of the machine can be written to" {
	local at n=0
	while read -r _ _ _ _ at _; do
		at=$(printf '%b' "$at")
		case $at/ in /proc/* | /sys/* | /dev/* | /run/* | /tmp/* | "${PODLANE_WRITABLE:-/run}"/*) continue ;; esac
		[ -d "$at" ] || continue
		n=$((n + 1))
		! mkdir "$at/podlane-test" 2>/dev/null || { rmdir "${at:?}/podlane-test" && echo "$at can be written to" && return 1; }
	done </proc/self/mountinfo
	[ $n -gt 0 ]
	run -1 touch /usr/podlane-test
	[[ $output = *"Read-only file system"* ]]
	touch "$BATS_TEST_TMPDIR/file"
	touch /tmp/podlane-test-of-the-sandbox # an overlay, or `tests/run harness` leaves it there
	[ "$(stat -f -c %T /tmp)" = overlayfs ]
	[ -z "${PODLANE_WRITABLE:-}" ] || { touch "$PODLANE_WRITABLE/file" && rm "${PODLANE_WRITABLE:?}/file"; }
}

@test "sandbox: /dev is its own, so what is deleted there is not the machine's" {
	[ "$(stat -f -c %T /dev)" = tmpfs ]
	[ -c /dev/null ] && [ -c /dev/ptmx ] && [ -w /dev/shm ]
	[ -z "$(find /dev -type b)" ]
	script -qec true /dev/null
}

@test "guard: no file of tests begins on the machine itself" {
	local f n=0
	for f in tests/*/*.bats; do
		n=$((n + 1))
		# Without the mark of the sandbox, inside it.
		run unshare --mount --propagation private bash -c 'mount -t tmpfs run /run && mkdir -p "$TMPDIR" && exec bats "$1"' bash "$f"
		[ "$status" != 0 ] && [[ $output = *"must not run on the machine itself"* ]] || {
			echo "$f: status $status: $output" && return 1
		}
	done
	[ $n -gt 20 ]
}

@test "teardown: after a setup that skipped, nothing is deleted, unmounted or ended" {
	local f log=$BATS_TEST_TMPDIR/log said=$BATS_TEST_TMPDIR/said
	for f in tests/runtime/*.bats; do
		: >"$log"
		# As bats has it: the file's functions, no setup that got anywhere, and teardown.
		log=$log file=$f BATS_TEST_DIRNAME=$PWD/tests/runtime CONTAINERS_CONF=/of/the/machine T=/of/the/machine \
			group=machine bash >"$said" 2>&1 <<-'SH' || { cat "$said" && return 1; }
			set -eE
			load() { . "$BATS_TEST_DIRNAME/$1.bash"; }
			for f in rm rmdir umount mount ip kill xargs podman ctr chroot crun runc find; do
				eval "$f() { echo $f \"\$@\" >>\"\$log\"; }"
			done
			skip() { teardown; exit; }
			eval "$(sed '/^@test/,$d; /^#!/d; s/\r//' "$file")"
			need() { skip; }
			setup
			exit 99
		SH
		[ ! -s "$log" ] || { echo "$f ran: $(cat "$log")" && return 1; }
	done
}

# A clone of its own, for lint to judge.
clone() {
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
	mkdir -p "$1/tests" "$1/scripts"
	cp tests/lint "$1/tests/"
	git init -q "$1"
	cd "$1" || return
}

@test "lint: a deletion that may be given an empty name is found, however it is written" {
	clone "$BATS_TEST_TMPDIR/clone"
	local line
	# shellcheck disable=SC2016 # lines of a script; the underscores hide them from lint itself
	for line in 'r_m -rf "$T/rootfs"' 'x && r_m -rf $1/y' 'u_mount -l "$T/root"' 'trap "r_m -r ${new}.log" EXIT' \
		'r_m -rf "$(where)/x"' 'r_mdir "${a%/*}"' 'r_m -rf "${a:-}/b"' '(cd x; r_m -rf "$@")' 'r_m -f "${a}"'; do
		printf '#!/bin/bash\n%s\n' "${line//_/}" >scripts/x
		run -1 tests/lint deletions
		[[ $output = *"scripts/x:2: may be given an empty name"* ]]
	done
	# shellcheck disable=SC2016
	for line in 'r_m -rf "${T:?}/rootfs"' 'u_mount /run' '# r_m -rf $T'; do
		printf '#!/bin/bash\n%s\n' "${line//_/}" >scripts/x
		run -0 tests/lint deletions
	done
}

@test "lint: a clone that another user owns is checked, and checking nothing is a failure" {
	clone "$BATS_TEST_TMPDIR/clone"
	printf '#!/bin/bash\n' >scripts/x
	chown -R 65534:65534 .
	run -128 git status # or this proves nothing
	run -1 tests/lint licence
	[[ $output = *"scripts/x"* ]]
	echo '# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause' >>scripts/x
	run -0 tests/lint licence deletions
	rm scripts/x
	run -1 tests/lint licence
	[[ $output = *"no file matches"* ]]
	rm -r .git
	run -1 tests/lint licence
	[[ $output = *"not a git repository"* ]]
}
