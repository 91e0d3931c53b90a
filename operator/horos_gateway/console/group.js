// A group: what is said in it, who belongs to it, and the field to say something there.

import { GroupApi, Problem } from "./api.js";
import { newKey } from "./composer.js";
import { el, plural, say } from "./dom.js";
import { Pane } from "./pane.js";

const PAGE = 60;
const TOO_MANY = 400;
const KEPT = 300; // messages in the page; older ones are read again on demand
const LOOK_MS = 4000;
const AGAIN_SECONDS = [1, 2, 4, 8, 15];

export class GroupConversation {
  /** `place.agent` is the group's name behind an @; `told` gets refused(problem). */
  constructor(place, told) {
    this.place = place;
    this._told = told;
    this._api = new GroupApi(place.namespace, place.agent.slice(1));
    this._items = [];
    this._failures = 0;
    this._members = new Members(place.namespace);
    this._pane = new Pane(place, { older: () => this._readOlder() });
    this._pane.followed = () => this._trim();
    this._status = el("p", { class: "status", role: "status", hidden: true });
    this._composer = new GroupComposer(place.agent, this._api, () => this._pane.follow());
    this._head = el(
      "header",
      { class: "head" },
      el("a", { class: "back", href: "#/", "aria-label": "All agents" }, "‹"),
      el("h1", {}, place.agent),
      this._members.node,
    );
    const parts = [this._head, this._pane.node, this._status, this._composer.node];
    this.node = el("section", { class: "conversation", "aria-label": `Group ${place.agent}` }, ...parts);
    this._start();
    this._look();
  }

  end() {
    this._over = true;
    clearTimeout(this._timer);
    clearTimeout(this._again);
    this._source?.close();
  }

  /** A group is no agent: what the list says of those is nothing to it. */
  agent() {}

  /** Read the newest messages and watch what comes; what was shown before is thrown away. */
  async _start() {
    try {
      const { items, oldest, newest } = await this._api.messages({ limit: PAGE });
      if (this._over) return;
      this._failures = 0;
      this._items = [];
      this._pane.clear();
      for (const post of items) this._add(post);
      this._oldest = oldest;
      this._tellMore();
      this._pane.follow();
      this._watch(newest);
    } catch (problem) {
      this._failed(problem, () => this._start());
    }
  }

  _watch(after) {
    const source = this._api.events(after);
    let last = after;
    this._source = source;
    source.onopen = () => {
      this._failures = 0;
      this._tell("");
    };
    source.onmessage = ({ data, lastEventId }) => {
      last = lastEventId || last;
      this._take(JSON.parse(data));
    };
    source.onerror = () => {
      if (this._over) return;
      // The browser connects again by itself, with the last id; unless the gateway refused it.
      if (source.readyState === EventSource.CLOSED) this._refused(last);
      else this._tell("Connection lost; connecting again…");
    };
  }

  _take({ name, value }) {
    if (name === "post") {
      this._add(value);
      say(`${nameOf(value)} says: ${value.text.slice(0, 600)}`);
    } else if (name === "gap") {
      this._source.close();
      this._start();
    } else if (name === "deleted") {
      this._gone();
    }
  }

  _add(post, before) {
    const item = itemOf(post);
    if (before) this._items.splice(this._items.indexOf(before), 0, item);
    else this._items.push(item);
    this._pane.add(item, before);
  }

  async _readOlder() {
    const first = this._items[0];
    try {
      const { items, oldest } = await this._api.messages({ before: first.mid, limit: PAGE });
      for (const post of items) this._add(post, first);
      this._oldest = oldest;
      this._tellMore();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this._tell(problem.message);
    }
  }

  _tellMore() {
    this._pane.more(this._items.length > 0 && this._items[0].mid !== this._oldest);
  }

  _trim() {
    if (this._items.length <= TOO_MANY) return;
    for (const item of this._items.splice(0, this._items.length - KEPT)) this._pane.remove(item);
    this._tellMore();
  }

  /** Who belongs to it, and what each has not read, is told by no event. */
  async _look() {
    clearTimeout(this._timer);
    if (this._over) return;
    try {
      if (!document.hidden) this._members.show(await this._api.group());
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
    }
    this._timer = setTimeout(() => this._look(), LOOK_MS);
  }

  /** The stream was refused: ask why, and go on where it was when the reason is gone. */
  async _refused(last) {
    try {
      await this._api.group();
      this._later(() => this._watch(last), "The stream was refused.");
    } catch (problem) {
      this._failed(problem, () => this._refused(last));
    }
  }

