import { useEffect, useRef, useState } from "react";
import { describe, draw, pointOf } from "./view.js";

/** The worker, and the last thing that it said. StrictMode starts it twice and ends the first one. */
function useWorker() {
  const worker = useRef(null);
  const [status, setStatus] = useState(null);
  useEffect(() => {
    const started = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    started.onmessage = ({ data }) => setStatus(data);
    worker.current = started;
    return () => started.terminate();
  }, []);
  return [status, (message) => worker.current.postMessage(message)];
}

export function Classifier() {
  const [status, send] = useWorker();
  const [label, setLabel] = useState(0);
  const canvas = useRef(null);
  useEffect(() => {
    if (status?.map) draw(canvas.current, status);
  }, [status]);
  return (
    <main style={{ fontFamily: "system-ui", maxWidth: "24rem", margin: "2rem auto", padding: "0 1rem" }}>
      <h1>A classifier in a worker</h1>
      <p>Choose a class, click to add samples, then train. Reload the page: samples and model are still there.</p>
      {["blue", "orange"].map((color, i) => (
        <label key={color}>
          <input type="radio" name="label" value={i} checked={label === i} onChange={() => setLabel(i)} /> {color}
        </label>
      ))}
      <canvas
        ref={canvas}
        width="384"
        height="384"
        style={{ display: "block", margin: "1rem 0", border: "1px solid #999", maxWidth: "100%" }}
        onClick={(event) => send({ type: "add", x: pointOf(event), y: label })}
      />
      <button type="button" onClick={() => send({ type: "train", epochs: 100 })}>
        Train
      </button>{" "}
      <output>{status === null ? "starting …" : describe(status)}</output>
    </main>
  );
}
