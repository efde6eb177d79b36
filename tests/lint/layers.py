#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The layer lint: common <- core <- daemon, common <- api <- daemon, a third-party header in one folder only.

usage: layers.py SOURCE-FOLDER | layers.py --self-test
"""
import os
import re
import sys
import tempfile

DAEMONS = ("cloud-controller", "cluster-controller", "node-controller", "storage-controller", "object-store",
           "image-service", "cli")
# What a layer may include besides itself.
MAY_INCLUDE = {"common": (), "core": ("common",), "api": ("common", "core"),
               **{d: ("common", "core", "api") for d in DAEMONS}}
ANYBODY = ("tests", "config.h")

THIRD_PARTY = [
    (r"microhttpd\.h", "common/http-server"),
    (r"sqlite3\.h", "common/db"),
    (r"amqp.*\.h|rabbitmq-c/.*", "common/mq"),
    (r"jansson\.h", "common/json"),
    (r"curl/.*", "common/http-client"),
    (r"openssl/.*", "common/crypto"),
    (r"libxml/.*", "common/xml"),
    (r"zstd\.h", "core/image"),
    (r"zlib\.h", "core/image"),
    (r"libvirt/.*", "node-controller/hypervisor"),
    (r"nftables/.*", "node-controller/network"),
]

BANNED_CALLS = re.compile(r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|system|popen|strtok|gets|alloca)\s*\(")
# core/ decides; it has no clock, socket, disk or thread.
IMPURE_HEADERS = re.compile(r"(time|sys/time|sys/socket|sys/stat|sys/epoll|fcntl|unistd|pthread|threads|poll|stdio_ext|dirent)\.h")
IMPURE_CALLS = re.compile(r"(?<![\w.>])(time|clock_gettime|gettimeofday|open|fopen|socket|pthread_create|rand|random|getrandom|fork|sleep|usleep|nanosleep)\s*\(")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|not implemented|for now)\b", re.I)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SPDX = "/* SPDX-License-Identifier: Apache-2.0 */"


def without_text(source):
    """The code with comments and strings blanked, line numbers kept."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, source, flags=re.S)


def layer_of(path):
    return path.split("/", 1)[0]


def check_include(path, kind, name):
    layer = layer_of(path)
    if kind == '"':
        if name.startswith("."):
            return f"include from the root, not {name}"
        if "/" not in name:
            return f"include from the root: {name} does not show its layer"
        target = layer_of(name)
        if layer in MAY_INCLUDE and target != layer and target not in MAY_INCLUDE[layer]:
            return f"{layer} must not include {name}"
        return None
    for pattern, folder in THIRD_PARTY:
        if re.fullmatch(pattern, name) and not path.startswith(folder + "/"):
            return f"<{name}> belongs in {folder}/ only"
    if layer == "core" and not path.startswith("core/image/") and IMPURE_HEADERS.fullmatch(name):
        return f"core is pure: no <{name}>"
    return None


def check_file(path, text):
    lines = text.split("\n")
    if lines[0] != SPDX:
        yield 1, f"the first line must be {SPDX}"
    includes = []
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if match:
            includes.append((number, match.group(1), match.group(2)))
        if len(line.expandtabs(8)) > 140 and "http" not in line:
            yield number, f"{len(line)} columns"
        if UNFINISHED.search(line):
            yield number, "unfinished: " + line.strip()[:60]
    if path.endswith(".c") and (not includes or includes[0][2] != "config.h"):
        yield (includes[0][0] if includes else 1), "<config.h> must be the first include"
    for number, kind, name in includes:
        complaint = check_include(path, kind, name)
        if complaint:
            yield number, complaint
    pure = layer_of(path) == "core"
    for number, line in enumerate(without_text(text).split("\n"), 1):
        match = BANNED_CALLS.search(line)
        if match:
            yield number, f"{match.group(1)}() is banned"
        match = IMPURE_CALLS.search(line) if pure else None
        if match:
            yield number, f"core is pure: no {match.group(1)}()"
        # Long lines of data tables are the one thing that generated files may have; they are not in the tree.


def check_tree(root):
    found = 0
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if not f.startswith((".", "build", "autom4te", "node_modules"))]
        for name in sorted(files):
            path = os.path.relpath(os.path.join(folder, name), root)
            if not name.endswith((".c", ".h")) or "/" not in path:
                continue
            if layer_of(path) not in MAY_INCLUDE and layer_of(path) != "tests":
                continue
            with open(os.path.join(root, path), encoding="utf-8") as file:
                for number, complaint in check_file(path, file.read()):
                    print(f"{path}:{number}: {complaint}")
                    found += 1
    return found


SINS = {
    "common/a.c": f'{SPDX}\n#include <config.h>\n#include "core/model.h"\n',
    "core/b.c": f"{SPDX}\n#include <config.h>\n#include <time.h>\n",
    "core/c.c": f"{SPDX}\n#include <config.h>\nvoid f(void) {{ g(time(0)); }}\n",
    "cloud-controller/d.c": f'{SPDX}\n#include <config.h>\n#include "node-controller/disk.h"\n',
    "api/e.c": f"{SPDX}\n#include <config.h>\n#include <sqlite3.h>\n",
    "common/f.c": f"{SPDX}\n#include <stdio.h>\n#include <config.h>\n",
    "common/g.c": f"{SPDX}\n#include <config.h>\nvoid f(char *a) {{ strcpy(a, a); }}\n",
    "common/h.h": "#ifndef H\n#endif\n",
    "common/i.c": f"{SPDX}\n#include <config.h>\n#include \"i.h\"\n",
    "common/j.c": f"{SPDX}\n#include <config.h>\n/* TO" + "DO */\n",
}
INNOCENT = {
    "cloud-controller/k.c": f'{SPDX}\n#include <config.h>\n#include "core/model.h"\n#include "api/query.h"\n'
                            'const char *s = "system(1)"; /* strcpy(a) */\n',
    "common/db/l.c": f"{SPDX}\n#include <config.h>\n#include <sqlite3.h>\nint fsystem(int);\n",
}


def self_test():
    bad = 0
    for files, wanted in ((SINS, True), (INNOCENT, False)):
        for path, text in files.items():
            complaints = list(check_file(path, text))
            if bool(complaints) != wanted:
                print(f"self-test: {path}: wanted {'a' if wanted else 'no'} complaint, got {complaints}")
                bad += 1
    with tempfile.TemporaryDirectory() as root:
        os.mkdir(os.path.join(root, "core"))
        with open(os.path.join(root, "core/b.c"), "w", encoding="utf-8") as file:
            file.write(SINS["core/b.c"])
        sys.stdout.flush()
        saved, sys.stdout = sys.stdout, open(os.devnull, "w", encoding="utf-8")
        bad += check_tree(root) != 1
        sys.stdout = saved
    return bad


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(1 if (self_test() if sys.argv[1] == "--self-test" else check_tree(sys.argv[1])) else 0)
