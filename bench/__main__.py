"""`python -m bench`: every figure of the README, one after another."""

from __future__ import annotations

import sys

from bench import engine_cpu, sanitise, verify_cpu


def main() -> int:
    """Runs all benches; 0 if every target is reached."""
    return max(sanitise.main(), engine_cpu.main(), verify_cpu.main())


if __name__ == "__main__":
    sys.exit(main())
