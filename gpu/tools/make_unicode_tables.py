#!/usr/bin/env python3
"""make_unicode_tables.py: writes gpu/src/tokenizer/unicode_tables.cpp, what the tokenisers know of characters.

    gpu/tools/make_unicode_tables.py > gpu/src/tokenizer/unicode_tables.cpp

The data is that of Python's unicodedata, so its version is the one of the Python that runs this. Run
again when a model is met that was trained with a later one; the tables are kept in git, so that a
build needs no Python.
"""

import sys
import unicodedata

CHARACTERS = [code for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]
HANGUL = range(0xAC00, 0xAC00 + 11172)  # composed by arithmetic


def ranges(value_of):
    """(first, last, value) of neighbours with the same value; those of value 0 are left out."""
    found = []
    for code in CHARACTERS:
        value = value_of(chr(code))
        if found and found[-1][1] == code - 1 and found[-1][2] == value:
            found[-1][1] = code
        elif value:
            found.append([code, code, value])
    return found


def pairs():
    """(code, first, second, composes): what a character is made of; second is 0 when it is one."""
    found = []
    for code in CHARACTERS:
        parts = unicodedata.decomposition(chr(code)).split()
        if not parts or parts[0].startswith("<") or code in HANGUL:
            continue
        first, second = int(parts[0], 16), int(parts[1], 16) if len(parts) > 1 else 0
        composes = second and unicodedata.normalize("NFC", chr(first) + chr(second)) == chr(code)
        found.append((code, first, second, "true" if composes else "false"))
    return found


def write(type_name, name, rows):
    print(f"\nconstexpr {type_name} k{name}[] = {{")
    line = "   "
    for row in rows:
        cell = " {" + ", ".join(row) + "},"
        if len(line) + len(cell) > 100:
            print(line)
            line = "   "
        line += cell
    print(line + "\n};")


def hexadecimal(code):
    return f"0x{code:X}"


def main():
    print("// Written by gpu/tools/make_unicode_tables.py from Unicode " + unicodedata.unidata_version + ".")
    print('\n#include "tokenizer/unicode_tables.hpp"\n\nnamespace casc::gpu {\nnamespace {\n\n// clang-format off')
    for name, letter in (("Letters", "L"), ("Numbers", "N")):
        found = ranges(lambda character: unicodedata.category(character)[0] == letter)
        write("CharacterRange", name, [(hexadecimal(f), hexadecimal(l)) for f, l, _ in found])
    write("OrderRange", "Orders", [(hexadecimal(f), hexadecimal(l), str(v)) for f, l, v in ranges(unicodedata.combining)])
    write("CharacterParts", "Parts", [(*map(hexadecimal, row[:3]), row[3]) for row in pairs()])
    print("\n// clang-format on\n\n}  // namespace\n")
    for type_name, function, name in (
        ("CharacterRange", "letter_ranges", "Letters"),
        ("CharacterRange", "number_ranges", "Numbers"),
        ("OrderRange", "order_ranges", "Orders"),
        ("CharacterParts", "character_parts", "Parts"),
    ):
        print(f"std::span<const {type_name}> {function}() noexcept {{\n    return k{name};\n}}")
    print("\n}  // namespace casc::gpu")


main()
