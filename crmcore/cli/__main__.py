"""Run the command line as ``python -m crmcore.cli``."""

from __future__ import annotations

import sys

from crmcore.cli.program import main

if __name__ == "__main__":
    sys.exit(main())
