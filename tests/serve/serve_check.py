#!/usr/bin/env python3
"""`warpsmith serve` as its documentation has it: rewards, errors, limits, hostile clients. Prints TAP.

    serve_check.py PROGRAM"""
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time

from serve_client import RIGHT, WRONG, Server, fenced, kernel

n = failed = 0


def check(condition, name, *more):
    global n, failed
    n += 1
    print(f"{'' if condition else 'not '}ok {n} - {name}", flush=True)
    if not condition:
        failed += 1
        for m in more:
            print("#", str(m)[:600])


def raw(server, data, wait=5):
    """What comes back to these bytes until the server closes."""
    with socket.create_connection((server.host, server.port), timeout=wait) as s:
        s.sendall(data)
        got = b""
        try:
            while True:
                piece = s.recv(65536)
                if not piece:
                    break
                got += piece
        except TimeoutError:
            got += b"(still open)"
        except OSError:
            pass
    return got


def test_rewards(s):
    hostile = [
        kernel("if (i <= N) y[i] = fmaxf(x[i], 0.0f);", "one past the end"),
        kernel("for (;;) ;", "never ends"),
        kernel("asm volatile(\"trap;\");", "traps"),
        kernel("int *p = 0; *p = i;", "writes to address 0"),
        kernel("if (clock64() & 1 || i < N) y[i] = fmaxf(x[i], 0.0f);", "reads a clock"),
        kernel("", "writes nothing"),
        "#include <stdio.h>\nint main() { system(\"id\"); }",
        PLANLESS,
    ]
    replies = [fenced(RIGHT), RIGHT, fenced(WRONG), "no code at all", "```cuda\n" + RIGHT[:200]]
    status, d, _ = s.post("/reward", {"spec": "tests/relu", "completions": replies + hostile})
    check(status == 200, "/reward: 200", d)
    rewards = d.get("rewards", [])
    check(rewards[:2] and min(rewards[:2]) >= 0.6 and max(rewards[:2]) <= 1,
          "a right kernel, fenced or bare, is worth 0.6 to 1", rewards)
    check(all(r == 0 for r in rewards[2:]) and len(rewards) == len(replies + hostile),
          "every other gets 0, hostile ones too", rewards)
    reasons = [r["verdict"]["reason"] for r in d["results"]]
    check(reasons[2:5] == ["wrong_result", "no_code", "truncated"], "with the reason", reasons)
    check("pass" not in reasons[2:], "none of them passes", reasons)
    check(d["results"][0]["reward"]["speedup_kind"] == "modelled", "times are labelled", d["results"][0])
    status, d, _ = s.post("/reward", {"spec": ["tests/nothing"], "completion": fenced(
        kernel("if (i < N) y[i] = 0.0f;"))})
    check(status == 200 and d["rewards"] == [0] and "flaw" in d["results"][0],
          "a flawed spec rewards nobody", d)


PLANLESS = "extern \"C\" __global__ void k(float *y) { *y = 1; }\n"


def test_many(s):
    """Judges that are done at once, and one after the other."""
    replies = [fenced(PLANLESS + f"// {k}\n") for k in range(100)]
    status, d, _ = s.post("/reward", {"spec": "tests/relu", "completions": replies})
    check(status == 200 and d["rewards"] == [0] * 100, "100 sources that are refused at a glance", status, d)
    tuned = RIGHT.replace('"launch"', '"tune": { "T": [128, 64] }, "launch"').replace('["128"]', '["T"]')
    status, d, _ = s.post("/reward", {"spec": "tests/relu", "completion": fenced(tuned)})
    check(status == 200 and d["rewards"] == [0] and "T=64" in d["results"][0]["verdict"]["text"],
          "a choice of the tunables that is wrong is found", d)


