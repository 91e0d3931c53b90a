// The groups of a namespace, beside its agents: asked for again and again, since nothing streams a list.

import { Problem, listGroups } from "./api.js";
import { byId, el, plural } from "./dom.js";

const POLL_MS = 4000;

export class GroupList {
  constructor() {
    this._namespace = "";
    this._chosen = "";
    this._items = [];
    this._timer = 0;
    byId("filter").addEventListener("input", () => this._show());
    document.addEventListener("visibilitychange", () => document.hidden || this._look());
  }

  watch(namespace, chosen) {
    if (namespace !== this._namespace) this._items = [];
    this._namespace = namespace;
    this._chosen = chosen;
    this._show();
    this._look();
  }

  end() {
    clearTimeout(this._timer);
    this._namespace = "";
    this._items = [];
    this._show();
  }

  async _look() {
    clearTimeout(this._timer);
    const namespace = this._namespace;
    if (!namespace || document.hidden) return;
    try {
      const { items } = await listGroups(namespace);
      if (namespace !== this._namespace) return;
      this._items = items;
      this._show();
    } catch (problem) {
      // What is wrong is told by the list of agents, which asks the same gateway.
      if (!(problem instanceof Problem)) throw problem;
      if (namespace !== this._namespace) return;
    }
    clearTimeout(this._timer);
    this._timer = setTimeout(() => this._look(), POLL_MS);
  }

  _show() {
    const sought = byId("filter").value.trim().toLowerCase().replace(/^@/, "");
    const shown = this._items.filter(({ name }) => name.includes(sought));
    const rows = shown.map((group) => this._row(group)).map((row) => row.outerHTML);
    // Left alone while it is the same, so that focus and scrolling stay.
    if (rows.join() === this._shown) return;
    this._shown = rows.join();
    byId("groups").hidden = !shown.length;
    byId("groups").replaceChildren(...shown.map((group) => this._row(group)));
  }

  _row({ name, members, messages }) {
    const href = `#/${encodeURIComponent(this._namespace)}/${encodeURIComponent(`@${name}`)}`;
    const about = `${counted(members, "member")} · ${counted(messages, "message")}`;
    const text = el(
      "span",
      { class: "agent-text" },
      el("span", { class: "agent-name" }, `@${name}`),
      el("span", { class: "about" }, about),
    );
    const current = this._chosen === `@${name}` ? "page" : null;
    return el("li", {}, el("a", { href, "aria-current": current }, text));
  }
}

function counted(number, what) {
  return `${number.toLocaleString("en")} ${plural(number, what)}`;
}
