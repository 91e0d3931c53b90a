// The field to say something: each message has a key, so that it is taken once however often it is sent.

import { Problem } from "./api.js";
import { el } from "./dom.js";

export class Composer {
  /** `thread` is the thread shown, `sent()` is called when something was said. */
  constructor(api, thread, sent) {
    this._api = api;
    this._thread = thread;
    this._sent = sent;
    this._run = "";
    this._field = el("textarea", {
      rows: "1",
      placeholder: `Message ${api.name}`,
      "aria-label": `Message to ${api.name}`,
      enterkeyhint: "send",
      oninput: () => this._fit(),
      onkeydown: (event) => this._key(event),
    });
    this._stop = el(
      "button",
      { type: "button", class: "stop", hidden: true, onclick: () => this._cancel() },
      "Stop",
    );
    this._button = el("button", { type: "submit", class: "primary" }, "Send");
    this._trouble = el("p", { class: "complaint", role: "alert" });
    const row = el("div", { class: "row" }, this._field, this._stop, this._button);
    this.node = el(
      "form",
      { class: "composer", onsubmit: (event) => this._submit(event) },
      row,
      this._trouble,
    );
  }

  allow(possible) {
    for (const part of [this._field, this._button]) part.disabled = !possible;
  }

  running(run) {
    this._run = run;
    this._stop.hidden = !run;
  }

  /** Send a message again that the gateway did not take, under the same key. */
  again(key) {
    const message = this._thread.message(key);
    if (message) this._hand(key, message.text);
  }

  _submit(event) {
    event.preventDefault();
    const text = this._field.value;
    if (!text.trim()) return;
    const key = newKey();
    this._field.value = "";
    this._fit();
    this._thread.sending(key, text);
    this._sent();
    this._hand(key, text);
  }

  async _hand(key, text) {
    this._trouble.textContent = "";
    this._thread.progress(key, "sending");
    try {
      const { id } = await this._api.send(text, key);
      this._thread.sent(key, id);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this._thread.progress(key, "refused", problem.message);
    }
  }

  async _cancel() {
    try {
      await this._api.cancel(this._run);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this._trouble.textContent = problem.message;
    }
  }

  _key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.node.requestSubmit();
  }

  _fit() {
    this._field.style.height = "auto";
    this._field.style.height = `${Math.min(this._field.scrollHeight, 220)}px`;
  }
}

/** A key that no other message has; `randomUUID` is missing on pages that came without TLS. */
export const newKey = () =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
