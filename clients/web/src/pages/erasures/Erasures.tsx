import { PageHead } from "../../ui/parts";

export default function Erasures() {
  return <PageHead title="Erasure" />;
}
