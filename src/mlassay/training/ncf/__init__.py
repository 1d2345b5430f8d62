"""Recommendation with NeuMF (NCF, v0.5): MovieLens, or which Debian package depends on which."""
