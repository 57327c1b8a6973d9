"""
What the user asked for: command line, environment and env files become one Config.

It holds no secret, and knows neither the network nor the vault.
"""
