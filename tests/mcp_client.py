"""A client of the Model Context Protocol with nothing but the standard library: talks to `warpsmith mcp` and prints
TAP. Usage: mcp_client.py WARPSMITH SOFTMAX.json SOFTMAX.cu ARCHIVE.db, the source being one that verifies."""
import json
import os
import select
import subprocess
import sys
import time

WARPSMITH, SPEC, SOURCE, ARCHIVE = sys.argv[1], sys.argv[2], open(sys.argv[3]).read(), sys.argv[4]
count = failed = 0


def check(passed, name, shown=None):
    global count, failed
    count += 1
    print(f"{'' if passed else 'not '}ok {count} - {name}", flush=True)
    if not passed:
        failed += 1
        print("# " + repr(shown)[:1000])


class Server:
    def __init__(self, *options):
        self.p = subprocess.Popen([WARPSMITH, "mcp", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL)
        self.rest, self.next_id = b"", 100

    def send(self, message):
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.p.stdin.write(data + b"\n")
        self.p.stdin.flush()

    def read(self, seconds=60):
        """The next message; None: none came in time, or the server ended."""
        end = time.monotonic() + seconds
        while b"\n" not in self.rest:
            ready, _, _ = select.select([self.p.stdout], [], [], max(0, end - time.monotonic()))
            data = os.read(self.p.stdout.fileno(), 1 << 16) if ready else b""
            if not data:
                return None
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def ask(self, method, params=None, id=None, seconds=60):
        if id is None:
            self.next_id += 1
            id = self.next_id
        self.send({"jsonrpc": "2.0", "id": id, "method": method, **({} if params is None else {"params": params})})
        return self.read(seconds)

    def open(self, version):
        r = self.ask("initialize", {"protocolVersion": version, "capabilities": {},
                                    "clientInfo": {"name": "test", "version": "1"}})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return r

    def call(self, tool, arguments=None, **more):
        return self.ask("tools/call", {"name": tool, "arguments": arguments or {}}, **more)

    def children(self):
        try:
            return open(f"/proc/{self.p.pid}/task/{self.p.pid}/children").read().split()
        except FileNotFoundError:
            return []

    def close(self):
        self.p.stdin.close()
        left = self.p.stdout.read()
        return self.p.wait(20), left


def text(r):
    return r["result"]["content"][0]["text"]


def code(r):
    return r.get("error", {}).get("code")


def handshake():
    s = Server("--archive", ARCHIVE)
    r = s.ask("tools/list")
    check(code(r) == -32600, "nothing but ping before initialize", r)
    check(s.ask("ping").get("result") == {}, "ping is answered")
    check(code(s.ask("initialize", {})) == -32602, "initialize needs a version")
    r = s.open("2025-06-18")["result"]
    check(r["protocolVersion"] == "2025-06-18" and "tools" in r["capabilities"] and
          r["serverInfo"]["name"] == "warpsmith", "the asked revision is agreed to", r)
    check(code(s.open("2025-06-18")) == -32600, "once")
    r = s.ask("tools/list", {})["result"]
    names = [t["name"] for t in r["tools"]]
    check({"list_specs", "get_spec", "verify_candidate", "profile_candidate", "tune_candidate", "archive_search",
           "get_candidate"} <= set(names), "tools are listed", names)
    check(all(t["description"] and t["inputSchema"]["type"] == "object" and
              all(p.get("description") and p.get("type") for p in t["inputSchema"]["properties"].values())
              for t in r["tools"]), "each with a schema whose arguments are described", r)
    check("ttlMs" not in r and "resultType" not in r, "without members of later revisions", list(r))
    r = s.call("verify_candidate", {"spec": "softmax"})
    check(code(r) == -32602, "a missing argument is an error of the protocol in 2025-06-18", r)
    check(s.close() == (0, b""), "the server ends with its input")
    for asked, agreed in (("2024-11-05", "2024-11-05"), ("2025-03-26", "2025-03-26"), ("2025-11-25", "2025-11-25"),
                          ("1999-01-01", "2025-11-25"), ("2026-07-28", "2025-11-25")):
        s = Server()
        r = s.open(asked)["result"]
        check(r["protocolVersion"] == agreed, f"asked for {asked} it offers {agreed}", r)
        s.close()


def errors():
    s = Server()
    s.open("2025-11-25")
    bad = [(b"{bad", -32700, None, "text that is no JSON"), (b'{"jsonrpc":"2.0","id":1} x', -32700, None, "two documents"),
           (b"[]", -32600, None, "an empty batch"),
           (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600, None, "a batch"),
           (b'"ping"', -32600, None, "a message that is no object"),
           (b'{"id":7,"method":"ping"}', -32600, 7, "no jsonrpc"),
           (b'{"jsonrpc":"2.0","id":7}', -32600, 7, "no method"),
           (b'{"jsonrpc":"2.0","id":7,"method":5}', -32600, 7, "a method that is no string"),
           (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600, None, "an id that is null"),
           (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600, None, "an id that is a fraction"),
           (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":[1]}', -32602, 7, "params by position"),
           (b'{"jsonrpc":"2.0","id":7,"method":"resources/list"}', -32601, 7, "a method that is not offered"),
           (b'{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"cursor":"x"}}', -32602, 7, "an unknown cursor"),
           (b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{}}', -32602, 7, "a call without a name"),
           (b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"get_spec","arguments":[]}}', -32602, 7,
            "arguments that are no object"),
           (b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"rm"}}', -32602, 7, "an unknown tool"),
           (b'{"jsonrpc":"2.0","id":7,"method":"' + b"x" * (9 << 20) + b'"}', -32600, None, "a line of 9 MiB"),
           (b'{"a":' * 2000, -32700, None, "deep nesting")]
    for message, want, id, name in bad:
        s.send(message)
        r = s.read()
        check(code(r) == want and r["id"] == id and r["error"]["message"], f"{name}: {want}", r)
    s.send({"jsonrpc": "2.0", "method": "notifications/nonsense"})
    s.send({"jsonrpc": "2.0", "method": "ping"})
    s.send({"jsonrpc": "2.0", "id": 3, "result": {}})
    s.send(b"")
    s.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 999}})
    r = s.ask("ping", id="after")
    check(r == {"jsonrpc": "2.0", "id": "after", "result": {}}, "notifications and responses are not answered", r)
    r = s.ask("ping", id=9007199254740991)
    check(r["id"] == 9007199254740991, "large ids come back exactly", r)
    for arguments, part in (({"spec": "softmax"}, "needs the argument 'source'"),
                            ({"spec": "softmax", "source": 5}, "expected a string"),
                            ({"spec": "softmax", "source": "x", "choices": -1}, "from 0 to 4096"),
                            ({"spec": "softmax", "sauce": "x"}, "did you mean 'source'"),
                            ({"spec": "no-such-spec", "source": "x"}, "no-such-spec"),
                            ({"spec": "softmax", "source": "x", "gpu": "abacus"}, "abacus")):
        r = s.call("verify_candidate", arguments)
        check(r["result"]["isError"] and part in text(r), f"the model is told: {part}", r)
    s.close()


