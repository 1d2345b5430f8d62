"""Translation: an English sentence in, a German one out."""
