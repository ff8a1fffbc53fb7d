// How far the workspace has come.

const phases = [
  ["bootstrapping", "Starting the VM's agent"],
  ["restoring", "Restoring saved work, if there is any"],
  ["cloning", "Cloning the repository"],
  ["building", "Building the container"],
  ["ready", "Ready"],
];
const whileBooting = 1000;
const onceReady = 10_000;

const element = (id) => document.getElementById(id);

// watchStatus asks for the status for good. ready() is called once;
// reached(bool, failed) after every try.
export async function watchStatus({ ready, reached }) {
  let isReady = false;
  for (;;) {
    const status = await readStatus();
    reached(status !== null, Boolean(status?.problem) && status.phase !== "ready");
    if (status) {
      showNotice(isReady || status.phase === "ready" ? [status.message, status.problem?.message].filter(Boolean).join("\n") : "");
      if (status.phase === "ready" && !isReady) {
        isReady = true;
        element("boot").hidden = true;
        ready();
      } else if (!isReady) {
        showBoot(status);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, isReady ? onceReady : whileBooting));
  }
}

async function readStatus() {
  try {
    const answer = await fetch("/api/status");
    if (answer.status === 401) location.reload();
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

function showBoot({ phase, message = "", problem }) {
  const at = phases.findIndex(([name]) => name === phase);
  const list = element("phases");
  if (!list.childElementCount) {
    for (const [, title] of phases.slice(0, -1)) list.append(Object.assign(document.createElement("li"), { textContent: title }));
  }
  [...list.children].forEach((item, i) => {
    item.className = i < at ? "done" : i > at ? "" : problem ? "failed" : "now";
  });
  element("boot").querySelector("h1").textContent = problem ? "The workspace could not be prepared" : "Preparing the workspace";
  element("message").textContent = message;
  element("problem").hidden = !problem;
  element("problem").textContent = problem?.message ?? "";
}

let dismissed = "";

function showNotice(text = "") {
  const notice = element("notice");
  notice.hidden = !text || text === dismissed;
  notice.querySelector("span").textContent = text;
  notice.querySelector("button").onclick = () => {
    dismissed = text;
    notice.hidden = true;
  };
}
