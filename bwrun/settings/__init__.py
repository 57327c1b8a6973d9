"""
The settings: the command line, the environment and the env files are read and become one Config.

A Config holds no secret. This room knows neither the network nor the vault.
"""
