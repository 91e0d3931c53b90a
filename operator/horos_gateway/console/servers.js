// The tool servers of an agent, in the head: how many, which ones fail, and on demand all about them.

import { el, plural } from "./dom.js";
import { visible, visibleLines } from "./pretty.js";

export class Servers {
  constructor() {
    this._count = el("span", {});
    this._failing = el("span", { class: "failing" });
    // It takes the focus, so that a click in it (to copy an error) is none beside it.
    this._panel = el("div", { class: "panel", tabindex: "-1" });
    this.node = el("details", { class: "servers", hidden: true }, el("summary", {}, this._count, this._failing), this._panel);
    this.node.addEventListener("keydown", ({ key }) => key === "Escape" && this._close());
    this.node.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget && !this.node.contains(relatedTarget)) this.node.open = false;
    });
  }

  /** Show what the gateway tells of them. */
  show({ items, configured, resident, at }) {
    const reported = new Set(items.map(({ name }) => name));
    const unknown = configured.filter((name) => !reported.has(name));
    const failing = items.filter(({ state }) => state === "Failed").length;
    const count = items.length + unknown.length;
    this.node.hidden = count === 0;
    this._count.textContent = `${count} tool ${plural(count, "server")}`;
    this._failing.textContent = failing ? `${failing} failing` : "";
    const stale = resident || !at ? [] : [el("p", { class: "hint" }, `As of ${new Date(at).toLocaleString()}: no process has the agent now.`)];
    const shown = [...stale, ...items.map(serverOf), ...unknown.map(unknownOf)];
    const key = JSON.stringify([items, unknown, stale.length]);
    if (this._key === key) return; // who reads in it is not disturbed
    this._key = key;
    this._panel.replaceChildren(...shown);
  }

  _close() {
    this.node.open = false;
    this.node.querySelector("summary").focus();
  }
}

function serverOf({ name, serverName, state, since, tools, hidden, error, errorAt, stderr }) {
  const when = since ? ` since ${new Date(since).toLocaleString()}` : "";
  const shared = serverName ? `, ToolServer ${serverName}` : "";
  const more = hidden ? `, ${hidden} hidden` : "";
  return el(
    "section",
    { class: "server", "data-state": state },
    el("h3", {}, name),
    el("p", { class: "about-server" }, `${state}${when}${shared}`),
    el("p", {}, `${tools.length} ${plural(tools.length, "tool")}${more}`, tools.length ? ":" : ""),
    tools.length ? el("p", { class: "names" }, tools.join("  ")) : null,
    error ? el("p", { class: "complaint" }, visibleLines(error), errorAt ? ` (${new Date(errorAt).toLocaleString()})` : "") : null,
    stderr ? el("pre", { class: "code", tabindex: "0", "aria-label": `Standard error of ${name}` }, visibleLines(stderr.trimEnd())) : null,
  );
}

const unknownOf = (name) =>
  el("section", { class: "server" }, el("h3", {}, name), el("p", { class: "about-server" }, "Not reported on yet."));
