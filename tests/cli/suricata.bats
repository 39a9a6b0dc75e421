#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# time limit: 240
# of the release: suricata
#
# The example of podlane-mirror(8) that Debian 12 lacks the analyser for, with the node of mirror_examples.bash.

bats_require_minimum_version 1.5.0
load ../guard
load mirror_examples

@test "suricata on the node raises the alert of its rule, and no other" {
	command -v suricata >/dev/null || skip "suricata is not installed"
	feed_analyser
	local i logs=$dir/suricata rule
	mkdir -p "$logs" "$dir/www"
	ip netns exec blue busybox httpd -f -p 10.201.0.20:8080 -h "$dir/www" 3>&- &
	local httpd=$!
	rule=$(grep -m 1 '^echo .alert http' "$dir/page")
	(cd "$dir" && eval "$rule")
	grep -qxF 'suricata -i ids1 -k none -S local.rules -l /var/log/suricata' "$dir/page"
	suricata -i ids1 -k none -S "$dir/local.rules" -l "$logs" >"$logs/out" 2>&1 3>&- &
	watching=$!
	for ((i = 0; i < 300; i++)); do
		! grep -qs 'Engine started' "$logs/out" || break
		sleep 0.1
	done
	ip netns exec red curl -s -o /dev/null http://10.201.0.20:8080/index.html
	ip netns exec red curl -s -o /dev/null http://10.201.0.20:8080/admin
	for ((i = 0; i < 100; i++)); do
		[ ! -s "$logs/fast.log" ] || break
		sleep 0.1
	done
	kill "$httpd"
	sleep 0.5 # for more than there should be
	cat "$logs/fast.log"
	[ "$(wc -l <"$logs/fast.log")" -eq 1 ]
	grep -q 'admin page.* 10.201.0.10:[0-9]* -> 10.201.0.20:8080' "$logs/fast.log"
}
