#!/usr/bin/env python3
"""Measures how soon `latchd.v1` tells those who wait, with three durable nodes on loopback.

    python3 Tests/Bench/latency.py --latchd .build/release/latchd [--observers 1000] [--rounds 200] [--json FILE]

- observers: so many Observe streams of one latch, each on a connection of its own, spread over the nodes; the time
  from sending a Leave until the last of them has the next holder's name in its socket.
- resign: the time from sending a Leave until the Join stream of the next participant says that it holds.
- killed: holders that fall silent at different moments; the time from the answer to a holder's last keep-alive, less
  its TTL, until the Join stream of the next participant says that it holds. Counted from the moment at which that
  keep-alive was sent it must never be less than the TTL.

The client speaks HTTP/2 by hand, on one thread, so that it costs little beside what it measures.
"""
import argparse
import json
import resource
import select
import socket
import statistics
import struct
import tempfile
import time

from bench import Latchd, field, fields, framed

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A header field without indexing (RFC 7541, section 6.2.2)."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


class Connection:
    """One HTTP/2 connection; calls on it one after the other, or a stream that is left open."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Nothing here takes as long: whatever is awaited will not come.
        self.socket.settimeout(20)
        self.socket.sendall(PREFACE + frame(4, 0, 0, b"") + frame(8, 0, 0, struct.pack(">I", 1 << 30)))
        self.stream, self.buffer, self.messages, self.ended, self.body = -1, b"", {}, {}, {}

    def send(self, method, message, is_last=True):
        """Sends a request, and its end unless more messages follow; returns its stream."""
        self.stream += 2
        headers = b"".join(literal(*one) for one in (
            (":method", "POST"), (":scheme", "http"), (":path", "/latchd.v1.LatchService/" + method),
            (":authority", "bench"), ("content-type", "application/grpc"), ("te", "trailers")))
        self.messages[self.stream], self.body[self.stream] = [], b""
        self.socket.sendall(frame(1, 4, self.stream, headers) + frame(0, is_last, self.stream, framed(message)))
        return self.stream

    def send_more(self, stream, message):
        self.socket.sendall(frame(0, 0, stream, framed(message)))

    def receive(self):
        """Reads once and takes the frames apart."""
        data = self.socket.recv(65536)
        if not data:
            raise SystemExit("the server closed the connection")
        self.buffer += data
        while len(self.buffer) >= 9:
            length = int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < 9 + length:
                return
            kind, flags = self.buffer[3], self.buffer[4]
            stream = int.from_bytes(self.buffer[5:9], "big")
            payload, self.buffer = self.buffer[9:9 + length], self.buffer[9 + length:]
            if kind == 4 and not flags & 1:
                self.socket.sendall(frame(4, 1, 0, b""))
            elif kind == 6 and not flags & 1:
                self.socket.sendall(frame(6, 1, 0, payload))
            elif kind == 0 and stream in self.body:
                self.take(stream, payload)
            if kind in (0, 1) and flags & 1:
                self.ended[stream] = payload

    def take(self, stream, payload):
        body = self.body[stream] + payload
        while len(body) >= 5 and len(body) >= 5 + int.from_bytes(body[1:5], "big"):
            end = 5 + int.from_bytes(body[1:5], "big")
            self.messages[stream].append(body[5:end])
            body = body[end:]
        self.body[stream] = body

    def wait(self, stream, matches):
        """The first message of a stream that matches; earlier ones are dropped."""
        while True:
            while self.messages[stream]:
                message = self.messages[stream].pop(0)
                if matches(message):
                    return message
            if stream in self.ended:
                raise SystemExit("the call ended: %r" % self.ended[stream])
            self.receive()

    def call(self, method, message):
        return self.wait(self.send(method, message), lambda _: True)


LATCH = field(1, "bench") + field(2, "latency")
HOLDING = 2


def open_session(connection, latch=LATCH):
    answer = connection.call("OpenSession", field(1, latch) + field(2, 3_600_000))
    return fields(answer)[1]


def join(connection, session, participant):
    return connection.send("Join", field(1, session) + field(2, participant))


def leave(connection, session, participant):
    return connection.send("Leave", field(1, session) + field(2, participant))


def holds(message):
    return fields(message).get(1) == HOLDING


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def summary(values):
    return {"p50": round(statistics.median(values), 2), "p99": round(percentile(values, 0.99), 2),
            "max": round(max(values), 2), "rounds": len(values)}


def resign(cluster, rounds, nodes):
    """Two participants take turns, each on a connection of its own to one of `nodes`."""
    sides = []
    for number, node in enumerate(nodes):
        calls, stream = Connection(cluster.client[node]), Connection(cluster.client[node])
        sides.append((calls, stream, open_session(calls), "p%d" % number))
    # One after the other: through two nodes either may come first.
    streams = []
    for (_, stream, session, name), matches in zip(sides, (holds, lambda _: True)):
        streams.append(join(stream, session, name))
        stream.wait(streams[-1], matches)
    found = []
    for turn in range(rounds):
        holder, next_one = turn % 2, 1 - turn % 2
        calls, _, session, name = sides[holder]
        began = time.perf_counter()
        left = leave(calls, session, name)
        sides[next_one][1].wait(streams[next_one], holds)
        found.append((time.perf_counter() - began) * 1000)
        calls.wait(left, lambda _: True)
        # The one that left waits again: its stream has ended, and the next one begins.
        _, stream, session, name = sides[holder]
        streams[holder] = join(stream, session, name)
        stream.wait(streams[holder], lambda _: True)
        time.sleep(0.005)
    for calls, _, session, _ in sides:
        calls.call("CloseSession", field(1, session))
    return summary(found)


def killed(cluster, count, ttl, nodes):
    """Each of `count` latches has a holder on one of `nodes` and a participant that waits on the other."""
    holders, waiters = Connection(cluster.client[nodes[0]]), Connection(cluster.client[nodes[1]])
    latches = [field(1, "bench") + field(2, "killed-%d" % number) for number in range(count)]
    waiting = {}
    for number, latch in enumerate(latches):
        long = open_session(waiters, latch)
        holder = fields(holders.call("OpenSession", field(1, latch) + field(2, ttl)))[1]
        latches[number] = holder
        stream = join(holders, holder, "holder")
        holders.wait(stream, holds)
        stream = join(waiters, long, "next")
        waiters.wait(stream, lambda _: True)
        waiting[stream] = number
    # The last keep-alives are spread over half a TTL, so that no two end with one entry by design.
    sent, answered, informed = {}, {}, {}
    beats, began, poll = None, time.perf_counter(), select.poll()
    by_number = {}
    for connection in (holders, waiters):
        poll.register(connection.socket.fileno(), select.POLLIN)
        by_number[connection.socket.fileno()] = connection
    while len(informed) < count:
        number = len(sent)
        due = began + number * ttl / 2000 / count - time.perf_counter()
        if number < count and due <= 0:
            message = field(1, number + 1) + field(2, latches[number])
            sent[number] = time.perf_counter()
            if beats is None:
                beats = holders.send("KeepAlive", message, is_last=False)
            else:
                holders.send_more(beats, message)
            continue
        for descriptor, _ in poll.poll(max(due, 0) * 1000 if number < count else 100):
            by_number[descriptor].receive()
        now = time.perf_counter()
        for message in holders.messages[beats] if beats else ():
            answered[fields(message)[1] - 1] = now
        if beats:
            holders.messages[beats].clear()
        for stream, number in waiting.items():
            if number not in informed and any(holds(message) for message in waiters.messages[stream]):
                informed[number] = now
        if now - began > 3 * ttl / 1000 + 5:
            raise SystemExit("%d who wait were not told" % (count - len(informed)))
    early = min(informed[number] - sent[number] - ttl / 1000 for number in range(count))
    if early < 0:
        raise SystemExit("a holder was followed %.1f ms before its TTL" % (-early * 1000))
    return summary([(informed[number] - answered[number]) * 1000 - ttl for number in range(count)])


def observers(cluster, count, rounds):
    latch = field(1, "bench") + field(2, "observed")
    one = Connection(cluster.client[cluster.leader])
    session = open_session(one, latch)
    watchers, poll = {}, select.epoll()
    for number in range(count):
        connection = Connection(cluster.client[1 + number % 3])
        stream = connection.send("Observe", field(1, latch) + field(4, 60_000))
        connection.wait(stream, lambda _: True)
        connection.socket.setblocking(False)
        poll.register(connection.socket.fileno(), select.EPOLLIN)
        watchers[connection.socket.fileno()] = connection
    sockets = {number: watcher.socket for number, watcher in watchers.items()}
    found = []
    for turn in range(rounds):
        name = "holder-%06d" % turn
        time.sleep(0.2)
        # What was still on its way is taken first.
        drain(poll, watchers)
        marker, missing = name.encode(), set(watchers)
        began = time.perf_counter()
        one.send("Join", field(1, session) + field(2, name))
        while missing:
            for number, _ in poll.poll(5):
                # Small on purpose: a large buffer costs the client more than all else here.
                data = sockets[number].recv(4096)
                if marker in data:
                    missing.discard(number)
            if time.perf_counter() - began > 10:
                raise SystemExit("%d observers were not told" % len(missing))
        found.append((time.perf_counter() - began) * 1000)
        one.call("Leave", field(1, session) + field(2, name))
    return summary(found)


def drain(poll, watchers):
    while True:
        ready = poll.poll(0)
        if not ready:
            return
        for number, _ in ready:
            watchers[number].socket.recv(65536)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latchd", required=True, help="the binary to measure")
    parser.add_argument("--observers", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", help="write the figures here too")
    options = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with tempfile.TemporaryDirectory() as folder:
        cluster = Latchd(options.latchd, folder)
        try:
            followers = [node for node in (1, 2, 3) if node != cluster.leader]
            figures = {
                "resign, next on the leader": resign(cluster, options.rounds, [cluster.leader] * 2),
                "resign, both on followers": resign(cluster, options.rounds, followers),
                "holder killed, past its TTL": killed(cluster, min(100, options.rounds), 2_000, followers),
                "%d observers, the last one" % options.observers:
                    observers(cluster, options.observers, max(10, options.rounds // 10)),
            }
        finally:
            cluster.stop()
    for what, values in figures.items():
        print("%-34s p50 %6.2f ms   p99 %6.2f ms   max %6.2f ms" % (what, values["p50"], values["p99"], values["max"]))
    if options.json:
        with open(options.json, "w") as out:
            json.dump(figures, out, indent=2)


if __name__ == "__main__":
    main()
