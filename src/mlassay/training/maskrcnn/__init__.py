"""Mask R-CNN with a ResNet-50 feature pyramid: recipe (light), model, targets, data, training."""
