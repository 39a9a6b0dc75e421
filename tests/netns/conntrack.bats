#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Who tells what the stack translates: nobody, while nf_conntrack is not loaded, and everything is fast;
# nf_conntrack itself, once it is, whether it came before the daemon or after; what the stack delivered,
# where the kernel has no way to ask (before 5.18), or no BTF. What is open stays open all the while.
# kernels: first
# time limit: 240

load node

VIP4=10.96.0.9

setup_file() {
	load node
	[ ! -e /sys/module/nf_conntrack ] || : >"$BATS_FILE_TMPDIR/there"
	node_up
	mkdir "$BATS_FILE_TMPDIR/www"
	echo served >"$BATS_FILE_TMPDIR/www/index.html"
	in_ns a sysctl -qw net.ipv4.tcp_max_tw_buckets=0 # a port may be bound again at once
	serve b busybox httpd -f -p 7001 -h "$BATS_FILE_TMPDIR/www"
}
teardown_file() { load node && node_down; }
teardown() {
	nft delete table inet witness 2>/dev/null || :
	nft delete table ip service 2>/dev/null || :
	btf_show
	floods_kill
}

loads_later() { [ ! -e "$BATS_FILE_TMPDIR/there" ] || skip "this kernel has nf_conntrack already"; }
conntrack() { podlane -j status | jq -r .flows.conntrack; }
not_absent() { [ "$(conntrack)" != absent ]; }

# What this kernel can: the function came with Linux 5.18.
can() { if grep -q ' bpf_skb_ct_lookup' /proc/kallsyms; then echo asked; else echo remembered; fi; }

btf_hide() { mount -t tmpfs -o ro none /sys/kernel/btf && : >"$BATS_FILE_TMPDIR/hidden"; }
btf_show() { [ ! -e "$BATS_FILE_TMPDIR/hidden" ] || { umount /sys/kernel/btf && rm "$BATS_FILE_TMPDIR/hidden"; }; }

fast() { # the stack would drop it
	witness_up
	pings a $B4
	pings a $B6
	[ "$(witness_caught)" = 0 ]
	witness_down
}

get() { [ "$(in_ns a curl -sS -m 20 --local-port "$1" "$2")" = served ]; } # PORT URL

# translated PORT: after a connection to a service, one from the same port straight to its backend looks like
# the first one's answers: the stack has both.
translated() {
	local before
	nft -f - <<-NFT
		table ip service {
			chain prerouting {
				type nat hook prerouting priority dstnat;
				ip daddr $VIP4 tcp dport 80 dnat to $B4:7001
			}
		}
	NFT
	listens b 7001
	get "$1" "http://$VIP4/"
	before=$(reason a out PASS_STACK_FLOW)
	eventually get "$1" "http://$B4:7001/" # while the first one ends, its port cannot be bound
	[ "$(reason a out PASS_STACK_FLOW)" -gt "$before" ]
	nft delete table ip service
}

@test "nf_conntrack is not loaded: all is fast, and nothing loads it" {
	loads_later
	[ "$(conntrack)" = absent ]
	fast
	[ "$(reason a out PASS_STACK_FLOW)" = 0 ]
	[ ! -e /sys/module/nf_conntrack ]
}

@test "it comes after the daemon: the programs follow, and an open connection loses nothing" {
	loads_later
	witness_up
	flood_start a $B4
	sleep 0.5
	modprobe nf_conntrack
	eventually not_absent
	[ "$(conntrack)" = "$(can)" ]
	grep -q "nf_conntrack is there" "$BATS_FILE_TMPDIR/podlaned.log"
	flood_lossless
	witness_down
	fast
	translated 40001
}

@test "it was there before the daemon" {
	daemon_stop
	daemon_start
	[ "$(conntrack)" = "$(can)" ]
	fast
	translated 40002
}

@test "without BTF of the kernel what the stack delivers is remembered, and an open connection loses nothing" {
	witness_up
	flood_start a $B4
	daemon_stop
	btf_hide
	[ ! -e /sys/kernel/btf/vmlinux ]
	daemon_start
	[ "$(conntrack)" = remembered ]
	podlane -j status | jq -e '.features.checksumCheck == false'
	flood_lossless
	witness_down
	fast
	translated 40004
}

@test "with it the next daemon does what the kernel can" {
	daemon_stop
	daemon_start
	[ "$(conntrack)" = "$(can)" ]
	fast
	translated 40005
}
