"""`python -m benchmark.cli`: the command line, where the script is not on the path."""

from benchmark.cli.main import main

if __name__ == "__main__":
    main()
