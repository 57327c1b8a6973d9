"""
The vault: finding items in a sync's reply, and decrypting the fields that are needed.

Nothing here sends requests or knows variables.
"""
