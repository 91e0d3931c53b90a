// The head of a conversation: who it is, what it is doing, and, below, what keeps it from answering.

import { command, el, plural, threadLinks } from "./dom.js";
import { lookOf, looksLike, orderFor } from "./residency.js";
import { Servers } from "./servers.js";

export class Head {
  /** `open(thread)` goes to another thread of the same agent; `order(what)` asks it to wake or to hibernate. */
  constructor(place, open, order) {
    this._place = place;
    this._open = open;
    this._state = el("span", { class: "state", "data-state": "unknown" }, "…");
    this._order = el("button", { type: "button", class: "quiet order", hidden: true });
    this._order.addEventListener("click", () => order(this._order.value));
    this._usage = el("span", { class: "usage" });
    this._servers = new Servers();
    this._elsewhere = el("span", { class: "elsewhere" });
    this._threads = el("select", { id: "threads", onchange: ({ target }) => open(target.value) });
    this.threads([]);
    this.node = el(
      "header",
      { class: "head" },
      el("a", { class: "back", href: "#/", "aria-label": "All agents" }, "‹"),
      el("h1", {}, place.agent),
      this._state,
      this._order,
      this._servers.node,
      this._usage,
      this._elsewhere,
      el(
        "div",
        { class: "threads" },
        el("label", { for: "threads" }, "Thread"),
        this._threads,
        ...this._another(),
      ),
    );
    this.notice = el("div", { class: "banner", role: "alert", hidden: true });
  }

  /** Show what the agent is doing. */
  agent(body) {
    this._look(lookOf(body), looksLike(body), sinceOf(body));
    this._offer(orderFor(body));
    this._usage.textContent = usageOf(body.usage);
    this._tell(...noticeOf(body, this._place));
  }

  servers(body) {
    this._servers.show(body);
  }

  /** Say which other threads wait for a decision. */
  elsewhere(threads) {
    const links = threadLinks(this._place, [...new Set(threads)]);
    this._elsewhere.replaceChildren(...(links.length ? ["To decide in ", ...links] : []));
  }

  threads(names) {
    const { thread } = this._place;
    const all = [...new Set(["main", ...names, thread])];
    const options = all.map((name) => el("option", { value: name, selected: name === thread }, name));
    this._threads.replaceChildren(...options);
  }

  /** Say that there is no such agent; returns the sentence. */
  gone() {
    const { agent, namespace } = this._place;
    const text = `${agent} is not there (any more): it was deleted, or never made in namespace ${namespace}.`;
    this._look("deleted");
    this._offer("");
    this._tell("error", text, `kubectl get agents -n ${namespace}`);
    return text;
  }

  /** An order is on its way, or has been answered. */
  ordering(busy) {
    this._order.disabled = busy;
  }

  _look(state, text = state, since = "") {
    this._state.dataset.state = state;
    this._state.textContent = text;
    this._state.title = since;
  }

  _offer(order) {
    this._order.hidden = !order;
    this._order.value = order;
    this._order.textContent = ORDERS[order]?.name ?? "";
    this._order.title = ORDERS[order]?.about ?? "";
  }

  _tell(tone, text, helps = "") {
    const key = `${tone} ${text}`;
    if (this.notice.dataset.key === key) return;
    this.notice.dataset.key = key;
    this.notice.hidden = !text;
    this.notice.className = `banner ${tone}`;
    this.notice.replaceChildren(el("p", {}, text), ...(helps ? [command(helps)] : []));
  }

  _another() {
    const name = el("input", {
      name: "thread",
      placeholder: "name",
      "aria-label": "Name of the new thread",
      pattern: "[A-Za-z0-9]([A-Za-z0-9._\\-]*[A-Za-z0-9])?",
      maxlength: "63",
      required: true,
    });
    const submit = (event) => {
      event.preventDefault();
      this._open(name.value);
    };
    const button = el("button", { type: "submit", class: "quiet" }, "Open");
    const form = el("form", { class: "new-thread", hidden: true, onsubmit: submit }, name, button);
    const show = () => {
      form.hidden = !form.hidden;
      name.focus();
    };
    return [el("button", { type: "button", class: "quiet", onclick: show }, "New thread"), form];
  }
}

const ORDERS = {
  wake: { name: "Wake", about: "Give it a process before there is a message for it" },
  hibernate: { name: "Hibernate", about: "Free its slot, after its turn; the next message wakes it" },
};

const sinceOf = ({ queue, idleSince }) => {
  if (queue?.since) return `needs a process since ${new Date(queue.since).toLocaleString()}`;
  return idleSince ? `idle since ${new Date(idleSince).toLocaleString()}` : "";
};

function usageOf(usage) {
  if (!usage?.turns) return "";
  const tokens = ((usage.promptTokens ?? 0) + (usage.completionTokens ?? 0)).toLocaleString("en");
  return `${usage.turns} ${plural(usage.turns, "turn")} · ${tokens} tokens`;
}

/** The tone, the sentence and the command for a state that keeps a person waiting. */
function noticeOf({ state, reason, message }, { namespace, agent }) {
  const why = [reason, message].filter(Boolean).join(": ");
  if (state === "error") {
    const text = `${why || "The agent is in error"}. It goes on by itself when the cause is gone.`;
    return ["error", text, `horos describe ${agent} -n ${namespace}`];
  }
  if (state === "paused") {
    const text = "Suspended: it keeps its messages and answers after";
    return ["warn", text, `horos resume ${agent} -n ${namespace}`];
  }
  if (state === "terminated") {
    const text = "Terminated: it takes no messages; what it said can be read until the Agent is deleted.";
    return ["quiet", text];
  }
  return why ? ["warn", why] : ["", ""];
}
