// Starts the viewer. Its calls go to this gateway only, which the policy of the page
// enforces.
"use strict";

const place = document.getElementById("viewer");
const { description, client, secret } = place.dataset;

// Values of parameters of paths with which calls succeed, by operationId and name. Only the
// demonstration has them.
const parameters = JSON.parse(place.dataset.parameters || "{}");

// fillIn makes these values the examples of the parameters of each operation.
function fillIn(paths) {
  for (const { parameters: shared = [], ...operations } of Object.values(paths)) {
    for (const operation of Object.values(operations)) {
      const values = parameters[operation.operationId] || {};
      const own = shared.filter((p) => p.name in values).map((p) => ({ ...p, example: values[p.name] }));
      operation.parameters = [...own, ...(operation.parameters || [])];
    }
  }
}

// forViewer returns what the viewer shows of the description.
//
// Optional parameters have no examples: the viewer would send them all, and a call would
// be a dry run, under a condition, and with a key that was used before. Errors have links
// to their pages instead of bodies and headers, which are most of the description, and
// would keep the browser busy for seconds.
function forViewer(spec) {
  fillIn(spec.paths);
  const operations = Object.values(spec.paths).flatMap((path) => Object.values(path));
  for (const operation of operations) {
    for (const parameter of operation.parameters || []) {
      if (!parameter.required) {
        delete parameter.example;
        delete parameter.examples;
      }
    }
    for (const [status, response] of Object.entries(operation.responses || {})) {
      if (status.startsWith("2")) {
        for (const content of Object.values(response.content || {})) {
          content.examples = Object.fromEntries(Object.entries(content.examples || {}).slice(0, 1));
        }
        continue;
      }
      delete response.headers;
      delete response.content;
      response.description = response.description.replace(/`([A-Z_]+)` \(/g, "[`$1`](/docs/errors/$1/) (");
    }
  }
  delete spec.components.examples;
  delete spec.info.description; // the other pages have it
  return spec;
}

function start(spec) {
  const ui = SwaggerUIBundle({
    spec: forViewer(spec),
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
