"""The recipes of docs/recipes/: each is read from its page, checked by its system's schema or parser, and run."""
