"""The rule book as data: what each round asks for, and how a user's wishes become settings that obey it."""
