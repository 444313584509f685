// A control for every value of the list that the server sends: sliders, switches, choices.

import { h, button } from "./dom.js";
import { link } from "./link.js";

// where the whole range is no use on a slider; any value of it can still be typed
const USUAL = { size: [160, 720] };
const LABELS = { keep_colors: "Keep colors", size: "Size" };

export const label = (name) => LABELS[name] ?? name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");

export function shown(parameter, value) {
  if (value === null || value === undefined) return "Auto";
  if (parameter.type === "bool") return value ? "On" : "Off";
  const share = parameter.type === "float" && parameter.unit === "" && parameter.maximum === 1;
  if (share) return `${Math.round(100 * value)} %`;
  return `${parameter.type === "float" ? Number(value.toFixed(2)) : value}${parameter.unit ? ` ${parameter.unit}` : ""}`;
}

class Dial extends HTMLElement {
  #held = false;
  #until = 0;

  setup(parameter) {
    this.parameter = parameter;
    const { name, minimum, maximum, type } = parameter;
    const [low, high] = USUAL[name] ?? [minimum ?? 0, maximum ?? 100];
    this.share = type === "float" && parameter.unit === "" && maximum === 1;
    this.scale = this.share ? 100 : 1;
    const step = this.share ? 1 : type === "int" ? Math.min(parameter.step ?? 1, 16) : (parameter.step ?? 0.1);
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
        ? h("button.chip", { type: "button", "aria-label": `${text}: automatic`, onclick: () => this.#change(null) }, "Auto")
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
    if (!isAuto) this.range.value = value * this.scale;
    const now = isAuto && this.parameter.name === "size" && link.stats.size; // what was chosen for us
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
    for (const choice of parameter.choices) this.select.append(h("option", { value: choice }, label(choice)));
    this.append(h("label", { for: `dial-${parameter.name}` }, label(parameter.name)), this.select);
    this.select.addEventListener("change", () => link.set({ [parameter.name]: this.select.value }));
    return this;
  }

  update(value) {
    this.select.value = value ?? "";
  }
}
customElements.define("nst-choice", Choice);

class Dials extends HTMLElement {
  connectedCallback() {
    this.controls = new Map();
    this.reset = button("refresh", "All dials to their defaults", { onclick: () => this.defaults(), "data-testid": "reset" });
    this.append(h("header", {}, h("h2", {}, "Look"), this.reset), h("div.grid"));
    link.on("hello", () => this.#build());
    link.on("state", () => this.#update());
    link.on("stats", () => this.controls.get("size")?.update(link.state.values.size));
  }

  #build() {
    const grid = this.querySelector(".grid");
    const switches = h("div.switches");
    grid.replaceChildren(switches);
    this.controls.clear();
    for (const parameter of link.parameters) {
      const kind = parameter.choices.length ? "nst-choice" : { bool: "nst-switch", float: "nst-dial", int: "nst-dial" }[parameter.type];
      if (!kind) continue;
      const control = document.createElement(kind).setup(parameter);
      this.controls.set(parameter.name, control);
      (kind === "nst-switch" ? switches : grid).append(control);
    }
  }

  #update() {
    for (const [name, control] of this.controls) control.update(link.state.values[name]);
  }

  defaults() {
    const values = {};
    for (const [name, { parameter }] of this.controls) values[name] = parameter.default;
    for (const [name, control] of this.controls) control.show ? control.show(values[name]) : control.update(values[name]);
    link.set(values);
  }
}
customElements.define("nst-dials", Dials);
