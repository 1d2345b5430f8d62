"""Image classification with ResNet-50 v1.5: ImageNet, or photographs of clothing in the small profile."""
