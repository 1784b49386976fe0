const find = (id) => document.getElementById(id);
let socket = null;
let me = "";

function show(state, text) {
  find("status").dataset.state = state;
  find("status").textContent = text;
  find("door").hidden = state !== "out";
  find("board").hidden = find("leave").hidden = state === "out";
}

function line(note) {
  const item = document.createElement("li");
  item.dataset.id = note.id;
  for (const [tag, text] of [["b", note.author], ["span", note.text]]) {
    item.append(Object.assign(document.createElement(tag), { textContent: text }));
  }
  if (note.author === me) {
    const button = Object.assign(document.createElement("button"), { textContent: "Take down" });
    button.onclick = () => fetch("/api/notes/" + note.id, { method: "DELETE" });
    item.append(button);
  }
  return item;
}

const hear = {
  async hello({ name }) {
    me = name;
    show("open", "signed in as " + name);
    const notes = await (await fetch("/api/notes")).json();
    find("notes").replaceChildren(...notes.map(line));
  },
  note({ note }) { find("notes").prepend(line(note)); },
  gone({ id }) { document.querySelector(`#notes [data-id="${id}"]`)?.remove(); },
  tide({ metres }) { find("tide").textContent = metres; },
};

// Comes back by itself as long as the session is good.
async function connect() {
  const answer = await fetch("/api/notes").catch(() => null);
  if (answer?.status === 401) return show("out", "signed out");
  if (!answer?.ok) return setTimeout(connect, 500 + 1500 * Math.random());
  socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/api/live");
  socket.onmessage = ({ data }) => {
    const event = JSON.parse(data);
    hear[event.type]?.(event);
  };
  socket.onclose = () => {
    show("waiting", "connecting again …");
    setTimeout(connect, 500 + 1500 * Math.random());
  };
}

find("door").onsubmit = async (event) => {
  event.preventDefault();
  const answer = await fetch("/session", {
    method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ name: find("name").value, password: find("password").value }),
  });
  find("wrong").textContent = answer.ok ? "" : await answer.text();
  if (answer.ok) connect();
};

find("pin").onsubmit = (event) => {
  event.preventDefault();
  if (socket?.readyState !== WebSocket.OPEN) return;
  socket.send(find("text").value);
  find("text").value = "";
};

find("leave").onclick = async () => {
  await fetch("/session", { method: "DELETE" });
  socket.onclose = null;
  socket.close();
  find("notes").replaceChildren();
  show("out", "signed out");
};

connect();
