"""
How requests reach a server: addresses, TLS, proxies, retries, and what an answer says.

It knows no key and no vault.
"""
