"""The package as users get it: building it, its bill of materials, and installing it with their tools."""
