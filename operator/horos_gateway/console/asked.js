// What people have to decide in a thread, as plain data: what is asked waits at the end until it is decided; then it
// is said where that happened. Events, records and the gateway's list tell the same things: each id is shown once.

import { Shown } from "./shown.js";

const DECISION = "!decision";

/** Whether a message is the decision about a call, and nothing that was said. */
export const isDecision = (mid) => mid.endsWith(DECISION);

export class Asked extends Shown {
  reset() {
    super.reset();
    this.asked = new Map(); // id → item
  }

  /** Take what the gateway lists of this thread: all that is open, and nothing else is. */
  open(listed) {
    const ids = new Set(listed.map(({ id }) => id));
    for (const id of this.asked.keys()) if (!ids.has(id)) this._unask(id);
    for (const each of listed) {
      const deadline = Date.now() + each.secondsLeft * 1000;
      if (each.status === "pending") this._ask({ ...each, deadline });
      else this._decided(each, each.kind === "elicitation");
    }
  }

  /** Show what went wrong with a decision, or that it is on its way. */
  deciding(id, changes) {
    this._change(this.asked.get(id), changes);
  }

  _ask(value) {
    if (this.asked.has(value.id) || this._decisionOf(value.id)) return;
    const item = { kind: "ask", busy: false, trouble: "", field: "", ...value, index: null };
    item.kind = "ask";
    item.question = Boolean(value.server);
    this.asked.set(item.id, item);
    this.view.add(item, null, true);
    this.view.asked?.(item);
  }

  _unask(id) {
    const item = this.asked.get(id);
    if (item) this.view.remove(item);
    this.asked.delete(id);
    return item;
  }

  /** It was decided, as an event or the list says. */
  _decided({ id, tool, status, who = "", reason = "" }, question) {
    this._unask(id);
    if (!this._decisionOf(id)) this._insert({ ...decisionOf(id), tool, status, who, reason, question });
  }

  /** It was decided, as the record of it says; what is known already only gets its place. */
  _decisionRecord(record, index) {
    this._unask(record.re);
    const known = this._decisionOf(record.re);
    if (known) return this._change(known, { index });
    const status = { approve: "approved", deny: record.from ? "denied" : "expired" }[record.verdict] ?? "";
    const told = { status, tool: record.tool ?? "", who: record.from ?? "", reason: record.reason ?? "" };
    return this._insert({ ...decisionOf(record.re), ...told, text: record.content, index });
  }

  _decisionOf(id) {
    return this.items.find((item) => item.kind === "decision" && item.id === id);
  }

  _heardOf(value, question) {
    if (value.status === "pending") this._ask(value);
    else this._decided(value, question);
  }
}

const decisionOf = (id) => ({
  kind: "decision",
  id,
  tool: "",
  status: "",
  who: "",
  reason: "",
  text: "",
  question: false,
  index: null,
});
