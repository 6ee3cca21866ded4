"""What train_sections.py learns from: the packages that apt knows, and the sections they are in.

A text is "name: short description". Debian has some sixty sections; those with few packages, and
`misc`, are one label, `other`.

Packages that were built of one source describe themselves in nearly the same words ("library for
x", "library for x (development files)"), so that they go to the same part, by a hash of the
source's name: what is held out is of projects that training has seen nothing of.
"""

import collections
import hashlib
import subprocess

OTHER = "other"
LABELS = ("admin devel doc fonts games gnu-r golang graphics haskell java javascript libdevel libs "
          "net perl php python ruby rust science sound text utils x11").split() + [OTHER]

# Tenths of the sources.
HELD_OUT = 0  # measured once, with what is in the repository
TUNING = 1    # settings were chosen by it

Package = collections.namedtuple("Package", "name text label part")


def paragraphs(lines):
    """Each package's fields; lines that go on are left out."""
    fields = {}
    for line in lines:
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif not line[0].isspace():
            key, _, value = line.partition(":")
            fields[key] = value.strip()
    if fields:
        yield fields


def part_of(fields):
    source = fields.get("Source", fields["Package"]).split()[0]
    return hashlib.sha256(source.encode()).digest()[0] % 10


def label_of(fields):
    section = fields["Section"].rpartition("/")[2]  # "contrib/games"
    return LABELS.index(section if section in LABELS else OTHER)


def text_of(name, description):
    return f"{name}: {description}"


def known_packages():
    """One for each name, in their order, so that the same index gives the same model."""
    index = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, check=True)
    found = {}
    for fields in paragraphs(index.stdout.decode("utf-8", "replace").splitlines()):
        name, description = fields.get("Package"), fields.get("Description")
        if name and description and "Section" in fields:
            found.setdefault(name, Package(name, text_of(name, description), label_of(fields),
                                           part_of(fields)))
    if len(found) < 10_000:
        raise SystemExit("apt knows too few packages: run apt-get update")
    return [found[name] for name in sorted(found)]
