// The page: puts the elements together, and says how the connection is.

import { h, icon, button, toast, kept, post } from "./dom.js";
import { link } from "./link.js";
import "./preview.js";
import "./dials.js";
import "./gallery.js";
import "./mixpad.js";
import "./presets.js";
import "./files.js";
import "./setup.js";
import { midi } from "./midi.js";

// the token came in the address, and is a cookie now: it need not stay in the history
if (location.search.includes("token=")) history.replaceState(null, "", location.pathname);

const THEMES = ["auto", "dark", "light"];
const theme = (name) => {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  kept.set("theme", name);
};
theme(kept.get("theme", "auto"));

const KEYS = [
  ["1 – 9", "presets"],
  ["N, P", "next style, previous style"],
  ["+, −", "strength up, down"],
  ["C", "privacy card"],
  ["Space", "plain video"],
  ["S", "snapshot"],
  ["R", "record"],
  ["U", "mute"],
  ["M", "mirror"],
  ["A, B", "what is painted, what is behind people"],
  ["L", "lock the keys"],
  ["/", "search styles"],
  ["F", "full screen"],
  ["?", "these keys"],
];

const preview = document.createElement("nst-preview");
const dials = document.createElement("nst-dials");
const gallery = document.createElement("nst-gallery");
const mixpad = document.createElement("nst-mix-pad");
const setup = document.createElement("nst-setup");
const files = document.createElement("nst-files");
const presets = document.createElement("nst-presets");

const card = h(
  "button.button.card",
  { type: "button", "aria-pressed": "false", "data-testid": "card", title: "Everyone sees a card in place of the picture (C)", onclick: () => link.do("card") },
  icon("shield"),
  h("span", {}, "Privacy card"),
);
const record = h(
  "button.button.record",
  { type: "button", "aria-pressed": "false", "data-testid": "record", title: "Record what goes out (R)", onclick: () => link.do("record") },
  icon("record"),
  h("span", {}, "Record"),
);
const snapshot = button("camera", "Keep this picture (S)", { "data-testid": "snapshot", onclick: () => link.do("snapshot") }, "Snapshot");
const plain = h(
  "button.button",
  { type: "button", "aria-pressed": "false", "data-testid": "plain", title: "Send the camera as it is (space)", onclick: () => link.do("plain") },
  h("span", {}, "Plain video"),
);
const mute = button("sound", "Record silence (U)", { "aria-pressed": "false", "data-testid": "mute", hidden: true, onclick: () => link.do("mute") }, "Mute");
const now = h("p.look", { "data-testid": "look" });
const transport = h("div.transport", { role: "toolbar", "aria-label": "What goes out" }, card, now, h("div.group", {}, record, mute, snapshot, plain));

const PANELS = [
  ["styles", "Styles", gallery],
  ["dials", "Look", null],
  ["mix", "Mix", mixpad],
  ["files", "Files", files],
  ["setup", "Setup", setup],
];
const tabs = h("div.tabs", { role: "tablist", "aria-label": "Panels" });
const panels = h("div.panels", { id: "panels" });
const side = h("section.side", { "aria-label": "Panels" }, tabs, panels);
const stage = h("section.stage", { "aria-label": "Live picture" }, preview, transport);
const look = h("section.look-panel", { "aria-label": "Look" }, dials, presets);

const scrolled = {};
function choose(name) {
  scrolled[document.body.dataset.panel] = panels.scrollTop;
  document.body.dataset.panel = name;
  for (const tab of tabs.children) {
    const on = tab.dataset.panel === name;
    tab.setAttribute("aria-selected", String(on));
    tab.tabIndex = on ? 0 : -1;
  }
  for (const panel of panels.children) panel.hidden = panel.dataset.panel !== name;
  panels.scrollTop = scrolled[name] ?? 0; // each panel where it was left
  if (name === "setup") setup.show();
}

