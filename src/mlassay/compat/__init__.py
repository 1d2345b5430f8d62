"""Other people's interfaces over our load generator: existing harnesses run by changing one import."""
