// Starts the viewer. Its calls go to this gateway only, which the policy of the page
// enforces.
"use strict";

const place = document.getElementById("viewer");
const { description, client, secret } = place.dataset;

// withoutOptional returns the description without the examples of optional parameters.
// The viewer would send them all: a call would be a dry run, under a condition, and with
// a key that was used before.
function withoutOptional(spec) {
  for (const path of Object.values(spec.paths)) {
    for (const operation of Object.values(path)) {
      for (const parameter of operation.parameters || []) {
        if (!parameter.required) {
          delete parameter.example;
          delete parameter.examples;
        }
      }
    }
  }
  return spec;
}

function start(spec) {
  const ui = SwaggerUIBundle({
    spec: withoutOptional(spec),
    domNode: place,
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    validatorUrl: null,
    // The browser must neither send nor keep the cookie of a login: the credentials
    // that the reader has entered count. It would also ask for a password at a 401.
    requestInterceptor: (request) => {
      request.credentials = "omit";
      return request;
    },
    onComplete: () => {
      const schemes = Object.entries((spec.components || {}).securitySchemes || {});
      for (const [name, scheme] of schemes) {
        if (client && scheme.type === "http" && scheme.scheme === "basic") {
          ui.preauthorizeBasic(name, client, secret);
        }
      }
      place.dataset.ready = "true";
    },
  });
}

fetch(description, { credentials: "omit" })
  .then((response) => {
    if (!response.ok) throw new Error(`status ${response.status}`);
    return response.json();
  })
  .then(start)
  .catch((error) => {
    const note = document.createElement("p");
    note.className = "note";
    note.textContent = `The description could not be loaded: ${error.message}`;
    place.replaceChildren(note);
  });