def verdicts():
    s = Server("--archive", ARCHIVE)
    s.open("2025-11-25")
    r = s.call("list_specs", {"filter": "softmax", "limit": 2})["result"]
    check(len(r["structuredContent"]["specs"]) == 2 and r["structuredContent"]["found"] > 2 and not r["isError"],
          "list_specs", r)
    check(json.loads(r["content"][1]["text"]) == r["structuredContent"], "structured content stands as text, too")
    r = s.call("get_spec", {"spec": SPEC, "gpu": "a100"})
    check(all(part in text(r) for part in ("Tensors", "Checked at", "@plan", "A100", "extern \"C\"")), "get_spec", r)
    source = r["result"]["structuredContent"]["baseline_source"]
    r = s.call("verify_candidate", {"spec": SPEC, "source": source})["result"]
    v = r["structuredContent"]
    check(not r["isError"] and v["accepted"] and v["verdict"]["reason"] == "pass", "the translation passes", r)
    check(v["speedup"] == 1 and v["speedup_kind"] == "modelled", "and is as fast as itself", v.get("speedup"))
    r = s.call("verify_candidate", {"spec": SPEC, "source": SOURCE})["result"]
    v = r["structuredContent"]
    check(v["accepted"] and v["verdict"]["modelled"]["seconds"] > 0 and v["baseline_seconds"] > 0, "a kernel passes", r)
    wrong = source.replace("/ s;", "* s;")
    r = s.call("verify_candidate", {"spec": SPEC, "source": wrong})["result"]
    v = r["structuredContent"]
    check(not r["isError"] and not v["accepted"] and v["verdict"]["reason"] != "pass" and
          v["verdict"]["reason"] in r["content"][0]["text"], "a wrong one is rejected, which is no error of the call", r)
    r = s.call("verify_candidate", {"spec": "softmax", "source": "no plan"})["result"]
    check(not r["isError"] and not r["structuredContent"]["accepted"], "text that is no kernel, too", r)
    r = s.call("profile_candidate", {"spec": SPEC, "source": SOURCE, "gpu": "h200"})["result"]
    v = r["structuredContent"]["verdict"]
    check(v["launches"] and "counters" in v["launches"][0] and "Roofline" in r["content"][0]["text"],
          "profile_candidate has counters and the roofline", r)
    r = s.call("tune_candidate", {"spec": "vector_add", "source": open("tests/tune/vector_add.cu").read(), "max_points": 6})
    v = r["result"].get("structuredContent", {})
    check(v.get("best", {}).get("modelled_s", 0) > 0 and 0 < v["judged"] <= 6 and "table" not in v and
          all(f'"{name}"' in v["tuned_source"] for name in v["best"]["tune"]), "tune_candidate", r)
    r = s.call("tune_candidate", {"spec": SPEC, "source": source})
    check(r["result"]["isError"] and "no 'tune'" in text(r), "a plan without tunables is refused in words", r)
    r = s.call("archive_search", {"spec": "softmax", "query": "softmax"})["result"]
    k = r["structuredContent"]["kernels"]
    check(k and all(x["spec"] == "basics/softmax" and x["seconds"] > 0 for x in k) and
          k == sorted(k, key=lambda x: x["seconds"]), "archive_search, the fastest first", r)
    check(not s.call("archive_search", {"query": "zebra crossing"})["result"]["structuredContent"]["kernels"],
          "every word must be there")
    r = s.call("get_candidate", {"id": k[0]["id"]})["result"]
    check("__global__" in r["structuredContent"]["source"] and
          r["structuredContent"]["verdict"]["reason"] == "pass", "get_candidate", r)
    check(s.call("get_candidate", {"id": 123456})["result"]["isError"], "a kernel that is not there")
    s.close()
    s = Server("--archive", "/nowhere/a.db")
    s.open("2025-11-25")
    check("there is no archive" in text(s.call("archive_search")), "no archive, in words")
    s.close()


