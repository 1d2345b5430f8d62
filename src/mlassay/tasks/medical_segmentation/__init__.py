"""Medical image segmentation: which tissue is each voxel of a volume, judged by the mean Dice score."""
