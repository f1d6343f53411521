"""`python -m frazil`, which torchrun needs."""

import sys

from frazil.cli import main

sys.exit(main())
