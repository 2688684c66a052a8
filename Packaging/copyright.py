#!/usr/bin/env python3
"""Prints the package's copyright file: latchd's own, and that of each library linked into it.

    copyright.py ROOT

The libraries are those of Package.resolved, their licences are read from .build/checkouts.
"""
import json
import pathlib
import sys

HEAD = """latchd: a replicated latch service.

The sources of latchd are Copyright its authors. %s

The programs contain, linked statically, the libraries below and the Swift
runtime and standard libraries (Apache License 2.0 with Runtime Library
Exception, Copyright Apple Inc. and the Swift project authors). On Debian the
text of the Apache License 2.0 is /usr/share/common-licenses/Apache-2.0.
"""


def read(folder, stem):
    for path in sorted(folder.glob(stem + "*")):
        if path.is_file():
            return path.read_text(errors="replace").strip()
    return ""


def main():
    root = pathlib.Path(sys.argv[1])
    own = read(root, "LICENSE")
    print(HEAD % (own or "No licence has been granted."))
    pins = json.loads((root / "Package.resolved").read_text())["pins"]
    for pin in sorted(pins, key=lambda pin: pin["identity"]):
        name = pin["location"].rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")
        folder = root / ".build" / "checkouts" / name
        licence, notice = read(folder, "LICENSE"), read(folder, "NOTICE")
        print("-" * 72)
        print(f"{name} {pin['state'].get('version', pin['state']['revision'])}")
        print(pin["location"])
        if "Apache License" in licence and "Version 2.0" in licence:
            print("Apache License 2.0" + (" with Runtime Library Exception"
                  if "Runtime Library Exception" in licence else ""))
        else:
            print("\n" + (licence or "See the address above for its licence."))
        if notice:
            print("\n" + notice)
        print()


if __name__ == "__main__":
    main()
