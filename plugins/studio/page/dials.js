// A control for every value of the list that the server sends: sliders, switches, choices.

import { h, button, kept } from "./dom.js";
import { link } from "./link.js";

// where the whole range is no use on a slider; any value of it can still be typed
const USUAL = { size: [160, 720] };
const LABELS = { keep_colors: "Keep colors", size: "Size", area: "Painted", background: "Behind people", feather: "Edge", face: "Faces", rotate: "Change every" };
// what most people turn stands first, the rest behind a button, and that of people and rooms together
const FIRST = ["strength", "stability", "size", "keep_colors", "mirror"];
const PEOPLE = ["area", "background", "feather", "face"];
// the choices of a text that could be anything
const CHOICES = {
  background: () => [["", "The room"], ["plain", "Plain wall"], ["blur", "Blurred"], ...link.styles.map((style) => [style.text, style.title])],
};

export const label = (name) => LABELS[name] ?? name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");

const isShare = ({ type, unit, maximum }) => type === "float" && unit === "" && maximum <= 1;

export function shown(parameter, value) {
  if (value === null || value === undefined) return "Auto";
  if (parameter.type === "bool") return value ? "On" : "Off";
  if (isShare(parameter)) return `${Number((100 * value).toFixed(1))} %`;
  return `${parameter.type === "float" ? Number(value.toFixed(2)) : value}${parameter.unit ? ` ${parameter.unit}` : ""}`;
}

class Dial extends HTMLElement {
  #held = false;
  #until = 0;

