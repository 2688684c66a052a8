#!/usr/bin/env python3
"""Writes the manual pages of latchctl: one for it, and one for each of its verbs.

    latchctl --experimental-dump-help | manpages.py FOLDER
"""
import json
import pathlib
import re
import sys
import textwrap


def escape(text):
    """Text as roff prints it: no line is a request, no hyphen is a dash, no quote is curly."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return re.sub(r"^\.", r"\\&.", text, flags=re.MULTILINE)


def verbatim(lines):
    return [".nf", escape(textwrap.dedent("\n".join(lines))), ".fi"]


def shown(things):
    return [thing for thing in things or [] if thing.get("shouldDisplay", True)]


def verbs_of(command):
    return [verb for verb in shown(command.get("subcommands")) if verb["commandName"] != "help"]


def label(argument):
    """`-q, --quiet` or `--ttl DURATION` or `NAME`."""
    value = argument.get("valueName", "value")
    names = ["-" * (1 if name["kind"] == "short" else 2) + name["name"] for name in argument.get("names", [])]
    if argument["kind"] == "positional":
        return f"\\fI{escape(value)}\\fR"
    text = ", ".join(f"\\fB{escape(name)}\\fR" for name in names)
    return text + (f" \\fI{escape(value)}\\fR" if argument["kind"] == "option" else "")


def sections_of(discussion):
    """The paragraphs of a help text, under the headings of a manual page."""
    sections = {"DESCRIPTION": [], "EXAMPLES": [], "EXIT STATUS": []}
    for paragraph in discussion.strip().split("\n\n"):
        head, *rest = paragraph.split("\n")
        if head == "Examples:":
            sections["EXAMPLES"] += verbatim(rest)
        elif head.startswith("Exit codes: "):
            sections["EXIT STATUS"].append(escape(paragraph.removeprefix("Exit codes: ")))
        else:
            if sections["DESCRIPTION"]:
                sections["DESCRIPTION"].append(".PP")
            # Indented lines stay as they are.
            is_prose = not any(line.startswith("  ") for line in [head, *rest])
            sections["DESCRIPTION"] += [escape(paragraph)] if is_prose else verbatim([head, *rest])
    return sections


def page(command, names):
    title = "-".join(names)
    arguments = shown(command.get("arguments"))
    verbs = verbs_of(command)
    sections = sections_of(command.get("discussion", ""))
    lines = [f'.TH {title.upper()} 1 "" "latchd" "User commands"', ".SH NAME",
             f"{escape(title)} \\- {escape(command.get('abstract', '').rstrip('.'))}", ".SH SYNOPSIS",
             f".B {escape(' '.join(names))}"]
    if verbs:
        lines.append("\\fIverb\\fR \\&...")
    for argument in sorted(arguments, key=lambda argument: argument["kind"] == "positional"):
        text = label(argument) + (" \\&..." if argument.get("isRepeating") else "")
        text = f"[{text}]" if argument.get("isOptional") else text
        lines.append(("\\-\\- " if argument.get("parsingStrategy") == "postTerminator" else "") + text)

    def section(heading, content):
        if content:
            lines.extend([f".SH {heading}", *content])

    section("DESCRIPTION", sections["DESCRIPTION"])
    section("OPTIONS", [line for argument in arguments for line in option(argument)])
    section("VERBS", [line for verb in verbs for line in (
        ".TP", f".BR {escape(title + '-' + verb['commandName'])} (1)", escape(verb.get("abstract", "")))])
    section("EXIT STATUS", sections["EXIT STATUS"])
    section("EXAMPLES", sections["EXAMPLES"])
    above = ".BR latchd (8)," if len(names) == 1 else f".BR {escape('-'.join(names[:-1]))} (1),"
    section("SEE ALSO", [above, "/usr/share/doc/latchd"])
    return title, "\n".join(lines) + "\n"


def option(argument):
    lines = [".TP", label(argument), escape(argument.get("abstract") or "See the description.")]
    if argument.get("defaultValue"):
        lines.append(f"Default: {escape(argument['defaultValue'])}.")
    return lines


def write(command, names, folder):
    title, text = page(command, names)
    (folder / f"{title}.1").write_text(text)
    for verb in verbs_of(command):
        write(verb, [*names, verb["commandName"]], folder)


if __name__ == "__main__":
    write(json.load(sys.stdin)["command"], ["latchctl"], pathlib.Path(sys.argv[1]))
