"""Three real nodes with status sites, and clients that hold latches, for the programs of this folder."""
import json, os, re, shutil, signal, subprocess, sys, tempfile, time, urllib.error, urllib.request

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Python"))
from free_ports import free_ports


def get(url):
    """Status and text; status 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def until(what, seconds, check):
    """Asks until `check` gives something true, and returns that; ends the program when time is up."""
    end = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > end:
            sys.exit(f"FAILED: {what} did not come within {seconds} s")
        time.sleep(0.05)


def expect(what, is_so):
    if not is_so:
        sys.exit(f"FAILED: {what}")


class Cluster:
    """Use it in a `with`: every process is ended by its pid then, and the folder removed."""

    ids = (1, 2, 3)

    def __init__(self, programs):
        self.programs = os.path.abspath(programs)
        self.folder = tempfile.mkdtemp(prefix="latchd-site-")
        ports = free_ports(9)
        self.members = "".join(
            f'  - {{id: {n}, peer: "127.0.0.1:{ports[n - 1]}", client: "127.0.0.1:{ports[n + 2]}", '
            f'status: "127.0.0.1:{ports[n + 5]}"}}\n' for n in self.ids)
        self.site = {n: f"127.0.0.1:{ports[n + 5]}" for n in self.ids}
        self.endpoints = ",".join(f"127.0.0.1:{ports[n + 2]}" for n in self.ids)
        self.nodes, self.clients, self.has_data = {}, {}, set()

    def __enter__(self):
        for n in self.ids:
            self.start(n)
        until("a ready cluster", 20, lambda: all(self.is_ready(n) for n in self.ids))
        return self

    def __exit__(self, *_):
        for process in [*self.clients.values(), *self.nodes.values()]:
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self, n):
        with open(f"{self.folder}/node{n}.log") as file:
            return file.read()

    def start(self, n):
        file = f"{self.folder}/node{n}.yaml"
        with open(file, "w") as out:
            out.write(f"cluster: site-test\nnode: {n}\ndata: {self.folder}/data{n}\nmembers:\n{self.members}")
        first = [] if n in self.has_data else ["--bootstrap"]
        self.has_data.add(n)
        with open(f"{self.folder}/node{n}.log", "a") as log:
            self.nodes[n] = subprocess.Popen(
                [f"{self.programs}/latchd", "--config", file, *first], stdout=log, stderr=log)

    def kill(self, n):
        """kill -9."""
        self.nodes[n].kill()
        self.nodes[n].wait()

    def stop(self, n):
        """SIGTERM. The exit code, and every warning or error that the node logged from then on."""
        before = len(self.log(n))
        self.nodes[n].terminate()
        code = self.nodes[n].wait(timeout=10)
        return code, re.findall(r"(?m)^\S+ (?:warning|error|critical) .*", self.log(n)[before:])

    def url(self, n, path=""):
        return f"http://{self.site[n]}/{path}"

    def is_ready(self, n):
        return get(self.url(n, "readyz"))[0] == 200

    def leader(self):
        """The id of the node that leads and knows it; 0 for none."""
        for n in self.ids:
            status, text = get(self.url(n, "api/node"))
            if status == 200 and json.loads(text).get("role") == "leader":
                return n
        return 0

    def hold(self, name, participant):
        """A client that joins a latch and stays; returns once it is in line."""
        log = f"{self.folder}/client-{len(self.clients)}.log"
        with open(log, "w") as out:
            self.clients[participant] = subprocess.Popen(
                [f"{self.programs}/latchctl", "hold", "--endpoints", self.endpoints, "--ttl", "5s",
                 "--participant", participant, "--", name], stdout=out, stderr=out)
        until(f"{participant} in line for {name}", 20, lambda: re.search(
            r"(?m)^(HOLDING|waiting)", open(log).read()))

    def leave(self, participant):
        """The client leaves cleanly."""
        self.clients[participant].send_signal(signal.SIGINT)
        self.clients[participant].wait(timeout=10)
