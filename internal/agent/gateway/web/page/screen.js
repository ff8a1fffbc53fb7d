// One terminal: xterm.js on one side, the session's connection on the other.

import { Terminal } from "/static/assets/xterm.mjs";
import { FitAddon } from "/static/assets/addon-fit.mjs";
import { WebLinksAddon } from "/static/assets/addon-web-links.mjs";
import { Unicode11Addon } from "/static/assets/addon-unicode11.mjs";
import { Connection } from "./connection.js";
import { openLink } from "./ports.js";
import { theme } from "./theme.js";

const ackEvery = 32 * 1024;
const abortSequence = "\x18\x1b[0m";
const dim = (text) => `\x1b[2m${text}\x1b[22m`;

export class Screen {
  // on: {translate(data), title(text), news(), ended(bool), size(cols, rows), state(state), gone()}
  constructor(session, parent, on) {
    this.on = on;
    this.seen = 0; // offset after the last byte received
    this.shown = 0; // offset after the last byte on the screen
    this.acked = 0;
    this.replayEnd = 0;
    this.ended = false;
    this.element = document.createElement("div");
    this.element.className = "screen";
    parent.append(this.element);
    this.terminal = this.makeTerminal();
    this.watchSize();
    this.connection = new Connection(session.id, () => this.seen, {
      output: (bytes) => this.output(bytes),
      event: (event) => this[event.type]?.(event),
      state: (state) => this.on.state(state),
      gone: () => this.on.gone(),
    });
  }

  makeTerminal() {
    const terminal = new Terminal({
      allowProposedApi: true, // for Unicode widths
      cursorBlink: true,
      fontFamily: 'ui-monospace, "Cascadia Code", "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
      fontSize: matchMedia("(max-width: 640px)").matches ? 13 : 14,
      lineHeight: 1.15,
      scrollback: 10_000,
      macOptionIsMeta: true,
      linkHandler: { activate: (_, uri) => openLink(uri) },
      theme,
    });
    this.fitter = new FitAddon();
    terminal.loadAddon(this.fitter);
    terminal.loadAddon(new WebLinksAddon((_, uri) => openLink(uri)));
    terminal.loadAddon(new Unicode11Addon());
    terminal.unicode.activeVersion = "11";
    terminal.open(this.element);
    terminal.onData((text) => this.input(text));
    terminal.onBinary((text) => this.input(Uint8Array.from(text, (c) => c.charCodeAt(0))));
    terminal.onTitleChange((title) => this.on.title(title));
    terminal.attachCustomKeyEventHandler((event) => this.key(event));
    return terminal;
  }

  // Ctrl+C copies while something is selected, Ctrl+Shift+C always.
  key(event) {
    const copies = event.ctrlKey && event.code === "KeyC" && (event.shiftKey || this.terminal.hasSelection());
    if (event.type !== "keydown" || !copies) return true;
    event.preventDefault();
    navigator.clipboard?.writeText(this.terminal.getSelection());
    this.terminal.clearSelection();
    return false;
  }

  input(data) {
    // What a replay makes the terminal answer was answered when it was new.
    if (this.shown < this.replayEnd) return;
    if (this.ended) {
      if (data === "\r") this.connection.command({ type: "restart" });
      return;
    }
    this.fit();
    this.connection.send(this.on.translate(data));
  }

  output(bytes) {
    this.seen += bytes.length;
    const upTo = this.seen;
    if (upTo > this.replayEnd) this.on.news();
    this.terminal.write(bytes, () => {
      const replayed = this.shown < this.replayEnd && upTo >= this.replayEnd;
      this.shown = upTo;
      if (replayed) this.takeOver();
      if (upTo - this.acked >= ackEvery || replayed) this.ack();
    });
  }

  // ack lets the session send more. A page nobody looks at shows things slowly,
  // and must not slow the shell down: it does not ask for more.
  ack() {
    if (document.hidden || this.acked === this.shown) return;
    this.acked = this.shown;
    this.connection.command({ type: "ack", offset: this.shown });
  }

  // Events, by their type.

  position({ offset = 0, end = 0, lost = 0, modes = "" }) {
    const first = this.seen === 0;
    if (lost > 0) {
      const what = first ? "earlier output is no longer kept" : `${lost.toLocaleString()} bytes of output skipped`;
      this.terminal.write(`${abortSequence}${first ? "" : "\r\n"}${dim(`— ${what} —`)}\r\n${modes}`);
    }
    this.seen = this.shown = this.acked = offset;
    this.repaint ||= lost > 0;
    // A replay reads best at the size it was written for; fit after it.
    if (end > offset) this.replayEnd = end;
    else this.takeOver();
  }

  // takeOver gives the terminal this screen's size, if it is looked at.
  takeOver() {
    this.ack();
    if (document.hidden || !this.isShown || this.shown < this.replayEnd) return;
    this.fit({ force: this.repaint, repaint: this.repaint });
    this.repaint = false;
  }

  size({ cols, rows }) {
    this.terminal.resize(cols, rows);
    this.on.size(cols, rows);
  }

  exit({ code = 0, signal = "" }) {
    if (this.ended) return;
    this.ended = true;
    const how = signal ? `was ended by ${signal}` : code ? `ended with code ${code}` : "ended";
    this.terminal.write(`\r\n${dim(`— the shell ${how}; press Enter to start it again —`)}\r\n`);
    this.on.ended(true);
  }

  start() {
    this.ended = false;
    this.on.ended(false);
  }

  // Size: a terminal has one, whoever watches. It follows who used it last.

  watchSize() {
    let scheduled = 0;
    this.observer = new ResizeObserver(() => {
      cancelAnimationFrame(scheduled);
      scheduled = requestAnimationFrame(() => this.takeOver());
    });
    this.observer.observe(this.element);
  }

  fit({ force = false, repaint = false } = {}) {
    const fits = this.fitter.proposeDimensions();
    if (!fits?.cols || !fits?.rows) return;
    const changed = fits.cols !== this.terminal.cols || fits.rows !== this.terminal.rows;
    if (!changed && !force) return;
    const { cols, rows } = fits;
    // A program that filled the screen draws it anew when its size changes.
    if (repaint && rows > 2) this.connection.command({ type: "resize", cols, rows: rows - 1 });
    this.size(fits);
    this.connection.command({ type: "resize", cols, rows });
  }

  get isShown() { return this.element.classList.contains("shown"); }

  show(shown) {
    this.element.classList.toggle("shown", shown);
    if (!shown) return;
    this.takeOver();
    this.on.size(this.terminal.cols, this.terminal.rows);
    this.terminal.focus();
  }

  dispose() {
    this.connection.end();
    this.observer.disconnect();
    this.terminal.dispose();
    this.element.remove();
  }
}
