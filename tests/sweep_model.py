#!/usr/bin/env python3
"""A model for sweeps, in the place of a real one: answers every spec, from what its prompt shows.

    tests/sweep_model.py PORTFILE [LOG]    serves on loopback, writes the port to PORTFILE

What it answers follows from the spec's name and the turn: the translation of the prompt with another
block size, with a tune space, as it is, with a syntax error, with a wrong value, or no kernel. LOG gets
a line a request: spec, turn, what was answered, tokens of prompt and reply.
"""

import hashlib
import http.server
import json
import re
import sys

PORTFILE = sys.argv[1]
LOG = open(sys.argv[2], "a", buffering=1) if len(sys.argv) > 2 else None


TRANSLATIONS = {}  # of each spec, from its first prompt: later ones show what became of it


def kernel(spec, prompt):
    shown = re.findall(r"```cuda\n(.*?)```", prompt, re.S)[-1]
    return TRANSLATIONS.setdefault(spec, shown)


def resized(source, size):
    return re.sub(r"\b256\b", size, source)


def other_block(source):
    return resized(source, "128")


def tuned(source):
    source = source.replace('{ "launch"', '{ "tune": { "BLOCK": [128, 512] },\n  "launch"', 1)
    return resized(source, "BLOCK").replace('"block": [BLOCK]', '"block": ["BLOCK"]')


def broken(source):
    return source.replace(";", ",,", 1)


def wrong(source):
    return re.sub(r"(\n +out\[[^\]\n]*\]) = ([^;\n]+);", r"\1 = (\2) + 3.0f;", source)


KINDS = [("other_block", other_block), ("tuned", tuned), ("same", lambda s: s), ("broken", broken), ("wrong", wrong),
         ("none", None)]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = "\n".join(m["content"] for m in body["messages"])
        spec = re.search(r"# The operation: (\S+)", text).group(1)
        turn = int(self.headers.get("X-Warpsmith-Turn", 0))
        digest = hashlib.sha256(f"{spec} {turn}".encode()).digest()
        name, make = KINDS[digest[0] % len(KINDS)]
        reply = "I have no kernel." if make is None else f"Another one.\n\n```cuda\n{make(kernel(spec, text))}```\n"
        usage = {"prompt_tokens": len(text) // 4, "completion_tokens": len(reply) // 4}
        if LOG:
            LOG.write(f"{spec} {turn} {name} {usage['prompt_tokens']} {usage['completion_tokens']}\n")
        answer = {"id": "x", "object": "chat.completion", "model": body["model"], "usage": usage, "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": reply}}]}
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(PORTFILE + ".new", "w") as f:
    f.write(str(server.server_port))
import os  # noqa: E402
os.rename(PORTFILE + ".new", PORTFILE)
server.serve_forever()
