"use strict";
const box = document.getElementById("search");
const found = document.getElementById("found");
box.parentElement.hidden = false;
box.addEventListener("input", () => {
  const wanted = box.value.trim().toLowerCase();
  let shown = 0;
  for (const group of document.querySelectorAll("details.samples")) {
    const title = group.querySelector("summary").textContent.toLowerCase();
    let here = 0;
    for (const sample of group.querySelectorAll("article")) {
      sample.hidden = !`${title} ${sample.textContent.toLowerCase()}`.includes(wanted);
      here += sample.hidden ? 0 : 1;
    }
    group.hidden = here === 0;
    group.open = wanted !== "" && here > 0;
    shown += here;
  }
  found.textContent = wanted === "" ? "" : `${shown} of the samples`;
});
