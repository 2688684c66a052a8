#!/usr/bin/env python3
"""Measures latchd against etcd, both as three durable nodes on loopback, in one run.

The machine is shared and noisy, so the figures that count are the ratios of one run: for every load the two
systems take turns, round by round, and the medians are compared.

    python3 Tests/Bench/bench.py --latchd .build/release/latchd [--rounds 3] [--seconds 3] [--json FILE]

Needs h2load, curl and etcd (Debian: nghttp2-client, curl, etcd-server); `make bench` installs them.
"""
import argparse
import json
import os
import re
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Python"))
from free_ports import free_ports

LOADS = [("1 in flight", 1, 1), ("64 in flight", 8, 8), ("256 in flight", 8, 32)]
GRPC_HEADERS = ["-H", "content-type: application/grpc", "-H", "te: trailers"]


# --- the few protobuf bytes that a constant request needs ---------------------------------------------------

def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def framed(message):
    return b"\0" + struct.pack(">I", len(message)) + message


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def fields(data):
    at, found = 0, {}
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 0:
            found[key >> 3], at = read_varint(data, at)
        elif key & 7 == 1:
            found[key >> 3], at = data[at:at + 8], at + 8
        else:
            length, at = read_varint(data, at)
            found[key >> 3], at = data[at:at + length], at + length
    return found


def call(port, path, message):
    """One unary gRPC call through curl; returns the answer's fields."""
    done = subprocess.run(
        ["curl", "-s", "--max-time", "10", "--http2-prior-knowledge", *GRPC_HEADERS, "--data-binary", "@-",
         "http://127.0.0.1:%d%s" % (port, path)],
        input=framed(message), stdout=subprocess.PIPE)
    if done.returncode != 0 or len(done.stdout) < 5:
        raise RuntimeError("no answer from 127.0.0.1:%d%s" % (port, path))
    return fields(done.stdout[5:])


# --- clusters ------------------------------------------------------------------------------------------------

def wait_for(what, seconds, check):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            value = check()
            if value is not None:
                return value
        except (RuntimeError, KeyError, ValueError, subprocess.SubprocessError):
            pass
        time.sleep(0.05)
    raise SystemExit("gave up waiting for " + what)


class Cluster:
    processes = {}

    def cpu_seconds(self):
        ticks = os.sysconf("SC_CLK_TCK")
        total = 0
        for process in self.processes.values():
            with open("/proc/%d/stat" % process.pid) as stat:
                parts = stat.read().rsplit(")", 1)[1].split()
            total += int(parts[11]) + int(parts[12])
        return total / ticks

    def rss_megabytes(self):
        found = []
        for process in self.processes.values():
            with open("/proc/%d/status" % process.pid) as status:
                found.append(int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) / 1024)
        return found

    def stop(self):
        for process in self.processes.values():
            process.send_signal(signal.SIGKILL)
            process.wait()


class Latchd(Cluster):
    name = "latchd"

    def __init__(self, binary, folder):
        self.binary, self.folder, self.processes, self.told = binary, folder, {}, {}
        ports = free_ports(6)
        self.peer = dict(zip((1, 2, 3), ports[:3]))
        self.client = dict(zip((1, 2, 3), ports[3:]))
        for node in (1, 2, 3):
            self.start(node, bootstrap=True)
        self.leader = wait_for("a latchd leader", 20, self.find_leader)
        self.session = self.open_session()
        self.write = framed(field(1, self.header()) + field(2, "participant-1"))
        self.read = framed(field(1, self.header()))

    def start(self, node, bootstrap=False):
        config = os.path.join(self.folder, "node%d.yaml" % node)
        members = "".join(
            "  - {id: %d, peer: \"127.0.0.1:%d\", client: \"127.0.0.1:%d\"}\n" % (one, self.peer[one], self.client[one])
            for one in (1, 2, 3))
        with open(config, "w") as out:
            out.write("cluster: bench\nnode: %d\ndata: %s/data%d\nmembers:\n%s" % (node, self.folder, node, members))
        log = open(os.path.join(self.folder, "node%d.log" % node), "ab")
        self.processes[node] = subprocess.Popen(
            [self.binary, "--config", config] + (["--bootstrap"] if bootstrap else []),
            stdout=log, stderr=log, env=dict(os.environ, SWIFT_BACKTRACE="enable=no"))

    def header(self):
        name = field(1, "bench") + field(2, "bench")
        return field(1, name) + field(2, self.session)

    def slow_turns(self):
        """How many turns of 20 ms and more each node has logged since the last call, and the longest in ms."""
        found = {}
        for node in (1, 2, 3):
            with open(os.path.join(self.folder, "node%d.log" % node), "rb") as log:
                log.seek(self.told.get(node, 0))
                text = log.read()
            self.told[node] = self.told.get(node, 0) + len(text)
            lines = re.findall(rb"slow turns count=(\d+) longest_ms=(\d+)", text)
            found[node] = sum(int(count) for count, _ in lines), max((int(ms) for _, ms in lines), default=0)
        return found

    def find_leader(self):
        for node, port in self.client.items():
            if self.processes[node].poll() is not None:
                raise SystemExit("latchd node %d ended; see %s" % (node, self.folder))
            status = fields(call(port, "/latchd.v1.Cluster/Status", b"")[2])
            if status.get(3) == 4 and status.get(4) == 1:
                return node
        return None

    def open_session(self):
        name = field(1, field(1, "bench") + field(2, "bench"))
        timeout = field(1, 86400)
        answer = call(self.client[1], "/atomix.leader.LeaderLatchService/Create", field(1, name) + field(2, timeout))
        return fields(answer[1])[1]

    def applied(self):
        return fields(call(self.client[self.leader], "/latchd.v1.Cluster/Status", b"")[2])[13]

    def target(self, kind, through):
        node = self.leader if through == "leader" else next(n for n in (1, 2, 3) if n != self.leader)
        method = "Latch" if kind == "write" else "Get"
        body = self.write if kind == "write" else self.read
        return self.client[node], "/atomix.leader.LeaderLatchService/" + method, body


