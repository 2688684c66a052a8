"""Ports on 127.0.0.1 that nobody listens on; none is given twice by a process.

As Tests/LocalMachine/FreePorts.swift, and for its reasons: they lie below those that a system gives to outgoing
connections, and no socket is bound to find out.
"""
import random
import socket

RANGE = range(12_000, 32_000)
given = random.randrange(len(RANGE))


def free_ports(count):
    return [free_port() for _ in range(count)]


def free_port():
    global given
    for _ in RANGE:
        given += 1
        port = RANGE[given % len(RANGE)]
        with socket.socket() as probe:
            try:
                probe.connect(("127.0.0.1", port))
            except ConnectionRefusedError:
                return port
            except OSError:
                pass
    raise SystemExit(f"all ports from {RANGE.start} to {RANGE.stop - 1} are in use")
