import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Classifier } from "./classifier.jsx";

createRoot(document.querySelector("#root")).render(
  <StrictMode>
    <Classifier />
  </StrictMode>,
);
