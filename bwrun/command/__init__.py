"""
The user's command: finding its file, making its environment, and replacing this process by it.

This room knows neither the vault nor the network.
"""
