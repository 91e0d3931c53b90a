// One thread of one agent: its head, what was said, and the field to say something.

import { AgentApi, Problem } from "./api.js";
import { command, el, say } from "./dom.js";
import { Feed } from "./feed.js";
import { itemView } from "./items.js";
import { lookOf } from "./list.js";
import { Composer } from "./composer.js";
import { Thread } from "./thread.js";

const KEPT = 240; // items in the page; older ones are read again on demand
const TOO_MANY = 320;
const NEAR = 80; // pixels from the end that count as reading along

export class Conversation {
  constructor(place, told) {
    this.place = place;
    this._told = told;
    this._api = new AgentApi(place.namespace, place.agent, place.thread);
    this._views = new Map();
    this._agent = null;
    this._along = true; // whether the person reads along at the end
    this._build();
    this._thread = new Thread(this, { inbox: () => this._feed.inbox(), records: () => this._feed.records() });
    this._feed = new Feed(this._api, this._thread, {
      status: (text) => this._tell(text),
      agent: (body) => this._found(body),
      gone: () => this._gone(),
      refused: (problem) => told.refused(problem),
    });
    this._feed.start();
  }

  end() {
    this._feed.end();
  }

  // What the thread tells -----------------------------------------------------------------------------------------

  clear() {
    this._views.clear();
    this._log.replaceChildren();
    this._queue.replaceChildren();
    this._older.hidden = true;
  }

  add(item, before, waits) {
    const view = itemView(item, this.place.agent, { again: (mid) => this._composer.again(mid), drop: (mid) => this._thread.unsent(mid) });
    this._views.set(item, view);
    if (waits) this._queue.append(view.node);
    else this._log.insertBefore(view.node, before ? this._views.get(before).node : null);
    this._grown();
  }

  change(item) {
    this._views.get(item)?.update(item);
    this._grown();
  }

  grow(item, part, delta) {
    this._views.get(item).grow(part, delta, item);
    this._grown();
  }

  remove(item) {
    this._views.get(item)?.node.remove();
    this._views.delete(item);
  }

  running(run) {
    this._composer.running(run);
  }

  spoken(text) {
    say(`${this.place.agent} says: ${text.slice(0, 600)}`);
  }

  state({ state, reason, message }) {
    this.agent({ ...this._agent, state, reason: reason ?? "", message: message ?? "", resident: true });
  }

  resident(resident) {
    this.agent({ ...this._agent, resident });
  }

  usage({ turns, promptTokens, completionTokens }) {
    this.agent({ ...this._agent, usage: { ...this._agent?.usage, turns, promptTokens, completionTokens } });
  }

  /** What the list has just seen of this agent. */
  agent(body) {
    if (this._over) return;
    this._agent = { ...this._agent, ...body };
    const look = lookOf(this._agent);
    this._state.dataset.state = look;
    this._state.textContent = look;
    this._usage.textContent = usageOf(this._agent.usage);
    this._banner(...bannerOf(this._agent, this.place));
    this._composer.allow(look !== "terminated");
  }

  // ----------------------------------------------------------------------------------------------------------------

  _found(body) {
    this.agent(body);
    this._showThreads(body.threads);
    this._older.hidden = true;
    this._composer.running(body.thread === this.place.thread ? body.turn : "");
    queueMicrotask(() => this._settled());
  }

  _settled() {
    this._older.hidden = this._thread.first === 0;
    this._empty.hidden = this._views.size > 0;
    this._pane.scrollTop = this._pane.scrollHeight;
  }

  _gone() {
    this._over = true;
    this._tell("");
    this._state.dataset.state = this._state.textContent = "deleted";
    this._composer.allow(false);
    this._empty.hidden = true;
    const text = `${this.place.agent} is not there (any more): it was deleted, or never made in namespace ${this.place.namespace}.`;
    this._banner("error", text, command(`kubectl get agents -n ${this.place.namespace}`));
    say(text);
  }

  _tell(text) {
    this._status.textContent = text;
    this._status.hidden = !text;
  }

  _banner(tone, text, ...more) {
    const key = `${tone} ${text}`;
    if (this._notice.dataset.key === key) return;
    this._notice.dataset.key = key;
    this._notice.hidden = !text;
    this._notice.className = `banner ${tone}`;
    this._notice.replaceChildren(el("p", {}, text), ...more.filter(Boolean));
  }

  /** Stay at the end for who reads along; say that there is more for who does not. */
  _grown() {
    if (this._frame) return;
    this._frame = requestAnimationFrame(() => {
      this._frame = 0;
      this._empty.hidden = this._views.size > 0;
      if (this._along) this._follow();
      else this._down.hidden = false;
    });
  }