def keeping():
    kept = ARCHIVE + ".kept"
    s = Server("--archive", kept, "--keep")
    s.open("2025-11-25")
    tools = {t["name"]: t for t in s.ask("tools/list")["result"]["tools"]}
    check(not tools["verify_candidate"]["annotations"]["readOnlyHint"] and
          tools["get_spec"]["annotations"]["readOnlyHint"], "a server that keeps says so", tools)
    s.call("profile_candidate", {"spec": SPEC, "source": SOURCE})
    r = s.call("verify_candidate", {"spec": SPEC, "source": "junk"})
    check(r["result"]["structuredContent"]["kept"]["id"] == 2, "a rejected kernel is kept", r)
    r = s.call("verify_candidate", {"spec": SPEC, "source": SOURCE, "note": "a block a row, zebra"})
    told = r["result"]["structuredContent"]
    check(told["accepted"] and told["kept"]["id"] == 3 and "kept as #3 of run softmax-" in text(r), "and one that passes", r)
    r = s.call("archive_search", {"query": "zebra"})["result"]["structuredContent"]["kernels"]
    check(len(r) == 1 and r[0]["id"] == 3 and r[0]["run"] == told["kept"]["run"], "which is found by its note", r)
    s.close()
    show = subprocess.run([WARPSMITH, "archive", "show", "last", "--json", "--archive", kept], stdout=subprocess.PIPE)
    run = json.loads(show.stdout)
    check([c["origin"] for c in run["candidates"]] == ["emitted", "submitted", "submitted"] and run["model"] == "test" and
          run["status"] == "done" and [c["round"] for c in run["candidates"]] == [0, 1, 2], "as one run", run["candidates"])
    best = min((c for c in run["candidates"] if c["reason"] == "pass"), key=lambda c: c["seconds"])
    check(run["winner"] == best["id"], "whose winner is the fastest", run["winner"])
    export = subprocess.run([WARPSMITH, "export", "last", "--archive", kept], stdout=subprocess.PIPE)
    check(export.returncode == 0 and b"__global__" in export.stdout, "and can be exported")
    check(subprocess.run([WARPSMITH, "archive", "check", "--archive", kept], stdout=subprocess.PIPE).returncode == 0,
          "the archive is whole")
    s = Server("--archive", "/nowhere/a.db", "--keep")
    s.open("2025-11-25")
    r = s.call("verify_candidate", {"spec": SPEC, "source": SOURCE})["result"]
    check(r["structuredContent"]["accepted"] and "error" in r["structuredContent"]["kept"], "what cannot be kept is judged", r)
    s.close()


