"""
Completion scripts for bash, zsh and fish, and the man page.

All four are files below `data/`, where the wheel finds them too. `make completions` writes them from the parser.
"""
