// What one thread shows, as plain data: records and events go in, items come out, and a view is told of each change.
// A step is named `<run>/<index>` in events, and <index> is where its record will lie: so what records have told
// already is known, and events that tell it again change nothing.

import { Asked, isDecision } from "./asked.js";
import { NOTES, messageOf, noteOf, reasonOf, stepOf, summaryOf } from "./parts.js";
import { ASLEEP, WAKING } from "./residency.js";

const NAMED = /^([^/]+)\/(\d+)/;

export class Thread extends Asked {
  /** `wishes` are asked for what the events alone do not tell: inbox() and records(). */
  constructor(view, wishes) {
    super(view);
    this.wishes = wishes;
    this.reset();
  }

  reset() {
    super.reset();
    this.run = ""; // the open turn of this thread
    this._wokenAt = NaN; // when it began to need a process (milliseconds), as far as that is known
    this._calls = new Map();
    this._orphans = new Map(); // results whose calls lie further back than what was read
  }

  // Records -------------------------------------------------------------------------------------------------------

  /** Take a page of records; the first one, a later one behind it, or an older one before it. */
  load({ start, next, items }) {
    if (this.next === 0 || start < this.first) this.first = start;
    this.next = Math.max(this.next, next);
    items.forEach((record, i) => this._record(record, start + i));
    // What a turn that is over was told of and these records do not tell lies before what is shown.
    for (const item of this.items.filter(({ text, run }) => text === null && run !== this.run))
      this._drop(item);
  }

  /** Take the messages of the inbox: those of the open turn say what they are, the others wait. */
  fill(messages) {
    for (const message of messages.filter(({ kind }) => kind !== "decision")) {
      const known = this.message(message.id);
      if (!known) this._wait({ id: message.id, text: message.text, from: message.sender });
      else if (known.text === null) this._change(known, { text: message.text, from: message.sender });
    }
  }

  _record(record, index) {
    if (record.kind === "decision") this._decisionRecord(record, index);
    else if (record.role === "user" && record.mid) this._heard(record, index);
    else if (record.role === "assistant") this._step(record, index);
    else if (record.role === "tool") this._resultRecord(record);
    else this._told(`r:${index}`, summaryOf(record), index);
  }

  _resultRecord({ run, tool_call_id: id, content, approval }) {
    const name = `${run}/${id}`;
    if (approval) this.toolOf.set(approval, this._calls.get(name)?.call.name ?? "");
    this._answered(name, content);
  }

  _told(key, text, index) {
    if (!this.items.some((item) => item.key === key)) this._insert(noteOf(key, "quiet", text, index));
  }

  _heard(record, index) {
    const told = { text: record.content, from: record.from ?? "", index, state: "taken" };
    const known = this.message(record.mid);
    if (known && this.items.includes(known)) return this._change(known, told);
    if (known) this._unwait(known);
    return this._insert({ ...(known ?? messageOf(record.mid)), ...told });
  }

  _step(record, index) {
    const id = `${record.run}/${index}`;
    const calls = (record.tool_calls ?? []).map((call) => ({
      id: call.id,
      name: call.function.name,
      args: call.function.arguments,
      run: record.run,
      stored: true,
      result: this._orphans.get(`${record.run}/${call.id}`) ?? null,
    }));
    const told = { text: record.content, calls, streaming: false, thinking: false, stored: true };
    const known = this.step(id);
    for (const call of calls) {
      call.result ??= known?.calls.find((other) => other.id === call.id)?.result ?? null;
      this._calls.set(`${record.run}/${call.id}`, { call, id });
    }
    const thoughts = record.reasoning ?? known?.thoughts ?? "";
    if (known)
      return known.stored && known.text === told.text ? null : this._change(known, { ...told, thoughts });
    return this._insert({ ...stepOf(id, record.run, index), ...told, thoughts });
  }

  // Events --------------------------------------------------------------------------------------------------------

  take(event) {
    const { type } = event;
    if (type === "RUN_STARTED") this._started(event.runId, event.metadata?.mids ?? []);
    else if (type === "RUN_FINISHED") this._finished(event.runId);
    else if (type === "RUN_ERROR") this.note("error", reasonOf(event.code, event.message));
    else if (type === "STATE_SNAPSHOT") this.view.state?.(event.snapshot ?? {});
    else if (type === "TOOL_CALL_RESULT") this._result(event);
    else if (type === "CUSTOM") this._custom(event.name, event.value ?? {}, event.timestamp);
    else if (type.startsWith("TOOL_CALL_")) this._call(event);
    else if (type.startsWith("TEXT_") || type.startsWith("REASONING_")) this._stream(event);
  }

  _started(run, mids) {
    this.run = run;
    this._take(mids);
    this.view.running?.(run);
  }

  _take(mids) {
    let unknown = false;
    for (const mid of mids.filter((each) => !isDecision(each))) {
      const known = this.message(mid);
      if (known && this.items.includes(known)) continue;
      if (known) this._unwait(known);
      this._insert({ ...(known ?? messageOf(mid)), state: "taken", run: this.run });
      unknown ||= !known;
    }
    if (unknown) this.wishes.inbox();
  }

  _finished(run) {
    for (const step of this._stepsOf(run))
      this._change(step, { streaming: false, thinking: false, stored: true });
    this.run = "";
    this.view.running?.("");
    this.wishes.records();
  }

