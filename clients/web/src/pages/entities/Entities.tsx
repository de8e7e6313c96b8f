import { PageHead } from "../../ui/parts";

export default function Entities() {
  return <PageHead title="Entities" />;
}
