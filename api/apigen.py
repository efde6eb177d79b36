#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""apigen.py WHAT OUT FILE ... : makes C from the schemas.

  header SERVICE OUT FILE...    structs of the shapes and prototypes of the handlers
  shapes SERVICE OUT FILE...    the field rows that the walkers of api/shape.h read
  actions SERVICE OUT FILE...   the table of actions; needs every handler, so a missing one is a link error
  names OUT FILE                a sorted table of names, one a line of FILE
  empty OUT FILE                the actions that are answered with an empty set
  errors-header OUT FILE...     declarations of the error rows
  errors OUT FILE...            the error rows
  page SERVICE OUT FILE...      a page of documentation

A schema file has `service`, `shapes` and `actions`; a member is a type (string, integer, boolean, timestamp, the
name of a shape, or list:TYPE) or an object with `type`, `required`, `refused`, `secret`, `min`, `max`.
"""
import json
import os
import re
import sys

SCALARS = {"string": "API_STRING", "integer": "API_INTEGER", "boolean": "API_BOOLEAN", "timestamp": "API_TIMESTAMP"}
RESERVED = {"return", "public", "default", "register", "static", "switch"}


def snake(name):
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name).lower()
    return name + "_" if name in RESERVED else name


def constant(name):
    return re.sub(r"[^A-Z0-9]+", "_", snake(name.replace(".", "_")).upper()).replace("__", "_")


class Member:
    def __init__(self, wire, spec):
        spec = {"type": spec} if isinstance(spec, str) else spec
        self.wire, self.name = wire, snake(wire)
        self.list = spec["type"].startswith("list:")
        self.type = spec["type"].split(":")[-1]
        self.required, self.refused = spec.get("required", False), spec.get("refused", False)
        self.secret = spec.get("secret", False)
        self.min, self.max = spec.get("min"), spec.get("max")

    def declare(self, service):
        scalar = {"string": "char *%s;", "integer": "int64_t %s;", "boolean": "bool %s;",
                  "timestamp": "int64_t %s; /* ms since 1970 */"}
        if self.list:
            item = "char *" if self.type == "string" else "struct %s_%s" % (service, snake(self.type))
            return ["ARRAY(%s) %s;" % (item, self.name)]
        if self.type == "string":
            return [scalar["string"] % self.name]
        if self.type in scalar:
            return [scalar[self.type] % self.name, "bool has_%s;" % self.name]
        return ["struct %s_%s *%s;" % (service, snake(self.type), self.name)]

    def row(self, service, struct):
        has = "offsetof(struct %s, has_%s)" % (struct, self.name) \
            if not self.list and self.type in SCALARS and self.type != "string" else "0"
        shape = "NULL" if self.type in SCALARS else "&%s_%s_shape" % (service, snake(self.type))
        low = "INT64_MIN" if self.min is None else str(self.min)
        high = "INT64_MAX" if self.max is None else str(self.max)
        return '    {"%s", %s, %s, offsetof(struct %s, %s), %s, %s, %s, %s, %s, %s, %s},' % (
            self.wire, SCALARS.get(self.type, "API_SHAPE"), "true" if self.list else "false", struct, self.name, has,
            shape, "true" if self.required else "false", "true" if self.refused else "false",
            "true" if self.secret else "false", low, high)


class Service:
    def __init__(self, name, files):
        self.name, self.shapes, self.actions = name, {}, {}
        for path in files:
            with open(path, encoding="utf-8") as f:
                schema = json.load(f)
            if schema["service"] != name:
                sys.exit("%s: service is %s, not %s" % (path, schema["service"], name))
            for shape, members in schema["shapes"].items():
                self.add_shape(path, snake(shape), members)
            for action, spec in schema["actions"].items():
                if action in self.actions:
                    sys.exit("%s: action %s is there twice" % (path, action))
                self.actions[action] = spec
                spec["call"] = snake(action)
                self.add_shape(path, snake(action) + "_request", spec["in"])
                self.add_shape(path, snake(action) + "_response", spec["out"])
        self.order = self.sorted_shapes()

    def add_shape(self, path, name, members):
        if name in self.shapes:
            sys.exit("%s: shape %s is there twice" % (path, name))
        self.shapes[name] = [Member(wire, spec) for wire, spec in members.items()]

    def sorted_shapes(self):
        """Shapes with those they are made of before them."""
        done = []

        def visit(name, above):
            if name in above:
                sys.exit("shape %s holds itself" % name)
            if name in done:
                return
            for member in self.shapes[name]:
                if member.type not in SCALARS:
                    if snake(member.type) not in self.shapes:
                        sys.exit("shape %s: no shape is called %s" % (name, member.type))
                    visit(snake(member.type), above + [name])
            done.append(name)

        for name in self.shapes:
            visit(name, [])
        return done

    def header(self):
        guard = "API_GEN_%s_H" % self.name.upper()
        out = ["/* Generated by api/apigen.py from schemas/%s. */" % self.name, "#ifndef %s" % guard,
               "#define %s" % guard, '#include "api/shape.h"', ""]
        for name in self.order:
            lines = [line for m in self.shapes[name] for line in m.declare(self.name)] or ["char nothing;"]
            out += ["struct %s_%s {" % (self.name, name)] + ["    " + line for line in lines] + ["};"]
            out += ["extern const struct api_shape %s_%s_shape;" % (self.name, name), ""]
        out += ["struct request_ctx;"]
        for spec in self.actions.values():
            out += ["struct error *{s}_{c}(struct request_ctx *ctx, const struct {s}_{c}_request *in,".format(
                s=self.name, c=spec["call"]),
                "    struct {s}_{c}_response *ret_out) _must_check_;".format(s=self.name, c=spec["call"])]
        out += ["extern const struct api_action %s_actions[];" % self.name,
                "extern const size_t %s_actions_len;" % self.name, "#endif"]
        return out

    def shape_rows(self):
        out = ["/* Generated by api/apigen.py from schemas/%s. */" % self.name, "#include <config.h>",
               '#include "api/gen/%s.h"' % self.name, ""]
        for name in self.order:
            struct = "%s_%s" % (self.name, name)
            rows = [m.row(self.name, struct) for m in self.shapes[name]]
            if rows:
                out += ["static const struct api_field %s_fields[] = {" % struct] + rows + ["};"]
            fields = "%s_fields, ARRAY_SIZE(%s_fields)" % (struct, struct) if rows else "NULL, 0"
            out += ['const struct api_shape %s_shape = {"%s", sizeof(struct %s), %s};' % (
                struct, name, struct, fields), ""]
        return out

    def action_table(self):
        out = ["/* Generated by api/apigen.py from schemas/%s. */" % self.name, "#include <config.h>",
               '#include "api/gen/%s.h"' % self.name, '#include "api/action.h"', ""]
        rows = []
        for action, spec in sorted(self.actions.items()):
            names = dict(s=self.name, c=spec["call"])
            out += ["static struct error *call_{c}(struct request_ctx *ctx, const void *in, void *ret_out)\n{{\n"
                    "    return {s}_{c}(ctx, in, ret_out);\n}}\n".format(**names)]
            rows += ['    {"%s", "%s:%s", %s, &%s_%s_request_shape, &%s_%s_response_shape, call_%s},' % (
                action, self.name, action, "true" if spec["access"] == "write" else "false", self.name, spec["call"],
                self.name, spec["call"], spec["call"])]
        out += ["const struct api_action %s_actions[] = {" % self.name] + rows + ["};"]
        out += ["const size_t %s_actions_len = ARRAY_SIZE(%s_actions);" % (self.name, self.name)]
        return out

    def page(self):
        out = ["# Actions of %s" % self.name, "",
               "Made from `schemas/%s`; members marked *refused* are known and answered with an error." % self.name, ""]
        for action, spec in sorted(self.actions.items()):
            out += ["## %s" % action, "", "| member | type | |", "|---|---|---|"]
            for m in self.shapes[spec["call"] + "_request"]:
                notes = [w for w, on in (("required", m.required), ("refused", m.refused)) if on]
                out += ["| `%s` | %s%s | %s |" % (m.wire, "list of " if m.list else "", m.type, ", ".join(notes))]
            out += ["", "Answer: " + ", ".join("`%s`" % m.wire for m in self.shapes[spec["call"] + "_response"]), ""]
        return out


def load_errors(files):
    for path in files:
        with open(path, encoding="utf-8") as f:
            table = json.load(f)
        for wire, (status, message) in table["errors"].items():
            prefix = "" if table["service"] == "common" else table["service"].upper() + "_"
            yield (prefix or "API_") + constant(wire), wire, status, message


def errors_header(files):
    out = ["/* Generated by api/apigen.py from schemas/errors. */", "#ifndef API_GEN_ERRORS_H",
           "#define API_GEN_ERRORS_H", '#include "common/base/error.h"', ""]
    out += ["extern const struct error_code %s;" % symbol for symbol, *_ in load_errors(files)]
    return out + ["#endif"]


def errors_rows(files):
    out = ["/* Generated by api/apigen.py from schemas/errors. */", "#include <config.h>",
           '#include "api/gen/errors.h"', ""]
    for symbol, wire, status, message in load_errors(files):
        out += ["const struct error_code %s = {%s, %d, %s, %s};" % (
            symbol, json.dumps(wire), status, "true" if status >= 500 else "false", json.dumps(message))]
    return out


def names_table(path):
    with open(path, encoding="utf-8") as f:
        names = sorted(set(f.read().split()))
    symbol = os.path.basename(path).replace("-", "_")
    return ["/* Generated by api/apigen.py. */", "#include <config.h>", '#include "api/action.h"', "",
            "const char *const %s[] = {" % symbol] + ['    "%s",' % n for n in names] + [
                "};", "const size_t %s_len = %d;" % (symbol, len(names))]


def empty_table(path):
    with open(path, encoding="utf-8") as f:
        actions = json.load(f)["actions"]
    return ["/* Generated by api/apigen.py. */", "#include <config.h>", '#include "api/action.h"', "",
            "const struct empty_set empty_sets[] = {"] + ['    {"%s", "%s"},' % row for row in sorted(actions.items())] + [
                "};", "const size_t empty_sets_len = %d;" % len(actions)]


def main():
    what, args = sys.argv[1], sys.argv[2:]
    if what in ("header", "shapes", "actions", "page"):
        service = Service(args[0], args[2:])
        lines = dict(header=service.header, shapes=service.shape_rows, actions=service.action_table,
                     page=service.page)[what]()
        out = args[1]
    else:
        out = args[0]
        if what in ("names", "empty"):
            lines = {"names": names_table, "empty": empty_table}[what](args[1])
        else:
            lines = {"errors-header": errors_header, "errors": errors_rows}[what](args[1:])
    os.makedirs(os.path.dirname(out) or ".", exist_ok=True)
    with open(out + ".tmp", "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
    os.replace(out + ".tmp", out)


main()
