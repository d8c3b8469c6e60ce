// What the console does beyond its HTML: draws figures and says how old a page is. Every page works without it.
"use strict";

(function () {
  const PAPER = 640; // pixels that fit between the margins of a page of paper
  const own = document.currentScript;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  function ago(seconds) {
    if (seconds < 60) return " (now)";
    const [size, name] = seconds < 3600 ? [60, "minute"] : seconds < 86400 ? [3600, "hour"] : [86400, "day"];
    const n = Math.floor(seconds / size);
    return ` (${n} ${name}${n === 1 ? "" : "s"} ago)`;
  }

  function tell() {
    for (const each of document.querySelectorAll("[data-as-of]")) {
      const time = each.querySelector("time");
      const place = each.querySelector("[data-ago]");
      if (time && place) place.textContent = ago((Date.now() - Date.parse(time.dateTime)) / 1000);
    }
  }

  // A picture has grey letters that can be read on any page; here it gets those of the page.
  function inked(layout) {
    const ink = getComputedStyle(document.body).color;
    return { ...layout, font: { ...layout.font, color: ink }, autosize: true, width: undefined };
  }

  function draw(figure) {
    const place = figure.querySelector(".plot");
    const { data, layout } = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
    place.hidden = false;
    // plotly asks for its height when the window changes
    if (layout.height) Object.assign(place.style, { height: `${layout.height}px`, minHeight: "0" });
    return window.Plotly.newPlot(place, data, inked(layout), {
      displayModeBar: false, // a dozen buttons in the way of whoever uses the keyboard; a double click shows all again
      responsive: true,
    }).then(() => {
      const table = figure.querySelector("details.behind");
      if (table) table.open = false;
    }).catch(() => { place.hidden = true; });
  }

  function drawAll(figures) {
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); }
      }
    }, { rootMargin: "600px" });
    for (const figure of figures) seen.observe(figure);
    window.addEventListener("beforeprint", () => figures.forEach((figure) => {
      const place = figure.querySelector(".plot");
      if (place.hidden) draw(figure);
      if (place.layout) window.Plotly.relayout(place, { width: Math.min(place.clientWidth, PAPER), autosize: false });
    }));
    window.addEventListener("afterprint", () => figures.forEach((figure) => {
      const place = figure.querySelector(".plot");
      if (place.layout) window.Plotly.relayout(place, { width: null, autosize: true });
    }));
    dark.addEventListener("change", () => figures.forEach((figure) => {
      const place = figure.querySelector(".plot");
      if (!place.hidden) window.Plotly.relayout(place, { "font.color": getComputedStyle(document.body).color });
    }));
  }

  for (const here of document.querySelectorAll("nav [aria-current]")) { // on a phone the way to it may be long
    const nav = here.closest("nav");
    nav.scrollLeft = here.offsetLeft - nav.offsetLeft - (nav.clientWidth - here.offsetWidth) / 2;
  }
  const figures = [...document.querySelectorAll("[data-figure]")];
  if (figures.length && own && own.dataset.plotly) {
    const maps = document.createElement("meta"); // stands where plotly would write the style sheet of its maps
    maps.id = own.dataset.sheet;
    document.head.append(maps);
    const plotly = document.createElement("script");
    plotly.src = own.dataset.plotly;
    plotly.onload = () => drawAll(figures);
    document.head.append(plotly);
  }
  // What is still being worked out is looked at again, and shown once it is there, unless somebody writes something.
  const busy = () => document.querySelector("details[open] form") || document.activeElement?.closest("form");
  async function lookAgain() {
    const page = await fetch(location.href, { credentials: "same-origin" }).then((answer) => answer.text(), () => "");
    if (!page || page.includes("data-pending")) setTimeout(lookAgain, 3000);
    else if (!busy()) location.reload();
  }
  if (document.querySelector("[data-pending]")) setTimeout(lookAgain, 1000);
  tell();
  setInterval(tell, 15000);
})();
