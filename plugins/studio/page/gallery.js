// Every style, painted on the picture of the moment. A click glides to it.

import { h, icon, button, toast, about, kept, api, refill } from "./dom.js";
import { link } from "./link.js";

export const DRAG = "application/x-nstfilter-style";

class Gallery extends HTMLElement {
  #tiles = new Map();
  #favorites = new Set(kept.get("favorites", []));

  connectedCallback() {
    this.search = h("input", { type: "search", placeholder: "Search styles", "aria-label": "Search styles", "data-testid": "search", oninput: () => this.#filter() });
    this.pack = h("select", { "aria-label": "Pack", "data-testid": "pack", onchange: () => this.#filter() });
    this.starred = h("button.chip", { type: "button", "aria-pressed": "false", "data-testid": "favorites", title: "Favorites only" }, icon("star"), "Favorites");
    this.starred.addEventListener("click", () => {
      this.starred.setAttribute("aria-pressed", String(this.starred.getAttribute("aria-pressed") !== "true"));
      this.#filter();
    });
    this.input = h("input.hidden", { type: "file", accept: "image/*", multiple: true, tabIndex: -1, "aria-label": "Pictures to use as styles", "data-testid": "drop" });
    this.input.addEventListener("change", () => this.add(this.input.files).then(() => (this.input.value = "")));
    this.grid = h("div.tiles", { role: "list", "aria-label": "Styles" });
    this.none = h("p.nothing", { hidden: true }, "No style by that name");
    this.append(
      h("div.tools", {}, h("div.field", {}, icon("search"), this.search), this.pack, this.starred),
      this.input,
      this.grid,
      this.none,
    );
    link.on("styles", () => this.#build());
    link.on("thumbs", (changed) => changed.forEach((key) => this.#picture(key)));
    link.on("state", () => this.#mark());
  }

  /** Pictures become styles at once; the last one is shown. */
  async add(files) {
    let last;
    for (const file of files) {
      try {
        last = await api(`/api/styles?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
      } catch (error) {
        toast(about(file.name, error.message), "error");
      }
    }
    if (last) {
      link.set({ style: last.text });
      toast(`${last.title} is a style now`);
    }
    return last;
  }

  #build() {
    const packs = [...new Set(link.styles.map((style) => style.pack).filter(Boolean))];
    const chosen = this.pack.value;
    const options = [["", "All packs"], ...packs.map((pack) => [pack, pack])];
    if (link.styles.some((style) => !style.pack)) options.push(["-", "Your pictures"]);
    refill(this.pack, ...options.map(([value, text]) => h("option", { value }, text)));
    this.pack.value = [...this.pack.options].some((option) => option.value === chosen) ? chosen : "";
    this.pack.hidden = this.pack.options.length < 3;
    const tiles = new Map();
    for (const style of link.styles) {
      const old = this.#tiles.get(style.key);
      tiles.set(style.key, old?.dataset.text === style.text ? old : this.#tile(style)); // sent again, it has another text
    }
    this.#tiles = tiles;
    const upload = h("button.tile.upload", { type: "button", onclick: () => this.input.click(), "data-testid": "upload" }, h("span.picture", {}, icon("upload")), h("span.name", {}, "Your picture"));
    refill(this.grid, h("div.cell", { role: "listitem" }, upload), ...tiles.values());
    this.#filter();
    this.#mark();
  }

  #tile(style) {
    const image = h("img", { src: link.thumb(style.key), alt: "", width: "256", height: "144", loading: "lazy", decoding: "async", draggable: false });
    const tile = h(
      "button.tile",
      {
        type: "button",
        draggable: true,
        "aria-pressed": "false",
        "data-testid": `style-${style.name}`,
        title: [style.title, style.artist, style.notes].filter(Boolean).join("\n"),
        onclick: () => link.set({ style: style.text }),
      },
      h("span.picture", {}, image),
      h("span.name", {}, style.title),
    );
    tile.addEventListener("dragstart", (event) => {
      event.dataTransfer.setData(DRAG, style.key);
      event.dataTransfer.effectAllowed = "copy";
      this.dispatchEvent(new CustomEvent("mixing", { bubbles: true }));
    });
    const star = button("star", `${style.title}: favorite`, { "aria-pressed": String(this.#favorites.has(style.key)), onclick: () => this.#star(style.key, star) });
    const mix = button("plus", `Add ${style.title} to the mix`, {
      "data-testid": `mix-${style.name}`,
      onclick: () => this.dispatchEvent(new CustomEvent("mix", { bubbles: true, detail: style.key })),
    });
    const keep = style.pack ? null : button("check", `Keep ${style.title} under a name`, { onclick: () => this.#keep(style) });
    return h("div.cell", { role: "listitem", "data-key": style.key, "data-text": style.text }, tile, h("div.actions", {}, star, keep, mix));
  }

  #star(key, star) {
    if (!this.#favorites.delete(key)) this.#favorites.add(key);
    star.setAttribute("aria-pressed", String(this.#favorites.has(key)));
    kept.set("favorites", [...this.#favorites]);
    this.#filter();
  }

  #keep(style) {
    this.dispatchEvent(new CustomEvent("keep", { bubbles: true, detail: style }));
  }

  #picture(key) {
    const image = this.#tiles.get(key)?.querySelector("img");
    if (!image) return;
    const next = new Image();
    next.src = link.thumb(key); // decoded before it is shown, so that nothing blinks
    next.decode().then(
      () => (image.src = next.src),
      () => {},
    );
  }

  #filter() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const starred = this.starred.getAttribute("aria-pressed") === "true";
    let count = 0;
    for (const style of link.styles) {
      const text = `${style.name} ${style.title} ${style.pack} ${style.artist} ${style.notes}`.toLowerCase();
      const pack = this.pack.value;
      const fits =
        words.every((word) => text.includes(word)) && (!pack || style.pack === (pack === "-" ? "" : pack)) && (!starred || this.#favorites.has(style.key));
      const tile = this.#tiles.get(style.key);
      if (tile) tile.hidden = !fits;
      count += fits;
    }
    this.none.hidden = count > 0;
    this.none.textContent = starred && !this.#favorites.size ? "No favorites yet: press the star on a style" : "No style by that name";
  }

  #mark() {
    if (!link.state) return;
    const now = new Map(link.state.parts.map(({ text, weight }) => [text, weight]));
    for (const style of link.styles) {
      const tile = this.#tiles.get(style.key)?.querySelector(".tile");
      if (!tile) continue;
      const weight = now.get(style.text);
      tile.setAttribute("aria-pressed", String(weight !== undefined));
      tile.dataset.weight = weight !== undefined && weight < 0.995 ? `${Math.round(100 * weight)} %` : "";
    }
  }
}
customElements.define("nst-gallery", Gallery);
