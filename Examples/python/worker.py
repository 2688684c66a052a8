#!/usr/bin/env python3
"""A worker of which one works at a time, on however many machines it is started.

    worker.py --endpoints 127.0.0.1:7401,127.0.0.1:7402,127.0.0.1:7403 --name NAME [--latch LATCH]

Writes a line for each step: its fencing token, and who did it.
"""

import argparse
import signal
import sys
import time

from latch import Latch


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoints", default="127.0.0.1:7401,127.0.0.1:7402,127.0.0.1:7403")
    parser.add_argument("--name", help="who takes part; default: host name and process id")
    parser.add_argument("--latch", default="python-worker")
    parser.add_argument("--ttl", type=float, default=5, help="seconds; default: 5")
    options = parser.parse_args()
    # An exit leaves the latch, so the next worker need not wait for the TTL.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    for grant in Latch(options.endpoints, options.latch, options.name, options.ttl).grants():
        while grant.is_certain():
            print(f"{grant.token} {options.name} works", flush=True)
            time.sleep(0.1)
        print(f"{grant.token} {options.name} stops: not certain any more", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
