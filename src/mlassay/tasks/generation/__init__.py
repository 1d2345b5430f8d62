"""Language generation: a prompt in, its continuation out, token by token."""
