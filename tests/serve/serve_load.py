#!/usr/bin/env python3
"""`warpsmith serve` under load: clients that send right kernels, hostile ones and garbage at once.

    serve_load.py PROGRAM [SECONDS] [CLIENTS]     random requests for so long, some of those kernels among them
    serve_load.py PROGRAM once                    every kernel of tests/kernels/hostile once, and right ones

Judged is that no reward is wrong, nothing but 2xx, 4xx and 503 comes back, the server's memory is bounded, and that
/health answers within 50 ms in 99 of 100 cases meanwhile. Exit status 1: something of it does not hold."""
import glob
import http.client
import json
import multiprocessing
import os
import random
import re
import sys
import threading
import time

from serve_client import RIGHT, WRONG, Server, fenced, kernel, memory_kib

HERE = os.path.dirname(os.path.abspath(__file__))
HEALTH_LIMIT_MS, MEMORY_LIMIT_MIB = 50, 256
# Right kernels that a judge is done with soon; `once` takes all.
QUICK = re.compile(r"/(?:relu|row_sum|row_max|softmax|vector_add|gelu|transpose|matvec)_")


def kernels(folder, accept):
    for path in sorted(glob.glob(f"{HERE}/../kernels/{folder}/*.cu")):
        with open(path) as f:
            text = f.read()
        m = re.match(r"// spec: *(\S+)\s+expect: *(\w+)", text)
        if m and "arch:" not in text.split("\n")[0] and accept(path):
            yield {"name": os.path.basename(path), "spec": m.group(1), "right": m.group(2) == "PASS", "text": text}


def small():
    """Kernels of tests/relu, which are judged in a fraction of a second; each request has another one."""
    yield from ({"name": "right", "spec": "tests/relu", "right": True, "text": RIGHT},
                {"name": "wrong", "spec": "tests/relu", "right": False, "text": WRONG})
    for name, body in (("past the end", "if (i <= N) y[i] = fmaxf(x[i], 0.0f);"), ("never ends", "for (;;) ;"),
                       ("trap", 'asm volatile("trap;");'), ("writes nothing", ""),
                       ("clock", "if (i < N) y[i] = fmaxf(x[i], clock64() & 0);"),
                       ("does not compile", "return nothing;"), ("address 0", "*(int *)0 = i;")):
        yield {"name": name, "spec": "tests/relu", "right": False, "text": kernel(body)}


class Tally:
    def __init__(self):
        self.lock = threading.Lock()
        self.codes, self.wrong, self.seconds = {}, [], []
        self.right = self.rejected = self.garbage = 0

    def add(self, code, k, reward, detail, seconds):
        with self.lock:
            self.codes[code] = self.codes.get(code, 0) + 1
            if k is None:
                self.garbage += 1
                if not 400 <= code < 500:
                    self.wrong.append(f"garbage: {code} {detail}")
                return
            if code in (429, 503):
                return
            self.seconds.append(seconds)
            good = code == 200 and (reward is not None and 0.6 <= reward <= 1 if k["right"] else not reward)
            self.right += k["right"]
            self.rejected += not k["right"]
            if not good:
                self.wrong.append(f"{k['name']}: {code}, reward {reward}: {detail}")


def ask(server, k, note, path, connection):
    """Status, reward, what the server says of it."""
    text = k["text"] + (f"// {note}\n" if note else "")
    if path == "/reward":
        body = {"spec": k["spec"], "completions": [fenced(text)]}
    elif path == "/get_reward":
        body = {"query": ["prompt " + fenced(text)], "prompts": ["prompt "], "labels": [k["spec"]]}
    elif path == "/run_code":
        body = {"language": "cuda", "spec": k["spec"], "code": text}
    else:
        body = {"task_id": "load", "reference_code": k["spec"], "kernel_code": text}
    status, d, _ = server.post(path, body, connection=connection)
    if status != 200:
        return status, None, d
    reward = d["rewards"][0] if "rewards" in d else d["reward"]
    result = d.get("results", [d.get("metadata", d)])[0]
    return status, reward, str(result.get("verdict", d.get("message", "")))[:300]


GARBAGE = [b"", b"{", b"\xff" * 1000, b'{"spec": "softmax"}', b'{"spec": "../../etc", "completion": "x"}', b"[" * 10000,
           b"{}" + b" " * 9000000]


def client(server, large, tally, until, seed):
    little = list(small())
    little += little[:1] * len(little)
    rnd = random.Random(seed)
    connection = server.connect()
    while time.monotonic() < until:
        begin = time.monotonic()
        try:
            if rnd.random() < 0.1:
                status, d, _ = server.request("POST", "/reward", rnd.choice(GARBAGE))
                tally.add(status, None, None, d, 0)
                continue
            k = rnd.choice(little if rnd.random() < 0.7 else large)
            note = f"{seed} {rnd.random()}" if k in little else ""
            path = rnd.choice(["/reward", "/get_reward", "/evaluate", "/run_code"])
            status, reward, detail = ask(server, k, note, path, connection)
            tally.add(status, k, reward, detail, time.monotonic() - begin)
            if status == 503:
                time.sleep(0.5)
        except (http.client.HTTPException, OSError) as e:
            if rnd is not None:
                connection.close()
                connection = server.connect()
            with tally.lock:
                # An oversized body may be refused while it is still being sent.
                if not isinstance(e, (BrokenPipeError, ConnectionResetError)):
                    tally.wrong.append(f"{type(e).__name__}: {e}")
    connection.close()