  _failed(problem, again) {
    if (!(problem instanceof Problem)) throw problem;
    if (this._over) return;
    if (problem.status === 404) return this._gone();
    if (problem.status === 401) return this._told.refused(problem);
    return this._later(again, problem.message);
  }

  _later(again, why) {
    const seconds = AGAIN_SECONDS[Math.min(this._failures, AGAIN_SECONDS.length - 1)];
    this._failures += 1;
    this._tell(`${why} Trying again in ${seconds} s.`);
    this._again = setTimeout(again, seconds * 1000);
  }

  _gone() {
    this.end();
    this._composer.allow(false);
    this._pane.close();
    const { agent, namespace } = this.place;
    this._tell(`${agent} is not there (any more): it was deleted, or never made in namespace ${namespace}.`);
  }

  _tell(text) {
    this._status.textContent = text;
    this._status.hidden = !text;
  }
}

const nameOf = ({ sender, who }) => sender || who || "somebody";

const itemOf = (post) => ({
  kind: "message",
  mid: post.id,
  from: post.sender,
  who: nameOf(post),
  text: post.text,
  state: "taken",
  error: post.error ? "It cannot answer; this is why." : "",
});

/** How many belong to the group and whom a message wakes; opened, who they are. */
class Members {
  constructor(namespace) {
    this._namespace = namespace;
    this._summary = el("summary", { class: "usage" }, "…");
    this._list = el("ul", { class: "members" });
    this.node = el("details", { class: "belongs" }, this._summary, this._list);
  }

  show({ members, wake }) {
    const whom = wake === "All" ? "each message wakes all of them" : "a message wakes whom it mentions";
    this._summary.textContent = `${members.length} ${plural(members.length, "member")} · ${whom}`;
    this._list.replaceChildren(...members.map((member) => this._row(member)));
  }

  _row({ name, unread }) {
    const href = `#/${encodeURIComponent(this._namespace)}/${encodeURIComponent(name)}`;
    const about = unread ? el("span", { class: "about" }, ` ${unread} unread`) : null;
    return el("li", {}, el("a", { href }, name), about);
  }
}

class GroupComposer {
  constructor(name, api, posted) {
    this._api = api;
    this._posted = posted;
    this._field = el("textarea", {
      rows: "1",
      placeholder: `Message ${name}`,
      "aria-label": `Message to ${name}`,
      enterkeyhint: "send",
      oninput: () => this._changed(),
      onkeydown: (event) => this._pressed(event),
    });
    this._button = el("button", { type: "submit", class: "primary" }, "Send");
    this._outcome = el("p", { class: "outcome-of-post", role: "status" });
    this._trouble = el("p", { class: "complaint", role: "alert" });
    const row = el("div", { class: "row" }, this._field, this._button);
    this.node = el(
      "form",
      { class: "composer", onsubmit: (event) => this._submit(event) },
      row,
      this._outcome,
      this._trouble,
    );
  }

  allow(possible) {
    for (const part of [this._field, this._button]) part.disabled = !possible;
  }

  /** The same text goes under the same key until it was taken, so that it is posted once. */
  async _submit(event) {
    event.preventDefault();
    const text = this._field.value;
    if (!text.trim() || this._button.disabled) return;
    this._key ??= newKey();
    this._trouble.textContent = "";
    this._button.disabled = true;
    try {
      const posted = await this._api.post(text, this._key);
      this._field.value = "";
      this._changed();
      this._outcome.textContent = outcomeOf(posted);
      this._posted();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this._trouble.textContent = problem.message;
    }
    this._button.disabled = this._field.disabled;
  }

  _pressed(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.node.requestSubmit();
  }

  _changed() {
    this._key = undefined;
    this._outcome.textContent = "";
    this._field.style.height = "auto";
    const border = this._field.offsetHeight - this._field.clientHeight;
    this._field.style.height = `${Math.min(this._field.scrollHeight + border, 220)}px`;
  }
}

/** Whom a message woke, and whom it did not reach. */
function outcomeOf({ woken, full, strangers }) {
  const told = [woken.length ? `It wakes ${named(woken)}.` : "It wakes nobody."];
  if (full.length) told.push(`No room in the inbox of ${named(full)}.`);
  if (strangers.length) told.push(`Not a member: ${named(strangers)}.`);
  return told.join(" ");
}

const named = (names) =>
  names.length > 8 ? `${names.slice(0, 8).join(", ")} and ${names.length - 8} more` : names.join(", ");
