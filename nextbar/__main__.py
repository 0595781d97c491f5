"""``python -m nextbar`` is ``nextbar``."""

from nextbar.cli import main

if __name__ == "__main__":
    main()
