
# Options are completed by the functions above. From `--` on, or from a first word that is no option, the rest of the
# line is the command: its own completions are asked for.
_bwrun() {
  local at=1
  COMPREPLY=()
  if [[ ${COMP_WORDS[1]} == -* ]]; then
    while ((at < COMP_CWORD)) && [[ ${COMP_WORDS[at]} != -- ]]; do
      ((at++))
    done
    ((at++))
  fi
  if ((at <= COMP_CWORD)); then
    _bwrun_command "$at"
  elif [[ ${COMP_WORDS[COMP_CWORD]} == = ]]; then
    _bwrun_value "${COMP_WORDS[COMP_CWORD - 1]}" ""
  elif [[ ${COMP_WORDS[COMP_CWORD - 1]} == = ]]; then
    _bwrun_value "${COMP_WORDS[COMP_CWORD - 2]}" "${COMP_WORDS[COMP_CWORD]}"
  else
    _shtab_bwrun
  fi
}

# $1=index of the command in COMP_WORDS
_bwrun_command() {
  if declare -F _comp_command_offset >/dev/null; then # bash-completion 2.12 and newer
    _comp_command_offset "$1"
  elif declare -F _command_offset >/dev/null; then # older
    _command_offset "$1"
  else
    compopt -o filenames 2>/dev/null
    local kind=-f
    ((COMP_CWORD > $1)) || kind=-c
    _bwrun_offer < <(compgen "$kind" -- "${COMP_WORDS[COMP_CWORD]}")
  fi
}

# $1=option $2=beginning of the value after `=`
_bwrun_value() {
  local name="_shtab_bwrun_${1//[^[:word:]]/_}"
  local choices="${name}_choices[*]" files="${name}_COMPGEN"
  _bwrun_offer < <(compgen -W "${!choices-}" -- "$2")
  if [[ -n ${!files-} ]]; then
    compopt -o filenames 2>/dev/null
    _bwrun_offer < <(compgen -f -- "$2")
  fi
}

# Offers each line of stdin. `mapfile` would be shorter, but the bash of macOS has none.
_bwrun_offer() {
  local line
  while IFS= read -r line; do
    COMPREPLY+=("$line")
  done
}

complete -o bashdefault -F _bwrun bwrun