for (const [name, label, content] of PANELS) {
  const tab = h(
    "button",
    { type: "button", role: "tab", id: `tab-${name}`, "data-panel": name, "data-testid": `tab-${name}`, "aria-controls": `panel-${name}`, onclick: () => choose(name) },
    icon(name),
    h("span", {}, label),
  );
  tabs.append(tab);
  panels.append(h("div.panel", { role: "tabpanel", id: `panel-${name}`, "data-panel": name, "aria-labelledby": `tab-${name}`, tabIndex: -1 }, content ?? ""));
}
tabs.addEventListener("keydown", (event) => {
  const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!way) return;
  const all = [...tabs.children].filter((tab) => tab.offsetParent);
  const next = all[(all.indexOf(document.activeElement) + way + all.length) % all.length];
  choose(next.dataset.panel);
  next.focus();
});

const narrow = matchMedia("(max-width: 760px)");
function arrange() {
  // on a phone the dials are a panel like the others
  const panel = panels.querySelector("[data-panel=dials]");
  if (narrow.matches) panel.append(look);
  else stage.append(look);
  if (!narrow.matches && document.body.dataset.panel === "dials") choose("styles");
}

const connection = h("p.connection", { role: "status", "data-testid": "connection" }, h("i"), h("span", {}, "Connecting"));
const help = h(
  "dialog.help",
  { "aria-label": "Keys" },
  h("h2", {}, "Keys"),
  h("dl", {}, ...KEYS.flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])),
  h("form", { method: "dialog" }, h("button.button", {}, "Close")),
);
const lock = button("lock", "Lock the keys (L)", { "aria-pressed": "false", "data-testid": "lock", onclick: () => link.do("lock") });
const header = h(
  "header.bar",
  {},
  h("h1", {}, h("img", { src: "/page/icon.svg", alt: "", width: "24", height: "24" }), "nstfilter ", h("span", {}, "studio")),
  connection,
  lock,
  button("sun", "Dark, light, or as the system has it", {
    "data-testid": "theme",
    onclick: () => {
      const next = THEMES[(THEMES.indexOf(kept.get("theme", "auto")) + 1) % THEMES.length];
      theme(next);
      toast({ auto: "Colors as the system has them", dark: "Dark", light: "Light" }[next]);
    },
  }),
  button("help", "Keys (?)", { onclick: () => help.showModal() }),
);

const drop = h("div.dropping", { hidden: true, "aria-hidden": "true" }, h("p", {}, icon("upload"), h("span")));
document.body.append(header, h("main", {}, stage, side), help, drop);
choose("styles");
arrange();
narrow.addEventListener("change", arrange);

// connection

const says = (state, text) => {
  connection.dataset.state = state;
  connection.lastChild.textContent = text;
};
let ended = false;
let full = "";
link.on("open", () => (ended = false));
link.on("hello", () => (full = ""));
link.on("full", ({ pages }) => (full = `${pages} pages are open already: close one, and this one goes on`));
link.on("closed", () => {
  says("lost", ended ? "The run has ended" : full || "Connection lost, trying again");
  document.body.classList.add("offline");
});
link.on("ended", () => (ended = true));
link.on("refused", () => says("lost", "Open the address that nstfilter printed"));
link.on("message", ({ text, level }) => toast(text, level));
link.on("state", () => {
  const { source, card: covered, recording, plain: asIs, outputs } = link.state;
  document.body.classList.remove("offline");
  const out = outputs.filter((output) => output.state === "open").map((output) => output.name);
  says("live", [source, ...out].join(" → "));
  card.setAttribute("aria-pressed", String(covered));
  card.lastChild.textContent = covered ? "Card is up" : "Privacy card";
  record.setAttribute("aria-pressed", String(recording));
  record.lastChild.textContent = recording ? "Stop" : "Record";
  plain.setAttribute("aria-pressed", String(asIs));
  mute.hidden = link.state.muted === null;
  mute.setAttribute("aria-pressed", String(Boolean(link.state.muted)));
  lock.setAttribute("aria-pressed", String(link.state.locked));
  const { parts } = link.state;
  now.textContent = parts.map(({ name, weight }) => (parts.length > 1 ? `${name} ${Math.round(100 * weight)} %` : name)).join(" + ");
});

