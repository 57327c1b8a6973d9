
# Options are completed by the functions above. From `--` on, or from a first word that is no option, the rest of the
# line is the command: its own completions are asked for.
_bwrun() {
  local at=2
  if [[ $words[2] == -* ]]; then
    at=$(( ${words[(i)--]} + 1 ))
  fi
  if (( at <= CURRENT )); then
    shift $(( at - 1 )) words
    (( CURRENT -= at - 1 ))
    _normal
  else
    _shtab_bwrun "$@"
  fi
}

if [[ $funcstack[1] == _bwrun ]]; then
  _bwrun "$@" # found on fpath, and called for the first time
else
  compdef _bwrun bwrun # read by source or eval
fi