HANG = """/* @plan
{ "launch": [ { "kernel": "k", "grid": ["B"], "block": [32], "args": ["x", "y"] } ] } */
extern "C" __global__ void k(const float *x, float *y)
{
    volatile float *p = y;
    p[0] = 1.0f;
    while (p[0] > 0.0f)
        p[0] = p[0] + x[0] * 0.0f;
}
"""


def hanging():
    s = Server("--timeout", "50s", "--call-timeout", "100s")
    s.open("2025-11-25")
    job = {"name": "verify_candidate", "arguments": {"spec": SPEC, "source": HANG}}
    s.send({"jsonrpc": "2.0", "id": "hang", "method": "tools/call", "params": job})
    s.send({"jsonrpc": "2.0", "id": "queued", "method": "tools/call", "params": {"name": "list_specs", "arguments": {
        "limit": 1}}})
    s.send({"jsonrpc": "2.0", "id": "dropped", "method": "tools/call", "params": {"name": "list_specs"}})
    time.sleep(1)
    r = s.ask("ping", id="quick", seconds=2)
    check(r and r["id"] == "quick", "ping is answered while a candidate hangs", r)
    check(code(s.ask("tools/call", job, id="hang", seconds=2)) == -32600, "an id that is in use is refused")
    check(s.read(0.3) is None, "calls wait for their turn")
    for id in ("dropped", "hang"):
        s.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})
    r = s.read(10)
    check(r and r["id"] == "queued" and not r["result"]["isError"], "a cancelled call is ended, and the next one runs", r)
    r = s.ask("ping", seconds=5)
    check(r and r["result"] == {}, "cancelled calls are not answered", r)
    check(not s.children(), "nothing of them is left running", s.children())
    s.close()

    s = Server("--timeout", "50s", "--call-timeout", "4s")
    s.open("2025-11-25")
    r = s.ask("tools/call", job, seconds=20)
    check(r and r["result"]["isError"] and "took longer than 4 s" in text(r), "a call that takes too long is ended", r)
    check(not s.children(), "with all that it started", s.children())
    r = s.call("list_specs", {"limit": 1})
    check(r and not r["result"]["isError"], "and the server goes on", r)
    s.send({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {**job, "_meta": {"progressToken": "p"}}})
    r = s.read(20)
    check(r and r.get("method") == "notifications/progress" and r["params"]["progressToken"] == "p" and
          r["params"]["progress"] > 0 and "id" not in r, "who asks for it is told the progress", r)
    r = s.read(20)
    check(r and r.get("id") == 2, "before the answer", r)
    s.send({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": job})
    time.sleep(0.5)
    s.p.terminate()
    check(s.p.wait(10) == 0, "SIGTERM ends it while a call runs")
    s = Server()
    s.open("2025-11-25")
    s.send({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": job})
    time.sleep(0.5)
    s.p.stdout.close()
    try:
        check(s.p.wait(10) == 0, "and so does a client that is gone")
    except subprocess.TimeoutExpired:
        check(False, "and so does a client that is gone")
        s.p.kill()


def stateless():
    key = "io.modelcontextprotocol/"
    meta = {key + "protocolVersion": "2026-07-28", key + "clientCapabilities": {}}
    s = Server()
    r = s.ask("server/discover", {"_meta": meta})["result"]
    check("2026-07-28" in r["supportedVersions"] and "2025-11-25" in r["supportedVersions"] and
          r["resultType"] == "complete" and r["ttlMs"] >= 0 and r["cacheScope"] in ("public", "private") and
          r["_meta"][key + "serverInfo"]["name"] == "warpsmith" and "tools" in r["capabilities"], "server/discover", r)
    r = s.ask("tools/list", {"_meta": meta})["result"]
    check(len(r["tools"]) >= 6 and r["resultType"] == "complete" and "ttlMs" in r, "tools/list without a handshake", r)
    r = s.ask("tools/call", {"_meta": meta, "name": "verify_candidate",
                             "arguments": {"spec": SPEC, "source": SOURCE}})["result"]
    check(r["resultType"] == "complete" and r["structuredContent"]["accepted"], "a kernel is judged", r)
    r = s.ask("tools/call", {"_meta": meta, "name": "get_spec"})["result"]
    check(r["isError"] and r["resultType"] == "complete", "wrong arguments are told to the model", r)
    r = s.ask("tools/list", {"_meta": {**meta, key + "protocolVersion": "2031-01-01"}})
    check(code(r) == -32022 and r["error"]["data"]["requested"] == "2031-01-01" and
          "2026-07-28" in r["error"]["data"]["supported"], "a revision that is not served: -32022", r)
    r = s.ask("tools/list", {"_meta": {key + "protocolVersion": "2026-07-28"}})
    check(code(r) == -32602 and "clientCapabilities" in r["error"]["message"], "capabilities are required", r)
    check(code(s.ask("server/discover")) == -32602, "server/discover needs its _meta")
    check(code(s.ask("ping", {"_meta": meta})) == -32601, "this revision has no ping")
    s.close()


def piped():
    lines = [{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}]
    lines += [{"jsonrpc": "2.0", "id": i, "method": "tools/call", "params": {"name": "list_specs", "arguments": {
        "limit": i}}} for i in range(2, 6)]
    data = "\r\n".join(json.dumps(x) for x in lines).encode()  # the last without a newline
    p = subprocess.run([WARPSMITH, "mcp"], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    answers = [json.loads(x) for x in p.stdout.splitlines()]
    check(p.returncode == 0 and [a["id"] for a in answers] == [1, 2, 3, 4, 5], "what was asked before the end is answered",
          p.stdout)
    check([len(a["result"]["structuredContent"]["specs"]) for a in answers[1:]] == [2, 3, 4, 5], "in order")
    check(p.stderr == b"", "and nothing is said beside it", p.stderr)


for part in (handshake, errors, verdicts, keeping, hanging, stateless, piped):
    part()
print(f"1..{count}")
sys.exit(failed != 0)
