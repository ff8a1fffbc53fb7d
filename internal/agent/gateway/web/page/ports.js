// The workspace's ports, as this browser reaches them.

const loopback = /^(localhost|127(\.\d+){3}|0\.0\.0\.0|\[::1?\])$/;

// portURL is a port's own address beside this page's.
export function portURL(port, rest = "/") {
  const place = location.port ? `:${location.port}` : "";
  return `${location.protocol}//${port}.${document.body.dataset.hostname}${place}${rest}`;
}

// openLink opens a link from a terminal. What a program calls localhost is the
// workspace, not the machine the browser runs on.
export function openLink(text) {
  let url;
  try {
    url = new URL(text);
  } catch {
    return;
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") return;
  let target = url.href;
  if (loopback.test(url.hostname)) {
    const port = url.port || (url.protocol === "https:" ? "443" : "80");
    target = portURL(port, url.pathname + url.search + url.hash);
  }
  open(target, "_blank", "noopener");
}

export function watchPortForm(form) {
  const field = form.querySelector("input");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const port = Number(field.value);
    if (port >= 1 && port <= 65535) open(portURL(port), "_blank", "noopener");
  });
}
