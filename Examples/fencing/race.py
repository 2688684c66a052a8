#!/usr/bin/env python3
"""The race that a latch alone cannot win, and the fence that wins it.

    race.py --store sqlite:/tmp/shop.db [--unfenced]

Two programs, `old` and `new`, take part in one latch. `old` holds it, asks whether it certainly does,
and is then stopped, in between the question and the write, for longer than its TTL: a paused virtual
machine, a swapped-out process. `new` gets the latch and writes. Then `old` goes on, and writes what it
meant to write. Exit code 0: the store has what `new` wrote; 1: `old` has overwritten it.
"""

import argparse
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python"))

from stores import store  # noqa: E402

TTL = 1.0


def work(options):
    """One of the two programs."""
    from latch import Latch

    for grant in Latch(options.endpoints, options.latch, options.role, TTL).grants():
        if not grant.is_certain():
            continue
        print(f"  {options.role}: holds the latch with token {grant.token}", flush=True)
        if options.role == "old":
            os.kill(os.getpid(), signal.SIGSTOP)  # Here the world goes on without it.
        done = store(options.store).write(options.role, grant.token, not options.unfenced)
        print(f"  {options.role}: its write {'took effect' if done else 'was refused'}", flush=True)
        return


def race(options):
    options.latch = f"fencing-{os.getpid()}"
    target = store(options.store)
    target.prepare()

    def start(role):
        command = [sys.executable, __file__, "--role", role, "--latch", options.latch,
                   "--store", options.store, "--endpoints", options.endpoints]
        return subprocess.Popen(command + (["--unfenced"] if options.unfenced else []))

    old = start("old")
    try:
        _, status = os.waitpid(old.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            sys.exit("race: the first program ended before it held the latch")
        print("  old: is stopped between its question and its write", flush=True)
        new = start("new")
        try:
            if new.wait(timeout=30) != 0:
                sys.exit("race: the second program failed")
        finally:
            new.kill()
        print("  old: goes on", flush=True)
        os.kill(old.pid, signal.SIGCONT)
        deadline = time.monotonic() + 30
        while os.waitpid(old.pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > deadline:
                sys.exit("race: the first program did not end")
            time.sleep(0.02)
        old.returncode = 0
    finally:
        old.kill()
    owner = target.owner()
    print(f"  the store belongs to: {owner}")
    return 0 if owner == "new" else 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", required=True)
    parser.add_argument("--unfenced", action="store_true", help="write without the token")
    parser.add_argument("--endpoints", default="127.0.0.1:7401,127.0.0.1:7402,127.0.0.1:7403")
    parser.add_argument("--role", choices=["old", "new"], help=argparse.SUPPRESS)
    parser.add_argument("--latch", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.exit(work(options) if options.role else race(options))


if __name__ == "__main__":
    main()
