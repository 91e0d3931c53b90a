// The gateway's API, as seen from the page. All addresses are relative to the page, whatever stands in front of it.

const BASE = new URL("../api/v1/", document.baseURI);

/** A refusal of the gateway, or no answer at all (status 0); the message says what to do. */
export class Problem extends Error {
  constructor(status, kind, detail, field = "") {
    super(detail);
    this.status = status;
    this.kind = kind;
    this.field = field;
  }
}

async function ask(path, options = {}) {
  const headers = { "X-Horos-Page": "1", ...options.headers };
  let answer;
  try {
    answer = await fetch(new URL(path, BASE), { ...options, headers, credentials: "same-origin" });
  } catch {
    throw new Problem(
      0,
      "unreachable",
      "The gateway cannot be reached. Is the port-forward or proxy still running?",
    );
  }
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const problem = await answer.json().catch(() => ({}));
  const kind = (problem.type ?? "").split(":").pop();
  const detail = problem.detail ?? `The gateway answered ${answer.status}.`;
  throw new Problem(answer.status, kind, detail, problem.field);
}

const post = (path, body, headers = {}) =>
  ask(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json", ...headers },
  });

export const logIn = (token) =>
  ask("session", {
    method: "POST",
    body: new URLSearchParams({ token, secure: location.protocol === "https:" ? "yes" : "no" }),
  });

export const logOut = () => ask("session", { method: "DELETE" });

const pathOf = (namespace, kind = "agents") => `namespaces/${encodeURIComponent(namespace)}/${kind}`;

export const listAgents = (namespace) => ask(pathOf(namespace));

export const listGroups = (namespace) => ask(pathOf(namespace, "groups"));

/** One group of a namespace. */
export class GroupApi {
  constructor(namespace, name) {
    this._path = `${pathOf(namespace, "groups")}/${encodeURIComponent(name)}`;
  }

  group = () => ask(this._path);

  messages = (query) => ask(`${this._path}/messages?${new URLSearchParams(query)}`);

  post = (text, key) => post(`${this._path}/messages`, { text }, { "Idempotency-Key": key });

  events(after) {
    return new EventSource(new URL(`${this._path}/events?${new URLSearchParams({ after })}`, BASE));
  }
}

/** One agent of a namespace, and one thread of it where one is needed. */
export class AgentApi {
  constructor(namespace, name, thread) {
    this.namespace = namespace;
    this.name = name;
    this.thread = thread;
    this._path = `${pathOf(namespace)}/${encodeURIComponent(name)}`;
  }

  agent = () => ask(this._path);

  inbox = () => ask(`${this._path}/messages`);

  servers = () => ask(`${this._path}/servers`);

  approvals = () => ask(`${this._path}/approvals`);

  decide = (decision) => post(`${this._path}/approvals/decide`, decision);

  cancel = (runId) => post(`${this._path}/cancel`, { runId });

  wake = () => post(`${this._path}/wake`);

  hibernate = () => post(`${this._path}/hibernate`);

  send = (text, key) =>
    post(`${this._path}/messages`, { text, thread: this.thread }, { "Idempotency-Key": key });

  records(query) {
    const thread = encodeURIComponent(this.thread);
    return ask(`${this._path}/threads/${thread}/records?${new URLSearchParams(query)}`);
  }

  events(after) {
    const query = new URLSearchParams({ thread: this.thread, after });
    return new EventSource(new URL(`${this._path}/events?${query}`, BASE));
  }
}
