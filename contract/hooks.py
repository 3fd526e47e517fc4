"""Rules that no schema can express, applied to generated requests that must be valid before they are sent."""

import itertools
import json
import urllib.parse

import schemathesis

NUMBERS = itertools.count()

# The view with which each parameter of the tree's GET is allowed.
VIEWS = {"explain": "resolved", "consistency": "resolved", "limit": "children", "page_token": "children"}


def is_kept(value):
    """Whether the service accepts the JSON: without U+0000, and without integers of more than 64 bits."""
    if isinstance(value, dict):
        return all(is_kept(name) and is_kept(member) for name, member in value.items())
    if isinstance(value, list):
        return all(map(is_kept, value))
    if isinstance(value, str):
        return "\0" not in value
    return not isinstance(value, int) or -(2**63) <= value < 2**64


@schemathesis.hook
def before_call(context, case, **kwargs):
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    query, headers = case.query, case.headers
    # Links pass on keys as they were in a path, percent-encoded: the decoded key must be sent.
    if case.meta.phase.name.value == "stateful":
        for name, value in case.path_parameters.items():
            if isinstance(value, str) and "%" in value:
                case.path_parameters[name] = urllib.parse.unquote(value)
    # A token comes from a page: a random one is not valid.
    query.pop("page_token", None)
    # A filter is parsed as strictly as a body.
    if "filter" in query:
        text = query["filter"]
        if not is_kept(json.loads(text) if isinstance(text, str) else text):
            del query["filter"]
    # A branch needs a project, and a task a branch.
    if case.operation.path.endswith("/tree"):
        for above, below in [("project", "branch"), ("branch", "task")]:
            if above not in query:
                query.pop(below, None)
    if case.operation.method == "get" and "/tree" in case.operation.path:
        view = query.get("view", "own")
        for name, wanted in VIEWS.items():
            if view != wanted:
                query.pop(name, None)
        # A list of children has no entity tag.
        if view == "children":
            headers.pop("If-None-Match", None)
    # A key names one request, and the example would be sent with many.
    if "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = f"contract-{next(NUMBERS)}"
    # A write takes one condition.
    if "If-Match" in headers:
        headers.pop("If-None-Match", None)
