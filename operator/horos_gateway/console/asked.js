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
    this.toolOf = new Map(); // id → name of the tool, as far as records told it
  }

  /** Take what the gateway lists of this thread; what was `known` before it was asked and is not listed is over. */
  open(listed, known) {
    const ids = new Set(listed.map(({ id }) => id));
    for (const id of known) if (!ids.has(id)) this._unask(id);
    for (const each of listed) {
      if (each.status === "pending") this._ask(each, each.secondsLeft * 1000);
      else this._decided(each, each.kind === "elicitation");
    }
  }

  /** Show what went wrong with a decision, or that it is on its way. */
  deciding(id, changes) {
    this._change(this.asked.get(id), changes);
  }

  /** `left` is how many milliseconds there are to decide; the clocks here and there may differ. */
  _ask(value, left) {
    if (this._decisionOf(value.id)) return;
    const until = performance.now() + left;
    if (this.asked.has(value.id)) return this._change(this.asked.get(value.id), { until });
    const fresh = { until, busy: false, trouble: "", field: "", index: null };
    const item = { ...value, ...fresh, kind: "ask", question: Boolean(value.server) };
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
    const status = record.verdict === "approve" ? "approved" : "denied";
    const text = record.content.split("\n", 1)[0]; // the rest tells the model what to do
    const tool = this.toolOf.get(record.re) ?? "";
    return this._insert({ ...decisionOf(record.re), status, tool, text, index });
  }

  _decisionOf(id) {
    return this.items.find((item) => item.kind === "decision" && item.id === id);
  }

  _heardOf(value, question, at) {
    if (value.status === "pending" && this.asked.has(value.id)) return; // the list knew better how long
    if (value.status === "pending") this._ask(value, value.deadline - at);
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
