import { Classifier } from "./classifier.jsx";

export default function Page() {
  return <Classifier />;
}