def watch_health(host, port, end, out):
    """In a process of its own: what the clients' threads cost is not the server's."""
    times, late = [], []
    c = http.client.HTTPConnection(host, port, timeout=60)
    while not end.is_set():
        begin = time.perf_counter()
        c.request("GET", "/health")
        c.getresponse().read()
        done = time.perf_counter()
        times.append((done - begin) * 1e3)
        time.sleep(0.02)
        late.append((time.perf_counter() - done) * 1e3 - 20)
    out.put((times, late))


def share(sorted_list, p):
    return sorted_list[min(len(sorted_list) - 1, int(p * len(sorted_list)))] if sorted_list else float("nan")


def run_load(program, seconds, n_clients):
    chosen = random.sample(list(kernels("honest", QUICK.search)), 4)
    chosen += random.sample(list(kernels("hostile", lambda p: True)), 24)
    server = Server(program, "--timeout", "120s")
    tally, until = Tally(), time.monotonic() + seconds
    end, out = multiprocessing.Event(), multiprocessing.Queue()
    probe = multiprocessing.Process(target=watch_health, args=(server.host, server.port, end, out))
    probe.start()
    threads = [threading.Thread(target=client, args=(server, chosen, tally, until, i)) for i in range(n_clients)]
    for t in threads:
        t.start()
    memory, all_memory = [], []
    while any(t.is_alive() for t in threads):
        memory.append(memory_kib(server.process.pid) / 1024)
        total = 0
        for pid in server.children():
            try:
                total += memory_kib(pid) / 1024
            except OSError:
                pass
        all_memory.append(total)
        time.sleep(1)
    end.set()
    health, late = (sorted(x) for x in out.get())
    probe.join()
    counts = server.request("GET", "/health")[1]
    code = server.stop()
    return tally, health, late, memory, all_memory, counts, code


def report_load(program, seconds, n_clients):
    tally, health, late, memory, all_memory, counts, code = run_load(program, seconds, n_clients)
    spent = sorted(tally.seconds)
    p99 = share(health, 0.99)
    print(f"{n_clients} clients for {seconds} s: {tally.right} right kernels, {tally.rejected} hostile ones, "
          f"{tally.garbage} times garbage; answers {dict(sorted(tally.codes.items()))}")
    print(f"judged {counts['count']['judged']}, from memory {counts['count']['from_memory']}; "
          f"seconds to an answer: median {share(spent, 0.5):.2f}, 95 % {share(spent, 0.95):.2f}")
    print(f"/health: {len(health)} asked, median {share(health, 0.5):.2f} ms, 99 % {p99:.2f} ms, "
          f"longest {share(health, 1):.2f} ms; limit {HEALTH_LIMIT_MS} ms at 99 %")
    print(f"the machine itself wakes a process that sleeps {share(late, 0.99):.2f} ms late at 99 %")
    print(f"memory of the server: {memory[0]:.0f} MiB at first, {max(memory):.0f} MiB at most; "
          f"limit {MEMORY_LIMIT_MIB} MiB; its judges together {max(all_memory):.0f} MiB at most")
    wrong = list(tally.wrong)
    wrong += [f"answers {c}: {k}" for c, k in tally.codes.items() if c >= 500 and c != 503]
    if not p99 <= HEALTH_LIMIT_MS:
        wrong.append(f"/health: 99 % within {p99:.1f} ms")
    if not max(memory) <= MEMORY_LIMIT_MIB:
        wrong.append(f"memory: {max(memory):.0f} MiB")
    if code:
        wrong.append(f"the server ended with {code}")
    if not tally.right or not tally.rejected:
        wrong.append("nothing was judged")
    return wrong


def report_once(program):
    server, tally = Server(program, "--timeout", "300s"), Tally()
    waiting = list(kernels("hostile", lambda p: True)) + list(kernels("honest", QUICK.search))

    def work():
        while True:
            with tally.lock:
                if not waiting:
                    return
                k = waiting.pop(0)
            begin = time.monotonic()
            tally.add(*(lambda s, r, d: (s, k, r, d))(*ask(server, k, "", "/reward", None)),
                      time.monotonic() - begin)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    server.stop()
    print(f"{tally.right} right kernels, {tally.rejected} hostile ones; answers {tally.codes}")
    return tally.wrong


def main():
    program = sys.argv[1]
    if sys.argv[2:] == ["once"]:
        wrong = report_once(program)
    else:
        seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60
        wrong = report_load(program, seconds, int(sys.argv[3]) if len(sys.argv) > 3 else 64)
    for w in wrong[:40]:
        print("wrong:", w)
    print("holds" if not wrong else f"{len(wrong)} things do not hold")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
