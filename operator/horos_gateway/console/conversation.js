// One thread of one agent: joins what is known of it with its head, its pane and the field to say something.

import { AgentApi, Problem } from "./api.js";
import { Composer } from "./composer.js";
import { el, say } from "./dom.js";
import { Feed } from "./feed.js";
import { Head } from "./head.js";
import { Pane } from "./pane.js";
import { ASLEEP, lookOf, waitOf } from "./residency.js";
import { Thread } from "./thread.js";

const KEPT = 240; // items in the page; older ones are read again on demand
const TOO_MANY = 320;
const SERVERS_EVERY = 5; // looks at the list of agents

export class Conversation {
  /** `told` gets go(namespace, agent, thread) and refused(problem). */
  constructor(place, told) {
    this.place = place;
    this._agent = null;
    this._api = new AgentApi(place.namespace, place.agent, place.thread);
    const open = (thread) => told.go(place.namespace, place.agent, thread);
    this._head = new Head(place, open, (what) => this._order(what));
    this._pane = new Pane(place, {
      again: (mid) => this._composer.again(mid),
      drop: (mid) => this._thread.unsent(mid),
      older: () => this._readOlder(),
      decide: (decision) => this._decide(decision),
    });
    this._pane.followed = () => this._trim();
    this._status = el("p", { class: "status", role: "status", hidden: true });
    this._thread = new Thread(this._view(), {
      inbox: () => this._feed.inbox(),
      records: () => this._feed.records(),
    });
    this._composer = new Composer(this._api, this._thread, () => this._pane.follow());
    this._feed = new Feed(this._api, this._thread, {
      status: (text) => this._tell(text),
      agent: (body) => this._found(body),
      open: (approvals, known) => this._open(approvals, known),
      servers: (body) => this._head.servers(body),
      gone: () => this._gone(),
      refused: (problem) => told.refused(problem),
    });
    const parts = [this._head.node, this._head.notice, this._pane.node, this._status, this._composer.node];
    this.node = el("section", { class: "conversation", "aria-label": place.agent }, ...parts);
    this._feed.start();
  }

  end() {
    this._feed.end();
  }

  /** What the list, or an event, has just told of the agent. */
  agent(body) {
    if (this._over) return;
    this._agent = { ...this._agent, ...body };
    this._head.agent(this._agent);
    if (body.queue) this._thread.process(waitOf(body), true);
    this._look(body);
    this._composer.allow(this._agent.state !== "terminated");
  }

  /** Who is told of each change of the thread. */
  _view() {
    const pane = this._pane;
    return {
      clear: () => pane.clear(),
      add: (item, before, waits) => pane.add(item, before, waits),
      change: (item) => pane.change(item),
      grow: (item, part, delta) => pane.grow(item, part, delta),
      remove: (item) => pane.remove(item),
      running: (run) => this._composer.running(run),
      spoken: (text) => say(`${this.place.agent} says: ${text.slice(0, 600)}`),
      state: (snapshot) => this._state(snapshot),
      asked: ({ tool }) => say(`${this.place.agent} waits for your decision about ${tool}.`),
      residency: (residency) => this.agent({ residency, queue: null }),
      usage: (usage) => this.agent({ usage: { ...this._agent?.usage, ...usage } }),
    };
  }

  /** What events do not tell is asked for: the servers now and then, what is open when its number is another. */
  _look({ approvals }) {
    this._pane.tick();
    this._looks = (this._looks ?? 0) + 1;
    if (this._looks % SERVERS_EVERY === 0) this._feed.servers();
    if (approvals !== undefined && this._listed !== undefined && approvals !== this._listed) this._feed.open();
  }

  _open(approvals, known) {
    const pending = approvals.filter(({ status }) => status === "pending");
    const mine = ({ thread }) => thread === this.place.thread;
    this._listed = pending.length;
    this._thread.open(approvals.filter(mine), known);
    this._head.elsewhere(pending.filter((each) => !mine(each)).map(({ thread }) => thread));
  }

  /** Wake it, or let it hibernate. */
  async _order(what) {
    this._head.ordering(true);
    try {
      const body = await this._api[what]();
      this.agent(body);
      if (what === "hibernate" && body.turn) this._thread.process("It leaves its pod after this turn.", true);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this._thread.note("warn", problem.message);
    }
    this._head.ordering(false);
  }

  async _decide(decision) {
    const { id } = decision;
    this._thread.deciding(id, { busy: true, trouble: "", field: "" });
    try {
      await this._api.decide(decision);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this._thread.deciding(id, { busy: false, trouble: problem.message, field: problem.field });
      // Somebody else decided, or nobody can any more: the list says what became of it.
      if (problem.status !== 404 && problem.status !== 409) return;
      this._thread.note("warn", problem.message);
    }
    await this._feed.open();
  }

  _state({ state, reason = "", message = "" }) {
    this.agent({ state, reason, message, ...(state === "running" && { residency: "resident" }) });
  }

  _found(body) {
    this.agent(body);
    this._head.threads(body.threads);
    this._pane.threads(body.threads);
    this._composer.running(body.thread === this.place.thread ? body.turn : "");
    queueMicrotask(() => {
      if (lookOf(body) === "hibernated") this._thread.process(ASLEEP);
      this._pane.more(this._thread.first > 0);
      this._pane.follow();
    });
  }

  _gone() {
    this._over = true;
    this._tell("");
    this._composer.allow(false);
    this._pane.close();
    say(this._head.gone());
  }

  _tell(text) {
    this._status.textContent = text;
    this._status.hidden = !text;
  }

  _trim() {
    if (this._thread.items.length <= TOO_MANY) return;
    this._thread.trim(KEPT);
    this._pane.more(this._thread.first > 0);
  }

  async _readOlder() {
    try {
      this._pane.more(await this._feed.older());
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this._tell(problem.message);
    }
  }
}
