// The card of something that a person has to decide, and the line that says how it was decided.

import { el } from "./dom.js";
import { fieldsOf, valuesOf } from "./fields.js";
import { prettyJson, visible, visibleLines } from "./pretty.js";

const REMEMBERED = "horos-who";
let cards = 0;

export class AskView {
  /** `actions.decide(id, decision)` is called with verdict, reason, who and, for a question, content. */
  constructor(item, agent, actions) {
    cards += 1;
    this._item = item;
    this._actions = actions;
    this._fields = item.question ? fieldsOf(item.schema, `ask-${cards}`) : [];
    this._left = el("span", { class: "left" });
    this._reason = el("input", { placeholder: "Reason (optional)", "aria-label": "Reason", maxlength: "500" });
    this._who = el("input", {
      placeholder: "Your name",
      "aria-label": "Your name, recorded with the decision",
      maxlength: "200",
      autocomplete: "name",
      class: "who",
    });
    this._trouble = el("p", { class: "complaint", role: "alert" });
    const words = item.question ? ["Answer", "Decline"] : ["Approve", "Deny"];
    this._yes = el("button", { type: item.question ? "submit" : "button", class: "primary" }, words[0]);
    this._no = el("button", { type: "button", class: "stop" }, words[1]);
    this._no.addEventListener("click", () => this._decide("deny"));
    // A question is a form that Enter sends; a call is approved by its button alone.
    if (!item.question) this._yes.addEventListener("click", () => this._decide("approve"));
    this.node = el(
      "form",
      { class: "item ask", "aria-label": `${agent} waits for your decision`, onsubmit: (event) => this._submit(event) },
      el("header", {}, el("h2", {}, titleOf(item, agent)), this._left),
      ...this._what(item),
      el("div", { class: "decide" }, this._reason, this._who, this._no, this._yes),
      this._trouble,
    );
    this.update(item);
  }

  update(item) {
    this._trouble.textContent = item.trouble;
    // Not disabled: that would take the focus from whoever pressed it.
    this.node.setAttribute("aria-busy", item.busy);
    for (const field of this._fields) field.wrong(item.field === `content.${field.name}`);
    // Another card may have changed it.
    if (!this._who.value) this._who.value = localStorage.getItem(REMEMBERED) ?? "";
    this.tick();
  }

  /** Say how long there is to decide. */
  tick() {
    this._left.textContent = leftOf(this._item.until - performance.now());
  }

  _what({ question, tool, arguments: args, message }) {
    if (!question)
      return [
        el("p", { class: "tool" }, visible(tool)),
        el("pre", { class: "code", tabindex: "0", "aria-label": "Arguments" }, prettyJson(args || "{}")),
      ];
    const form = el("div", { class: "fields" }, ...this._fields.map(({ node }) => node));
    return [el("p", { class: "question" }, visibleLines(message)), form];
  }

  _submit(event) {
    event.preventDefault();
    if (this._item.question) this._decide("approve");
  }

  _decide(verdict) {
    if (this._item.busy) return;
    const who = this._who.value.trim();
    localStorage.setItem(REMEMBERED, who);
    const decision = { id: this._item.id, verdict, reason: this._reason.value.trim() };
    if (who) decision.who = who;
    if (this._item.question && verdict === "approve") decision.content = valuesOf(this._fields);
    this._actions.decide(decision);
  }
}

export class DecisionView {
  constructor(item) {
    this.node = el("p", {});
    this.update(item);
  }

  update({ status, tool, who, reason, text, question }) {
    this.node.className = `item decision ${status}`;
    const sign = el("span", { class: "sign", "aria-hidden": "true" }, SIGNS[status] ?? "–");
    const what = el("span", { class: "tool" }, visible(tool));
    if (text) return this.node.replaceChildren(sign, ...(tool ? [what, ": "] : []), visible(text));
    const by = who ? ` by ${visible(who)}` : "";
    const why = reason ? [": ", el("span", { class: "why" }, `“${visible(reason)}”`)] : [];
    return this.node.replaceChildren(sign, what, ` ${(question ? ANSWERS : WORDS)[status] ?? status}${by}`, ...why);
  }
}

const SIGNS = { approved: "✓", denied: "✕", expired: "✕" };
const WORDS = {
  approved: "was approved",
  denied: "was denied",
  expired: "was denied: nobody decided in time",
  withdrawn: "is no longer asked for",
};

const ANSWERS = {
  approved: "was answered",
  denied: "was declined",
  withdrawn: "does not ask any more",
};

const titleOf = ({ question, tool, server }, agent) =>
  question ? `${visible(server)} asks, for ${visible(tool)}` : `${agent} asks before it uses a tool`;

function leftOf(milliseconds) {
  const minutes = Math.floor(milliseconds / 60_000);
  if (milliseconds <= 0) return "time is up";
  if (minutes < 1) return "less than a minute left";
  if (minutes < 120) return `${minutes} min left`;
  return `${Math.floor(minutes / 60)} h left`;
}
