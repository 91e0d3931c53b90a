// What is shown, in order, behind it the messages that wait for their turn; the view is told of each change.

import { messageOf, noteOf } from "./parts.js";

const PROCESS = "process";

export class Shown {
  /** `view` gets add(item, before, waits), change(item), grow(item, part, delta), remove(item) and clear(). */
  constructor(view) {
    this.view = view;
  }

  /** Begin anew; what a person has just said stays: it may be on its way. */
  reset() {
    const said = this.waiting ?? [];
    this.items = []; // what was taken into a turn
    this.waiting = [];
    this.first = 0; // index of the oldest record shown
    this.next = 0; // index of the first record not seen
    this._notes = 0;
    this.view.clear();
    for (const message of said) this._wait({ ...message, id: message.mid });
  }

  /** Show a message that is on its way. */
  sending(mid, text) {
    this._wait({ id: mid, text, from: "", state: "sending" });
  }

  /** The gateway took it and named it, or refused it. */
  sent(mid, named) {
    const message = this.message(mid);
    if (!message) return;
    const taken = named === mid ? null : this.message(named);
    if (taken) this._unwait(message); // its turn was quicker than the gateway's answer
    if (taken) this._change(taken, { text: message.text });
    else this._change(message, { mid: named, state: "waiting", error: "" });
  }

  /** The message is sent again, or the gateway did not take it. */
  progress(mid, state, error = "") {
    this._change(this.message(mid), { state, error });
  }

  unsent(mid) {
    const message = this.message(mid);
    if (message) this._unwait(message);
  }

  message(mid) {
    const fits = (item) => item.kind === "message" && item.mid === mid;
    return this.items.find(fits) ?? this.waiting.find(fits);
  }

  /** Forget the oldest items; `first` tells where to read them again. */
  trim(keep) {
    while (this.items.length > keep) this.view.remove(this.items.shift());
    const oldest = this.items.find((item) => item.index !== null);
    this.first = oldest ? oldest.index : this.next;
  }

  note(tone, text, name = "") {
    const last = this.items.at(-1);
    if (name && last?.name === name) return this._change(last, { tone, text });
    this._notes += 1;
    return this._insert({ ...noteOf(`n:${this._notes}`, tone, text, null), name });
  }

  /** One quiet line about the agent's process, told anew as it changes; `begin` says whether it may be a new one. */
  process(text, begin = this.items.length > 0 || this.waiting.length > 0) {
    const last = this.items.at(-1);
    if (last?.name !== PROCESS) return begin ? this.note("quiet", text, PROCESS) : null;
    return last.text === text ? last : this._change(last, { text });
  }

  _wait(message) {
    const item = { ...messageOf(message.id), state: "waiting", ...message };
    delete item.id;
    this.waiting.push(item);
    this.view.add(item, null, true);
  }

  _unwait(item) {
    this.waiting = this.waiting.filter((other) => other !== item);
    this.view.remove(item);
  }

  _back(mid) {
    const item = this.message(mid);
    if (!item || !this.items.includes(item)) return;
    this._drop(item);
    this._wait({ ...item, id: mid, state: "waiting" });
  }

  _drop(item) {
    this.items = this.items.filter((other) => other !== item);
    this.view.remove(item);
  }

  _failed(mid, error) {
    const item = this.message(mid);
    if (item) this._change(item, { error });
    else this.note("error", error);
  }

  /** What happens now comes last; a record comes behind the record before it. */
  _insert(item, now = item.index === null) {
    const before = ({ index }) => index !== null && index < item.index;
    const place = now ? this.items.length : this.items.findLastIndex(before) + 1;
    this.view.add(item, this.items[place] ?? null, false);
    this.items.splice(place, 0, item);
    return item;
  }

  _change(item, changes) {
    if (!item) return;
    Object.assign(item, changes);
    this.view.change(item);
  }
}
