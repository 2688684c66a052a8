#!/usr/bin/env python3
"""Writes the manual pages of latchctl: one for it, and one for each of its verbs.

    latchctl --experimental-dump-help | manpages.py FOLDER
"""
import json
import pathlib
import re
import sys


def escape(text):
    """Text as roff prints it: no line is a request, no hyphen is a dash."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def label(argument):
    """`-q, --quiet` or `--ttl DURATION` or `NAME`."""
    value = argument.get("valueName", "value")
    names = ["-" * (1 if name["kind"] == "short" else 2) + name["name"] for name in argument.get("names", [])]
    if argument["kind"] == "positional":
        return f"\\fI{escape(value)}\\fR"
    text = ", ".join(f"\\fB{escape(name)}\\fR" for name in names)
    return text + (f" \\fI{escape(value)}\\fR" if argument["kind"] == "option" else "")


def page(command, names):
    title = "-".join(names)
    visible = [a for a in command.get("arguments", []) if a.get("shouldDisplay", True)]
    verbs = [c for c in command.get("subcommands", []) if c.get("shouldDisplay", True)]
    lines = [f'.TH {title.upper()} 1 "" "latchd" "User commands"', ".SH NAME",
             f"{escape(title)} \\- {escape(command.get('abstract', '').rstrip('.'))}", ".SH SYNOPSIS",
             f".B {escape(' '.join(names))}"]
    if verbs:
        lines.append("\\fIverb\\fR \\&...")
    for argument in visible:
        text = label(argument)
        lines.append(f"[{text}]" if argument.get("isOptional") else text)
    if command.get("discussion"):
        lines.append(".SH DESCRIPTION")
        for paragraph in command["discussion"].strip().split("\n\n"):
            # Indented lines are examples: they stay as they are.
            head, *rest = paragraph.split("\n")
            lines.append(".PP")
            if any(line.startswith("  ") for line in [head, *rest]):
                lines += [".nf", escape(paragraph), ".fi"]
            else:
                lines.append(escape(paragraph))
    if visible:
        lines.append(".SH OPTIONS" if not verbs else ".SH OPTIONS OF ALL")
        for argument in visible:
            lines += [".TP", label(argument), escape(argument.get("abstract", "") or "See the description.")]
            if argument.get("defaultValue"):
                lines.append(f"Default: {escape(argument['defaultValue'])}.")
    if verbs:
        lines.append(".SH VERBS")
        for verb in verbs:
            lines += [".TP", f".BR {escape(title + '-' + verb['commandName'])} (1)", escape(verb.get("abstract", ""))]
    lines += [".SH SEE ALSO", ".BR latchctl (1)," if len(names) > 1 else ".BR latchd (8),",
              "/usr/share/doc/latchd"]
    return title, "\n".join(lines) + "\n"


def write(command, names, folder):
    title, text = page(command, names)
    (folder / f"{title}.1").write_text(text)
    for verb in command.get("subcommands", []):
        if verb.get("shouldDisplay", True) and verb["commandName"] != "help":
            write(verb, [*names, verb["commandName"]], folder)


if __name__ == "__main__":
    write(json.load(sys.stdin)["command"], ["latchctl"], pathlib.Path(sys.argv[1]))