def test_shapes(s):
    message = [{"role": "assistant", "content": fenced(RIGHT)}]
    status, d, _ = s.post("/reward", {"spec": ["tests/relu"] * 2, "completions": [message, "x"],
                                      "prompts": ["a", "b"], "gpu": ["h100", "h100"], "split": "train"})
    check(status == 200 and d["rewards"][0] > 0.5 and d["rewards"][1] == 0,
          "/reward reads the columns of TRL", d)
    prompt = "<|user|>improve this:\n" + fenced(RIGHT)
    status, d, _ = s.post("/get_reward", {"query": ["<s>" + prompt + fenced(RIGHT) + "<|im_end|>",
                                                    prompt + "I cannot.</s>"],
                                          "prompts": [prompt, prompt], "labels": ["tests/relu"] * 2})
    check(status == 200 and d["rewards"][0] > 0.5 and d["scores"] == d["rewards"] and
          d["extra_logs"]["correct"] == [1, 0], "/get_reward answers as OpenRLHF wants it", d)
    check(d["rewards"][1] == 0, "the prompt's own code earns nothing", d)
    status, d, _ = s.post("/evaluate", {
        "task_id": "t-1", "reference_code": "tests/relu", "kernel_code": RIGHT, "backend": "cuda",
        "toolkit": "kernelbench", "entry_point": "Model", "num_correct_trials": 5, "timeout": 300,
        "priority": "normal", "is_valid": False, "verbose_errors": None, "enable_profiling": None})
    check(status == 200 and d["status"] == "completed" and d["compiled"] and d["correctness"] and
          d["kernel_runtime"] > 0 and d["error_code"] is None, "/evaluate answers as KernelGYM", d)
    status, d, _ = s.post("/evaluate", {"task_id": "t-2", "reference_code": "tests/relu", "kernel_code": WRONG})
    check(status == 200 and d["compiled"] and not d["correctness"] and d["speedup"] is None and
          d["error_code"] == "CORRECTNESS_ERROR", "a wrong kernel has no speed", d)
    status, d, _ = s.post("/run_code", {"language": "cuda", "spec": "tests/relu", "code": RIGHT,
                                        "compile_timeout": 30, "run_timeout": 60, "stdin": "", "files": {}})
    check(status == 200 and d["status"] == "Success" and d["run_result"]["return_code"] == 0,
          "/run_code answers as SandboxFusion", d)
    status, d, _ = s.post("/run_code", {"language": "cuda", "spec": "tests/relu",
                                        "code": RIGHT.replace("fmaxf", "nothing")})
    check(status == 200 and d["status"] == "Failed" and d["compile_result"]["return_code"] == 1 and
          d["run_result"] is None and "nothing" in d["compile_result"]["stderr"],
          "with the compiler's words", d)


BAD_BODIES = [
    (b"", "nothing"), (b"{", "half a JSON text"), (b"\xff\xfe\x00", "bytes"), (b"[]", "a list"),
    (b'{"spec": "softmax"}', "no reply"),
    (b'{"completion": "x"}', "no spec"),
    (b'{"spec": "softmax", "completion": 3}', "a number for a reply"),
    (b'{"spec": "softmax", "completions": []}', "no replies"),
    (b'{"spec": ["softmax"], "completions": ["a", "b"]}', "a spec too few"),
    (b'{"spec": "no/such/spec", "completion": "x"}', "an unknown spec"),
    (b'{"spec": "/etc/passwd", "completion": "x"}', "a path"),
    (b'{"spec": "../x.json", "completion": "x"}', "another path"),
    (b'{"spec": "softmax", "completion": "x", "completions": ["x"]}', "both"),
    (b'{"spec": "softmax", "completion": "x", "spec": "relu"}', "a key twice"),
    (b'{"spec": "softmax", "completion": "x\\u0000y"}', "a NUL"),
    (b'{"spec": "softmax", "completion": "x", "gpu": "b200"}', "another GPU"),
    (b'{"spec": "softmax", "completion": "x", "spec_sha256": "00"}', "another version of the spec"),
    (b'{"spec": "softmax", "completion": "x", "weights": 1}', "an unknown field"),
    (b'{"a":' * 5000, "deep nesting"),
    (json.dumps({"spec": "softmax", "completions": ["x"] * 300}).encode(), "too many replies"),
]


