// Where a thread is read: its items, the messages that wait, older ones on demand, and the end that it stays at.

import { command, el, threadLinks } from "./dom.js";
import { itemView } from "./items.js";

const NEAR = 80; // pixels from the end that count as reading along

export class Pane {
  /** `actions` are what a person can do here: again(mid), drop(mid), older(), decide(decision). */
  constructor({ namespace, agent, thread }, actions) {
    this._agent = agent;
    this._actions = actions;
    this._views = new Map();
    this._along = true; // whether the person reads along at the end
    this._frame = 0;
    this._seen = 0; // the height that was last painted
    this.followed = () => {};
    const button = { type: "button", hidden: true };
    this._older = el(
      "button",
      { ...button, class: "quiet older", onclick: () => this._readOlder() },
      "Show what came before",
    );
    this._down = el("button", { ...button, class: "down", onclick: () => this.follow() }, "New below ↓");
    const label = agent.startsWith("@") ? `Messages to ${agent}` : `Thread ${thread} of ${agent}`;
    this._log = el("div", { class: "log", role: "log", "aria-live": "off", "aria-label": label });
    this._asks = el("div", { class: "asks" });
    this._queue = el("div", { class: "queue" });
    const where = thread === "main" ? "" : ` --thread ${thread}`;
    this._place = { namespace, agent, thread };
    this._others = el("p", { hidden: true });
    this._empty = el(
      "div",
      { class: "empty", hidden: true },
      el("h2", {}, "Nothing was said here yet"),
      this._others,
      el("p", {}, "Write below, or from a terminal:"),
      command(`horos send ${agent} "Hello" -n ${namespace}${where}`),
    );
    const column = el("div", { class: "column" }, this._older, this._empty, this._log, this._asks, this._queue);
    this._pane = el("div", { class: "pane", tabindex: "0", "aria-label": "Conversation" }, column);
    this._pane.addEventListener("scroll", () => this._scrolled(), { passive: true });
    this.node = el("div", { class: "stage" }, this._pane, this._down);
  }

  clear() {
    this._views.clear();
    this._log.replaceChildren();
    this._asks.replaceChildren();
    this._queue.replaceChildren();
    this._older.hidden = true;
  }

  add(item, before, waits) {
    const view = itemView(item, this._agent, this._actions);
    this._views.set(item, view);
    if (item.kind === "ask") this._asks.append(view.node);
    else if (waits) this._queue.append(view.node);
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
    const node = this._views.get(item)?.node;
    // Whoever has decided with the keyboard goes on here, and not at the top of the page.
    if (node?.contains(document.activeElement)) this._pane.focus();
    node?.remove();
    this._views.delete(item);
  }

  /** Time has passed: say how long there is to decide. */
  tick() {
    for (const view of this._views.values()) view.tick?.();
  }

  /** Say whether there is more before what is shown. */
  more(more) {
    this._older.hidden = !more;
  }

  /** Go to the end, and stay there. */
  follow() {
    this._along = true;
    this.followed();
    this._empty.hidden = this._views.size > 0;
    this._pane.scrollTop = this._pane.scrollHeight;
    this._down.hidden = true;
  }

  /** Say in which threads of the agent there is something to read, where this one has nothing. */
  threads(names) {
    const links = threadLinks(
      this._place,
      names.filter((name) => name !== this._place.thread),
    );
    this._others.hidden = !links.length;
    this._others.replaceChildren("Something was said in ", ...links);
  }

  /** Nobody will say anything here. */
  close() {
    this._empty.hidden = true;
  }

  /** Stay at the end for who reads along; say that there is more for who does not. */
  _grown() {
    this._frame ||= requestAnimationFrame(() => {
      this._frame = 0;
      if (this._along) this.follow();
      else this._down.hidden = false;
      this._seen = this._pane.scrollHeight;
    });
  }

  /** What came since the last frame was not seen yet: who was at the end before it still reads along. */
  _scrolled() {
    const end = Math.min(this._seen, this._pane.scrollHeight);
    this._along = end - this._pane.scrollTop - this._pane.clientHeight < NEAR;
    if (this._along) this._down.hidden = true;
  }

  async _readOlder() {
    this._along = false;
    this._older.disabled = true;
    const height = this._pane.scrollHeight - this._pane.scrollTop;
    await this._actions.older();
    this._seen = this._pane.scrollHeight;
    this._pane.scrollTop = this._pane.scrollHeight - height;
    this._older.disabled = false;
  }
}
