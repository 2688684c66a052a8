#!/usr/bin/env python3
"""Alerts and dashboard of Config/monitoring on a real Prometheus that scrapes three real nodes.

    alerts.py --bin DIRECTORY

Every expression of every alert and panel must give numbers, no alert may fire on a cluster that is well,
and the alerts on leaders, quorum and nodes must fire when nodes are killed, and end when they are back.
Only in a copy, scrapes come every second and `for` is short.
"""
import argparse, json, os, re, shutil, subprocess, sys, tempfile, urllib.parse

from cluster import Cluster, expect, free_ports, get, until

MONITORING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../Config/monitoring")


def text_of(name):
    with open(f"{MONITORING}/{name}") as file:
        return file.read()


def promtool(*words, **more):
    done = subprocess.run(["promtool", *words], cwd=MONITORING, capture_output=True, text=True, **more)
    expect(f"promtool {' '.join(words)}: {done.stdout}{done.stderr}", done.returncode == 0)


class Prometheus:
    """Use it in a `with`."""

    def __init__(self, cluster):
        self.folder = tempfile.mkdtemp(prefix="prometheus-")
        self.address = f"127.0.0.1:{free_ports(1)[0]}"
        rules, shortened = re.subn(r"(?m)^( +for:) \S+$", r"\1 2s", text_of("alerts.yaml"))
        settings, paced = re.subn(r"(?m)_interval: \S+$", "_interval: 1s", text_of("prometheus.yaml"))
        for n in cluster.ids:
            settings = settings.replace(f"127.0.0.1:750{n}", cluster.site[n])
        expect("the copies differ where they should", shortened > 5 and paced == 2 and ":750" not in settings)
        for name, text in [("alerts.yaml", rules), ("prometheus.yaml", settings)]:
            with open(f"{self.folder}/{name}", "w") as file:
                file.write(text)

    def __enter__(self):
        log = open(f"{self.folder}/log", "w")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={self.folder}/prometheus.yaml",
             f"--storage.tsdb.path={self.folder}/data", f"--web.listen-address={self.address}"],
            stdout=log, stderr=log)
        until("Prometheus", 30, lambda: get(f"http://{self.address}/-/ready")[0] == 200)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, path, **query):
        status, text = get(f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(query)}")
        expect(f"Prometheus takes {query}: {text}", status == 200)
        return json.loads(text)["data"]

    def values(self, expression):
        """The numbers that it gives now; those that are none are left out."""
        found = self.ask("query", query=expression)["result"]
        return [sample["value"][1] for sample in found if sample["value"][1] not in ("NaN", "+Inf", "-Inf")]

    def firing(self):
        """Alert and instance, or None where it is the whole cluster's."""
        return {(alert["labels"]["alertname"], alert["labels"].get("instance"))
                for alert in self.ask("alerts")["alerts"] if alert["state"] == "firing"}


def expressions(prometheus):
    """What the alerts compare, and what the panels draw."""
    found = {}
    for group in prometheus.ask("rules")["groups"]:
        for rule in group["rules"]:
            expect(f"{rule['name']} is evaluated: {rule.get('lastError')}", rule["health"] in ("ok", "unknown"))
            for part in re.split(r"\bor\b", rule["query"]):
                if "absent(" not in part:
                    found[re.sub(r" (==|>) [0-9.]+ *$", "", part.strip())] = rule["name"]
    for panel in json.loads(text_of("grafana-dashboard.json"))["panels"]:
        for target in panel["targets"]:
            found[target["expr"]] = panel["title"]
    expect(f"all expressions are found: {len(found)}", len(found) > 30)
    return found


def provoke_everything(cluster):
    """A takeover after an expiry, one after an eviction, a call that fails."""
    for name, participant in [("a", "a-1"), ("a", "a-2"), ("a", "a-3")]:
        cluster.hold(name, participant)
    cluster.clients["a-1"].kill()
    tool = [f"{cluster.programs}/latchctl"]

    def line():
        done = subprocess.run([*tool, "get", "a", "--json", "--endpoints", cluster.endpoints],
                              capture_output=True, text=True)
        return done.stdout

    until("the takeover", 20, lambda: re.search(r'"holder" ?: ?"a-2"', line()))
    done = subprocess.run([*tool, "evict", "a", "a-2", "--force", "--endpoints", cluster.endpoints],
                          capture_output=True, text=True)
    expect(f"the eviction: {done.stdout}{done.stderr}", done.returncode == 0)
    subprocess.run([*tool, "get", "no-such", "--endpoints", cluster.endpoints], capture_output=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    promtool("check", "config", "prometheus.yaml")
    promtool("test", "rules", "alerts.test.yaml")
    with Cluster(options.bin) as cluster, Prometheus(cluster) as prometheus:
        for n in cluster.ids:
            promtool("check", "metrics", input=get(cluster.url(n, "metrics"))[1])
        until("scrapes", 20, lambda: prometheus.values('up{job="latchd"}') == ["1"] * 3)
        provoke_everything(cluster)
        for expression, name in expressions(prometheus).items():
            until(f"a number for {name}: {expression}", 40, lambda: prometheus.values(expression))
        print(f"{len(expressions(prometheus))} expressions of alerts and panels give numbers.")
        expect(f"no alert on a cluster that is well: {prometheus.firing()}", not prometheus.firing())

        def fires(*alerts):
            until(f"{alerts}", 30, lambda: prometheus.firing() >= set(alerts))
            print("fires:", *(f"{name} {instance or ''}" for name, instance in sorted(alerts, key=str)))

        def ends(*names):
            until(f"the end of {names}", 30, lambda: not {name for name, _ in prometheus.firing()} & set(names))
            print("ends: ", *names)

        first = until("a leader", 10, cluster.leader)
        second, last = [n for n in cluster.ids if n != first]
        cluster.kill(first)
        fires(("LatchdNodeDown", cluster.site[first]))
        ends("LatchdNoLeader", "LatchdNoQuorum", "LatchdNodeNotReady")
        cluster.kill(second)
        fires(("LatchdNoLeader", None), ("LatchdNoQuorum", None), ("LatchdNodeNotReady", cluster.site[last]),
              ("LatchdNodeDown", cluster.site[first]), ("LatchdNodeDown", cluster.site[second]))
        cluster.kill(last)
        fires(*(("LatchdNodeDown", cluster.site[n]) for n in cluster.ids), ("LatchdNoLeader", None))
        for n in cluster.ids:
            cluster.start(n)
        ends("LatchdNoLeader", "LatchdNoQuorum", "LatchdNodeNotReady", "LatchdNodeDown")
        for _ in range(5):
            gone = until("a leader", 20, cluster.leader)
            cluster.kill(gone)
            until("the next leader", 20, lambda: cluster.leader() not in (0, gone))
            cluster.start(gone)
            until("its return", 20, lambda: cluster.is_ready(gone))
        fires(("LatchdFlappingLeader", None))
    print("Alerts and dashboard are fit for what the nodes tell.")


if __name__ == "__main__":
    main()
