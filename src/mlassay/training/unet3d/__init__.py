"""Medical segmentation: 3D U-Net on KiTS19; small: a brain."""
