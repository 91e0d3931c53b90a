// Puts the page together: the session, the place named by the address, the list and the conversation.

import { Problem, logIn, logOut } from "./api.js";
import { Conversation } from "./conversation.js";
import { byId, el } from "./dom.js";
import { GroupConversation } from "./group.js";
import { GroupList } from "./group_list.js";
import { AgentList, howToBegin } from "./list.js";

const REMEMBERED = "horos-namespace";
let conversation = null;

const list = new AgentList({
  refused: askForToken,
  agents: (items, namespace) => {
    showBarren(items.length === 0, namespace);
    const seen = conversation && items.find(({ name }) => name === conversation.place.agent);
    if (seen) conversation.agent(seen);
  },
});

const groups = new GroupList();

/** The place in the address: #/namespace/agent/thread, or #/namespace/@group. */
function placeOf(hash) {
  const [namespace, agent, thread] = hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  return {
    namespace: namespace || localStorage.getItem(REMEMBERED) || "default",
    agent: agent ?? "",
    thread: thread || "main",
  };
}

function go(...parts) {
  location.hash = `#/${parts.map(encodeURIComponent).join("/")}`;
}

function show() {
  const place = placeOf(location.hash);
  localStorage.setItem(REMEMBERED, place.namespace);
  byId("login").hidden = true;
  byId("window").hidden = false;
  byId("window").classList.toggle("talking", Boolean(place.agent));
  byId("namespace").value = place.namespace;
  document.title = place.agent ? `${place.agent} · horos` : "horos";
  list.watch(place.namespace, place.agent);
  groups.watch(place.namespace, place.agent);
  conversation?.end();
  const Kind = place.agent.startsWith("@") ? GroupConversation : Conversation;
  conversation = place.agent ? new Kind(place, { go, refused: askForToken }) : null;
  byId("window").classList.remove("barren");
  byId("main").replaceChildren(conversation?.node ?? nobody());
}

/** A namespace without agents tells how to begin, until there is one. */
function showBarren(barren, namespace) {
  const shown = byId("window").classList;
  if (conversation || shown.contains("barren") === barren) return;
  shown.toggle("barren", barren);
  byId("main").replaceChildren(barren ? howToBegin(namespace) : nobody());
}

const nobody = () =>
  el(
    "div",
    { class: "empty middle" },
    el("h2", {}, "Choose an agent or a group"),
    el("p", {}, "What is said and done appears here while it happens."),
  );

function askForToken(problem) {
  conversation?.end();
  conversation = null;
  list.end();
  groups.end();
  byId("main").replaceChildren();
  byId("window").hidden = true;
  byId("login").hidden = false;
  byId("login-error").textContent = problem?.message.startsWith("the session")
    ? "The session is over: enter the token again."
    : "";
  byId("token").focus();
}

byId("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  byId("login-error").textContent = "";
  try {
    await logIn(byId("token").value.trim());
    byId("token").value = "";
    show();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    const wrong = "This is not the gateway’s token. Copy it again with the command below.";
    byId("login-error").textContent = problem.status === 401 ? wrong : problem.message;
    byId("token").select();
  }
});

byId("logout").addEventListener("click", async () => {
  try {
    await logOut();
  } finally {
    askForToken();
  }
});

byId("place").addEventListener("submit", (event) => event.preventDefault());
byId("namespace").addEventListener("change", ({ target }) => {
  const namespace = target.value.trim();
  if (namespace) go(namespace);
});
window.addEventListener("hashchange", () => byId("login").hidden && show());

show();
