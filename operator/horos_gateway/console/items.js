// One element for each item of a thread, and how it changes.

import { AskView, DecisionView } from "./asks.js";
import { el } from "./dom.js";
import { Prose } from "./prose.js";

/** Build the element of an item; `update(item)` shows what changed, `grow(part, delta)` adds streamed text. */
export function itemView(item, agent, actions) {
  if (item.kind === "message") return new MessageView(item, actions);
  if (item.kind === "step") return new StepView(item, agent);
  if (item.kind === "ask") return new AskView(item, agent, actions);
  if (item.kind === "decision") return new DecisionView(item);
  return new NoteView(item);
}

class NoteView {
  constructor(item) {
    this.node = el("p", {});
    this.update(item);
  }

  update({ tone, text }) {
    this.node.className = `item note ${tone}`;
    this.node.textContent = text;
  }
}

class MessageView {
  constructor(item, actions) {
    this._actions = actions;
    this._by = el("span", { class: "by" });
    this._prose = new Prose("said");
    this._foot = el("p", { class: "foot" });
    this.node = el("article", { class: "item message" }, this._by, this._prose.node, this._foot);
    this.update(item);
  }

  update({ from, who, text, state, error, mid }) {
    this.node.classList.toggle("foreign", Boolean(from));
    this.node.classList.toggle("waits", state !== "taken");
    this._by.textContent = from || who || "you";
    const shown = text ?? "…";
    if (this._prose.text !== shown) this._prose.set(shown);
    this._foot.className = error ? "foot complaint" : "foot";
    this._foot.textContent = error || FEET[state] || "";
    if (state === "refused") this._foot.append(...this._again(mid));
  }

  _again(mid) {
    const button = (name, action) =>
      el("button", { type: "button", class: "quiet", onclick: () => action(mid) }, name);
    return [" ", button("Send again", this._actions.again), button("Drop", this._actions.drop)];
  }
}

const FEET = { sending: "Sending…", waiting: "Waits for its turn." };

class StepView {
  constructor(item, agent) {
    this._by = el("span", { class: "by" }, agent);
    this._thoughts = new Prose("thoughts");
    this._thinking = el("summary", {}, "Thought");
    this._reasoning = el(
      "details",
      { class: "reasoning", hidden: true },
      this._thinking,
      this._thoughts.node,
    );
    this._prose = new Prose("answer");
    this._calls = el("div", { class: "calls" });
    this._views = new Map();
    this.node = el(
      "article",
      { class: "item step" },
      this._by,
      this._reasoning,
      this._prose.node,
      this._calls,
    );
    this.update(item);
  }

  update(item) {
    if (this._prose.text !== item.text) this._prose.set(item.text);
    if (this._thoughts.text !== item.thoughts) this._thoughts.set(item.thoughts);
    this._thinking.textContent = item.thinking ? "Thinking…" : "Thought";
    this._reasoning.hidden = !item.thoughts;
    this.node.classList.toggle("streaming", item.streaming);
    this._showCalls(item.calls);
    this._hide(item);
  }

  grow(part, delta, item) {
    (part === "text" ? this._prose : this._thoughts).append(delta);
    if (part === "text") this.node.classList.add("streaming");
    else this._reasoning.hidden = false;
    this._hide(item);
  }

  _hide(item) {
    const empty = !item.text && !item.thoughts && !item.calls.length;
    this.node.hidden = empty || Boolean(item.taken);
  }

  _showCalls(calls) {
    const wanted = new Set(calls.map(({ id }) => id));
    for (const [id, view] of this._views) {
      if (!wanted.has(id)) {
        view.node.remove();
        this._views.delete(id);
      }
    }
    for (const call of calls) {
      if (!this._views.has(call.id)) {
        this._views.set(call.id, new CallView());
        this._calls.append(this._views.get(call.id).node);
      }
      this._views.get(call.id).update(call);
    }
  }
}

class CallView {
  constructor() {
    this._name = el("span", { class: "tool" });
    this._brief = el("span", { class: "brief" });
    this._outcome = el("span", { class: "outcome" });
    this._args = el("pre", { class: "code", tabindex: "0" });
    this._result = el("pre", { class: "code result", tabindex: "0" });
    this._answer = el("div", {}, el("p", { class: "label" }, "Result"), this._result);
    this.node = el(
      "details",
      { class: "call" },
      el("summary", {}, this._name, this._brief, this._outcome),
      el("p", { class: "label" }, "Arguments"),
      this._args,
      this._answer,
    );
  }

  update({ name, args, result, progress }) {
    const failed = result?.startsWith("error:");
    this._name.textContent = name;
    this._brief.textContent = brief(args);
    this._args.textContent = pretty(args);
    this._result.textContent = result ?? "";
    this._answer.hidden = result === null;
    this._outcome.textContent = result === null ? progress || "running" : firstLine(result);
    this.node.classList.toggle("open-call", result === null);
    this.node.classList.toggle("failed", Boolean(failed));
  }
}

function parsed(args) {
  try {
    return JSON.parse(args || "{}");
  } catch {
    return null; // still coming, or never JSON
  }
}

function brief(args) {
  const value = parsed(args);
  if (value === null || typeof value !== "object") return args;
  const words = Object.entries(value).map(
    ([name, part]) => `${name}: ${typeof part === "string" ? part : JSON.stringify(part)}`,
  );
  return words.join(", ");
}

function pretty(args) {
  const value = parsed(args);
  return value === null ? args : JSON.stringify(value, null, 2);
}

const firstLine = (text) => text.split("\n").find((line) => line.trim()) ?? "done";
