// Shows /openapi.json. Every string is inserted as text, never as markup.
"use strict";

function element(name, ...children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

function typeName(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  const choices = schema.oneOf || schema.anyOf;
  if (choices) return choices.map(typeName).join(" or ");
  if (schema.items) return "list of " + typeName(schema.items);
  if (schema.enum) return schema.enum.join(", ");
  return [].concat(schema.type || "any").join(" or ");
}

function table(head, rows) {
  const cells = (kind, row) => element("tr", ...row.map((text) => element(kind, String(text ?? ""))));
  return element("table", cells("th", head), ...rows.map((row) => cells("td", row)));
}

function operation(path, method, spec) {
  const title = element("summary", element("b", method.toUpperCase()), element("code", path), " ", spec.summary);
  const made = element("details", title);
  made.id = spec.operationId;
  if (spec.description) made.append(element("p", spec.description));
  const scopes = (spec.security || []).flatMap((one) => Object.values(one)).flat();
  if (scopes.length) made.append(element("p", "Requires a key with scope " + scopes.join(", ") + "."));
  const valueOf = (one) => typeName(one.schema || Object.values(one.content)[0].schema);
  const parameters = (spec.parameters || []).map((one) => [one.name, one.in, valueOf(one), one.description]);
  if (parameters.length) made.append(element("h4", "Parameters"), table(["name", "in", "value", ""], parameters));
  for (const [type, content] of Object.entries(spec.requestBody?.content || {})) {
    made.append(element("h4", "Body: " + type + ", " + typeName(content.schema)));
    made.append(element("pre", JSON.stringify(content.example, null, 2)));
  }
  const responses = Object.entries(spec.responses).map(([status, response]) =>
    [status, Object.values(response.content || {}).map((content) => typeName(content.schema)).join(), response.description]);
  made.append(element("h4", "Responses"), table(["status", "body", ""], responses));
  return made;
}

async function show() {
  const page = document.getElementById("page");
  try {
    const api = await (await fetch("/openapi.json")).json();
    page.replaceChildren(element("h1", api.info.title + " " + api.info.version), element("p", api.info.description));
    for (const tag of api.tags) {
      page.append(element("h2", tag.name), element("p", tag.description));
      for (const [path, methods] of Object.entries(api.paths))
        for (const [method, spec] of Object.entries(methods))
          if (spec.tags?.includes(tag.name)) page.append(operation(path, method, spec));
    }
    page.append(element("h2", "schemas"));
    for (const [name, schema] of Object.entries(api.components.schemas))
      page.append(element("details", element("summary", element("code", name)),
        element("pre", JSON.stringify(schema, null, 2))));
  } catch (error) {
    page.replaceChildren(element("p", "/openapi.json could not be shown: " + error.message));
  }
}

show();
