import { PageHead } from "../../ui/parts";

export default function Overview() {
  return <PageHead title="Overview" />;
}