  _follow() {
    this._along = true;
    if (this._thread.items.length > TOO_MANY) {
      this._thread.trim(KEPT);
      this._older.hidden = this._thread.first === 0;
    }
    this._pane.scrollTop = this._pane.scrollHeight;
    this._down.hidden = true;
  }

  async _readOlder() {
    const height = this._pane.scrollHeight - this._pane.scrollTop;
    this._older.disabled = true;
    try {
      this._older.hidden = !(await this._feed.older());
      this._pane.scrollTop = this._pane.scrollHeight - height;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this._tell(problem.message);
    } finally {
      this._older.disabled = false;
    }
  }

  _showThreads(names) {
    const { thread } = this.place;
    const all = [...new Set(["main", ...names, thread])];
    this._threads.replaceChildren(...all.map((name) => el("option", { value: name, selected: name === thread }, name)));
  }

  _build() {
    const { namespace, agent, thread } = this.place;
    const go = (name) => this._told.go(namespace, agent, name);
    this._state = el("span", { class: "state", "data-state": "unknown" }, "…");
    this._usage = el("span", { class: "usage" });
    this._threads = el("select", { id: "threads", onchange: ({ target }) => go(target.value) });
    this._showThreads([]);
    const wanted = el("input", { name: "thread", placeholder: "name", "aria-label": "Name of the new thread", pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]*", maxlength: "63", required: true });
    const form = el("form", { class: "new-thread", hidden: true, onsubmit: (event) => (event.preventDefault(), go(wanted.value)) }, wanted, el("button", { type: "submit", class: "quiet" }, "Open"));
    const plus = el("button", { type: "button", class: "quiet", onclick: () => ((form.hidden = !form.hidden), wanted.focus()) }, "New thread");
    const head = el(
      "header",
      { class: "head" },
      el("a", { class: "back", href: "#/", "aria-label": "All agents" }, "‹"),
      el("h1", {}, agent),
      this._state,
      this._usage,
      el("div", { class: "threads" }, el("label", { for: "threads" }, "Thread"), this._threads, plus, form),
    );
    this._notice = el("div", { class: "banner", role: "alert", hidden: true });
    this._older = el("button", { type: "button", class: "quiet older", hidden: true, onclick: () => this._readOlder() }, "Show what came before");
    this._log = el("div", { class: "log", role: "log", "aria-live": "off", "aria-label": `Thread ${thread} of ${agent}` });
    this._queue = el("div", { class: "queue" });
    this._empty = el("div", { class: "empty", hidden: true }, el("h2", {}, "Nothing was said here yet"), el("p", {}, "Write below, or from a terminal:"), command(`horos send ${agent} "Hello" -n ${namespace}${thread === "main" ? "" : ` --thread ${thread}`}`));
    this._pane = el("div", { class: "pane", tabindex: "0", "aria-label": "Conversation" }, el("div", { class: "column" }, this._older, this._empty, this._log, this._queue));
    this._pane.addEventListener("scroll", () => this._scrolled(), { passive: true });
    this._down = el("button", { type: "button", class: "down", hidden: true, onclick: () => this._follow() }, "New below ↓");
    this._status = el("p", { class: "status", role: "status", hidden: true });
    this._composer = new Composer(this._api, () => this._thread, () => this._follow());
    this.node = el("section", { class: "conversation", "aria-label": agent }, head, this._notice, el("div", { class: "stage" }, this._pane, this._down), this._status, this._composer.node);
  }

  _scrolled() {
    this._along = this._pane.scrollHeight - this._pane.scrollTop - this._pane.clientHeight < NEAR;
    if (this._along) this._down.hidden = true;
  }
}

function usageOf(usage) {
  if (!usage?.turns) return "";
  const tokens = ((usage.promptTokens ?? 0) + (usage.completionTokens ?? 0)).toLocaleString("en");
  return `${usage.turns} ${usage.turns === 1 ? "turn" : "turns"} · ${tokens} tokens`;
}

/** The tone, the sentence and the command for a state that keeps a person waiting. */
function bannerOf({ state, reason, message }, { namespace, agent }) {
  const why = [reason, message].filter(Boolean).join(": ");
  if (state === "error") return ["error", `${why || "The agent is in error"}. It goes on by itself when the cause is gone.`, command(`horos describe ${agent} -n ${namespace}`)];
  if (state === "paused") return ["warn", "Suspended: it keeps its messages and answers after", command(`horos resume ${agent} -n ${namespace}`)];
  if (state === "terminated") return ["quiet", "Terminated: it takes no messages; what it said can be read until the Agent is deleted."];
  return why ? ["warn", why] : ["", ""];
}
