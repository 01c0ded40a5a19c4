"use strict";

const by = (id) => document.getElementById(id);
const rows = new Map();
let waiting = null; // Events that come while the list is on its way.

const say = (text) => { by("word").textContent = text; };

async function ask(path, options = {}) {
  const answer = await fetch(path, options);
  const document = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(document.detail), { status: answer.status });
  return document;
}

function show(worker) {
  let row = rows.get(worker.id);
  if (!row) {
    row = by("workers").insertRow();
    const name = document.createElement("th");
    name.scope = "row";
    row.append(name);
    for (let cell = 0; cell < 5; cell += 1) row.insertCell();
    rows.set(worker.id, row);
  }
  row.dataset.state = worker.state;
  const state = worker.ready ? `${worker.state}, ready` : worker.state;
  const texts = [worker.id, state, worker.health, worker.pid ?? "", worker.restarts, worker.note || (worker.pid === null && worker.exit) || ""];
  texts.forEach((text, cell) => { row.cells[cell].textContent = text; });
}

function forget(id) {
  rows.get(id)?.remove();
  rows.delete(id);
}

function happened(event) {
  if (waiting) waiting.push(event);
  else if (event.data.removed) forget(event.worker);
  else show(event.data.now);
}

async function list() {
  waiting = [];
  try {
    const workers = await ask("/v1/workers");
    const names = new Set(workers.map((worker) => worker.id));
    [...rows.keys()].filter((id) => !names.has(id)).forEach(forget);
    workers.forEach(show);
    say(workers.length ? "" : "There are no workers.");
  } catch (error) {
    say(error.message);
  }
  const missed = waiting;
  waiting = null;
  missed.forEach(happened);
}

function follow() {
  const events = new EventSource("/v1/events");
  events.addEventListener("open", list);
  events.addEventListener("gap", list);
  events.addEventListener("worker", (message) => happened(JSON.parse(message.data)));
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.CLOSED) enter();
    else say("The master does not answer; trying again.");
  });
}

async function enter() {
  try {
    const session = await ask("/v1/session");
    const scope = session.grant.workers ? ` for ${session.grant.workers.join(", ")}` : "";
    by("who").textContent = `${session.name}, ${session.grant.role ?? "viewer"}${scope}`;
    by("leave").hidden = by("table").hidden = false;
    follow();
  } catch (error) {
    by("who").textContent = "Not logged in";
    by("leave").hidden = by("table").hidden = true;
    say(error.status === 401 ? "`beeyard token link` prints a link that logs you in." : error.message);
  }
}

async function login() {
  const token = location.pathname === "/login" ? location.hash.slice(1) : "";
  history.replaceState(null, "", "/"); // It must not stay in the address bar.
  if (token) {
    try {
      const headers = { "Content-Type": "application/json" };
      await ask("/v1/login", { method: "POST", headers, body: JSON.stringify({ token }) });
    } catch (error) {
      by("who").textContent = "Not logged in";
      say(`${error.message}; a link works once, and for ten minutes.`);
      return;
    }
  }
  await enter();
}

by("leave").addEventListener("click", async () => {
  await ask("/v1/logout", { method: "POST" }).catch((error) => say(error.message));
  location.assign("/");
});

login();
