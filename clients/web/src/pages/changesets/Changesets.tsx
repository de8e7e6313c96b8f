import { PageHead } from "../../ui/parts";

export default function Changesets() {
  return <PageHead title="Changesets" />;
}
