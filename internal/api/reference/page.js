"use strict";
const api = JSON.parse(document.getElementById("document").textContent);
const verbs = ["get", "post", "put", "patch", "delete"];

// h makes an element. Text only ever becomes text nodes: nothing is parsed as HTML.
function h(name, attributes, ...children) {
  const e = document.createElement(name);
  for (const [k, v] of Object.entries(attributes || {})) e.setAttribute(k, v);
  e.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== ""));
  return e;
}

// prose makes paragraphs, with `code` in them.
function prose(text) {
  return (text || "").trim().split(/\n\s*\n/).filter(Boolean).map((p) =>
    h("p", null, p.split("`").map((part, i) => (i % 2 ? h("code", null, part) : part))));
}

function resolve(node) {
  if (!node || !node.$ref) return node || {};
  const target = node.$ref.slice(2).split("/").reduce((o, k) => o[k], api);
  return { ...resolve(target), ...Object.fromEntries(Object.entries(node).filter(([k]) => k !== "$ref")) };
}

// whole merges allOf, and takes "this or null" for this.
function whole(schema) {
  let s = resolve(schema);
  if (s.oneOf) {
    const others = s.oneOf.filter((o) => o.type !== "null");
    if (others.length === 1) s = { ...whole(others[0]), nullable: true, ...(s.description && { description: s.description }) };
  }
  for (const part of s.allOf || []) {
    const p = whole(part);
    s = { ...p, ...s, properties: { ...p.properties, ...s.properties }, required: [...(p.required || []), ...(s.required || [])] };
  }
  return s;
}

function kind(s) {
  const types = [].concat(s.type || (s.properties ? "object" : "any"));
  let text = types.filter((t) => t !== "null").join(" or ");
  if (text === "array") text = "array of " + kind(whole(s.items));
  if (s.format) text += ` (${s.format})`;
  return text + (s.nullable || types.includes("null") ? " or null" : "");
}

function bounds(s) {
  const all = [];
  if (s.enum) all.push("One of " + s.enum.map((v) => "`" + v + "`").join(", ") + ".");
  if (s.minimum !== undefined && s.maximum !== undefined) all.push(`From ${s.minimum} to ${s.maximum}.`);
  else if (s.minimum !== undefined) all.push(`At least ${s.minimum}.`);
  if (s.maxLength) all.push(`At most ${s.maxLength} characters.`);
  if (s.maxItems) all.push(`At most ${s.maxItems}.`);
  if (s.default !== undefined) all.push("Default: `" + s.default + "`.");
  if (s.examples) all.push("Such as `" + s.examples[0] + "`.");
  return all.join(" ");
}

function inner(s) {
  if (s.properties) return s;
  if (s.items) return inner(whole(s.items));
  if (s.additionalProperties && s.additionalProperties !== true) return inner(whole(s.additionalProperties));
  return null;
}

function row(name, s, required) {
  const nested = inner(s);
  return h("tr", null,
    h("td", null, h("code", null, name), required ? h("span", { class: "must" }, "required") : ""),
    h("td", null, h("span", { class: "type" }, kind(s)), prose(s.description), prose(bounds(s)),
      nested ? h("details", null, h("summary", null, "Fields"), fields(nested)) : ""));
}

function fields(s) {
  return h("table", null, h("tbody", null, Object.entries(s.properties).map(([name, p]) =>
    row(name, whole(p), (s.required || []).includes(name)))));
}

// sample is an answer as it may look.
function sample(schema, depth = 0) {
  const s = whole(schema);
  if (s.examples) return s.examples[0];
  if (s.enum) return s.enum[0];
  const type = [].concat(s.type || "object")[0];
  if (s.nullable && depth > 2) return null;
  if (type === "array") return [sample(s.items, depth + 1)];
  if (type === "object") return Object.fromEntries(Object.entries(s.properties || {}).map(([k, v]) => [k, sample(v, depth + 1)]));
  if (type === "integer" || type === "number") return s.default ?? s.minimum ?? 1;
  if (type === "boolean") return true;
  if (s.format === "date-time") return "2026-11-24T08:00:00Z";
  return "…";
}

function caller(o) {
  const s = (o.security || api.security)[0];
  if (!s) return "Open to everyone.";
  const [scheme, roles] = Object.entries(s)[0];
  if (scheme === "person") return roles.length ? ["Needs the permission ", h("code", null, roles.join(", ")), "."] : "Needs a token.";
  return scheme === "vm" ? "Needs the VM's own token." : "Needs the VM's bootstrap token.";
}