def test_errors(s):
    for body, name in BAD_BODIES:
        status, d, _ = s.request("POST", "/reward", body)
        check(status == 400 and d.get("error", {}).get("message"), f"400: {name}", status, d)
    cases = [("/evaluate", {"task_id": "x", "reference_code": "import torch\nclass Model: pass",
                            "kernel_code": "x"}, "'reference_code'"),
             ("/evaluate", {"task_id": "x", "reference_code": "softmax", "kernel_code": "x",
                            "backend": "triton"}, "'backend'"),
             ("/evaluate", {"task_id": "x", "reference_code": "softmax", "kernel_code": "x",
                            "run_correctness": False}, "'run_correctness'"),
             ("/run_code", {"language": "python", "code": "1"}, "'language'"),
             ("/run_code", {"language": "cuda", "code": "1"}, "'spec'"),
             ("/run_code", {"language": "cuda", "code": "1", "spec": "softmax", "stdin": "x"}, "'stdin'"),
             ("/get_reward", {"query": ["x"], "prompts": ["p"], "labels": ["softmax"]}, "query[0]"),
             ("/get_reward", {"query": ["x"], "labels": ["softmax"]}, "'prompts'")]
    for path, body, said in cases:
        status, d, _ = s.post(path, body)
        check(status == 400 and said in d["error"]["message"], f"{path}: 400 names {said}", status, d)
    status, d, _ = s.request("GET", "/nothing")
    check(status == 404 and d["error"]["code"] == "not_found", "404", d)
    status, d, h = s.request("GET", "/reward")
    check(status == 405 and h.get("Allow") == "POST", "405 with Allow", h)
    status, d, h = s.request("DELETE", "/health")
    check(status == 405 and "GET" in h.get("Allow", ""), "/health: 405 with Allow", h)
    status, d, _ = s.request("POST", "/reward", b"{}", headers={"Content-Type": "text/plain"})
    check(status == 415, "415 without application/json", d)
    status, d, _ = s.request("POST", "/reward", b"{}", headers={"Origin": "http://evil.example"})
    check(status == 403, "403 for a page in a browser", d)


