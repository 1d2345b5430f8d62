"""SSD with a ResNet-34 backbone: recipe (light), model, augmentation, training."""
