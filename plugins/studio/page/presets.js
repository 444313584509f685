// Nine looks under nine keys: an empty place keeps the look of the moment, a full one brings it back.

import { h, icon, button, toast, about, api, post, refill } from "./dom.js";
import { link } from "./link.js";

class Presets extends HTMLElement {
  connectedCallback() {
    this.places = h("div.places", { role: "list", "aria-label": "Presets" });
    this.input = h("input.hidden", { type: "file", accept: ".toml", tabIndex: -1, "aria-label": "Preset files", "data-testid": "import-preset" });
    this.input.addEventListener("change", () => this.#import());
    this.others = h("select", { "aria-label": "More presets", hidden: true });
    this.others.addEventListener("change", () => {
      if (this.others.value) this.#apply(this.others.value);
      this.others.value = "";
    });
    this.append(
      h("h2", {}, "Presets"),
      this.places,
      this.others,
      button("upload", "Add a preset from a file", { onclick: () => this.input.click() }),
      this.input,
    );
    this.dialog = this.appendChild(this.#dialog());
    link.on("state", () => this.#draw());
    link.on("styles", () => this.#draw(true));
    link.on("thumbs", () => {
      for (const image of this.places.querySelectorAll("img")) image.src = link.thumb(image.dataset.key);
    });
  }

  /** Key `slot` was pressed. */
  press(slot) {
    const preset = this.#at(slot);
    if (preset) this.#apply(preset.key);
    else this.#save(slot);
  }

  #at(slot) {
    return link.state?.presets.find((preset) => preset.slot === slot);
  }

  async #apply(key) {
    try {
      await post(`/api/presets/${encodeURIComponent(key)}/apply`);
    } catch (error) {
      toast(error.message, "error");
    }
  }

  async #save(slot) {
    try {
      const saved = await post("/api/presets", { slot });
      toast(`Kept as preset ${slot}: ${saved.name}`);
    } catch (error) {
      toast(error.message, "error");
    }
  }

  async #import() {
    for (const file of this.input.files) {
      try {
        const added = await api("/api/presets/import", { method: "POST", body: file });
        toast(added.slot ? `${added.name} is preset ${added.slot}` : `${added.name} was added`);
      } catch (error) {
        toast(about(file.name, error.message), "error");
      }
    }
    this.input.value = "";
  }

  #draw(again) {
    if (!link.state) return;
    const text = JSON.stringify(link.state.presets);
    if (text === this.shown && !again) return;
    this.shown = text;
    const places = [];
    for (let slot = 1; slot <= 9; slot++) {
      const preset = this.#at(slot);
      const style = preset && link.styleOf(preset.style.split("+")[0].replace(/:[\d.]+$/, ""));
      const place = h(
        "button.place",
        {
          type: "button",
          "data-testid": `preset-${slot}`,
          "aria-label": preset ? `Preset ${slot} ${preset.name}` : `Keep this look as preset ${slot}`,
          title: preset ? preset.name : "Keep this look here",
          onclick: () => this.press(slot),
        },
        style ? h("img", { src: link.thumb(style.key), alt: "", "data-key": style.key }) : icon("plus"),
        h("span.slot", {}, String(slot)),
        " ",
        preset && h("span.label", {}, preset.name),
      );
      const more = preset && button("more", `Change preset ${slot}`, { "data-testid": `preset-${slot}-more`, onclick: () => this.#edit(this.#at(slot)) });
      places.push(h("div.place-cell", { role: "listitem" }, place, more ?? ""));
    }
    refill(this.places, ...places);
    const others = link.state.presets.filter((preset) => !preset.slot);
    this.others.hidden = !others.length;
    refill(this.others, h("option", { value: "" }, "Others"), ...others.map((preset) => h("option", { value: preset.key }, preset.name)));
  }

  #dialog() {
    this.name = h("input.text", { type: "text", maxLength: 60, "aria-label": "Name of the preset", "data-testid": "preset-name" });
    const act = (work, said) => async () => {
      try {
        await work(`/api/presets/${encodeURIComponent(this.preset.key)}`);
        if (said) toast(said);
        this.dialog.close();
      } catch (error) {
        toast(error.message, "error");
      }
    };
    const patch = (value) => (path) => api(path, { method: "PATCH", headers: { "content-type": "application/json" }, body: JSON.stringify(value()) });
    this.file = h("a.button", { download: "" }, icon("download"), h("span", {}, "To a file"));
    return h(
      "dialog",
      { "aria-label": "Preset" },
      h("h2", {}, "Preset"),
      h("label.stacked", {}, "Name", this.name),
      h(
        "div.choices",
        {},
        button("check", "Use the look of the moment", { onclick: act(patch(() => ({ current: true })), "The preset has the look of the moment") }, "Use the look of the moment"),
        this.file,
        button("close", "Delete", { onclick: act((path) => api(path, { method: "DELETE" }), "Deleted"), "data-testid": "preset-delete" }, "Delete"),
      ),
      h(
        "div.ends",
        {},
        h("button.button.quiet", { type: "button", onclick: () => this.dialog.close() }, "Cancel"),
        h("button.button.primary", { type: "button", onclick: act(patch(() => ({ name: this.name.value }))), "data-testid": "preset-done" }, "Done"),
      ),
    );
  }

  #edit(preset) {
    this.preset = preset;
    this.name.value = preset.name;
    this.file.href = `/api/presets/${encodeURIComponent(preset.key)}.toml`;
    this.dialog.showModal();
  }
}
customElements.define("nst-presets", Presets);