def test_sizes(s):
    status, d, _ = s.post("/reward", {"spec": "softmax", "completion": "x" * 300000})
    check(status == 413 and d["error"]["code"] == "too_large", "413 by its length", status, d)
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    got = raw(s, b"POST /reward HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                 b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + piece * 8 + b"0\r\n\r\n")
    check(b" 413 " in got.split(b"\r\n")[0], "413 in pieces", got[:200])
    got = raw(s, b"GET /health HTTP/1.1\r\nHost: x\r\nX-Long: " + b"y" * 60000 + b"\r\n\r\n")
    check(got.startswith(b"HTTP/1.1 4"), "a head that is too long: 4xx", got[:100])
    got = raw(s, b"\x16\x03\x01\x02\x00\x01\x00 no HTTP at all\r\n\r\n")
    check(b" 200 " not in got and b"still open" not in got, "what is no HTTP is cut", got[:100])
    status, d, _ = s.post("/reward", {"spec": "tests/relu", "completion": "```cuda\n" + "//\n" * 45000 + "```"})
    check(status == 200 and d["rewards"] == [0], "a source that is too long gets 0", status, d)


def test_slow_clients(s):
    begin = time.monotonic()
    got = raw(s, b"GET /health HTTP/1.1\r\nHost:", wait=20)
    check(b"still open" not in got and time.monotonic() - begin < 20, "half a head: the connection is cut", got)
    got = raw(s, b"POST /reward HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                 b"Content-Length: 1000\r\n\r\n{", wait=20)
    check(b"still open" not in got and b" 200 " not in got, "half a body: too", got)


def test_connections(s):
    c = s.connect()
    first = s.request("GET", "/health", connection=c)[0]
    second = s.post("/reward", {"spec": "tests/relu", "completion": "x"}, connection=c)[0]
    third = s.request("GET", "/health", connection=c)[0]
    c.close()
    check([first, second, third] == [200] * 3, "a connection is kept alive")
    many = [socket.create_connection((s.host, s.port)) for _ in range(100)]
    check(s.request("GET", "/health")[0] == 200, "100 idle connections keep nobody out")
    for m in many:
        m.close()


def test_sharing(s):
    before = s.request("GET", "/health")[1]["count"]
    source = kernel("if (i < N) y[i] = fmaxf(x[i], 0.0f);", "the same for all")
    got = []
    threads = [threading.Thread(target=lambda: got.append(
        s.post("/reward", {"spec": "tests/relu", "completion": source})[1]["rewards"][0])) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    after = s.request("GET", "/health")[1]["count"]
    check(len(got) == 8 and len(set(got)) == 1 and got[0] > 0.5 and after["judged"] == before["judged"] + 1,
          "a source that eight ask for is judged once", got, before, after)


def test_death(s):
    """Judges that are killed cost nobody the answer."""
    got = []
    source = kernel("float v = 0; for (int j = 0; j < 300; j++) v += x[i < N ? i : 0]; "
                    "if (i < N) y[i] = fmaxf(x[i], 0.0f) + 0 * (v != v);", "slow")
    t = threading.Thread(target=lambda: got.append(s.post("/reward", {"spec": "tests/relu", "completion": source})))
    t.start()
    killed = False
    for _ in range(200):
        for pid in s.children():
            try:
                with open(f"/proc/{pid}/comm") as f:
                    if f.read().strip() == "ws-judge" and s.request("GET", "/health")[1]["queue"]["judging"]:
                        os.kill(pid, signal.SIGKILL)
                        killed = True
            except OSError:
                pass
        if killed or not t.is_alive():
            break
        time.sleep(0.01)
    t.join()
    check(got and got[0][0] == 200 and got[0][1]["results"][0]["judged"], "a judge is killed: the answer comes", got)


def test_gone(s):
    body = json.dumps({"spec": "tests/relu", "completions": [
        kernel("if (i < N) y[i] = fmaxf(x[i], 0.0f);", f"gone {k}") for k in range(60)]}).encode()
    with socket.create_connection((s.host, s.port)) as c:
        c.sendall(b"POST /reward HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                  b"Content-Length: %d\r\n\r\n" % len(body) + body)
        time.sleep(0.3)
    for _ in range(100):
        waiting = s.request("GET", "/health")[1]["queue"]["waiting"]
        if not waiting:
            break
        time.sleep(0.1)
    check(waiting == 0, "who goes away leaves nothing in the queue", waiting)


def test_limits(program):
    with tempfile.NamedTemporaryFile("w") as f:
        f.write("0123456789abcdef-token\n")
        f.flush()
        os.chmod(f.name, 0o600)
        s = Server(program, "--token-file", f.name, "--queue", "1", "--jobs", "1", "--rate", "0",
                   "--timeout", "1ms")
    auth = {"Authorization": "Bearer 0123456789abcdef-token"}
    body = {"spec": "tests/relu", "completion": "x"}
    status, d, h = s.post("/reward", body)
    check(status == 401 and h.get("WWW-Authenticate") == "Bearer", "401 without the token", d)
    check(s.post("/reward", body, headers={"Authorization": "Bearer 0123456789abcdef-tokeN"})[0] == 401,
          "401 with another one")
    check(s.post("/reward", body, headers=auth)[0] == 200, "200 with it")
    check(s.request("GET", "/health")[0] == 200, "/health needs none")
    replies = [kernel("if (i < N) y[i] = fmaxf(x[i], 0.0f);", f"number {k}") for k in range(5)]
    status, d, h = s.post("/reward", {"spec": "tests/relu", "completions": replies}, headers=auth)
    check(status == 503 and int(h.get("Retry-After", 0)) > 0 and d["error"]["code"] == "queue_full",
          "more than the queue takes: 503 with Retry-After", status, d)
    status, d, _ = s.post("/reward", {"spec": "tests/relu", "completion": replies[0]}, headers=auth)
    check((status == 200 and d["rewards"] == [0] and not d["results"][0]["judged"]) or status == 500,
          "what takes too long is not judged, and not remembered", status, d)
    s.stop()
    s = Server(program, "--rate", "1")
    codes = [s.post("/reward", body)[0] for _ in range(6)]
    check(codes[0] == 200 and 429 in codes, "more than --rate: 429", codes)
    s.stop()


def runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def test_end(program):
    s = Server(program, "--jobs", "1")
    got = []
    t = threading.Thread(target=lambda: got.append(s.post("/reward", {"spec": "tests/relu", "completion": RIGHT})))
    t.start()
    while not s.request("GET", "/health")[1]["queue"]["judging"]:
        time.sleep(0.01)
    children = s.children()
    code = s.stop()
    t.join()
    check(code == 0 and got and got[0][0] == 200 and got[0][1]["rewards"][0] > 0.5,
          "SIGTERM: what was asked is answered, exit code 0", code, got)
    for _ in range(100):
        left = [p for p in children if runs(p)]
        if not left:
            break
        time.sleep(0.05)
    check(children and not left, "no process is left behind", left)


def main():
    program = sys.argv[1]
    s = Server(program, "--idle-timeout", "2s", "--receive-timeout", "2s", "--max-body", "200k")
    test_rewards(s)
    test_many(s)
    test_shapes(s)
    test_errors(s)
    test_sizes(s)
    test_slow_clients(s)
    test_connections(s)
    test_sharing(s)
    test_death(s)
    test_gone(s)
    check(s.stop() == 0, "it ends when it is told to")
    test_limits(program)
    test_end(program)
    print(f"1..{n}")
    sys.exit(failed != 0)


main()
