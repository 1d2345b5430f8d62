"""Image generation: a caption in, a picture out. The accuracy side only: no text-to-image model runs here."""
