// Two to four styles at the corners of a pad, and a puck between them: the nearer, the more.

import { h, icon, button, toast } from "./dom.js";
import { link } from "./link.js";
import { DRAG } from "./gallery.js";

// where the styles stand, by how many there are; x and y from 0 to 1
const PLACES = {
  1: [[0.5, 0.5]],
  2: [[0.17, 0.5], [0.83, 0.5]],
  3: [[0.5, 0.17], [0.17, 0.83], [0.83, 0.83]],
  4: [[0.17, 0.17], [0.83, 0.17], [0.17, 0.83], [0.83, 0.83]],
};
const SVG = "http://www.w3.org/2000/svg";

export function weights(count, x, y) {
  const places = PLACES[count];
  if (count === 2) {
    const part = Math.min(1, Math.max(0, (x - 0.17) / 0.66));
    return [1 - part, part];
  }
  const near = places.map(([px, py]) => Math.hypot(x - px, y - py));
  const hit = near.findIndex((distance) => distance < 0.06);
  if (hit >= 0) return places.map((_, index) => Number(index === hit));
  const pull = near.map((distance) => 1 / distance ** 2);
  const sum = pull.reduce((a, b) => a + b, 0);
  const shares = pull.map((one) => (one / sum < 0.03 ? 0 : one / sum));
  const total = shares.reduce((a, b) => a + b, 0);
  return shares.map((share) => share / total);
}

class MixPad extends HTMLElement {
  #keys = [];
  #x = 0.5;
  #y = 0.5;

