import { PageHead } from "../../ui/parts";

export default function Timeline() {
  return <PageHead title="Timeline" />;
}
