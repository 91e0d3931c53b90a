// The agents of a namespace: asked for again and again, since nothing streams a list.

import { Problem, listAgents } from "./api.js";
import { byId, command, el } from "./dom.js";
import { lookOf, looksLike } from "./residency.js";

const POLL_MS = 2000;
const SHOWN = 300;

export class AgentList {
  /** `told` gets agents(items, namespace) after each look, and refused(problem) when the session is over. */
  constructor(told) {
    this._told = told;
    this._namespace = "";
    this._chosen = "";
    this._items = [];
    this._links = new Map();
    this._timer = 0;
    byId("filter").addEventListener("input", () => this._show());
    document.addEventListener("visibilitychange", () => document.hidden || this._look());
  }

  watch(namespace, chosen) {
    if (namespace !== this._namespace) this._forget();
    this._namespace = namespace;
    this._chosen = chosen;
    this._show();
    this._look();
  }

  end() {
    clearTimeout(this._timer);
    this._namespace = "";
    this._forget();
  }

  _forget() {
    this._items = [];
    this._links.clear();
    byId("agents").replaceChildren();
    byId("list-trouble").textContent = "";
  }

  async _look() {
    clearTimeout(this._timer);
    const namespace = this._namespace;
    if (!namespace || document.hidden) return;
    try {
      const { items } = await listAgents(namespace);
      if (namespace !== this._namespace) return;
      this._items = items;
      byId("list-trouble").textContent = "";
      this._show();
      this._told.agents(items, namespace);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (namespace !== this._namespace) return;
      if (problem.status === 401) return void this._told.refused(problem);
      byId("list-trouble").textContent = problem.message;
    }
    clearTimeout(this._timer);
    // A long list costs more: it is asked for less often.
    this._timer = setTimeout(() => this._look(), Math.max(POLL_MS, this._items.length * 5));
  }

  _show() {
    const sought = byId("filter").value.trim().toLowerCase();
    const fitting = this._items.filter(({ name }) => name.includes(sought));
    const shown = fitting.slice(0, SHOWN);
    const names = new Set(shown.map(({ name }) => name));
    for (const [name, link] of this._links) {
      if (!names.has(name)) {
        link.row.remove();
        this._links.delete(name);
      }
    }
    shown.forEach((agent, place) => this._place(agent, place));
    this._tellRest(fitting.length - shown.length, sought && !fitting.length ? sought : "");
  }

  _place(agent, place) {
    const list = byId("agents");
    if (!this._links.has(agent.name)) this._links.set(agent.name, new Row(this._namespace, agent.name));
    const link = this._links.get(agent.name);
    link.update(agent, agent.name === this._chosen);
    if (list.children[place] !== link.row) list.insertBefore(link.row, list.children[place] ?? null);
  }

  _tellRest(more, sought) {
    byId("agents").querySelector(".rest")?.remove();
    const text = sought
      ? `No agent is called like “${sought}”.`
      : more > 0
        ? `and ${more} more: find one by its name`
        : "";
    if (text) byId("agents").append(el("li", { class: "rest" }, text));
  }
}

class Row {
  constructor(namespace, name) {
    this._dot = el("span", { class: "dot", "aria-hidden": "true" });
    this._about = el("span", { class: "about" });
    const href = `#/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
    const text = el("span", { class: "agent-text" }, el("span", { class: "agent-name" }, name), this._about);
    this._badge = el("span", { class: "badge", hidden: true });
    this._link = el("a", { href }, this._dot, text, this._badge);
    this.row = el("li", {}, this._link);
  }

  update(agent, chosen) {
    this._dot.dataset.state = lookOf(agent);
    this._about.textContent = aboutOf(agent);
    this._badge.hidden = !agent.approvals;
    this._badge.textContent = agent.approvals || "";
    this._badge.title = `${agent.approvals} to decide`;
    if (chosen) this._link.setAttribute("aria-current", "page");
    else this._link.removeAttribute("aria-current");
  }
}

function aboutOf(agent) {
  const waiting = agent.waiting > 0 && !agent.turn ? ` · ${agent.waiting} waiting` : "";
  if (lookOf(agent) === "running")
    return `running${agent.thread && agent.thread !== "main" ? ` · ${agent.thread}` : ""}`;
  if (agent.state === "error") return agent.reason || "error";
  return looksLike(agent) + waiting;
}

/** What to show where there is no agent yet. */
export function howToBegin(namespace) {
  const where = namespace === "default" ? "" : ` -n ${namespace}`;
  const manifest = `kubectl apply${where} -f - <<END
apiVersion: horos.dev/v1alpha1
kind: Agent
metadata: {name: ada}
spec:
  instructions: You are Ada. Answer briefly.
END`;
  return el(
    "div",
    { class: "empty middle" },
    el("h2", {}, "No agents here yet"),
    el(
      "p",
      {},
      "There is no agent in namespace ",
      el("strong", {}, namespace),
      ". Make one, and it appears here:",
    ),
    command(manifest),
  );
}
