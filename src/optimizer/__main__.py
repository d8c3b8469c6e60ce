"""``python -m optimizer``."""

from optimizer.cli.main import run

if __name__ == "__main__":
    run()
