"""
Reading the API key and the master password from variables, files, descriptors, a command or a prompt.

This room knows neither the network nor cryptography.
"""
