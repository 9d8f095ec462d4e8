// Adds a button to each command that copies it, and shows the origin that the browser
// has, which a proxy may have hidden from the gateway. Without this script the pages
// are complete, apart from the buttons.
"use strict";

for (const place of document.querySelectorAll("[data-origin]")) {
  place.textContent = location.origin;
}

const announcement = document.createElement("p");
announcement.className = "announcement";
announcement.setAttribute("role", "status");
document.body.append(announcement);

// copy puts the text on the clipboard. navigator.clipboard is there only over TLS and
// on loopback.
async function copy(text, block) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return true;
  }
  const selection = getSelection();
  selection.selectAllChildren(block);
  const copied = document.execCommand("copy");
  selection.removeAllRanges();
  return copied;
}

for (const block of document.querySelectorAll("pre[data-copy]")) {
  const code = block.querySelector("code");
  const around = document.createElement("div");
  around.className = "block";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    let copied = false;
    try {
      copied = await copy(code.textContent, code);
    } catch {
      // the browser does not permit it
    }
    button.textContent = copied ? "Copied" : "Failed";
    announcement.textContent = copied ? "The command was copied." : "The browser does not permit copying.";
    setTimeout(() => {
      button.textContent = "Copy";
      announcement.textContent = "";
    }, 2000);
  });
  block.replaceWith(around);
  around.append(block, button);
}
