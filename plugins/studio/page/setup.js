// Where the frames go, and what else can steer the run: a phone, OSC, MIDI, other programs.

import { h, icon, button, toast, api, post, refill, send, sending } from "./dom.js";
import { link } from "./link.js";
import { label, shown } from "./dials.js";
import { midi } from "./midi.js";

const ACTIONS = [
  ["do/card", "Privacy card"],
  ["do/plain", "Plain video"],
  ["do/record", "Record"],
  ["do/snapshot", "Snapshot"],
  ["do/next", "Next style"],
  ["do/previous", "Previous style"],
];

const copied = (text, what) => async () => {
  try {
    await navigator.clipboard.writeText(text);
    toast(`${what} copied`);
  } catch {
    toast("The browser did not allow to copy; select the text instead", "error");
  }
};

/** A line to copy. The token is not shown: the page may be on a screen that others see. */
const line = (text, what) => h("div.line", {}, h("code", {}, text.replace(/(token=).+/, "$1\u2026")), button("copy", `Copy: ${what}`, { onclick: copied(text, what) }));

class Setup extends HTMLElement {
  #choosing = Promise.resolve();

  connectedCallback() {
    this.outputs = h("div.list", { "data-testid": "outputs" });
    this.remote = h("div.remote");
    this.osc = h("div");
    this.midi = h("div", { "data-testid": "midi" });
    this.checks = h("div.list", { "data-testid": "checks" });
    this.sources = h("div.sources", { role: "list", "aria-label": "Sources", "data-testid": "sources" });
    this.sending = h("div.list", { role: "list", "aria-label": "Videos being sent" });
    this.video = h("input.hidden", { type: "file", accept: "video/*,.mkv", tabIndex: -1, "aria-label": "Video to see through", "data-testid": "source-file" });
    this.video.addEventListener("change", () => this.#send(this.video.files[0]));
    this.append(
      h("h2", {}, "What it sees"),
      this.sources,
      this.sending,
      this.video,
      h("h2", {}, "Where it goes"),
      this.outputs,
      h("h2", {}, "Phone, OBS and buttons"),
      this.remote,
      h("h2", {}, "OSC"),
      this.osc,
      h("h2", {}, "MIDI"),
      this.midi,
      h("h2", {}, "This computer"),
      this.checks,
      button("check", "Check it", { onclick: () => this.#doctor(), "data-testid": "doctor" }, "Check what works here"),
    );
    link.on("state", () => this.#state());
    midi.addEventListener("change", () => this.#drawMidi());
  }

  /** The panel was opened. */
  async show() {
    this.seen = true;
    this.#drawMidi();
    try {
      const [{ sources }, { outputs }, about, { osc, addresses }] = await Promise.all([api("/api/sources"), api("/api/outputs"), api("/api/addresses"), api("/api/osc")]);
      this.#drawSources(sources);
      this.#drawOutputs(outputs);
      this.#drawRemote(about);
      this.#drawOsc(osc, addresses);
    } catch (error) {
      toast(error.message, "error");
    }
  }

  #state() {
    const { outputs, with_plain: plain, source } = link.state;
    const text = JSON.stringify([outputs, plain]);
    if (this.seen && text !== this.outputsShown) {
      this.outputsShown = text;
      api("/api/outputs").then((answer) => this.#drawOutputs(answer.outputs), () => {});
    }
    if (this.seen && source !== this.sourceShown) {
      this.sourceShown = source;
      api("/api/sources").then((answer) => this.#drawSources(answer.sources), () => {});
    }
    for (const cell of this.osc.querySelectorAll("[data-value]")) cell.textContent = this.#value(cell.dataset.value);
  }

  #value(name) {
    const { values, card, plain, recording } = link.state;
    const switches = { "do/card": card, "do/plain": plain, "do/record": recording };
    if (name in switches) return switches[name] ? "1" : "0";
    const parameter = link.parameters.find((one) => one.name === name);
    if (!parameter) return "";
    return parameter.type === "str" ? (values[name] ?? "") : parameter.type === "bool" ? String(Number(values[name])) : String(values[name] ?? "auto");
  }

  #drawSources(sources) {
    refill(
      this.sources,
      ...sources.map(({ name, title, problem, on }) => {
        const isFile = name.startsWith("file:");
        const choose = h(
          "button.source",
          { type: "button", "aria-pressed": String(on), disabled: Boolean(problem) && !on, "data-testid": `source-${name}`, onclick: () => this.#choose(name) },
          icon(isFile ? "files" : "camera"),
          h("div.about", {}, h("b", {}, title), problem && h("span", {}, problem)),
          on && icon("check"),
        );
        const remove = isFile && !on && button("close", `Delete ${title}`, { "data-testid": `delete-${name}`, onclick: () => this.#remove(name) });
        return h("div.source-row", { role: "listitem" }, choose, remove);
      }),
      h("div.source-row", { role: "listitem" }, h("button.source.add", { type: "button", onclick: () => this.video.click() }, icon("upload"), h("div.about", {}, h("b", {}, "A video file")))),
    );
  }

  /** One after the other, for a camera takes a while. */
  async #choose(name) {
    this.sources.ariaBusy = "true";
    const mine = (this.#choosing = this.#choosing.then(() => this.#do(() => post("/api/sources", { name }))));
    await mine;
    if (mine === this.#choosing) this.sources.ariaBusy = "false";
  }

  #remove(name) {
    return this.#do(() => api(`/api/sources/${encodeURIComponent(name)}`, { method: "DELETE" }));
  }

  async #send(file) {
    if (!file) return;
    const { row, aborted, progress } = sending(file);
    this.sending.append(row);
    await this.#do(() => send(`/api/sources/send?name=${encodeURIComponent(file.name)}`, file, { progress, aborted }), aborted);
    row.remove();
    this.video.value = "";
  }

  async #do(work, aborted) {
    try {
      this.#drawSources((await work()).sources);
    } catch (error) {
      if (!aborted?.aborted) toast(error.message, "error");
      await this.show();
    }
  }

  #drawOutputs(outputs) {
    refill(
      this.outputs,
      ...outputs.map((output) => {
        const turn = h("button.switch", { type: "button", role: "switch", "aria-checked": String(output.on), "data-testid": `output-${output.name}`, disabled: Boolean(output.problem) }, h("span", {}, output.title), h("i"));
        turn.addEventListener("click", async () => {
          try {
            const answer = await post("/api/outputs", { name: output.name, on: !output.on });
            this.#drawOutputs(answer.outputs);
          } catch (error) {
            toast(error.message, "error");
          }
        });
        return h("div.output", {}, turn, output.problem && h("p", {}, output.problem), output.remedy && line(output.remedy, "the line to type"));
      }),
    );
  }

  #drawRemote({ phone, stream, page }) {
    const parts = [];
    if (phone) {
      const code = h("img", { src: "/qr.svg", alt: "QR code of the address for a phone", width: "148", height: "148", loading: "lazy", "data-testid": "qr" });
      const about = h("p", {}, "Point a phone in the same network at this. Who sees the code can steer the run and watch.");
      parts.push(h("details", { "data-testid": "qr-details" }, h("summary", {}, "QR code for a phone"), h("div.qr", {}, code, about)), line(phone, "the phone's address"));
    } else parts.push(h("p", {}, "For a phone as remote, begin with this. Without it, only this computer gets in."), line("nstfilter studio --host 0.0.0.0", "the line to type"));
    parts.push(h("p", {}, "The painted picture, for OBS as a media source, and for any browser:"), line(stream, "the stream's address"));
    parts.push(h("p", {}, "For a Stream Deck or a script: POST to an address of the API, with the token."), line(page.replace("/?", "/api/do/card?"), "the card's address"));
    this.remote.replaceChildren(...parts);
  }

  #drawOsc(osc, addresses) {
    const about = osc ? h("p", { "data-testid": "osc" }, `Listens at port ${osc.port}${osc.host === "127.0.0.1" ? " of this computer" : ""}; changes are sent back, also to port ${osc.port + 1}.`) : h("div", {}, h("p", {}, "Begin with a port to listen at:"), line("nstfilter studio --osc 9000", "the line to type"));
    const rows = addresses.map(({ address, type, range, help }) => {
      const name = address.replace("/nstfilter/", "");
      return h("tr", { title: help }, h("td", {}, h("code", {}, address)), h("td", {}, [type, range].filter(Boolean).join(", ")), h("td", { "data-value": name }, this.#value(name)));
    });
    const table = h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "Address"), h("th", {}, "Takes"), h("th", {}, "Now"))), h("tbody", {}, ...rows));
    this.osc.replaceChildren(about, h("details", {}, h("summary", {}, "Every address"), h("div.scroll", { tabIndex: 0, role: "region", "aria-label": "OSC addresses" }, table)));
  }