// the mix, from anywhere

document.addEventListener("mix", ({ detail }) => {
  mixpad.add(detail);
  choose("mix");
});

midi.addEventListener("preset", ({ detail }) => presets.press(detail));
link.on("hello", () => kept.get("midi-on", false) && midi.possible && midi.start());

// a picture of the user's own under a name

const keepName = h("input.text", { type: "text", maxLength: 60, "aria-label": "Name of the style", "data-testid": "keep-name" });
const keep = h(
  "dialog",
  { "aria-label": "Keep this style" },
  h("h2", {}, "Keep this style"),
  h("label.stacked", {}, "Name", keepName),
  h(
    "div.ends",
    {},
    h("button.button.quiet", { type: "button", onclick: () => keep.close() }, "Cancel"),
    h(
      "button.button.primary",
      {
        type: "button",
        "data-testid": "keep-done",
        onclick: async () => {
          try {
            await post("/api/styles/keep", { key: keep.dataset.key, name: keepName.value });
            keep.close();
            toast(`${keepName.value} is a style of your own pack`);
          } catch (error) {
            toast(error.message, "error");
          }
        },
      },
      "Keep",
    ),
  ),
);
document.body.append(keep);
document.addEventListener("keep", ({ detail }) => {
  keep.dataset.key = detail.key;
  keepName.value = detail.title;
  keep.showModal();
  keepName.select();
});

// pictures dropped or pasted anywhere

const carries = (event) => event.dataTransfer?.types.includes("Files");
let over = 0;
document.addEventListener("dragenter", (event) => {
  if (!carries(event)) return;
  const paints = document.body.dataset.panel === "files";
  drop.querySelector("span").textContent = paints ? "Drop pictures and videos to paint" : "Drop a picture: it is a style at once";
  drop.hidden = ++over < 1;
});
document.addEventListener("dragleave", (event) => {
  if (carries(event)) drop.hidden = --over < 1;
});
document.addEventListener("dragover", (event) => {
  if (carries(event)) event.preventDefault();
});
document.addEventListener("drop", (event) => {
  over = 0;
  drop.hidden = true;
  if (!carries(event) || event.defaultPrevented) return;
  event.preventDefault();
  const dropped = [...event.dataTransfer.files];
  const toPaint = dropped.filter((file) => document.body.dataset.panel === "files" || file.type.startsWith("video/"));
  if (toPaint.length) {
    choose("files");
    files.add(toPaint);
  }
  gallery.add(dropped.filter((file) => !toPaint.includes(file)));
});
document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
  if (files.length) gallery.add(files);
});

// keys

const ACTIONS = { n: "next", p: "previous", x: "mix", "+": "stronger", "=": "stronger", "-": "weaker", c: "card", m: "mirror", s: "snapshot", r: "record", l: "lock", a: "area", b: "background", u: "mute" };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const { target, key } = event;
  if (target.closest("input:not([type=range]), select, textarea, dialog")) return;
  const free = ["l", "?", "/", "f", ...(link.state?.card ? [] : ["c"]), ...(link.state?.muted ? [] : ["u"])];
  const locked = link.state?.locked && !free.includes(key.toLowerCase());
  if (locked && (ACTIONS[key.toLowerCase()] || /^[1-9 ]$/.test(key))) toast("The keys are locked; L unlocks them");
  else if (key === " " && !target.closest("button, [role=slider], a")) link.do("plain");
  else if (key === "/") {
    choose("styles");
    gallery.search.focus();
  } else if (key === "?") help.showModal();
  else if (key.toLowerCase() === "f") preview.full();
  else if (/^[1-9]$/.test(key)) presets.press(Number(key));
  else if (ACTIONS[key.toLowerCase()]) link.do(ACTIONS[key.toLowerCase()], link.state?.locked && key.toLowerCase() !== "l");
  else return;
  event.preventDefault();
});

link.connect();
