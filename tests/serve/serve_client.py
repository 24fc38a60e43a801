"""A server of `warpsmith serve` for tests, and a client of the standard library."""
import http.client
import json
import os
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PLAN = ('/* @plan\n{ "launch": [ { "kernel": "k", "grid": ["ceil_div(N, 128)"], "block": ["128"], '
        '"args": ["x", "y", "N"] } ] }\n*/\n')
HEAD = ('extern "C" __global__ void k(const float *x, float *y, int N)\n{\n'
        '    int i = blockIdx.x * 128 + threadIdx.x;\n')


def kernel(body, note=""):
    """A kernel of tests/relu whose thread i does `body`."""
    return f"{PLAN}// {note}\n{HEAD}    {body}\n}}\n"


RIGHT = kernel("if (i < N) y[i] = fmaxf(x[i], 0.0f);")
WRONG = kernel("if (i < N) y[i] = fmaxf(x[i], 1.0f);")


def fenced(source):
    return "Here it is.\n\n```cuda\n" + source + "```\n"


class Server:
    """Started with these options on a free port of loopback."""

    def __init__(self, program, *options, env=None):
        specs = [os.path.join(HERE, name) for name in ("relu.json", "nothing.json")]
        command = [program, "serve", "--port", "0", "--json", "--lint-time", "1s"]
        for s in specs:
            command += ["--spec", s]
        environment = {k: v for k, v in os.environ.items() if k != "WARPSMITH_SERVE_TOKEN"}
        environment.update(env or {})
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command + list(options), stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True, env=environment)
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            raise RuntimeError(self.errors.read())
        self.host, port = json.loads(line)["url"].removeprefix("http://").split(":")
        self.port = int(port)

    def connect(self, timeout=300):
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def request(self, method, path, body=None, headers=None, connection=None):
        """Status, parsed body, headers."""
        c = connection or self.connect()
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        h = {"Content-Type": "application/json"} if body is not None else {}
        h.update(headers or {})
        c.request(method, path, body, h)
        r = c.getresponse()
        text = r.read()
        if not connection:
            c.close()
        try:
            parsed = json.loads(text)
        except ValueError:
            parsed = {"text": text.decode(errors="replace")}
        return r.status, parsed, dict(r.getheaders())

    def post(self, path, body, **more):
        return self.request("POST", path, body, **more)

    def children(self):
        """Process ids of everything that the server started, at any depth."""
        return descendants(self.process.pid)

    def stop(self):
        """Exit code after SIGTERM."""
        self.process.terminate()
        try:
            self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
        return self.process.returncode


def descendants(pid):
    found = []
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            for child in f.read().split():
                found += [int(child)] + descendants(int(child))
    except OSError:
        pass
    return found


def memory_kib(pid):
    """Resident memory of one process."""
    with open(f"/proc/{pid}/status") as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0