  connectedCallback() {
    this.lines = document.createElementNS(SVG, "svg");
    this.lines.setAttribute("aria-hidden", "true");
    this.puck = h("div.puck", { role: "slider", tabIndex: 0, "aria-label": "Mix of styles; arrow keys move it", "aria-valuemin": "0", "aria-valuemax": "100", "data-testid": "puck" });
    this.corners = h("div.corners");
    this.hint = h("p.hint", {}, "Drag styles here, or press ", icon("plus"), " on two to four of them. Then move the puck.");
    this.pad = h("div.pad", { "data-testid": "mix-pad", role: "group", "aria-label": "Mix pad" }, this.lines, this.corners, this.puck, this.hint);
    this.strip = h("div.strip", { role: "list", "aria-label": "Styles to add to the mix" });
    this.clear = h("button.button.quiet", { type: "button", hidden: true, onclick: () => this.#set([]) }, "Clear the pad");
    this.append(this.pad, h("div.row", {}, h("h2", {}, "Add to the mix"), this.clear), this.strip);
    this.pad.addEventListener("dragover", (event) => {
      if (event.dataTransfer.types.includes(DRAG)) event.preventDefault();
    });
    this.pad.addEventListener("drop", (event) => {
      const key = event.dataTransfer.getData(DRAG);
      if (!key) return;
      event.preventDefault();
      this.add(key);
    });
    this.pad.addEventListener("pointerdown", (event) => {
      if (event.target.closest("button") || this.#keys.length < 2) return;
      this.pad.setPointerCapture(event.pointerId);
      this.#follow(event);
      this.pad.onpointermove = (moved) => this.#follow(moved);
      this.pad.onpointerup = this.pad.onpointercancel = () => (this.pad.onpointermove = null);
    });
    this.puck.addEventListener("keydown", (event) => {
      const step = event.shiftKey ? 0.1 : 0.03;
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!way) return;
      event.preventDefault();
      this.#move(this.#x + step * way[0], this.#y + step * way[1]);
    });
    link.on("styles", () => this.#strip());
    link.on("thumbs", (changed) => {
      for (const image of this.querySelectorAll("img[data-key]")) if (changed.includes(image.dataset.key)) image.src = link.thumb(image.dataset.key);
    });
    link.on("state", () => this.#state());
    this.#draw();
  }

  add(key) {
    if (this.#keys.includes(key)) return;
    if (link.state && !link.state.mixes) return toast("This model cannot mix styles", "error");
    if (this.#keys.length === 4) return toast("Four styles are the most that mix well", "error");
    if (!this.#keys.length && link.state?.parts.length) {
      // the first to join the one that is on
      const on = link.styleOf(link.state.parts[0].text);
      if (on && on.key !== key) this.#keys.push(on.key);
    }
    this.#set([...this.#keys, key]);
  }

  #set(keys) {
    this.#keys = keys;
    this.#x = this.#y = 0.5;
    this.#draw();
    if (keys.length > 1) this.#send();
  }

  /** A mix that was made elsewhere, in a preset or on another page, stands on the pad too. */
  #state() {
    const keys = link.state.parts.map(({ text }) => link.styleOf(text)?.key);
    if (keys.length < 2 || keys.length > 4 || keys.includes(undefined)) return;
    if (keys.every((key) => this.#keys.includes(key))) return;
    this.#keys = keys;
    const places = PLACES[keys.length];
    this.#x = this.#y = 0;
    link.state.parts.forEach(({ weight }, index) => {
      this.#x += weight * places[index][0];
      this.#y += weight * places[index][1];
    });
    this.#draw();
  }

  #follow(event) {
    const box = this.pad.getBoundingClientRect();
    this.#move((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }

  #move(x, y) {
    this.#x = Math.min(0.97, Math.max(0.03, x));
    this.#y = Math.min(0.97, Math.max(0.03, y));
    this.#place();
    this.#send();
  }

  #send() {
    const shares = weights(this.#keys.length, this.#x, this.#y);
    const parts = this.#keys.map((key, index) => [key, Math.round(1000 * shares[index]) / 1000]).filter(([, weight]) => weight > 0);
    link.set({ style: parts.length === 1 ? parts[0][0] : parts.map(([key, weight]) => `${key}:${weight}`).join("+") });
  }

  #draw() {
    const count = this.#keys.length;
    this.pad.dataset.count = count;
    this.hint.hidden = count > 1;
    this.clear.hidden = !count;
    this.puck.hidden = count < 2;
    this.corners.replaceChildren();
    this.lines.replaceChildren();
    this.#keys.forEach((key, index) => {
      const style = link.styleOf(key);
      const [x, y] = PLACES[count][index];
      const corner = h(
        "div.corner-style",
        {},
        h("img", { src: link.thumb(key), alt: "", "data-key": key, draggable: false }),
        h("span", {}, style?.title ?? key, h("b")),
        button("close", `Take ${style?.title ?? key} off the pad`, { onclick: () => this.#set(this.#keys.filter((one) => one !== key)) }),
      );
      corner.style.left = `${100 * x}%`;
      corner.style.top = `${100 * y}%`;
      this.corners.append(corner);
      if (count > 1) this.lines.append(document.createElementNS(SVG, "line"));
    });
    this.#place();
    this.#strip();
  }

  #place() {
    const count = this.#keys.length;
    if (count < 2) return;
    this.puck.style.left = `${100 * this.#x}%`;
    this.puck.style.top = `${100 * this.#y}%`;
    const shares = weights(count, this.#x, this.#y);
    shares.forEach((share, index) => {
      const [x, y] = PLACES[count][index];
      const line = this.lines.children[index];
      for (const [name, value] of Object.entries({ x1: x, y1: y, x2: this.#x, y2: this.#y })) line.setAttribute(name, `${100 * value}%`);
      line.style.strokeWidth = `${1 + 9 * share}`;
      line.style.opacity = String(0.15 + 0.85 * share);
      this.corners.children[index].querySelector("b").textContent = `${Math.round(100 * share)} %`;
      this.corners.children[index].style.setProperty("--share", share);
    });
    this.puck.setAttribute("aria-valuenow", Math.round(100 * shares[0]));
    this.puck.setAttribute("aria-valuetext", this.#keys.map((key, index) => `${link.styleOf(key)?.title ?? key} ${Math.round(100 * shares[index])} %`).join(", "));
  }

  #strip() {
    this.strip.replaceChildren(
      ...link.styles.map((style) =>
        h(
          "div",
          { role: "listitem", hidden: this.#keys.includes(style.key) },
          h(
            "button.tile.small",
            {
              type: "button",
              draggable: true,
              title: `Add ${style.title} to the mix`,
              ondragstart: (event) => event.dataTransfer.setData(DRAG, style.key),
              onclick: () => this.add(style.key),
            },
            h("span.picture", {}, h("img", { src: link.thumb(style.key), alt: "", loading: "lazy", "data-key": style.key, draggable: false })),
            h("span.name", {}, style.title),
          ),
        ),
      ),
    );
  }
}
customElements.define("nst-mix-pad", MixPad);
