"""Training benchmarks and the loop that times them. Models never see the logger; the loop never sees a tensor."""
