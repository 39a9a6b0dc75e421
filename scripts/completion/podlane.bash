# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Completion of podlane(8) for bash. The program itself knows what may come next, names of
# endpoints, sessions and namespaces included; where it knows nothing, bash offers files.

_podlane() {
	local line=${COMP_LINE:0:COMP_POINT} words=() word

	# COMP_WORDS is split at ':' and '=', which belong to names here.
	read -ra words <<<"$line"
	[[ $line == *[[:space:]] ]] && words+=('')
	word=${words[-1]}
	mapfile -t COMPREPLY < <("${words[0]}" complete "${words[@]:1}" 2>/dev/null)

	# bash replaces only what follows the last of these characters in the word.
	if [[ $COMP_WORDBREAKS == *:* && $word == *:* ]]; then
		COMPREPLY=("${COMPREPLY[@]#"${word%:*}":}")
	fi
}

complete -o default -F _podlane podlane
