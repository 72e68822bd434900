// VitePress needs to know the folder of a site when it builds. It gets a placeholder, and this replaces it by what each
// page finds out when it is opened.
import ts from "typescript";

export const BASE = "/__base__/";

/** Takes the placeholder out of a file of the site. */
export function makeRelative(name, text) {
  if (name.endsWith(".html")) return makePageRelative(name, text);
  return name.endsWith(".css") ? text.replaceAll(BASE, rootFrom(name)) : makeScriptRelative(text);
}

/** The way from a file to the folder of the site. */
function rootFrom(name) {
  return "../".repeat(name.split("/").length - 1) || "./";
}

function makePageRelative(name, text) {
  const up = rootFrom(name);
  // Links of the page that is opened, too: its header stays when the next page replaces the rest.
  const absolute =
    'document.querySelectorAll("a[href],img[src]").forEach((e)=>{const n=e.href?"href":"src",v=e.getAttribute(n);' +
    "/^(#|[a-z]+:)/.test(v)||e.setAttribute(n,new URL(v,location.href).href.slice(location.origin.length))})";
  const page = text
    .replace(/(<script(?![^>]*\bsrc=)[^>]*>)(.*?)(<\/script>)/gs, (_, start, code, end) => {
      return start + (code.includes(BASE) ? makeScriptRelative(code) : code) + end;
    })
    .replace(/<head>/, `<head><script>window.__base__=new URL("${up}",location.href).pathname</script>`)
    .replace(/<\/body>/, `<script>${absolute}</script></body>`)
    .replaceAll(`"${BASE}`, `"${up}`);
  if (page.includes(BASE)) throw new Error(`${BASE} is left in ${name}`);
  return page;
}

/** String literals that contain the placeholder become sums of strings. */
function makeScriptRelative(text) {
  if (!text.includes(BASE)) return text;
  const source = ts.createSourceFile("script.js", text, ts.ScriptTarget.Latest, false, ts.ScriptKind.JS);
  const literals = [];
  const visit = (node) => {
    if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) {
      if (node.text.includes(BASE)) literals.push(node);
    } else if (ts.isTemplateExpression(node) && node.getText(source).includes(BASE)) {
      throw new Error(`a template contains ${BASE}`);
    } else if (ts.isRegularExpressionLiteral(node) && node.text.includes(BASE)) {
      throw new Error(`a regular expression contains ${BASE}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  let result = text;
  for (const node of literals.reverse()) {
    const sum = node.text
      .split(BASE)
      .map((part) => JSON.stringify(part).replaceAll("</", "<\\/"))
      .join("+window.__base__+");
    result = `${result.slice(0, node.getStart(source))}(${sum})${result.slice(node.end)}`;
  }
  if (result.includes(BASE)) throw new Error(`${BASE} is left`);
  return result;
}
