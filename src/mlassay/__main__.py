"""`python -m mlassay`: the same as the console command."""

from mlassay.cli.main import main

main()