  _stream({ type, messageId, delta }) {
    const step = this._open(messageId);
    if (!step) return;
    if (type === "TEXT_MESSAGE_START") this._change(step, { text: "", streaming: true, thinking: false });
    else if (type === "TEXT_MESSAGE_CONTENT") this._grow(step, "text", delta);
    else if (type === "TEXT_MESSAGE_END") this._spoken(step);
    else if (type === "REASONING_START") this._change(step, { thinking: true });
    else if (type === "REASONING_MESSAGE_CONTENT") this._grow(step, "thoughts", delta);
    else if (type === "REASONING_END") this._change(step, { thinking: false });
  }

  _spoken(step) {
    this._change(step, { streaming: false });
    this.view.spoken?.(step.text);
  }

  _call({ type, toolCallId, toolCallName, parentMessageId, delta }) {
    if (type === "TOOL_CALL_START") {
      const step = this._open(parentMessageId);
      if (!step) return;
      const call = {
        id: toolCallId,
        name: toolCallName,
        args: "",
        run: step.run,
        result: null,
        stored: false,
      };
      this._calls.set(`${step.run}/${toolCallId}`, { call, id: step.id });
      this._change(step, { calls: [...step.calls.filter(({ id }) => id !== toolCallId), call] });
      return;
    }
    const { call, id } = this._calls.get(`${this.run}/${toolCallId}`) ?? {};
    if (!call || call.stored) return;
    if (type === "TOOL_CALL_ARGS") call.args += delta;
    this._change(this.step(id), {});
  }

  _result({ messageId, toolCallId, content }) {
    const [, run, index] = NAMED.exec(messageId);
    // A result lies behind its step: what came before is stored, even if its process died meanwhile.
    for (const step of this._stepsOf(run)) {
      if (step.index < Number(index)) this._change(step, { stored: true, streaming: false, taken: false });
    }
    this._answered(`${run}/${toolCallId}`, content);
  }

  _answered(name, content) {
    const { call, id } = this._calls.get(name) ?? {};
    if (!call) {
      this._orphans.set(name, content);
    } else if (call.result === null) {
      Object.assign(call, { result: content, stored: true });
      this._change(this.step(id), {});
    }
  }

  _custom(name, value, at) {
    if (name === "joined") this._take(value.mids ?? []);
    else if (name === "returned") (value.mids ?? []).forEach((mid) => this._back(mid));
    else if (name === "dead") (value.mids ?? []).forEach((mid) => this._failed(mid, value.reason));
    else if (name === "discard") this._discard(value);
    else if (name === "resumed") this._resumed(value.runId);
    else if (name === "reply" && value.error) this._failed(value.re, value.error);
    else if (name === "usage") this.view.usage?.(value);
    else if (name === "wake" || name === "resident" || name === "hibernated") this._process(name, at);
    else if (name === "approval" || name === "elicitation") this._heardOf(value, name === "elicitation", at);
    else if (name === "progress") this._progress(value);
    else if (NOTES[name]) this.note(...NOTES[name](value), name);
  }

  _process(name, at) {
    if (name === "wake") {
      this._wokenAt = at;
      this.process(WAKING);
    } else if (name === "hibernated") {
      this.process(ASLEEP);
    } else {
      const seconds = (at - this._wokenAt) / 1000;
      this.process(seconds >= 0 ? `Awake after ${seconds.toFixed(1)} s.` : "Awake.", false);
      this._wokenAt = NaN;
    }
    this.view.residency?.({ wake: "queued" }[name] ?? name);
  }

  _progress({ toolCallId, text = "", fraction }) {
    const { call, id } = this._calls.get(`${this.run}/${toolCallId}`) ?? {};
    if (!call) return;
    const part = fraction === undefined ? "" : `${Math.round(fraction * 100)} %`;
    call.progress = [part, text].filter(Boolean).join(" · ");
    this._change(this.step(id), {});
  }

  _discard({ messageId, reason }) {
    const step = this.step(messageId);
    if (step && !step.stored)
      this._change(step, { text: "", thoughts: "", calls: [], streaming: false, thinking: false });
    if (reason) this.note("quiet", reason);
  }

  _resumed(run) {
    // Whether the last step reached its record is not known yet: it is hidden until a result says so.
    for (const step of this._stepsOf(run)) {
      if (!step.stored) this._change(step, { streaming: false, thinking: false, taken: true });
    }
    this.note("quiet", "Another process took over and goes on with this turn.");
  }

  // Steps --------------------------------------------------------------------------------------------------------------

  step(id) {
    return this.items.findLast((item) => item.kind === "step" && item.id === id);
  }

  _open(messageId) {
    const [id, run, index] = NAMED.exec(messageId) ?? [];
    if (!id) return null;
    const known = this.step(id);
    if (known?.stored || Number(index) < this.next) return null;
    this.run = run;
    if (!known) return this._insert(stepOf(id, run, Number(index)), true);
    if (known.taken) this._change(known, { text: "", thoughts: "", calls: [], taken: false });
    return known;
  }

  *_stepsOf(run) {
    yield* this.items.filter((item) => item.kind === "step" && item.run === run);
  }

  _grow(step, part, delta) {
    step[part] += delta;
    if (part === "text") step.streaming = true;
    this.view.grow(step, part, delta);
  }
}
