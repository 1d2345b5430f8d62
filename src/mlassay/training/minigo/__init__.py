"""MiniGo: a Go player that learns from its own games, the whole loop on one machine."""
