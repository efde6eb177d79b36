#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the slice-by-8 tables of the reflected CRCs that common/crc uses, as C."""
POLYNOMIALS = (("crc32", 32, 0xEDB88320), ("crc32c", 32, 0x82F63B78), ("crc64nvme", 64, 0x9A6C9329AC4BC9B5))


def tables(poly):
    first = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (poly if crc & 1 else 0)
        first.append(crc)
    rows = [first]
    for _ in range(7):
        rows.append([first[v & 255] ^ v >> 8 for v in rows[-1]])
    return rows


print("/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by common/crc/crc-tables.py; do not edit. */\n#include <stdint.h>")
for name, bits, poly in POLYNOMIALS:
    print(f"static const uint{bits}_t {name}_table[8][256] = {{")
    for row in tables(poly):
        print("    {" + ",\n     ".join(", ".join(f"0x{v:0{bits // 4}x}" for v in row[i:i + 4]) for i in range(0, 256, 4)) + "},")
    print("};")
