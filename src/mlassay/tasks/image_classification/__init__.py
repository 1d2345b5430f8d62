"""Image classification: one picture in, one class out, judged by top-1 accuracy."""
