"""Recommendation: how likely is a click, judged by the area under the ROC curve (AUC)."""
