// Uses a VM's terminal page as a person would, in a real Chromium, and exits
// non-zero where something is not as it should be.
//
//   npm ci && node browser-check.mjs <ui URL> <password> <screenshot.png>
//
// CHROMIUM names the browser, /usr/bin/chromium by default; PORT_COMMAND the
// command that starts a web server on port 3000 of the workspace; COMMAND another
// to type, whose output matches the expression WANTED. NAMES says where names
// are, in place of DNS: "*.example.com 192.0.2.1:443" sends every connection there.
//
// Over HTTPS the certificate must be good: of an authority that Chromium knows,
// or that the NSS database below $HOME/.pki trusts.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [uiURL, password, screenshot] = process.argv.slice(2);
if (!uiURL || !password || !screenshot) {
  console.error("usage: node browser-check.mjs <ui URL> <password> <screenshot.png>");
  process.exit(2);
}
const portCommand = process.env.PORT_COMMAND ?? "python3 -m http.server 3000 --bind 127.0.0.1";

const profile = await mkdtemp(join(tmpdir(), "dcm-browser-"));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  viewport: { width: 1200, height: 720 },
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
    ...(process.env.NAMES ? [`--host-resolver-rules=MAP ${process.env.NAMES}`] : []),
  ],
});
const complaints = [];
const prompt = /[$#%>❯]$/;

try {
  const page = await browser.newPage();
  page.on("console", (m) => { if (m.type() === "error") complaints.push(m.text()); });
  page.on("pageerror", (e) => complaints.push(String(e)));
  await logIn(page);
  await openTerminal(page);
  const mark = `typed-${Date.now()}`;
  await run(page, `echo ${mark.slice(0, 6)}''${mark.slice(6)}; pwd; ls`, mark);
  if (process.env.COMMAND) await run(page, process.env.COMMAND, new RegExp(process.env.WANTED));
  await page.screenshot({ path: screenshot });
  await reload(page, mark);
  await openPort(page);
  if (complaints.length) throw new Error(`the page complained:\n${complaints.join("\n")}`);
  console.log(`browser check: login, terminal, reload and port 3000 work at ${uiURL}`);
} finally {
  await browser.close();
  await rm(profile, { recursive: true, force: true });
}

async function logIn(page) {
  await requireSecure(page, await page.goto(uiURL));
  await page.fill("#password", "certainly-wrong");
  await Promise.all([page.waitForURL(/\/login/), page.click("form button")]);
  await page.waitForSelector("#problem:not([hidden])");
  complaints.length = 0; // the 401 just asked for
  await page.fill("#password", password);
  await page.click("form button");
}

// requireSecure wants HTTP/2 and a secure context, where the URL promises HTTPS.
async function requireSecure(page, answer) {
  if (new URL(uiURL).protocol !== "https:") return;
  const seen = await page.evaluate(() => ({
    secure: window.isSecureContext, protocol: performance.getEntriesByType("navigation")[0].nextHopProtocol,
  }));
  const shown = await answer.securityDetails();
  if (!seen.secure || seen.protocol !== "h2") throw new Error(`over HTTPS the page is ${JSON.stringify(seen)}`);
  console.log(`browser check: HTTP/2 and ${shown.protocol} in a secure context, the certificate is signed by ${shown.issuer}`);
}

async function openTerminal(page) {
  await page.waitForSelector(".screen.shown .xterm-rows", { timeout: 120_000 });
  await page.waitForSelector('#connection[data-state="good"]');
  await shows(page, prompt);
}

// run types a command and waits until its output shows wanted.
async function run(page, command, wanted) {
  await page.click(".screen.shown");
  await page.keyboard.type(`${command}\n`);
  await shows(page, wanted);
}

async function reload(page, wanted) {
  await page.reload();
  await shows(page, wanted);
}

// openPort starts a server in the shell and opens its own address.
async function openPort(page) {
  await run(page, portCommand, /erving|istening|:3000/);
  const url = new URL(uiURL);
  url.hostname = url.hostname.replace(/^ui\./, "3000.");
  url.pathname = "/";
  const other = await browser.newPage();
  const deadline = Date.now() + 20_000;
  for (;;) {
    const answer = await other.goto(url.href);
    if (answer.ok()) break;
    if (Date.now() > deadline) throw new Error(`${url} answers ${answer.status()}: ${await other.innerText("body")}`);
    await other.waitForTimeout(200);
  }
  await other.close();
  await page.keyboard.press("Control+c");
  await shows(page, prompt);
}

// shows waits until the terminal's screen matches a text or expression.
async function shows(page, wanted) {
  const [source, flags] = wanted instanceof RegExp ? [wanted.source, wanted.flags] : [wanted.replace(/\W/g, "\\$&"), ""];
  await page.waitForFunction(([source, flags]) => {
    const rows = document.querySelector(".screen.shown .xterm-rows");
    return rows && new RegExp(source, flags).test([...rows.children].map((r) => r.textContent).join("\n").trimEnd());
  }, [source, flags], { timeout: 30_000 });
}