  #drawMidi() {
    if (!midi.possible) {
      this.midi.replaceChildren(h("p", {}, "This browser has no MIDI here: Chrome, Edge and Firefox have it, on this computer's own address."));
      return;
    }
    if (!midi.access) {
      this.midi.replaceChildren(button("dials", "Use MIDI", { onclick: () => midi.start(), "data-testid": "midi-start" }, "Use a MIDI controller"));
      return;
    }
    const targets = [
      ...link.parameters.filter((one) => one.type !== "str" || one.choices.length).map((one) => [one.name, label(one.name)]),
      ...ACTIONS,
      ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((slot) => [`preset/${slot}`, `Preset ${slot}`]),
    ];
    this.midi.replaceChildren(
      h("p", {}, midi.inputs.length ? `Connected: ${midi.inputs.join(", ")}. Press Learn, then move a knob or press a button.` : "No controller is connected yet."),
      h(
        "div.learn",
        {},
        ...targets.map(([target, text]) => {
          const source = midi.sourceOf(target);
          const learning = midi.learning === target;
          return h(
            "div.row",
            {},
            h("span", {}, text),
            h("span.dim", {}, source),
            source && button("close", `${text}: forget`, { onclick: () => midi.forget(target) }),
            h("button.chip", { type: "button", "aria-pressed": String(learning), "aria-label": `${text}: learn`, "data-testid": `learn-${target}`, onclick: () => midi.learn(target) }, learning ? "Move it" : "Learn"),
          );
        }),
      ),
    );
  }

  async #doctor() {
    this.checks.replaceChildren(h("p", {}, "Looking"));
    try {
      const { checks } = await api("/api/doctor");
      const rank = { failing: 0, warning: 1, ok: 2 };
      checks.sort((one, other) => rank[one.state] - rank[other.state]);
      this.checks.replaceChildren(
        ...checks.map(({ name, state, found, remedy }) =>
          h("div.check", { "data-state": state }, h("i", { "aria-hidden": "true" }), h("div.about", {}, h("b", {}, name), h("span", { title: found }, `${state === "ok" ? "" : `${state}: `}${found}`), remedy && state !== "ok" ? line(remedy, "what mends it") : "")),
        ),
      );
    } catch (error) {
      this.checks.replaceChildren();
      toast(error.message, "error");
    }
  }
}
customElements.define("nst-setup", Setup);
