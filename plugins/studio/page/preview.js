// The picture, large: painted, plain, or both on either side of a line.

import { h, icon, button, clock, kept } from "./dom.js";
import { link } from "./link.js";

const SHOWS = [
  ["painted", "Painted"],
  ["split", "Split"],
  ["plain", "Camera"],
];

class Preview extends HTMLElement {
  #show = "painted";
  #split = 0.5;
  #frame = null;
  #drawing = false;
  #turned = kept.get("mirror-view", null);

  connectedCallback() {
    this.canvas = h("canvas", { width: 960, height: 540, "data-testid": "preview", role: "img", "aria-label": "Live picture" });
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.handle = h(
      "div.split",
      {
        role: "slider",
        tabIndex: 0,
        hidden: true,
        "aria-label": "Where the camera's picture ends and the painting begins",
        "aria-valuemin": "0",
        "aria-valuemax": "100",
        "data-testid": "split",
      },
      h("i", {}, icon("more")),
    );
    this.note = h("p.note", { hidden: true }, "Only you see this");
    this.live = h("p.live", { hidden: true, "data-testid": "recording" }, h("i"), h("span"));
    this.stats = h("p.stats", { "data-testid": "stats", "aria-label": "Figures of the run" });
    this.empty = h("p.waiting", {}, "Waiting for the first picture");
    this.shows = h("div.segments", { role: "radiogroup", "aria-label": "What the preview shows" });
    for (const [name, label] of SHOWS) {
      this.shows.append(
        h("button", { type: "button", role: "radio", "data-show": name, "data-testid": `show-${name}`, onclick: () => this.show(name) }, label),
      );
    }
    this.mirror = button("mirror", "See it as in a mirror; nobody else does", {
      "data-testid": "mirror-view",
      onclick: () => {
        this.#turned = !this.#mirrored;
        kept.set("mirror-view", this.#turned);
        this.#state();
        this.#ask(); // again, for a picture that stands still
      },
    });
    this.append(
      h(
        "div.frame",
        {},
        this.canvas,
        this.handle,
        this.empty,
        h("div.corner.top-left", {}, this.live, this.note),
        h("div.corner.bottom-left", {}, this.stats),
        h("div.corner.bottom-right", {}, this.shows, this.mirror, button("full", "Full screen (F)", { onclick: () => this.full(), "data-testid": "full" })),
      ),
    );
    this.handle.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02, PageDown: -0.1, PageUp: 0.1, Home: -1, End: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.#move(this.#split + step);
    });
    const frame = this.querySelector(".frame");
    frame.addEventListener("pointerdown", (event) => {
      if (this.#show !== "split" || event.button || event.target.closest(".corner")) return;
      frame.setPointerCapture(event.pointerId);
      const follow = (moved) => {
        const box = this.canvas.getBoundingClientRect();
        this.#move((moved.clientX - box.left) / box.width);
      };
      follow(event);
      frame.onpointermove = follow;
      frame.onpointerup = frame.onpointercancel = () => (frame.onpointermove = null);
    });
    frame.addEventListener("dblclick", (event) => event.target.closest(".corner") || this.full());
    link.on("frame", (data) => this.#receive(data));
    link.on("stats", () => this.#figures());
    link.on("state", () => this.#state());
    new ResizeObserver(() => this.#ask()).observe(this);
    document.addEventListener("visibilitychange", () => this.#ask());
    setInterval(() => this.#since(), 500);
    this.show("painted");
  }

  show(name) {
    this.#show = name;
    for (const choice of this.shows.children) {
      const on = choice.dataset.show === name;
      choice.setAttribute("aria-checked", String(on));
      choice.tabIndex = on ? 0 : -1;
    }
    this.#move(this.#split);
    if (link.state) this.#state();
    this.#ask();
  }

  full() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.requestFullscreen?.().catch(() => {});
  }

  /** Tell the server how large the picture is here; nothing is sent to a page that nobody sees. */
  #ask() {
    const width = document.hidden ? 0 : Math.min(1280, Math.round(this.clientWidth * Math.min(devicePixelRatio, 1.5)));
    link.view(width, this.#show);
  }

  async #receive(data) {
    this.#frame = data;
    if (this.#drawing) return;
    this.#drawing = true;
    const began = performance.now();
    try {
      const head = new DataView(data);
      const painted = head.getUint32(4, true);
      const pictures = await Promise.all([
        painted ? decoded(data.slice(8, 8 + painted)) : null,
        data.byteLength > 8 + painted ? decoded(data.slice(8 + painted)) : null,
      ]);
      this.#draw(...pictures);
      this.canvas.dataset.number = head.getUint32(0, true);
    } catch {
      // one broken frame: the next one comes
    } finally {
      this.#drawing = false;
      // half of the time at most, so that on a slow computer the page leaves the other half to the run
      link.ack(performance.now() - began - 4);
    }
  }

  /** As this browser was told, else as the run says: cameras are. */
  get #mirrored() {
    return this.#turned ?? link.state?.mirrors_preview ?? false;
  }

  #draw(painted, plain) {
    const first = painted ?? plain;
    if (!first) return;
    this.empty.hidden = true;
    const { canvas, context } = this;
    const [width, height] = [first.displayWidth ?? first.width, first.displayHeight ?? first.height];
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
      this.style.setProperty("--ratio", `${width} / ${height}`);
      this.style.setProperty("--aspect", width / height);
    }
    context.save();
    const turned = this.#mirrored;
    const draw = (image) => {
      if (turned) context.setTransform(-1, 0, 0, 1, canvas.width, 0);
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
    };
    draw(first);
    if (painted && plain) {
      context.resetTransform();
      context.beginPath();
      context.rect(0, 0, Math.round(this.#split * canvas.width), canvas.height);
      context.clip();
      draw(plain);
    }
    context.restore();
    painted?.close();
    plain?.close();
  }

  #move(part) {
    this.#split = Math.min(1, Math.max(0, part));
    this.handle.hidden = this.#show !== "split";
    this.handle.style.left = `${100 * this.#split}%`;
    this.handle.setAttribute("aria-valuenow", Math.round(100 * this.#split));
  }

  #figures() {
    const { rate, latency_ms: latency, size, dropped, captured } = link.stats;
    const words = [`${rate.toFixed(rate < 9.5 ? 1 : 0)} fps`];
    if (latency !== null) words.push(`${latency} ms`);
    if (size) words.push(`${size} px`);
    if (captured > 30 && dropped / captured > 0.005) words.push(`${Math.round((100 * dropped) / captured)} % dropped`);
    this.stats.replaceChildren(...words.map((word) => h("span", {}, word)));
  }

  #state() {
    const { plain, card, recording, recording_plain: both, never_plain: never } = link.state;
    this.mirror.setAttribute("aria-pressed", String(this.#mirrored));
    this.both = both;
    const out = plain && !card && !never;
    const alone = this.#show !== "painted" || (plain && never);
    this.classList.toggle("covered", card);
    this.note.textContent = card ? "Others see the card" : out ? "Plain video is going out" : "Only you see this";
    this.note.classList.toggle("warning", out);
    this.note.classList.toggle("card-up", card);
    this.note.hidden = !card && !out && !alone;
    this.live.hidden = !recording;
    this.#since();
  }

  #since() {
    const since = link.state?.recording_since;
    if (since) this.live.lastChild.textContent = clock(Date.now() / 1000 - since) + (this.both ? ", and the plain camera" : "");
  }
}

const type = "image/jpeg";

/** With ImageDecoder where there is one, as it takes half of the time: on this computer's own address. */
async function decoded(data) {
  if (!self.ImageDecoder) return createImageBitmap(new Blob([data], { type }));
  const decoder = new ImageDecoder({ data, type });
  const { image } = await decoder.decode();
  decoder.close();
  return image;
}

customElements.define("nst-preview", Preview);
