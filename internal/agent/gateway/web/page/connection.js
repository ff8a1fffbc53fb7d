// One terminal's WebSocket, opened again whenever it breaks off.

const firstWait = 500;
const longestWait = 10_000;
const sessionClosed = 4001;
const inputChunk = 16 * 1024;

const encoder = new TextEncoder();

export class Connection {
  // on: {output(bytes), event(object), state("good" | "waiting"), gone()}.
  // seen() is the offset up to which output has come.
  constructor(id, seen, on) {
    this.id = id;
    this.seen = seen;
    this.on = on;
    this.wait = firstWait;
    this.retry = () => { if (this.timer) this.open(); };
    addEventListener("online", this.retry);
    document.addEventListener("visibilitychange", this.retry);
    this.open();
  }

  open() {
    clearTimeout(this.timer);
    this.timer = undefined;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/api/sessions/${this.id}/attach?from=${this.seen()}`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.wait = firstWait;
      this.on.state("good");
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.on.event(JSON.parse(data));
      else this.on.output(new Uint8Array(data));
    };
    socket.onclose = ({ code }) => this.closed(code);
    this.socket = socket;
  }

  async closed(code) {
    if (this.ended) return;
    if (code === sessionClosed) return this.end(true);
    this.on.state("waiting");
    // A refused handshake says nothing of its reason: ask.
    const open = await openSessions();
    if (this.ended) return;
    if (open && !open.some((s) => s.id === this.id)) return this.end(true);
    const jitter = 0.75 + Math.random() / 2;
    this.timer = setTimeout(() => this.open(), this.wait * jitter);
    this.wait = Math.min(this.wait * 2, longestWait);
  }

  get isOpen() { return this.socket.readyState === WebSocket.OPEN; }

  // Input is a string, or bytes where it is not text. What is typed while the
  // connection is down is dropped: nobody saw what it would have done.
  send(input) {
    if (!this.isOpen) return;
    const bytes = typeof input === "string" ? encoder.encode(input) : input;
    for (let i = 0; i < bytes.length; i += inputChunk) this.socket.send(bytes.subarray(i, i + inputChunk));
  }

  command(command) {
    if (this.isOpen) this.socket.send(JSON.stringify(command));
  }

  end(gone = false) {
    this.ended = true;
    clearTimeout(this.timer);
    removeEventListener("online", this.retry);
    document.removeEventListener("visibilitychange", this.retry);
    this.socket.close();
    if (gone) this.on.gone();
  }
}

// openSessions lists the open terminals, or is null where that can't be known.
// A login that has ended leads to the login page.
export async function openSessions() {
  try {
    const answer = await fetch("/api/sessions");
    if (answer.status === 401) location.reload();
    return answer.ok ? (await answer.json()).items : null;
  } catch {
    return null;
  }
}