  setup(parameter) {
    this.parameter = parameter;
    const { name, minimum, maximum, type } = parameter;
    const [low, high] = USUAL[name] ?? [minimum ?? 0, maximum ?? 100];
    this.share = isShare(parameter);
    this.scale = this.share ? 100 : 1;
    const step = this.share ? Math.min(1, 100 * parameter.step) : type === "int" ? Math.min(parameter.step ?? 1, 16) : (parameter.step ?? 0.1);
    const text = label(name);
    this.range = h("input", {
      type: "range",
      min: String(low * this.scale),
      max: String(high * this.scale),
      step: String(step),
      id: `dial-${name}`,
      "data-testid": name,
      title: `${parameter.help} Double click for the default.`,
    });
    this.number = h("input.number", {
      type: "text",
      inputmode: "decimal",
      autocomplete: "off",
      "aria-label": `${text}, as a number`,
      "data-testid": `${name}-number`,
    });
    this.auto =
      parameter.default === null
        ? h("button.chip", { type: "button", "aria-label": `Auto: ${text} chosen by the program`, onclick: () => this.#change(null) }, "Auto")
        : null;
    this.append(h("label", { for: `dial-${name}` }, text), this.auto ?? "", this.number, this.range);
    this.range.addEventListener("input", () => this.#change(Number(this.range.value) / this.scale));
    this.range.addEventListener("dblclick", () => this.#change(parameter.default));
    this.range.addEventListener("pointerdown", () => (this.#held = true));
    for (const end of ["pointerup", "pointercancel"]) this.range.addEventListener(end, () => (this.#held = false));
    this.number.addEventListener("change", () => this.#typed());
    this.number.addEventListener("focus", () => this.number.select());
    this.number.addEventListener("keydown", (event) => {
      const way = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (event.key === "Enter") this.number.blur();
      if (!way) return;
      event.preventDefault();
      this.range.value = Number(this.range.value) + way * (this.share ? 5 : step);
      this.#change(Number(this.range.value) / this.scale);
    });
    return this;
  }

  #typed() {
    const number = Number.parseFloat(this.number.value.replace(",", "."));
    if (Number.isNaN(number)) return this.show(this.value);
    const { minimum, maximum, type } = this.parameter;
    let value = Math.min(maximum ?? Infinity, Math.max(minimum ?? -Infinity, number / this.scale));
    if (type === "int") value = Math.round(value);
    this.#change(value);
  }

  #change(value) {
    this.#until = performance.now() + 800;
    this.show(value);
    link.set({ [this.parameter.name]: value });
  }

  /** What the server says, unless the user is just turning it. */
  update(value) {
    if (!this.#held && performance.now() > this.#until && document.activeElement !== this.number) this.show(value);
  }

  show(value) {
    this.value = value;
    const isAuto = value === null || value === undefined;
    const now = isAuto && this.parameter.name === "size" && link.stats.size; // what was chosen for us
    if (now || !isAuto) this.range.value = now || value * this.scale;
    this.number.value = now ? `${now} px` : shown(this.parameter, value);
    this.range.setAttribute("aria-valuetext", this.number.value);
    this.classList.toggle("automatic", isAuto);
    this.auto?.setAttribute("aria-pressed", String(isAuto));
    const { min, max } = this.range;
    this.style.setProperty("--part", `${(100 * (this.range.value - min)) / (max - min)}%`);
  }
}
customElements.define("nst-dial", Dial);

class Switch extends HTMLElement {
  #until = 0;

  setup(parameter) {
    this.parameter = parameter;
    this.button = h(
      "button.switch",
      { type: "button", role: "switch", "data-testid": parameter.name, title: parameter.help },
      h("span", {}, label(parameter.name)),
      h("i"),
    );
    this.append(this.button);
    this.button.addEventListener("click", () => {
      this.#until = performance.now() + 800;
      this.show(!this.value);
      link.set({ [parameter.name]: this.value });
    });
    return this;
  }

  update(value) {
    if (performance.now() > this.#until) this.show(value);
  }

  show(value) {
    this.value = value;
    this.button.setAttribute("aria-checked", String(Boolean(value)));
  }
}
customElements.define("nst-switch", Switch);

class Choice extends HTMLElement {
  setup(parameter) {
    this.parameter = parameter;
    this.select = h("select", { id: `dial-${parameter.name}`, "data-testid": parameter.name, title: parameter.help });
    this.#fill();
    if (CHOICES[parameter.name]) link.on("styles", () => this.#fill());
    this.append(h("label", { for: `dial-${parameter.name}` }, label(parameter.name)), this.select);
    this.select.addEventListener("change", () => link.set({ [parameter.name]: this.select.value || null }));
    return this;
  }

  #fill() {
    const { name, choices } = this.parameter;
    const listed = CHOICES[name]?.() ?? choices.map((choice) => [choice, label(choice)]);
    const { value } = this.select;
    this.select.replaceChildren(...listed.map(([choice, text]) => h("option", { value: choice }, text)));
    this.select.value = value;
  }

  update(value) {
    this.value = value;
    this.select.value = value ?? "";
  }
}
customElements.define("nst-choice", Choice);

class Dials extends HTMLElement {
  connectedCallback() {
    this.controls = new Map();
    this.reset = button("refresh", "All dials to their defaults", { onclick: () => this.defaults(), "data-testid": "reset" });
    this.more = h("button.chip", { type: "button", "aria-controls": "dials-rest", "data-testid": "more-dials", onclick: () => this.#unfold(!this.unfolded) }, "More");
    this.grid = h("div.grid");
    this.rest = h("div.grid.rest", { id: "dials-rest" });
    this.append(h("header", {}, h("h2", {}, "Look"), this.more, this.reset), this.grid, this.rest);
    this.#unfold(kept.get("more-dials", false));
    link.on("hello", () => this.#build());
    link.on("state", () => this.#update());
    link.on("stats", () => this.controls.get("size")?.update(link.state.values.size));
  }

  #unfold(on) {
    this.unfolded = on;
    this.rest.hidden = !on;
    this.more.setAttribute("aria-expanded", String(on));
    kept.set("more-dials", on);
    this.#name();
  }

  /** Say how many of those that are folded away are not as usual. */
  #name(changed = this.changed ?? 0) {
    this.changed = changed;
    this.more.replaceChildren(this.unfolded ? "Less" : "More", !this.unfolded && changed ? h("b", {}, String(changed)) : "");
    this.more.title = changed ? `${changed} of these ${changed > 1 ? "are not at their defaults" : "is not at its default"}` : "";
  }

  #build() {
    const switches = h("div.switches");
    this.grid.replaceChildren();
    this.rest.replaceChildren();
    this.controls.clear();
    for (const parameter of link.parameters) {
      const kind = parameter.choices.length || CHOICES[parameter.name] ? "nst-choice" : { bool: "nst-switch", float: "nst-dial", int: "nst-dial" }[parameter.type];
      if (!kind) continue;
      const control = document.createElement(kind).setup(parameter);
      this.controls.set(parameter.name, control);
      if (PEOPLE.includes(parameter.name)) control.classList.add("people");
      (kind === "nst-switch" ? switches : FIRST.includes(parameter.name) ? this.grid : this.rest).append(control);
    }
    this.grid.append(switches);
  }

  #update() {
    const { values } = link.state;
    for (const [name, control] of this.controls) control.update(values[name]);
    const changed = ([name, { parameter }]) => !FIRST.includes(name) && (values[name] ?? null) !== (parameter.default ?? null);
    this.#name([...this.controls].filter(changed).length);
    this.controls.get("feather")?.classList.toggle("idle", values.area === "all" && !values.background);
  }

  defaults() {
    const values = {};
    for (const [name, { parameter }] of this.controls) values[name] = parameter.default;
    for (const [name, control] of this.controls) control.show ? control.show(values[name]) : control.update(values[name]);
    link.set(values);
  }
}
customElements.define("nst-dials", Dials);
