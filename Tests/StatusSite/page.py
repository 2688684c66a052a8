#!/usr/bin/env python3
"""The status page in a real browser, on three real nodes, while nodes are killed and come back.

    page.py --bin DIRECTORY [--out DIRECTORY]

--bin has latchd and latchctl. The pages of all three nodes stay open from the first step to the last and
are never loaded again: on a desktop, on a phone, light and dark. --out keeps photographs of every step.
Ends with 1 at the first thing that is not as it should be.
"""
import argparse, json, os

from browser import Browser
from cluster import Cluster, expect, until

EVIL = "<img/src=x/onerror=document.title='owned'>"
LONG = "a-name-that-is-far-too-long-for-any-column-" + "x" * 90


class Story:
    def __init__(self, cluster, browser, out):
        self.cluster, self.out, self.step = cluster, out, 0
        self.tabs = {
            1: browser.open(cluster.url(1), 1280, 1000),
            2: browser.open(cluster.url(2), 390, 844, is_dark=True),
            3: browser.open(cluster.url(3), 390, 844),
        }
        self.dark = browser.open(cluster.url(1), 1280, 1000, is_dark=True)
        for tab in self.all():
            until("the page", 20, lambda: tab.text("#verdict") == "ready")
            tab.run("window.wasLoadedOnce = true")

    def all(self):
        return [*self.tabs.values(), self.dark]

    def photograph(self, name):
        """Nothing runs over its edge, and nothing was loaded again; a photograph of each page."""
        self.step += 1
        for n, tab in [*self.tabs.items(), ("1-dark", self.dark)]:
            expect(f"the page was not loaded again ({name})", tab.run("window.wasLoadedOnce === true"))
            wide = tab.run("document.documentElement.scrollWidth")
            expect(f"nothing is wider than the page of {tab.width} ({name}): {wide}", wide <= tab.width)
            if self.out:
                tab.photograph(f"{self.out}/{self.step}-{name}-node{n}.png")

    def names(self, tab):
        return [name.removeprefix("default/") for name in tab.texts("#latches .row .name")]

    # The story

    def search(self):
        for tab in (self.tabs[1], self.tabs[2]):
            names = lambda: self.names(tab)
            until("all latches", 20, lambda: len(names()) == 6)
            tab.type("#search", "SHARD")
            until("the latches of that name", 10, lambda: names() == ["shard-01", "shard-02"])
            tab.type("#search", "cron-1")
            until("the latch of that holder", 10, lambda: names() == ["nightly-report"])
            tab.type("#search", "no-such")
            until("word of no hit", 10, lambda: "no latch has “no-such”" in tab.text("#latches"))
        self.photograph("search")
        for tab in (self.tabs[1], self.tabs[2]):
            tab.type("#search", "")
            until("all latches again", 10, lambda: len(self.names(tab)) == 6)
            expect("names are text", tab.run("document.querySelector('img, main script') === null"))
            expect("no name ran as a script", "owned" not in tab.run("document.title"))

    def ledger(self):
        for tab in self.tabs.values():
            tab.run("[...document.querySelectorAll('button.row')]"
                    ".find((row) => row.innerText.includes('payments-primary')).click()")
            until("the ledger", 10, lambda: tab.texts("#terms .name") == ["host-a"])
            expect("who waits is told", "in line: host-b, host-c" in tab.text("#terms"))
        token = int(self.tabs[1].texts("#terms .token")[0])
        self.cluster.leave("host-a")
        for tab in self.tabs.values():
            until("the next term, live", 10, lambda: tab.texts("#terms .name") == ["host-b", "host-a"])
            expect("the token grew", int(tab.texts("#terms .token")[0]) > token)
            expect(f"the end has its cause: {tab.text('#terms')}", "ended: closed" in tab.text("#terms"))
            until("the timeline", 10, lambda: "host-b holds: the holder before closed" in tab.text("#events"))
        self.photograph("ledger")

    def selection(self):
        """What did not change is not drawn again: a text that somebody marks stays marked."""
        tab = self.tabs[1]
        for place in ("#terms", "#latches", "#events"):
            tab.run(f"getSelection().selectAllChildren(document.querySelector('{place} .name'))")
            marked = tab.run("getSelection().toString()")
            expect("something is marked", marked != "")
            seen = {tab.text("#age")}
            until("four answers more", 20, lambda: seen.add(tab.text("#age")) or len(seen) > 4)
            expect(f"{place} is not drawn again", tab.run("getSelection().toString()") == marked)

    def kill(self, n, rest, verdict):
        """kill -9 of a node while its page and those of the rest are open."""
        before = self.names(self.tabs[n])
        self.cluster.kill(n)
        for tab in [self.tabs[other] for other in rest]:
            until(f"word that node {n} is gone", 15, lambda: f"node {n} is not reached" in tab.text("#others"))
            until("the card", 10, lambda: "not reached" in tab.run(
                f"[...document.querySelectorAll('.card')][{n - 1}].innerText"))
            until(f"the verdict {verdict}", 15, lambda: tab.text("#verdict") == verdict)
            expect("it is as of now", not tab.run("document.body.classList.contains('stale')"))
            until("the timeline", 10, lambda: f"link to node {n} is down" in tab.text("#events"))
        tab = self.tabs[n]
        until("no answer", 10, lambda: tab.text("#verdict") == "no answer")
        until("that it is old", 10, lambda: tab.run("document.body.classList.contains('stale')")
              and tab.text("#age").endswith(" ago"))
        expect("it says whose page it is", f"node {n}, which serves this page, does not answer"
               in tab.text("#source"))
        expect("what it said stays", self.names(tab) == before)
        self.photograph(f"node{n}-killed")

    def restart(self, n, up):
        self.cluster.start(n)
        for other in up:
            tab = self.tabs[other]
            until("recovery without a reload", 20, lambda: tab.text("#verdict") == "ready")
            until("that it is as of now", 10, lambda: not tab.run("document.body.classList.contains('stale')"))
            until("the link", 10, lambda: f"node {n} is not" not in tab.text("#others"))
        self.photograph(f"node{n}-is-back")

    def run(self):
        self.search()
        self.ledger()
        self.selection()
        first = until("a leader", 10, self.cluster.leader)
        last, second = [n for n in self.cluster.ids if n != first]
        self.kill(first, [last, second], "ready")
        leader = self.cluster.leader()
        until("the new leader", 10, lambda: f"node {leader} leads" in self.tabs[last].text("#source"))
        self.kill(second, [last], "no quorum")
        tab = self.tabs[last]
        expect("nobody leads, and the age", "nobody leads: what is shown may be" in tab.text("#source"))
        expect("the check tells how many are needed", "2 of 3 members are needed" in tab.text("#members"))
        expect("the latches are still there", len(self.names(tab)) == 6)
        tab.type("#search", "host-b")
        until("search without a quorum", 10, lambda: self.names(tab) == ["payments-primary"])
        tab.type("#search", "")
        self.restart(second, [last, second])
        self.restart(first, self.cluster.ids)
        for tab in self.tabs.values():
            until("nobody is missing", 10, lambda: tab.text("#others") == "")
        for n in self.cluster.ids:
            code, complaints = self.cluster.stop(n)
            expect(f"node {n} stops cleanly, its page open: {code} {complaints}", (code, complaints) == (0, []))
        for tab in self.all():
            until("no answer", 10, lambda: tab.text("#verdict") == "no answer")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--out")
    options = parser.parse_args()
    if options.out:
        os.makedirs(options.out, exist_ok=True)
    with Cluster(options.bin) as cluster, Browser() as browser:
        for name, participant in [
            ("payments-primary", "host-a"), ("payments-primary", "host-b"), ("payments-primary", "host-c"),
            ("nightly-report", "cron-1"), ("shard-01", "worker-7"), ("shard-02", "worker-9"),
            (EVIL, "<script>document.title='owned'</script>"), (LONG, "zürich-\u202etxt"),
        ]:
            cluster.hold(name, participant)
        Story(cluster, browser, options.out).run()
        expect(f"the page's script never failed: {json.dumps(browser.errors)}", browser.errors == [])
    print("The page keeps showing, says what is missing, and recovers.")


if __name__ == "__main__":
    main()