function curl(o, path) {
  const lines = [`curl -X ${o.verb} "$API${path}"`];
  const s = (o.security || api.security)[0];
  if (s) lines.push(`  -H "Authorization: Bearer $TOKEN"`);
  const body = o.requestBody && o.requestBody.content["application/json"];
  if (body) lines.push(`  -H "Content-Type: application/json"`, `  -d '${JSON.stringify(body.example || sample(body.schema))}'`);
  return lines.join(" \\\n");
}

function answer(status, response) {
  const r = resolve(response);
  const json = (r.content || {})["application/json"];
  const s = json && status < "3" ? whole(json.schema) : null;
  const text = h("td", null, prose(r.description));
  if (s && inner(s)) {
    text.append(h("details", null, h("summary", null, "Fields"), fields(inner(s) === s ? s : { properties: { items: s } })),
      h("details", null, h("summary", null, "Example"), h("pre", { tabindex: 0 }, JSON.stringify(sample(json.schema), null, 2))));
  }
  return h("tr", null, h("td", null, h("code", null, status === "default" ? "other" : status)), text);
}

function operation(o) {
  const body = o.requestBody && whole(o.requestBody.content["application/json"].schema);
  const order = Object.keys(o.responses).sort();
  return h("article", { id: o.operationId },
    h("h3", null, o.summary),
    h("div", { class: "route" }, h("span", { class: "verb " + o.verb }, o.verb), h("code", null, o.path)),
    h("p", { class: "needs" }, caller(o)),
    prose(o.description),
    o.parameters.length ? [h("h4", null, "Parameters"), h("table", null, h("tbody", null, o.parameters.map((p) => {
      const s = whole(p.schema);
      return row(p.name, { ...s, description: `In the ${p.in}. ${p.description || ""}` }, p.required);
    })))] : "",
    body ? [h("h4", null, "Body"), fields(body)] : "",
    h("h4", null, "Answers"), h("table", null, h("tbody", null, order.map((s) => answer(s, o.responses[s])))),
    h("h4", null, "Example"), h("pre", { tabindex: 0 }, curl(o, o.path)));
}

function operations() {
  const all = [];
  for (const [path, item] of Object.entries(api.paths)) {
    for (const verb of verbs.filter((v) => item[v])) {
      const o = item[verb];
      all.push({ ...o, path, verb: verb.toUpperCase(), parameters: [...(item.parameters || []), ...(o.parameters || [])].map(resolve) });
    }
  }
  return all;
}

function draw() {
  const all = operations();
  document.title = api.info.title + " API";
  const main = document.getElementById("main");
  const nav = document.getElementById("nav");
  const search = h("input", { type: "search", placeholder: "Filter", "aria-label": "Filter operations" });
  nav.append(search);
  main.replaceChildren(h("h1", null, api.info.title), h("p", { class: "soft" }, `HTTP API, version ${api.info.version}. `, h("a", { href: "openapi.json" }, "OpenAPI 3.1 document")), ...prose(api.info.description));
  main.append(h("h2", { id: "authentication" }, "Who is calling"));
  main.append(h("table", null, h("tbody", null, Object.entries(api.components.securitySchemes).map(([name, s]) =>
    h("tr", null, h("td", null, h("code", null, name)), h("td", null, h("code", null, "Authorization: Bearer …"), prose(s.description)))))));
  const problem = whole({ $ref: "#/components/schemas/Problem" });
  main.append(h("h2", { id: "errors" }, "Errors"), fields(problem));
  for (const tag of api.tags) {
    const own = all.filter((o) => o.tags[0] === tag.name);
    nav.append(h("h2", null, tag.name), h("ul", null, own.map((o) => h("li", null,
      h("a", { href: "#" + o.operationId }, h("span", { class: "verb " + o.verb }, o.verb), h("span", null, o.summary))))));
    main.append(h("h2", { id: "tag-" + tag.name }, tag.name), ...prose(tag.description), ...own.map(operation));
  }
  search.addEventListener("input", () => {
    const wanted = search.value.toLowerCase();
    for (const li of nav.querySelectorAll("li")) li.hidden = !(li.textContent + li.firstChild.hash).toLowerCase().includes(wanted);
  });
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

draw();
