#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The man pages say what the programs do: every reason, command, option, key and operation of the
# sources stands in its page, and the page has none beside.

bats_require_minimum_version 1.5.0
load ../guard

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return
	podlane=${PODLANE_BUILD:-build}/podlane
	podlaned=${PODLANE_BUILD:-build}/podlaned
	dir=$BATS_TEST_TMPDIR
}

same() { # FILE FILE
	diff -u "$1" "$2" && [ -s "$1" ]
}

@test "podlane(8) has the table of reasons, word for word" {
	printf '#include "podlane/reasons.h"\n#define ROW(effect, name, text) effect##_##name text\nPL_REASONS(ROW)\n' |
		cc -E -P -Iinclude - | grep -o '[A-Z][A-Z_]* *"[^"]*"' | sed 's/ *"/ /; s/"$//' >"$dir/source"
	sed -n '/^\.Sh REASONS/,/^\.El/p' agent/man/podlane.8 |
		awk '/^\.It Dv/ { name = $3; getline; print name, $0 }' >"$dir/page"
	same "$dir/source" "$dir/page"
}

options_of() { # COMMAND...
	"$podlane" complete "$@" -- | sort
}

@test "podlane(8) has every command and option, and none beside" {
	local commands command words
	mapfile -t commands < <("$podlane" --help | sed -nE '/^Commands:/,/^$/s/^  ([a-z-]+( [a-z-]+)*) .*/\1/p')
	[ "${#commands[@]}" -ge 14 ]
	for command in "${commands[@]}"; do
		grep -qE "(^|\.It |\.)Cm $command( |$)" agent/man/podlane.8 ||
			{ echo "no command $command" && false; }
		[ "$command" != complete ] || continue
		read -ra words <<<"$command"
		options_of "${words[@]}" >>"$dir/options"
	done
	sort -u "$dir/options" >"$dir/source"
	grep -oE 'Fl (. , )?-[a-z-]+|, Fl -[a-z-]+' agent/man/podlane.8 | grep -oE -- '-[a-z-]{2,}' |
		sed 's/^/-/' | sort -u >"$dir/page"
	same "$dir/source" "$dir/page"
}

@test "podlaned.json(5) has every key of the daemon's settings, and none beside" {
	grep -oE '^	X\([a-zA-Z]+,' agent/daemon/settings.h | sed 's/.*(//; s/,//' | sort >"$dir/source"
	awk '/^Its keys/ { inside = 1 } /^\.Ss Mirror/ { inside = 0 }
		!inside && /^\.It Cm [a-zA-Z]+ No/ { print $3 }' agent/man/podlaned.json.5 | sort >"$dir/page"
	same "$dir/source" "$dir/page"
}

@test "the example of podlaned.json(5) is a configuration" {
	[ -x "$podlaned" ] || skip "podlaned is not built"
	sed -n '/^\.Sh EXAMPLES/,/^\.Ed/p' agent/man/podlaned.json.5 | sed -n '/^{/,/^}/p' >"$dir/conf.json"
	jq -e '.mirrors[0].name == "dns"' "$dir/conf.json"
	run "$podlaned" --check-config --config "$dir/conf.json"
	[ "$status" -eq 0 ] || { echo "$output" && false; }
}

@test "podlaned(8) has every option of the daemon, and none beside" {
	[ -x "$podlaned" ] || skip "podlaned is not built"
	"$podlaned" --help | sed -nE 's/^ +(-., )?(--[a-z-]+).*/\2/p' | sort -u >"$dir/source"
	sed -nE 's/^\.It (Fl . , )?Fl -([a-z-]+).*/--\2/p' agent/man/podlaned.8 | sort -u >"$dir/page"
	same "$dir/source" "$dir/page"
}

# "OPERATION KEY" for each key of a request, as the table of operations has them.
keys_of_the_table() {
	sed -n '/operations\[\] = {/,/^};/p' agent/control/dispatch.c | tr -d '\n\t' | sed 's/{"/\n{"/g' |
		sed -nE 's/^\{"([a-z.]+)",.*KEYS\(([^)]*)\).*/\1 \2/p' | tr -d '",' |
		awk '{ for (i = 2; i <= NF; i++) print $1, $i }'
	# These two read a session by a function of their own.
	sed -n '/^int pl_mirror_spec_parse/,/};/p' agent/mirror/spec.c | grep -oE '"[a-zA-Z]+"' | tr -d '"' |
		sed '/^op$/d; /^v$/d; s/^/mirror.add /'
	printf 'mirror.%s name\n' del show
}

# The same of the page: names before "Reply:", not those of objects within.
keys_of_the_page() {
	sed -n '/^\.Sh OPERATIONS/,/^\.Sh OBJECTS/p' agent/man/podlane-socket.7 | awk '
		/^\.Ss / { n = split(substr($0, 5), ops, / *, */); request = 1; list = 0 }
		/^(Reply|If they differ|Errors?)/ { request = 0 }
		/^\.Bl/ { list = 1 }
		request && (list ? /^\.It Cm/ : /^\.Cm/ && before !~ /list of$/) {
			for (i = 2; i <= NF; i++) if ($i ~ /^[a-z][a-zA-Z]*$/)
				for (k = 1; k <= n; k++) { sub(/ .*/, "", ops[k]); print ops[k], $i }
		}
		{ before = $0 }'
}

@test "podlane-socket(7) has every operation with its keys, and none beside" {
	sed -n '/operations\[\] = {/,/^};/p' agent/control/dispatch.c | grep -oE '\{"[a-z.]+"' | tr -d '{"' | sort -u >"$dir/source"
	sed -n '/^\.Sh OPERATIONS/,/^\.Sh OBJECTS/p' agent/man/podlane-socket.7 |
		sed -nE 's/^\.Ss (.*)/\1/p' | sed 's/ (netns)//; s/, /\n/g' | sort -u >"$dir/page"
	same "$dir/source" "$dir/page"
	keys_of_the_table | sort -u >"$dir/source"
	keys_of_the_page | sort -u >"$dir/page"
	same "$dir/source" "$dir/page"
}

@test "podlane-mirror(8) has every counter, word for word" {
	printf '#include "podlane/abi.h"\n#define ROW(name, text) @name text\nPL_MIRROR_COUNTERS(ROW)\n' |
		cc -E -P -Iinclude - | grep -o '@[a-z_]* *"[^"]*"' | sed 's/^@//; s/ *"/ /; s/"$//' |
		sed -E ':a; s/^([a-zA-Z]*)_([a-z])/\1\u\2/; ta' >"$dir/source"
	sed -n '/^\.Ss Counters/,/^\.El/p' agent/man/podlane-mirror.8 |
		awk '/^\.It Cm/ { name = $3; getline; print name, $0 }' >"$dir/page"
	same "$dir/source" "$dir/page"
}
