import { PageHead } from "../../ui/parts";

export default function Topics() {
  return <PageHead title="Topics" />;
}
