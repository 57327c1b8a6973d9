"""
Where the API key and the master password come from: variables, files, descriptors, commands, prompts.

It knows neither the network nor cryptography.
"""
