// Values under the pointer or the arrow keys, and curves that can be put away. The page says everything without it, in plots and tables.
"use strict";
{
  const make = (name, className, text) => {
    const made = document.createElement(name);
    made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  class Plot {
    constructor(box) {
      this.box = box;
      this.chart = box.querySelector(".chart");
      Object.assign(this, JSON.parse(box.dataset.hover));
      this.over = make("div", "over");
      this.over.tabIndex = 0;
      this.over.setAttribute("role", "group");
      this.over.setAttribute("aria-label", "Values of the plot, by the arrow keys");
      this.cross = make("div", "cross");
      this.tip = make("div", "tip");
      this.tip.setAttribute("aria-live", "polite");
      this.cross.hidden = this.tip.hidden = true;
      this.over.append(this.cross);
      box.append(this.over, this.tip);
      this.place();
    }

    place() {
      const box = this.box.getBoundingClientRect(), chart = this.chart.getBoundingClientRect();
      this.left = chart.left - box.left;
      this.width = chart.width;
      const style = this.over.style;
      style.left = `${this.left}px`;
      style.top = `${chart.top - box.top}px`;
      style.width = `${chart.width}px`;
      style.height = `${chart.height}px`;
    }

    // The point nearest to a place from 0 to 1.
    nearest(place) {
      let best = 0;
      this.at.forEach((at, i) => { if (Math.abs(at - place) < Math.abs(this.at[best] - place)) best = i; });
      return best;
    }

    show(index, tells) {
      this.index = index;
      const x = this.at[index] * this.width;
      this.cross.style.left = `${x}px`;
      this.cross.hidden = false;
      this.tip.hidden = !tells;
      if (!tells) return;
      this.tip.replaceChildren(make("div", "head", this.labels[index]));
      for (const one of this.series) {
        const value = one.values[index], key = this.keys()[one.key];
        if (value === "" || (key && key.getAttribute("aria-pressed") === "false")) continue;
        const row = make("div", ""), name = make("span", "", one.name);
        if (key) name.prepend(key.querySelector("svg").cloneNode(true), " ");
        row.append(name, make("b", "", value));
        this.tip.append(row);
      }
      const width = this.tip.offsetWidth, right = this.left + x + 12;
      const fits = right + width <= this.box.clientWidth;
      this.tip.style.left = `${Math.max(0, fits ? right : this.left + x - 12 - width)}px`;
    }

    hide() { this.cross.hidden = this.tip.hidden = true; }

    keys() { return this.box.closest("figure").querySelectorAll(".legend button"); }
  }

  const plots = [...document.querySelectorAll(".plot[data-hover]")].map((box) => new Plot(box));
  // Plots over the same axis show the same moment; only the one that is pointed at tells its values.
  const sameAxis = (plot) => plots.filter((one) => one === plot || (plot.axis && one.axis === plot.axis));
  const point = (plot, index) => {
    for (const one of sameAxis(plot)) one.show(one === plot ? index : one.nearest(plot.at[index]), one === plot);
  };
  const leave = (plot) => sameAxis(plot).forEach((one) => one.hide());

  for (const plot of plots) {
    plot.over.addEventListener("pointermove", (event) => {
      const within = plot.over.getBoundingClientRect();
      point(plot, plot.nearest((event.clientX - within.left) / within.width));
    });
    plot.over.addEventListener("pointerleave", () => leave(plot));
    plot.over.addEventListener("blur", () => leave(plot));
    plot.over.addEventListener("keydown", (event) => {
      const last = plot.at.length - 1, now = plot.index ?? -1;
      const next = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last }[event.key];
      if (event.key === "Escape") leave(plot);
      if (next === undefined) return;
      event.preventDefault();
      point(plot, Math.min(last, Math.max(0, next)));
    });
  }
  addEventListener("resize", () => plots.forEach((plot) => { plot.hide(); plot.place(); }));

  for (const figure of document.querySelectorAll("figure")) {
    const buttons = [...figure.querySelectorAll(".legend button")];
    const redraw = () => {
      const away = new Set(buttons.filter((one) => one.getAttribute("aria-pressed") === "false").map((one) => one.dataset.of));
      for (const drawn of figure.querySelectorAll("[data-in]")) {
        drawn.classList.toggle("off-now", drawn.dataset.in.split(" ").some((one) => away.has(one)));
      }
    };
    for (const button of buttons) {
      button.disabled = false;
      button.addEventListener("click", () => {
        button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") === "true" ? "false" : "true");
        redraw();
      });
    }
  }
}
