// Before the first paint. Modules do not load from a folder: there the page that is one file takes over.
if (location.protocol === "file:") location.replace(`playground.html${location.hash}`);
