"""Tasks that failed for good: `python -m assay_ingest.dead_letters` lists them, `--send-again` queues them
anew and empties the list."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

import orjson

from assay_shared.errors import BrokerUnavailable
from assay_shared.queue import TaskQueue
from assay_shared.settings import BrokerSettings


def main(arguments: list[str] | None = None) -> int:
    """Prints one JSON object a line, oldest first; 1 when the broker does not answer."""
    parser = argparse.ArgumentParser(prog="python -m assay_ingest.dead_letters", description=__doc__)
    parser.add_argument("--send-again", action="store_true", help="queue them anew, their cause being mended")
    asked = parser.parse_args(arguments)
    queue = TaskQueue(BrokerSettings().broker_url.get_secret_value())  # from the environment
    try:
        for letter in queue.dead_letters():
            at = datetime.fromtimestamp(letter.at, UTC).isoformat(timespec="seconds")
            line = {"at": at, "task": letter.task, "error": letter.error, "argument": letter.argument}
            print(orjson.dumps(line).decode())
        if asked.send_again:
            print(f"{queue.revive_dead_letters()} sent again", file=sys.stderr)
    except BrokerUnavailable as error:
        print(error.detail, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