class Etcd(Cluster):
    name = "etcd"

    def __init__(self, folder):
        self.folder, self.processes = folder, {}
        ports = free_ports(6)
        self.client = dict(zip((1, 2, 3), ports[3:]))
        initial = ",".join("n%d=http://127.0.0.1:%d" % (n, ports[n - 1]) for n in (1, 2, 3))
        for node in (1, 2, 3):
            peer, client = "http://127.0.0.1:%d" % ports[node - 1], "http://127.0.0.1:%d" % self.client[node]
            log = open(os.path.join(folder, "etcd%d.log" % node), "ab")
            self.processes[node] = subprocess.Popen(
                ["etcd", "--name", "n%d" % node, "--data-dir", "%s/etcd%d" % (folder, node),
                 "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                 "--listen-client-urls", client, "--advertise-client-urls", client,
                 "--initial-cluster", initial, "--initial-cluster-state", "new", "--log-level", "error"],
                stdout=log, stderr=log)
        self.leader = wait_for("an etcd leader", 20, self.find_leader)
        call(self.client[1], "/etcdserverpb.KV/Put", self.put())

    def put(self):
        return field(1, "bench/bench/latch") + field(2, "participant-1 of a session")

    def find_leader(self):
        for node, port in self.client.items():
            status = call(port, "/etcdserverpb.Maintenance/Status", b"")
            if status.get(4) and status[4] == fields(status[1])[2]:
                return node
        return None

    def applied(self):
        status = call(self.client[self.leader], "/etcdserverpb.Maintenance/Status", b"")
        return fields(status[1])[3]

    def target(self, kind, through):
        node = self.leader if through == "leader" else next(n for n in (1, 2, 3) if n != self.leader)
        if kind == "write":
            return self.client[node], "/etcdserverpb.KV/Put", framed(self.put())
        return self.client[node], "/etcdserverpb.KV/Range", framed(field(1, "bench/bench/latch"))


# --- one measurement -----------------------------------------------------------------------------------------

