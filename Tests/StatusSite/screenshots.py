#!/usr/bin/env python3
"""Screenshots of the status page of a real three-node cluster, in headless Chromium.

    screenshots.py --bin DIRECTORY --out DIRECTORY [--hold "COMMAND {name} {participant} {endpoints}"]

Starts three nodes with the latchd of --bin, takes latches with --hold (default: latchctl of the same
directory), photographs the page on a desktop, on a phone and in the dark, kills nodes, photographs
again. Ends with 1 if the page's text is not what it should be.
"""
import argparse, os, shutil, signal, socket, subprocess, sys, tempfile, time, urllib.request


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def until(what, seconds, check):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return
        time.sleep(0.1)
    sys.exit(f"screenshots: {what} did not come within {seconds} s")


def chromium(url, *options):
    with tempfile.TemporaryDirectory() as profile:
        return subprocess.run(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             f"--user-data-dir={profile}", "--timeout=6000", "--virtual-time-budget=5000",
             *options, url],
            capture_output=True, text=True, timeout=90)


def shoot(url, path, size, *options):
    chromium(url, f"--screenshot={path}", f"--window-size={size}", *options)
    print(path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--hold", default="{bin}/latchctl hold --endpoints {endpoints} --participant {participant} -- {name}")
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    out = os.path.abspath(options.out)
    folder = tempfile.mkdtemp(prefix="latchd-page-")
    ports = free_ports(9)
    members = "".join(
        f'  - {{id: {n}, peer: "127.0.0.1:{ports[n - 1]}", client: "127.0.0.1:{ports[n + 2]}", '
        f'status: "127.0.0.1:{ports[n + 5]}"}}\n' for n in (1, 2, 3))
    page = {n: f"http://127.0.0.1:{ports[n + 5]}/" for n in (1, 2, 3)}
    endpoints = ",".join(f"127.0.0.1:{ports[n + 2]}" for n in (1, 2, 3))
    nodes, clients = {}, []

    def hold(name, participant):
        line = options.hold.format(
            bin=options.bin, endpoints=endpoints, name="\0name", participant="\0participant")
        words = [w.replace("\0name", name).replace("\0participant", participant) for w in line.split()]
        clients.append(subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    try:
        for n in (1, 2, 3):
            file = f"{folder}/node{n}.yaml"
            with open(file, "w") as out_file:
                out_file.write(f"cluster: page-test\nnode: {n}\ndata: {folder}/data{n}\nmembers:\n{members}")
            nodes[n] = subprocess.Popen(
                [f"{options.bin}/latchd", "--config", file, "--bootstrap"],
                stdout=subprocess.DEVNULL, stderr=open(f"{folder}/node{n}.log", "w"))
        until("a ready cluster", 20, lambda: all(get(page[n] + "readyz")[0] == 200 for n in page))
        for name, participant in [
            ("payments-primary", "host-a"), ("payments-primary", "host-b"), ("payments-primary", "host-c"),
            ("nightly-report", "cron-1"), ("shard-01", "worker-7"), ("shard-02", "worker-9"),
            ("<img/src=x/onerror=document.title='owned'>", "<script>document.title='owned'</script>"),
            ("a-name-that-is-far-too-long-for-any-column-" + "x" * 90, "zürich-\u202etxt"),
        ]:
            hold(name, participant)
            time.sleep(0.3)
        until("the latches", 20, lambda: get(page[1] + "api/latches")[1].count('"holder"') >= 6)
        shoot(page[1], f"{out}/desktop.png", "1280,1100")
        shoot(page[2], f"{out}/phone.png", "500,1900")
        shoot(page[3], f"{out}/dark.png", "1280,1100", "--blink-settings=preferredColorScheme=0")
        dom = chromium(page[1], "--dump-dom").stdout
        if "owned" in dom.split("<title>")[1].split("</title>")[0] or "<img" in dom:
            sys.exit("screenshots: a latch's name became markup")
        clients[0].send_signal(signal.SIGINT)
        leader = next(n for n in page if 'latchd_raft_role{role="leader"} 1' in get(page[n] + "metrics")[1])
        nodes[leader].kill()
        rest = [n for n in page if n != leader]
        until("another leader", 20, lambda: all(get(page[n] + "readyz")[0] == 200 for n in rest))
        shoot(page[rest[0]], f"{out}/leader-killed.png", "1280,1100")
        nodes[rest[1]].kill()
        until("the loss of the quorum", 20, lambda: get(page[rest[0]] + "readyz")[0] == 503)
        print(get(page[rest[0]] + "readyz?verbose")[1])
        shoot(page[rest[0]], f"{out}/no-quorum.png", "1280,1100")
        shoot(page[rest[0]], f"{out}/no-quorum-phone-dark.png", "500,1900", "--blink-settings=preferredColorScheme=0")
    finally:
        for process in clients + list(nodes.values()):
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
