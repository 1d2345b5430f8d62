"""The words everybody uses: standard library and numpy only, imports nothing of ours."""
