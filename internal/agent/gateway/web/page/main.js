// The page: tabs, and what is said around them.

import { openSessions } from "./connection.js";
import { makeKeys } from "./keys.js";
import { watchPortForm } from "./ports.js";
import { Screen } from "./screen.js";
import { watchStatus } from "./status.js";

const element = (id) => document.getElementById(id);
const storedTab = "terminal";
const tabs = new Map(); // by session id: {button, screen, connected}
let shown; // session id
let agentReached = true;
let bootFailed = false;

const keys = makeKeys(element("keys"), () => tabs.get(shown)?.screen);
watchPortForm(element("open-port"));
element("new-tab").addEventListener("click", newTab);
element("first-tab").addEventListener("click", newTab);
// Whoever comes back to this page sees the terminal at this page's size.
document.addEventListener("visibilitychange", takeOver);
addEventListener("focus", takeOver);
addEventListener("pointerdown", takeOver);
watchStatus({
  ready: begin,
  reached(reached, failed) {
    agentReached = reached;
    bootFailed = failed;
    showConnection();
  },
});

function takeOver() {
  tabs.get(shown)?.screen.takeOver();
}

async function begin() {
  element("new-tab").disabled = false;
  const sessions = (await openSessions()) ?? [];
  if (sessions.length === 0) return newTab();
  for (const session of sessions) addTab(session);
  const last = sessionStorage.getItem(storedTab);
  show(tabs.has(last) ? last : sessions[0].id);
}

async function newTab() {
  const like = tabs.get(shown)?.screen.terminal;
  const size = like ? { cols: like.cols, rows: like.rows } : { cols: 80, rows: 24 };
  const answer = await fetch("/api/sessions", { method: "POST", body: JSON.stringify(size) }).catch(() => null);
  if (!answer?.ok) {
    alert(answer ? await answer.text() : "The VM does not answer.");
    showEmpty();
    return;
  }
  const session = await answer.json();
  addTab(session);
  show(session.id);
}

function addTab(session) {
  const { id, number } = session;
  const button = document.createElement("div");
  button.className = "tab";
  button.setAttribute("role", "tab");
  button.tabIndex = 0;
  const name = document.createElement("span");
  name.textContent = `Terminal ${number}`;
  const close = Object.assign(document.createElement("button"), { className: "icon", textContent: "×", title: "Close" });
  close.setAttribute("aria-label", `Close terminal ${number}`);
  button.append(name, close);
  element("tabs").append(button);

  button.addEventListener("click", () => show(id));
  button.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target === button) show(id); });
  button.addEventListener("auxclick", (event) => { if (event.button === 1) closeTab(id); });
  close.addEventListener("click", (event) => {
    event.stopPropagation();
    closeTab(id);
  });

  const tab = { button, connection: "connecting" };
  tabs.set(id, tab);
  tab.screen = new Screen(session, element("terminals"), {
    translate: keys.withControl,
    title(text) {
      name.textContent = text || `Terminal ${number}`;
      button.title = name.textContent;
    },
    news: () => button.classList.toggle("news", id !== shown),
    ended: (ended) => button.classList.toggle("ended", ended),
    size(cols, rows) { if (id === shown) element("size").textContent = `${cols} × ${rows}`; },
    state(state) {
      tab.connection = state;
      showConnection();
    },
    gone: () => removeTab(id),
  });
}

function show(id) {
  if (!tabs.has(id)) return;
  shown = id;
  sessionStorage.setItem(storedTab, id);
  for (const [other, tab] of tabs) {
    tab.button.setAttribute("aria-selected", other === id);
    if (other !== id) tab.screen.show(false);
  }
  const { button, screen } = tabs.get(id);
  button.classList.remove("news");
  button.scrollIntoView({ block: "nearest", inline: "nearest" });
  screen.show(true);
  showEmpty();
  showConnection();
}

async function closeTab(id) {
  removeTab(id);
  await fetch(`/api/sessions/${id}`, { method: "DELETE" }).catch(() => null);
}

function removeTab(id) {
  const tab = tabs.get(id);
  if (!tab) return;
  const ids = [...tabs.keys()];
  const at = ids.indexOf(id);
  tabs.delete(id);
  tab.screen.dispose();
  tab.button.remove();
  if (shown === id) {
    shown = undefined;
    show(ids[at + 1] ?? ids[at - 1]);
  }
  showEmpty();
  showConnection();
}

function showEmpty() {
  element("empty").hidden = tabs.size > 0 || element("new-tab").disabled;
  if (tabs.size === 0) element("size").textContent = "";
}

function showConnection() {
  const tab = tabs.get(shown);
  const [state, text] = !agentReached ? ["bad", "The VM does not answer"]
    : bootFailed ? ["bad", "Failed"]
    : tab?.connection === "waiting" ? ["waiting", "Reconnecting…"]
    : tab?.connection === "connecting" ? ["connecting", "Connecting…"]
    : tab ? ["good", "Connected"]
    : element("new-tab").disabled ? ["connecting", "Preparing"]
    : ["good", "Ready"];
  element("connection").dataset.state = state;
  element("connection").textContent = text;
}
