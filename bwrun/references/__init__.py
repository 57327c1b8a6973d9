"""
References, `bw://ITEM/FIELD`: their grammar, and the names of the fields that an item can have.

Nothing here reads a vault.
"""
