"""``python -m netgen``."""

import gc
import sys

# A command makes little garbage: looking for it less often saves a twentieth of a short one.
gc.set_threshold(100_000, 20, 20)

from netgen.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
