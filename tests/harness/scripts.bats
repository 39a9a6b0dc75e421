#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What make and the scripts say to somebody who has just cloned this, and what they do not touch.
# shellcheck disable=SC2154 # status and output are bats' own

bats_require_minimum_version 1.5.0
load ../guard

setup() { cd "$BATS_TEST_DIRNAME/../.." || return; }

@test "make help prints what can be typed" {
	run -0 make -s help
	[[ $output = *"make demo "* ]]
	[[ $output != *'$('* ]]
}

@test "make without a compiler or a library names it, and what installs it" {
	run -2 make -s B="$BATS_TEST_TMPDIR/b" CLANG=no-clang
	[[ $output = *" no-clang;"*"scripts/install-deps build"* ]]
	[[ $output != *"not found"* ]]
	printf '#!/bin/sh\ncase $* in *libmnl*) exit 1 ;; esac\n' >"$BATS_TEST_TMPDIR/pkg-config"
	chmod 755 "$BATS_TEST_TMPDIR/pkg-config"
	run -2 make -s B="$BATS_TEST_TMPDIR/b" PKG_CONFIG="$BATS_TEST_TMPDIR/pkg-config"
	[[ $output = *" libmnl;"*"scripts/install-deps build"* ]]
}

@test "make keeps its own preprocessor flags beside those of the command line" {
	run -0 make -n V=1 B="$BATS_TEST_TMPDIR/b" CPPFLAGS=-DPROOF CFLAGS=-O3 "$BATS_TEST_TMPDIR/b/agent/common/util.o"
	[[ $output = *" -Iagent "*" -DPROOF -O3 "* ]]
}

@test "make refuses an empty B, and uninstall removes nothing that it did not install" {
	run -2 make -n B= clean
	[[ $output = *"B is empty"* ]]
	local root=$BATS_TEST_TMPDIR/root
	mkdir -p "$root"/usr/local/{share,lib/podlane}
	echo mine >"$root/usr/local/share/mine"
	echo mine >"$root/usr/local/lib/podlane/mine"
	make -s uninstall DESTDIR="$root" DOCDIR=
	[ -e "$root/usr/local/share/mine" ] && [ -e "$root/usr/local/lib/podlane/mine" ]
}

@test "the unit is one that systemd knows, as it stands and as make install changes it" {
	command -v systemd-analyze >/dev/null || skip "systemd-analyze is not installed"
	local version kind root=$BATS_TEST_TMPDIR/root
	version=$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
	for v in 252 253 ''; do # '': not known
		make -s install-unit DESTDIR="$root" SBINDIR=/bin SYSTEMD_VERSION=$v
		kind=$(sed -n 's/^Type=//p' "$root/usr/local/lib/systemd/system/podlaned.service")
		[ "$kind" = "$([ "${v:-0}" -lt 253 ] && echo notify || echo notify-reload)" ]
		[ "$(grep -c '^ExecReload=' "$root/usr/local/lib/systemd/system/podlaned.service")" = "$([ $kind = notify ] && echo 1 || echo 0)" ]
		[ "${v:-0}" -lt 253 ] || [ "$version" -ge 253 ] || continue
		sed 's|^ExecStart=.*|ExecStart=/bin/true|' "$root/usr/local/lib/systemd/system/podlaned.service" >"$BATS_TEST_TMPDIR/podlaned.service"
		run -0 systemd-analyze verify --man=no "$BATS_TEST_TMPDIR/podlaned.service"
		[[ $output != *podlaned.service* ]] || { echo "$output" && false; }
	done
}

@test "the sample of podlaned.json is a configuration that changes nothing, and has every key" {
	local podlaned=${PODLANE_BUILD:-build}/podlaned
	[ -x "$podlaned" ] || skip "podlaned is not built"
	run -0 "$podlaned" --check-config -c scripts/podlaned.json.sample
	grep -oE '^	X\([a-zA-Z]+,' agent/daemon/settings.h | sed 's/.*(//; s/,//' | sort >"$BATS_TEST_TMPDIR/keys"
	grep -v '^[[:blank:]]*//' scripts/podlaned.json.sample | jq -r 'keys[]' | sort | diff "$BATS_TEST_TMPDIR/keys" -
	# What stands in its comments is right, too.
	sed -E 's|^(\s*)// (".*)|\1\2|; s|^(\s*)// , |\1, |' scripts/podlaned.json.sample | sed -E '/^\s*"(uplinks|native)": \[\],/d; s/"link": "veth"/"link": "auto"/' >"$BATS_TEST_TMPDIR/all"
	run -0 "$podlaned" --check-config -c "$BATS_TEST_TMPDIR/all"
	[ "$(grep -v '^[[:blank:]]*//' "$BATS_TEST_TMPDIR/all" | jq '.network | length')" = 9 ]
}

