"""A small client of latchd: who is in charge?

    for grant in Latch("127.0.0.1:7401,127.0.0.1:7402", "worker", "me").grants():
        while grant.is_certain():
            step(grant.token)

Copy this file and change it. It needs the stubs that ./run generates from latch.proto.
"""

import collections
import os
import random
import threading
import time

import grpc

from latchd.v1 import latch_pb2 as wire
from latchd.v1.latch_pb2_grpc import LatchServiceStub


def now():
    """Seconds on the clock that goes on while the machine sleeps; time.monotonic() may stop then."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Nodes:
    """The nodes of a cluster. Each serves every call; one that fails is left for the next."""

    def __init__(self, endpoints):
        options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000)]
        self._stubs = collections.deque(
            LatchServiceStub(grpc.insecure_channel(endpoint.strip(), options))
            for endpoint in endpoints.split(",")
        )
        self._lock = threading.Lock()

    def current(self):
        return self._stubs[0]

    def move_on(self, failed):
        """Whoever notices first turns the wheel, so that two threads do not turn it twice."""
        with self._lock:
            if self._stubs[0] is failed:
                self._stubs.rotate(-1)


def reason(error):
    """The word for programs that a failed call carries, for example `unknown-session`."""
    return dict(error.trailing_metadata() or ()).get("latchd-reason", "")


def next_within(call, seconds):
    """The next response of a stream; a peer that says nothing for so long is taken for dead."""
    timer = threading.Timer(seconds, call.cancel)
    timer.start()
    try:
        return next(call)
    finally:
        timer.cancel()


class Stay:
    """One session that takes part in one latch, from its opening to its end. Also the grant."""

    def __init__(self, nodes, latch, participant, ttl):
        self.token = 0  # 0: it waits. Never trust it without is_certain().
        self._nodes, self._participant, self._ttl = nodes, participant, ttl
        self._over, self._changed = False, threading.Condition()
        sent, stub = now(), nodes.current()
        try:
            opened = stub.OpenSession(
                wire.OpenSessionRequest(latch=latch, ttl_ms=int(ttl * 1000)), timeout=ttl
            )
        except grpc.RpcError:
            nodes.move_on(stub)
            raise
        self._session = opened.session
        # Counted from the SENDING of what was acknowledged: the cluster began to count later.
        self._deadline = sent + opened.life.valid_for_ms / 1000
        for task in (self._keep_alive, self._take_part):
            threading.Thread(target=task, daemon=True).start()

    def is_certain(self):
        """Whether the latch is held for sure, by this process's own clock. Ask before every step.

        A step that is under way when the time is over still ends after it: only what is written to
        can refuse that, by the token. See Examples/fencing.
        """
        return not self._over and self.token > 0 and now() < self._deadline

    def wait_for_grant(self):
        """False: the session ended before the latch was granted."""
        with self._changed:
            while not self._over and now() < self._deadline:
                if self.token > 0:
                    return True
                self._changed.wait(timeout=0.5)
        return False

    def leave(self):
        """The next one in line holds the latch at once. If nobody hears it, the TTL does the same."""
        self._end()
        try:
            self._nodes.current().CloseSession(
                wire.CloseSessionRequest(session=self._session), timeout=1
            )
        except grpc.RpcError:
            pass

    def _end(self):
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _goes_on(self):
        return not self._over and now() < self._deadline

    def _keep_alive(self):
        """Beats four times a TTL; each answer says for how long the session is certainly alive."""
        beat, sequence = self._ttl / 4, 0
        while self._goes_on():
            stub, hand = self._nodes.current(), Hand()
            call = stub.KeepAlive(hand)
            try:
                while self._goes_on():
                    sequence, sent = sequence + 1, now()
                    hand.give(wire.KeepAliveRequest(sequence=sequence, sessions=[self._session]))
                    life = next_within(call, beat).sessions[0]
                    if life.state == wire.SESSION_STATE_LOST:
                        return self._end()
                    if life.state == wire.SESSION_STATE_ALIVE:
                        self._deadline = max(self._deadline, sent + life.valid_for_ms / 1000)
                    else:  # The cluster has no quorum within this node's reach: ask another one.
                        self._nodes.move_on(stub)
                        break
                    time.sleep(beat)
            except (grpc.RpcError, StopIteration):
                self._nodes.move_on(stub)
                time.sleep(min(0.05, beat))
            finally:
                hand.give(None)
                call.cancel()
        self._end()

    def _take_part(self):
        """Joins once; the request id makes a repetition on another node the same join."""
        request = wire.JoinRequest(session=self._session, participant=self._participant, request_id=1)
        while self._goes_on():
            stub = self._nodes.current()
            call = stub.Join(request)
            try:
                while self._goes_on():
                    place = next_within(call, 12)  # A heartbeat comes every five seconds.
                    if place.state == wire.JOIN_STATE_OUT:
                        return self._end()
                    if place.state == wire.JOIN_STATE_HOLDING and self.token == 0:
                        with self._changed:
                            self.token = place.fencing_token
                            self._changed.notify_all()
                    elif place.state == wire.JOIN_STATE_QUEUED and self.token > 0:
                        return self._end()  # Handed over to somebody else: this grant is over.
            except StopIteration:
                pass
            except grpc.RpcError as error:
                if reason(error) == "unknown-session":
                    return self._end()
            finally:
                call.cancel()
            self._nodes.move_on(stub)
            time.sleep(0.05)


class Hand:
    """Hands requests to a stream, one at a time; None ends it."""

    def __init__(self):
        self._items, self._given = collections.deque(), threading.Semaphore(0)

    def give(self, item):
        self._items.append(item)
        self._given.release()

    def __iter__(self):
        return self

    def __next__(self):
        self._given.acquire()
        item = self._items.popleft()
        if item is None:
            raise StopIteration
        return item


class Latch:
    def __init__(self, endpoints, name, participant=None, ttl=10.0, namespace="default"):
        self._nodes = Nodes(endpoints)
        self._name = wire.LatchName(namespace=namespace, name=name)
        self._participant = participant or f"{os.uname().nodename}-{os.getpid()}"
        self._ttl = ttl

    def grants(self):
        """Takes part for ever: gives a grant, and joins again when that has ended."""
        failures = 0
        while True:
            try:
                stay = Stay(self._nodes, self._name, self._participant, self._ttl)
            except grpc.RpcError:
                # Not all at the same moment, and not ever more slowly.
                failures = min(failures + 1, 6)
                time.sleep(random.uniform(0, 0.05 * 2**failures))
                continue
            failures = 0
            try:
                if stay.wait_for_grant():
                    yield stay
            finally:
                stay.leave()
