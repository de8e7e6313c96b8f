import { PageHead } from "../../ui/parts";

export default function Changeset() {
  return <PageHead title="Changeset" />;
}
