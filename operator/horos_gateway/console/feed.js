// Keeps one thread up to date: records first, then the events behind them, from the place that the records name.

import { Problem } from "./api.js";

const PAGE = 80;
const AGAIN_SECONDS = [1, 2, 4, 8, 15];

export class Feed {
  /** `told` gets status(text), agent(body), open(approvals, known), servers(body), gone(), refused(problem). */
  constructor(api, thread, told) {
    this._api = api;
    this._thread = thread;
    this._told = told;
    this._source = null;
    this._ended = false;
    this._failures = 0;
    this._timer = 0;
  }

  /** Read the thread and watch it; what was shown before is thrown away. */
  async start() {
    try {
      const after = await this._snapshot();
      this._failures = 0;
      if (!this._ended) this._watch(after);
    } catch (problem) {
      this._failed(problem, () => this.start());
    }
  }

  end() {
    this._ended = true;
    clearTimeout(this._timer);
    this._source?.close();
  }

  /** Read older records; returns whether there may be more. */
  async older() {
    const before = this._thread.first;
    const page = await this._api.records({ before, limit: PAGE });
    this._thread.load(page);
    return page.items.length > 0 && page.start > 0;
  }

  /** Read the records that were written since: they say what the events did not. */
  records = () =>
    this._quietly(async () => this._thread.load(await this._api.records({ start: this._thread.next })));

  /** Read the messages that wait, or that the open turn has taken. */
  inbox = () => this._quietly(async () => this._thread.fill(this._mine(await this._api.inbox())));

  /** Read what people have to decide, in all threads of the agent. */
  open = () =>
    this._quietly(async () => {
      const known = [...this._thread.asked.keys()];
      this._told.open((await this._api.approvals()).items, known);
    });

  /** Read how the tool servers are: no event tells that. */
  servers = () => this._quietly(async () => this._told.servers(await this._api.servers()));

  async _quietly(read) {
    try {
      await read();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.status === 401) this._failed(problem, () => {});
    }
  }

  _mine({ items }) {
    return items.filter(({ thread }) => thread === this._api.thread);
  }

  async _snapshot() {
    const agent = await this._api.agent();
    const page = await this._records();
    const inbox = await this._api.inbox();
    const approvals = await this._api.approvals();
    if (this._ended) return "";
    this._thread.reset();
    this._told.agent(agent);
    if (page) this._thread.load(page);
    this._thread.fill(this._mine(inbox));
    this._told.open(approvals.items, []);
    this.servers();
    return page?.after ?? agent.newest;
  }

  /** The newest records; null for a thread that has none yet. */
  async _records() {
    try {
      return await this._api.records({ limit: PAGE });
    } catch (problem) {
      if (problem.status === 404) return null;
      throw problem;
    }
  }

  _watch(after) {
    const source = this._api.events(after);
    let last = after;
    this._source = source;
    source.onopen = () => {
      this._failures = 0;
      this._told.status("");
    };
    source.onmessage = ({ data, lastEventId }) => {
      last = lastEventId || last;
      this._take(JSON.parse(data), source);
    };
    source.onerror = () => {
      if (this._ended) return;
      // The browser connects again by itself, with the last id; unless the gateway refused it.
      if (source.readyState === EventSource.CLOSED) this._refused(last);
      else this._told.status("Connection lost; connecting again…");
    };
  }

  _take(event, source) {
    const name = event.type === "CUSTOM" ? event.name : "";
    if (name === "deleted") {
      this.end();
      this._told.gone();
    } else if (name === "gap") {
      source.close();
      this.start();
    } else {
      this._thread.take(event);
    }
  }

  /** The stream was refused: ask why, and go on where it was when the reason is gone. */
  async _refused(last) {
    try {
      await this._api.agent();
      this._later(() => this._watch(last), "The event stream was refused");
    } catch (problem) {
      this._failed(problem, () => this._refused(last));
    }
  }

  _failed(problem, again) {
    if (!(problem instanceof Problem)) throw problem;
    if (this._ended) return;
    if (problem.status === 404) {
      this.end();
      this._told.gone();
    } else if (problem.status === 401) {
      this.end();
      this._told.refused(problem);
    } else {
      this._later(again, problem.message);
    }
  }

  _later(again, why) {
    const seconds = AGAIN_SECONDS[Math.min(this._failures, AGAIN_SECONDS.length - 1)];
    this._failures += 1;
    this._told.status(`${why} Trying again in ${seconds} s.`);
    this._timer = setTimeout(again, seconds * 1000);
  }
}
