"""`python -m bench`: every figure of the README, one after another."""

from __future__ import annotations

import sys

from bench import sanitise, verify_cpu


def main() -> int:
    """Runs all benches; 0 if every target is reached."""
    return max(sanitise.main(), verify_cpu.main())


if __name__ == "__main__":
    sys.exit(main())