def run_load(cluster, kind, through, connections, streams, seconds, folder):
    port, path, body = cluster.target(kind, through)
    body_file = os.path.join(folder, "body")
    with open(body_file, "wb") as out:
        out.write(body)
    log_file = os.path.join(folder, "requests.log")
    if os.path.exists(log_file):
        os.remove(log_file)
    before, applied = cluster.cpu_seconds(), cluster.applied()
    done = subprocess.run(
        ["h2load", "-t", "1", "-c", str(connections), "-m", str(streams), "-D", str(seconds), "--log-file", log_file,
         "-d", body_file, *GRPC_HEADERS, "http://127.0.0.1:%d%s" % (port, path)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    if done.returncode != 0:
        raise SystemExit(done.stdout)
    times, first, last = [], None, 0
    with open(log_file) as log:
        for line in log:
            start, status, took = line.split()[:3]
            if status == "200":
                times.append(int(took))
                first = min(first or int(start), int(start))
                last = max(last, int(start) + int(took))
    cpu = cluster.cpu_seconds() - before
    entries = cluster.applied() - applied
    if kind == "write" and entries < len(times):
        raise SystemExit("%s answered %d writes but applied %d" % (cluster.name, len(times), entries))
    if not times:
        raise SystemExit("%s answered nothing:\n%s" % (cluster.name, done.stdout))
    times.sort()
    span = (last - first) / 1e6
    return {
        "per_second": len(times) / span, "p50_ms": times[len(times) // 2] / 1e3,
        "p99_ms": times[len(times) * 99 // 100] / 1e3, "cpu_per_1000": cpu / len(times) * 1000,
    }


# --- failover ------------------------------------------------------------------------------------------------

def silence(cluster, fault, folder):
    """Milliseconds without an answered write around a fault of the leader, writing through a follower."""
    leader = cluster.leader = wait_for("a leader", 20, cluster.find_leader)
    port, path, body = cluster.target("write", "follower")
    body_file, log_file = os.path.join(folder, "body"), os.path.join(folder, "requests.log")
    with open(body_file, "wb") as out:
        out.write(body)
    if os.path.exists(log_file):
        os.remove(log_file)
    load = subprocess.Popen(
        ["h2load", "-t", "1", "-c", "4", "-m", "4", "-D", "4", "--log-file", log_file, "-d", body_file, *GRPC_HEADERS,
         "http://127.0.0.1:%d%s" % (port, path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1.5)
    process = cluster.processes[leader]
    at = time.time()
    process.send_signal(signal.SIGKILL if fault == "kill" else signal.SIGSTOP)
    load.wait()
    if fault == "kill":
        process.wait()
        cluster.start(leader)
    else:
        process.send_signal(signal.SIGCONT)
    wait_for("all nodes to answer", 20, lambda: all(
        call(p, "/latchd.v1.Cluster/Status", b"") for p in cluster.client.values()) or None)
    ends = []
    with open(log_file) as log:
        for line in log:
            start, status, took = line.split()[:3]
            if status == "200":
                ends.append((int(start) + int(took)) / 1e6)
    ends.sort()
    # The log's clock is the wall clock; the longest gap that touches the moment of the fault and what follows.
    after = [e for e in ends if e > at]
    if not after:
        raise SystemExit("nothing was answered after the leader's fault")
    before = [e for e in ends if e <= at]
    marks = before[-1:] + after
    return max(b - a for a, b in zip(marks, marks[1:])) * 1e3


def failover(options, folder):
    cluster = Latchd(os.path.abspath(options.latchd), folder)
    try:
        for fault, title in (("kill", "leader killed (kill -9)"), ("stop", "leader frozen (SIGSTOP)")):
            found = []
            for _ in range(options.failover):
                found.append(silence(cluster, fault, folder))
                print("%s: %.0f ms" % (title, found[-1]), flush=True)
            print("%s, %d times: silence median %.0f ms, worst %.0f ms" % (
                title, len(found), statistics.median(found), max(found)), flush=True)
    finally:
        cluster.stop()


# --- many sessions, many latches ------------------------------------------------------------------------------

def many(options, folder):
    """CPU of all servers with many live sessions, and a restart with many latches."""
    cluster = Latchd(os.path.abspath(options.latchd), folder)
    load = os.path.join(os.path.dirname(os.path.abspath(options.latchd)), "LatchLoad")
    addresses = ",".join("127.0.0.1:%d" % port for port in cluster.client.values())
    try:
        run = subprocess.Popen(
            [load, "--endpoints", addresses, "--sessions", str(options.sessions), "--seconds", "20"],
            stdout=subprocess.PIPE, universal_newlines=True)
        for _ in range(3):
            run.stdout.readline()
        time.sleep(3)
        before, began = cluster.cpu_seconds(), time.monotonic()
        time.sleep(12)
        share = (cluster.cpu_seconds() - before) / (time.monotonic() - began) * 100
        print("%d sessions kept alive every 3.3 s: %.1f %% of a core in all servers, RSS %s MB; load: %s" % (
            options.sessions, share, ", ".join("%.0f" % m for m in cluster.rss_megabytes()),
            run.communicate()[0].strip()), flush=True)
        began = time.monotonic()
        subprocess.run(
            [load, "--endpoints", addresses, "--sessions", str(options.latches), "--timeout", "86400000", "--join",
             "--seconds", "0"], stdout=subprocess.DEVNULL, check=True)
        print("%d latches joined in %.0f s, RSS %s MB" % (
            options.latches, time.monotonic() - began, ", ".join("%.0f" % m for m in cluster.rss_megabytes())))
        for node, title in ((next(n for n in (1, 2, 3) if n != cluster.leader), "follower"), (cluster.leader, "leader")):
            cluster.processes[node].send_signal(signal.SIGKILL)
            cluster.processes[node].wait()
            began = time.monotonic()
            cluster.start(node)

            def ready():
                status = fields(call(cluster.client[node], "/latchd.v1.Cluster/Status", b"")[2])
                return True if status.get(4) == 1 and status.get(21, 0) >= options.latches else None
            wait_for("the restarted node", 60, ready)
            print("restart of a killed %s with %d latches: ready after %.2f s" % (
                title, options.latches, time.monotonic() - began), flush=True)
        pauses(options, cluster)
    finally:
        cluster.stop()


def pauses(options, cluster):
    """How long a node's loop stands still while snapshots are taken, and while one is installed."""
    cluster.leader = wait_for("a leader", 20, cluster.find_leader)
    cluster.slow_turns()
    behind = next(n for n in (1, 2, 3) if n != cluster.leader)

    def report(title):
        print("turns of 20 ms and more, %s: %s" % (title, ", ".join(
            "node %d%s %d (longest %d ms)" % (node, " (leads)" if node == cluster.leader else "", count, longest)
            for node, (count, longest) in cluster.slow_turns().items())), flush=True)

    def write():
        # More entries than two snapshots are apart, so that the log no longer reaches back to the start.
        goal = cluster.applied() + 250_000
        while cluster.applied() < goal:
            run_load(cluster, "write", "leader", 4, 64, 2, cluster.folder)
        return goal

    time.sleep(5)
    report("no snapshots, no load")
    write()
    report("snapshots under a write load")
    killed = cluster.processes.pop(behind)
    killed.kill()
    killed.wait()
    goal = write()
    cluster.start(behind)
    wait_for("the installed snapshot", 60, lambda: fields(
        call(cluster.client[behind], "/latchd.v1.Cluster/Status", b"")[2]).get(13, 0) >= goal or None)
    report("a snapshot installed")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latchd", required=True, help="the release build of latchd")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each load (default 3)")
    parser.add_argument("--seconds", type=int, default=3, help="seconds of each run (default 3)")
    parser.add_argument("--only", default="", help="only loads whose name contains this text")
    parser.add_argument("--no-etcd", action="store_true", help="measure latchd alone")
    parser.add_argument("--failover", type=int, default=0, metavar="N",
                        help="instead of loads: N times each, kill and freeze the leader and measure the silence")
    parser.add_argument("--many", action="store_true",
                        help="instead of loads: many live sessions, and a restart with many latches (needs LatchLoad)")
    parser.add_argument("--sessions", type=int, default=10000, help="sessions of --many (default 10000)")
    parser.add_argument("--latches", type=int, default=100000, help="latches of --many (default 100000)")
    parser.add_argument("--json", help="also write the figures to this file")
    options = parser.parse_args()
    for tool in ["h2load", "curl"] + ([] if options.no_etcd else ["etcd"]):
        if not shutil.which(tool):
            raise SystemExit("%s is missing: run `make bench`, or install nghttp2-client, curl and etcd-server" % tool)

    folder = tempfile.mkdtemp(prefix="latchd-bench-")
    if options.failover or options.many:
        try:
            return failover(options, folder) if options.failover else many(options, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    clusters = []
    try:
        clusters.append(Latchd(os.path.abspath(options.latchd), folder))
        if not options.no_etcd:
            clusters.append(Etcd(folder))
        rows = []
        print("%-34s %-7s %10s %9s %9s %14s" % ("load", "server", "per s", "p50 ms", "p99 ms", "CPU-s / 1,000"))
        for kind in ("write", "read"):
            for through in ("leader", "follower"):
                for title, connections, streams in LOADS:
                    name = "%s through the %s, %s" % (kind, through, title)
                    if options.only not in name:
                        continue
                    samples = {cluster.name: [] for cluster in clusters}
                    for _ in range(options.rounds):
                        for cluster in clusters:
                            samples[cluster.name].append(
                                run_load(cluster, kind, through, connections, streams, options.seconds, folder))
                    medians = {
                        who: {key: statistics.median(s[key] for s in found) for key in found[0]}
                        for who, found in samples.items()}
                    for who, m in medians.items():
                        print("%-34s %-7s %10.0f %9.2f %9.2f %14.4f" % (
                            name, who, m["per_second"], m["p50_ms"], m["p99_ms"], m["cpu_per_1000"]), flush=True)
                    if "etcd" in medians:
                        ours, theirs = medians["latchd"], medians["etcd"]
                        print("%-34s %-7s %9.2fx %8.2fx %8.2fx %13.2fx" % (
                            "", "ratio", *(ours[k] / theirs[k] for k in (
                                "per_second", "p50_ms", "p99_ms", "cpu_per_1000"))), flush=True)
                    rows.append({"load": name, **medians})
        time.sleep(1)
        before, began = clusters[0].cpu_seconds(), time.monotonic()
        time.sleep(5)
        idle = (clusters[0].cpu_seconds() - before) / (time.monotonic() - began) / 3 * 100
        print("latchd idle: %.2f %% of a core a node, RSS %s MB" % (
            idle, ", ".join("%.0f" % m for m in clusters[0].rss_megabytes())))
        if options.json:
            with open(options.json, "w") as out:
                json.dump(rows, out, indent=1)
    finally:
        for cluster in clusters:
            cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
