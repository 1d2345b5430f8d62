"""Click-through recommendation: DLRM (pairwise products) and DLRM-DCNv2 (cross layers over multi-hot features)."""
