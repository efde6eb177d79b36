# SPDX-License-Identifier: Apache-2.0
"""Answers of the EC2 API against botocore's model, and calls that must be refused."""
import re
import xml.etree.ElementTree as ElementTree

import botocore.exceptions
import pytest

NAMESPACE = "{http://ec2.amazonaws.com/doc/2016-11-15/}"


def refused(code, call, *arguments, **named):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        call(*arguments, **named)
    answer = error.value.response
    assert answer["Error"]["Code"] == code, answer["Error"]
    return answer


def local(element):
    return element.tag.split("}")[1]


def check_scalar(shape, text, path):
    if shape.type_name in ("integer", "long"):
        int(text)
    elif shape.type_name == "boolean":
        assert text in ("true", "false"), path
    elif shape.type_name == "timestamp":
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text), path
    elif shape.type_name == "string" and getattr(shape, "enum", None):
        assert text in shape.enum, f"{path}: {text} is none of {shape.enum}"


def check_element(shape, element, path):
    if shape.type_name == "structure":
        names = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for child in element:
            assert local(child) in names, f"{path}/{local(child)} is not in the model"
            check_element(names[local(child)], child, f"{path}/{local(child)}")
    elif shape.type_name == "list":
        for child in element:
            assert local(child) == "item", path
            check_element(shape.member, child, path + "[]")
    else:
        check_scalar(shape, element.text or "", path)


def check_answer(service_model, action, body):
    root = ElementTree.fromstring(body)
    assert root.tag == f"{NAMESPACE}{action}Response"
    assert local(root[0]) == "requestId" and root[0].text
    shape = service_model.operation_model(action).output_shape
    for child in root[1:]:
        if shape is None:
            assert (local(child), child.text) == ("return", "true")
            continue
        names = {m.serialization.get("name", n): m for n, m in shape.members.items()}
        assert local(child) in names, f"{action}/{local(child)}"
        check_element(names[local(child)], child, f"{action}/{local(child)}")


def checking(client, seen=None):
    """The client, every good answer of which is held against the model from now on."""
    def look(http_response, model, **_):
        if http_response.status_code == 200:
            check_answer(client.meta.service_model, model.name, http_response.content)
            if seen is not None:
                seen.add(model.name)
    client.meta.events.register("after-call.ec2", look)
    return client


def filters(**named):
    """Filters: `_` in a name stands for '-', `__` for '.'."""
    return [{"Name": name.replace("__", ".").replace("_", "-"), "Values": [value] if isinstance(value, str) else value}
            for name, value in named.items()]
