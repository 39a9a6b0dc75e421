# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Completion of podlane(8) for fish. The program itself knows what may come next, names of
# endpoints, sessions and namespaces included; where it knows nothing, fish offers files.

function __podlane_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l option ''
    # Of "--option=value" the program completes the value alone; fish replaces the whole word.
    string match -q -- '--*=*' $words[-1]; and set option (string replace -r '=.*' '=' -- $words[-1])
    set -l candidates ($words[1] complete $words[2..-1] 2>/dev/null)
    if test (count $candidates) -gt 0
        printf '%s\n' $option$candidates
    else
        __fish_complete_path (commandline -ct)
    end
end

complete -c podlane -f -a '(__podlane_complete)'
