
# From `--` on, or from a first word that is no option, the rest of the line is the command.
# Prints the words of the command before the cursor; the status is 1 where an option may stand, and no command.
function _bwrun_command_words
    set -l words (commandline -opc)
    set -e words[1]
    set -l first $words (commandline -ct)
    if string match -q -- '-*' "$first[1]"
        set -l at (contains -i -- -- $words); or return 1
        set -e words[1..$at]
    end
    string escape -- $words
    return 0
end

# Replaces the function above.
function _shtab_bwrun_using
    not _bwrun_command_words >/dev/null
end

function _bwrun_complete_command
    set -l words (_bwrun_command_words)
    set -l line (string join ' ' -- $words (commandline -ct))
    complete --do-complete=$line
end

complete -c bwrun -n '_bwrun_command_words >/dev/null' -xa '(_bwrun_complete_command)'
