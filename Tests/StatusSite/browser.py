"""Headless Chromium, driven through its debugging pipe: no library, and no port that others could use."""
import base64, fcntl, json, os, select, shutil, subprocess, sys, tempfile, time


class Browser:
    """Use it in a `with`."""

    def __enter__(self):
        self.profile = tempfile.mkdtemp(prefix="chromium-")
        # It reads its descriptor 3 and writes its descriptor 4; out of the way of those two here.
        (theirs_in, ours_out), (ours_in, theirs_out) = (
            [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in os.pipe()] for _ in range(2))

        def connect():
            os.dup2(theirs_in, 3)
            os.dup2(theirs_out, 4)

        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             "--no-first-run", "--remote-debugging-pipe", f"--user-data-dir={self.profile}", "about:blank"],
            preexec_fn=connect, pass_fds=(3, 4), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        self.out, self.into = ours_out, ours_in
        self.pending, self.count, self.errors = b"", 0, []
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def call(self, method, session=None, **parameters):
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("method") == "Runtime.exceptionThrown":
                details = answer["params"]["exceptionDetails"]
                self.errors.append(details.get("exception", {}).get("description") or details["text"])
            if answer.get("id") == self.count:
                if "error" in answer:
                    sys.exit(f"FAILED: chromium refuses {method}: {answer['error']}")
                return answer["result"]

    def read(self):
        end = time.monotonic() + 60
        while b"\0" not in self.pending:
            if not select.select([self.into], [], [], max(end - time.monotonic(), 0))[0]:
                sys.exit("FAILED: chromium does not answer")
            part = os.read(self.into, 1 << 20)
            if not part:
                sys.exit("FAILED: chromium ended")
            self.pending += part
        message, _, self.pending = self.pending.partition(b"\0")
        return json.loads(message)

    def open(self, url, width, height, is_dark=False):
        return Tab(self, url, width, height, is_dark)


class Tab:
    """One page, never loaded again."""

    def __init__(self, browser, url, width, height, is_dark):
        self.browser, self.width, self.height = browser, width, height
        target = browser.call("Target.createTarget", url="about:blank", newWindow=True)["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Runtime.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)
        # Every tab is one that somebody looks at.
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        scheme = "dark" if is_dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=url)

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def run(self, script):
        """What the expression gives; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            sys.exit(f"FAILED: {script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def text(self, selector):
        """What somebody sees of the first element; empty where there is none, or it is hidden."""
        return self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def texts(self, selector):
        return self.run(f"[...document.querySelectorAll({json.dumps(selector)})].map((one) => one.innerText)")

    def type(self, selector, text):
        """Replaces what is in a field, as a keyboard does."""
        self.run(f"document.querySelector({json.dumps(selector)}).select()")
        if text:
            self.call("Input.insertText", text=text)
        else:
            for kind in ("keyDown", "keyUp"):
                self.call("Input.dispatchKeyEvent", type=kind, key="Backspace", windowsVirtualKeyCode=8)

    def photograph(self, path):
        size = self.run("[innerWidth, Math.min(document.documentElement.scrollHeight, 4000)]")
        clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
        data = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))
        print(path)
