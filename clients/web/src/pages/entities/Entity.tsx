import { PageHead } from "../../ui/parts";

export default function Entity() {
  return <PageHead title="Entity" />;
}
