"""A model server of three wires for t_optimize_wires.sh: wire_server.py LOG REPLY...
Prints its port. The first request of all is refused with 429 and Retry-After: 1, the others get the replies in turn, as a
stream when that is asked for. Each request is a line of LOG: path, headers, body, time."""
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

log = open(sys.argv[1], "w")
replies = [open(name).read() for name in sys.argv[2:]]
lock = threading.Lock()
seen = [0]


def chat(text):
    usage = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200,
             "prompt_tokens_details": {"cached_tokens": 700}}
    whole = {"model": "served", "usage": usage, "choices": [
        {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}
    events = [(None, {"model": "served", "choices": [
        {"index": 0, "delta": {"content": text[i:i + 50]}, "finish_reason": None}]})
        for i in range(0, len(text), 50)]
    events.append((None, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
    events += [(None, {"choices": [], "usage": usage}), (None, "[DONE]")]
    return whole, events


def responses(text):
    usage = {"input_tokens": 1000, "input_tokens_details": {"cached_tokens": 700}, "output_tokens": 200}
    whole = {"object": "response", "model": "served", "status": "completed", "usage": usage, "output": [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}]}
    events = [("response.created", {"type": "response.created", "response": {"model": "served"}})]
    events += [("response.output_text.delta", {"type": "response.output_text.delta", "delta": text[i:i + 50]})
               for i in range(0, len(text), 50)]
    events.append(("response.completed", {"type": "response.completed", "response": whole}))
    return whole, events


def messages(text):
    usage = {"input_tokens": 200, "cache_read_input_tokens": 700, "cache_creation_input_tokens": 100,
             "output_tokens": 200}
    whole = {"type": "message", "role": "assistant", "model": "served", "stop_reason": "end_turn",
             "content": [{"type": "text", "text": text}], "usage": usage}
    start = dict(usage, output_tokens=1)
    events = [{"type": "message_start", "message": {"model": "served", "usage": start}},
              {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
              {"type": "ping"}]
    events += [{"type": "content_block_delta", "index": 0,
                "delta": {"type": "text_delta", "text": text[i:i + 50]}} for i in range(0, len(text), 50)]
    events += [{"type": "content_block_stop", "index": 0},
               {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 200}},
               {"type": "message_stop"}]
    return whole, [(e["type"], e) for e in events]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def send(self, status, kind, data, *headers):
        self.send_response(status)
        for name, value in headers + (("Content-Type", kind), ("Content-Length", str(len(data)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with lock:
            n = seen[0]
            seen[0] += 1
            json.dump({"path": self.path, "headers": dict(self.headers), "body": body, "time": time.time()}, log)
            log.write("\n")
            log.flush()
        if n == 0:
            error = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
            self.send(429, "application/json", json.dumps(error).encode(), ("Retry-After", "1"))
            return
        wire = {"/completions": chat, "/responses": responses, "/messages": messages}
        whole, events = wire["/" + self.path.rsplit("/", 1)[1]](replies[(n - 1) % len(replies)])
        if not body.get("stream"):
            self.send(200, "application/json", json.dumps(whole).encode())
            return
        text = "".join((f"event: {name}\n" if name else "") +
                       f"data: {e if isinstance(e, str) else json.dumps(e)}\n\n" for name, e in events)
        self.send(200, "text/event-stream", text.encode())


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