@test "oci-hook without its arguments says what it wants" {
	run -2 scripts/oci-hook
	[[ $output = "usage: oci-hook ADD|DEL CONFIGURATION PLUGIN"* ]]
	run -2 scripts/oci-hook CHECK a b
	[[ $output = "usage: "* ]]
	run -0 scripts/oci-hook --help
	[[ $output = *createRuntime*poststop* ]]
	run -2 scripts/oci-hook ADD /no/such.json /no/such-plugin
	[[ $output = *"cannot read /no/such.json" ]]
}

# A machine whose packages and services are files of the test's.
install_on() { # FOLDER: runs install-deps there; apt and dpkg-query are scripts, and note what they do
	local bin=$BATS_TEST_TMPDIR/bin
	mkdir -p "$bin" "$1"
	cat >"$bin/apt-get" <<-'SH'
		#!/bin/bash
		case " $* " in
		*" install "*)
			echo "$*" >>"$machine/installed"
			cp /usr/sbin/policy-rc.d "$machine/policy"
			/usr/sbin/policy-rc.d podman start; echo "policy $?" >>"$machine/installed"
			mkdir -p /etc/systemd/system/multi-user.target.wants
			ln -s /lib/systemd/system/proof.service /etc/systemd/system/multi-user.target.wants/proof.service
			;;
		esac
	SH
	cat >"$bin/dpkg-query" <<-'SH'
		#!/bin/bash
		case $* in
		*-S*proof.service*) echo "podman: /lib/systemd/system/proof.service" ;;
		*-S*) exit 1 ;;
		*) [ ! -e "$machine/installed" ] || printf 'installed %s\n' podman ;;
		esac
	SH
	printf '#!/bin/bash\n' >"$bin/apt-cache"
	chmod 755 "$bin"/*
	machine=$1 PATH=$bin:$PATH unshare --mount --propagation private bash -c '
		for d in /etc/systemd /usr/sbin; do
			mkdir -p "$machine/over$d" "$machine/work$d"
			mount -t overlay -o "lowerdir=$d,upperdir=$machine/over$d,workdir=$machine/work$d" overlay "$d" || exit
		done
		rm -f /usr/sbin/policy-rc.d
		mkdir -p /etc/systemd/system/a.wants
		ln -s /lib/systemd/system/before.service /etc/systemd/system/a.wants/
		"$@"
		status=$?
		find /etc/systemd/system -name proof.service -o -name before.service
		ls /usr/sbin/policy-rc.d 2>&1
		exit $status' bash scripts/install-deps runtime-tests
}

@test "install-deps starts no service, leaves none enabled that it brought, and removes no package" {
	run install_on "$BATS_TEST_TMPDIR/machine"
	echo "$output"
	[ "$status" = 0 ]
	grep -q -- '--no-remove' "$BATS_TEST_TMPDIR/machine/installed"
	grep -qx 'policy 101' "$BATS_TEST_TMPDIR/machine/installed"
	[[ $output = *"left disabled"*proof.service* ]]
	[[ $output = */a.wants/before.service* ]]
	[[ $output != */proof.service* ]]
	[[ $output = *"policy-rc.d"*"No such file"* ]]
	# Once this process is gone, that file would say yes.
	run -0 sh "$BATS_TEST_TMPDIR/machine/policy"
}

# What test_log proves for values is of no use where a format itself is none: words and pairs, nothing else.
@test "every message of the log is logfmt by its format" {
	run -0 python3 - agent/*/*.c <<-'PY'
		import re, sys
		n = bad = 0
		for path in sys.argv[1:]:
		    text = open(path).read()
		    for call in re.finditer(r'\bpl_(?:error_log|warn|info|debug)\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)', text):
		        fmt = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', call.group(1))).replace('\\"', '"')
		        n += 1
		        words = re.sub(r' [a-zA-Z_]+=("[^"]*"|[^ "=,;:]+(:%[^ "=,;:]+)?)(?= |$)', "", fmt)
		        if re.search(r'[="\\]', words) or re.search(r'= |=$', fmt):
		            print(path, fmt)
		            bad += 1
		print(n, "messages")
		sys.exit(bad > 0 or n < 50)
	PY
}
