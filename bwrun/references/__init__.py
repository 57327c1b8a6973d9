"""
The grammar of references: `bw://ITEM/FIELD`, and the fields that an item can have.

It knows no vault: it turns text into a Reference and back.
"""
