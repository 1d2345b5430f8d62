"""Object detection: what is in a picture and where, judged by COCO mean average precision."""
