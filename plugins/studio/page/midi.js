// MIDI, by the browser: a knob or a button learns a value or an action. Kept in this browser.

import { kept, toast } from "./dom.js";
import { link } from "./link.js";

class Midi extends EventTarget {
  map = kept.get("midi", {}); // "176:0:7" -> "strength" or "do/card" or "preset/1"
  access = null;
  learning = null;
  last = "";

  get possible() {
    return "requestMIDIAccess" in navigator;
  }

  async start() {
    if (this.access) return true;
    try {
      this.access = await navigator.requestMIDIAccess();
    } catch {
      toast("The browser was not allowed to use MIDI", "error");
      return false;
    }
    const listen = () => {
      for (const input of this.access.inputs.values()) input.onmidimessage = (event) => this.receive([...event.data]);
      this.#tell();
    };
    this.access.onstatechange = listen;
    listen();
    kept.set("midi-on", true);
    return true;
  }

  get inputs() {
    return this.access ? [...this.access.inputs.values()].map((input) => input.name) : [];
  }

  learn(target) {
    this.learning = this.learning === target ? null : target;
    this.#tell();
  }

  forget(target) {
    for (const [source, one] of Object.entries(this.map)) if (one === target) delete this.map[source];
    this.#keep();
  }

  sourceOf(target) {
    const found = Object.entries(this.map).find(([, one]) => one === target);
    if (!found) return "";
    const [kind, channel, number] = found[0].split(":").map(Number);
    return `${kind === 176 ? "CC" : "Note"} ${number}${channel ? `, channel ${channel + 1}` : ""}`;
  }

  receive([status, number, value = 0]) {
    let kind = status & 0xf0;
    if (kind === 128) [kind, value] = [144, 0]; // a note that ends
    if (kind !== 144 && kind !== 176) return;
    const source = `${kind}:${status & 0x0f}:${number}`;
    if (this.learning) {
      if (!value && kind === 144) return;
      this.forget(this.learning);
      this.map[source] = this.learning;
      this.learning = null;
      this.#keep();
    }
    const target = this.map[source];
    if (target) this.#do(target, value / 127, kind);
  }

  #do(target, part, kind) {
    if (target.startsWith("do/")) {
      if (part > 0.5) link.do(target.slice(3));
    } else if (target.startsWith("preset/")) {
      if (part > 0.5) this.dispatchEvent(new CustomEvent("preset", { detail: Number(target.slice(7)) }));
    } else {
      const parameter = link.parameters.find((one) => one.name === target);
      if (!parameter) return;
      const { type, choices, minimum } = parameter;
      if (type === "bool") {
        if (kind === 176) link.set({ [target]: part > 0.5 });
        else if (part > 0) link.set({ [target]: !link.state.values[target] });
      } else if (choices.length) link.set({ [target]: choices[Math.min(choices.length - 1, Math.floor(part * choices.length))] });
      else if (type !== "str") {
        const [low, high] = target === "size" ? [160, 720] : [minimum ?? 0, parameter.maximum];
        const value = low + part * (high - low);
        link.set({ [target]: type === "int" ? Math.round(value) : Math.round(value * 1e4) / 1e4 });
      }
    }
  }

  #keep() {
    kept.set("midi", this.map);
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new CustomEvent("change"));
  }
}

export const midi = new Midi();
