"""
A synced vault, decrypted item by item and field by field.

It knows neither the network nor variables: it is given a sync's reply and keys.
"""
