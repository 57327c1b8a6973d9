"""Short-lived processes that the supervisor starts for what it must not import itself."""
