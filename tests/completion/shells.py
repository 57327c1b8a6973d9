r"""
Real shells, asked for completions as by somebody at the keyboard.

Each function takes lines and returns, for each line, the words that the shell offers where the line ends.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.completion.__main__ import DATA
from tests.support import needs
from tests.support.program import TIMEOUT
from tests.support.terminal import Terminal, wait_until

BASH_COMPLETION = Path("/usr/share/bash-completion/bash_completion")
# Alt-* puts all completions into the line; Ctrl-X p writes the line to a file, and Ctrl-U empties it.
BASH_SET_UP = r"""
PS1='bash-waits> '
bind 'set bell-style none'
bind -x '"\C-xp": printf "%s\n" "$READLINE_LINE" >>offered'
"""
# All completions of zsh pass through `compadd`. Ctrl-X p, typed after Tab, is read when Tab has done its work.
ZSH_SET_UP = """
PS1='zsh-waits> '
unsetopt beep
setopt no_always_last_prompt
LISTMAX=1
fpath=({site} $fpath)
autoload -Uz compinit && compinit -u -D
compadd() {{
  if [[ ${{@[1,(i)(-|--)]}} == *-(O|A|D)\\ * ]]; then builtin compadd "$@"; return; fi
  local -a hits
  builtin compadd -A hits "$@"
  (( $#hits )) && print -rl -- "${{hits[@]}}" >>hits
  return 1
}}
finish() {{ print -r -- "$(tr '\\n' ' ' <hits 2>/dev/null)" >>offered; rm -f hits; BUFFER= }}
zle -N finish
bindkey '^Xp' finish
print ready
"""
# With --no-config, fish looks for completions nowhere.
FISH_SET_UP = f"set fish_complete_path {DATA}/share/fish/vendor_completions.d $__fish_data_dir/completions"


def bash(
    lines: Iterable[str], environment: Mapping[str, str], work: Path, *, plain: bool = False
) -> dict[str, set[str]]:
    """Ask bash; with bash-completion, unless `plain`: then with our script alone, as `source` reads it."""
    if not BASH_COMPLETION.exists():
        needs.unavailable("bash-completion is not installed")
    script = DATA / "share/bash-completion/completions/bwrun"
    set_up = work / "set-up"
    # bash-completion finds the script of a command by itself, in the directories of XDG_DATA_DIRS.
    set_up.write_text(BASH_SET_UP + (f"source {script}" if plain else f"source {BASH_COMPLETION}"))
    variables = {**environment, "XDG_DATA_DIRS": f"{DATA / 'share'}:/usr/share", "TERM": "xterm"}
    found = {}
    with Terminal.start(["/bin/bash", "--noprofile", "--rcfile", set_up, "-i"], variables, work) as terminal:
        terminal.wait_for("bash-waits> ")
        for line in lines:
            shown = _ask(terminal, f"{line}\x1b*\x18p\x15", work / "offered")
            begun, _, word = line.rpartition(" ")
            found[line] = set(shown.removeprefix(begun).split()) - {word}
    return found


def zsh(lines: Iterable[str], environment: Mapping[str, str], work: Path) -> dict[str, set[str]]:
    """Ask zsh, which finds the script in `site-functions`."""
    program = needs.program("zsh", "zsh is not installed")
    (work / ".zshrc").write_text(ZSH_SET_UP.format(site=DATA / "share/zsh/site-functions"))
    variables = {**environment, "ZDOTDIR": str(work), "TERM": "xterm"}
    found = {}
    with Terminal.start([program, "-d", "-i"], variables, work) as terminal:
        terminal.wait_for("ready")
        for line in lines:
            found[line] = set(_ask(terminal, f"{line}\t\x18p", work / "offered").split())
    return found


def fish(lines: Iterable[str], environment: Mapping[str, str], work: Path) -> dict[str, set[str]]:
    """Ask fish, which finds the script in `vendor_completions.d`."""
    program = needs.program("fish", "fish is not installed")
    found = {}
    for line in lines:
        done = subprocess.run(
            [program, "--no-config", "-c", f"{FISH_SET_UP}; complete -C $argv[1]", "--", line],
            check=True, cwd=work, env=environment, capture_output=True, text=True, timeout=TIMEOUT,
        )  # fmt: skip
        assert done.stderr == "", line
        found[line] = {one.partition("\t")[0] for one in done.stdout.splitlines()}
    return found


def _ask(terminal: Terminal, keys: str, answers: Path) -> str:
    """Press keys; return the line that the shell then appends to the file `answers`."""
    before = answers.read_text().count("\n") if answers.exists() else 0
    terminal.type(keys)

    def answered() -> bool:
        terminal.read()  # or the shell waits until it can show more
        return answers.exists() and answers.read_text().count("\n") > before

    wait_until(answered)
    return answers.read_text().splitlines()[before]
